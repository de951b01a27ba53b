//! Submitting jobs.

use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use jobgate_engine::{Created, Job, JobKey, NewJob, OnRefusal, Start};
use jobgate_model::{Error, ErrorKind, Generation, JobSpec, Principal};
use jobgate_slurm::cluster::Located;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{
    JobAllocRequest, JobAllocResp, JobDesc, JobSubmitRequest, JobSubmitResponse, JobSubmitResponseMsg,
};
use jobgate_slurm::table::Num;

use super::super::call::{Call, Outcome, failed};
use super::super::convert::{spec, time_limit};
use super::super::error::{Failure, Followed};
use super::super::permit::acting;

pub(in super::super) const SUBMIT: &str = "slurm_submit_batch_job()";
pub(in super::super) const REFUSED: &str = "Batch job submission failed";
/// `allocate` waits so long for its job to start; then it is taken back.
pub(in super::super) const ALLOCATE: Duration = Duration::from_secs(50);
pub(in super::super) const TAKEN_BACK: &str =
    "The job did not start in time and was taken back; submit a batch job instead";
/// A repeated request waits so long for what another process left undone.
const HANDED_OVER: Duration = Duration::from_secs(20);
/// Larger scripts are refused, as by Slurm's default (`max_script_size`).
pub(in super::super) const MOST_SCRIPT: usize = 4 << 20;

/// `POST /slurm/V/job/submit`
pub(super) fn submit(call: &mut Call) -> Outcome {
    let request: JobSubmitRequest = call.read_body()?;
    let (desc, script) = chosen(call, request)?;
    let (id, _) = queue(call, &desc, script)?;
    let message = |id| JobSubmitResponseMsg {
        job_id: Some(id),
        step_id: Some("batch".into()),
        error_code: Some(0),
        error: Some(Errno::NONE.text().into()),
        job_submit_user_msg: Some(String::new()),
    };
    Ok(call.answer(JobSubmitResponse {
        job_id: Some(id),
        step_id: Some("batch".into()),
        job_submit_user_msg: Some(String::new()),
        result: Some(message(id)),
        ..JobSubmitResponse::default()
    }))
}

/// The description and the script of a request. The parts of a heterogeneous job become one: all that they ask for together,
/// with the first one's script.
fn chosen(call: &mut Call, request: JobSubmitRequest) -> Result<(JobDesc, String), Failure> {
    let wrong = |words: &str| Failure::new(Errno::REST_INVALID_QUERY, "_job_post", words);
    let JobSubmitRequest { script, jobs, job } = request;
    let mut desc = match (job, jobs) {
        (Some(_), Some(_)) => return Err(wrong("Specify only one \"job\" or \"jobs\" fields but never both")),
        (Some(job), None) => job,
        (None, Some(jobs)) if !jobs.is_empty() => together(call, jobs),
        (None, _) => JobDesc::default(),
    };
    let script = desc.script.take().or(script);
    let Some(script) = script else {
        return Err(wrong("Populated \"script\" field is required for job submission"));
    };
    if script.is_empty() {
        return Err(Failure::new(Errno::MISSING_SCRIPT, "script", "Batch job script empty or missing"));
    }
    if script.len() > MOST_SCRIPT {
        return Err(Failure::new(Errno::PATH_NAME_TOO_LONG, SUBMIT, REFUSED));
    }
    Ok((desc, script))
}

fn together(call: &mut Call, jobs: Vec<JobDesc>) -> JobDesc {
    let count = jobs.len();
    let mut jobs = jobs.into_iter();
    let mut all = jobs.next().unwrap_or_default();
    if count > 1 {
        let sum = |a: Option<i32>, b: Option<i32>| Some(a.unwrap_or(1).saturating_add(b.unwrap_or(1)));
        for part in jobs {
            all.tasks = sum(all.tasks, part.tasks);
            if all.minimum_nodes.is_some() || part.minimum_nodes.is_some() {
                all.minimum_nodes = sum(all.minimum_nodes, part.minimum_nodes);
            }
        }
        let words = format!("The {count} components of the heterogeneous job get one allocation and are one job");
        call.warn("_job_post", words);
    }
    all
}

/// Creates the job, hands it to its batch system, and gives its number and its key.
fn queue(call: &mut Call, desc: &JobDesc, script: String) -> Result<(u32, JobKey), Failure> {
    check(call, desc)?;
    let who = submitter(call, desc)?;
    let mut spec = spec(desc, script, &call.slurm().backend);
    settle_directory(call, &mut spec);
    if time_limit(desc).is_none() {
        spec.resources.duration = default_minutes(call, desc)?;
    }
    let engine = call.shared.app.engine.clone();
    let array = spec.attributes.get("--array").is_some();
    let new = NewJob {
        spec,
        place: None,
        start: Start::Yes,
        idempotency: call.promise.take(),
        environment: Some(Vec::new()),
        generation: Generation::V3,
    };
    let failed_here = |error: Error| Failure::of_engine(&error, SUBMIT, REFUSED);
    let Created { job, repeated } = engine.create(&who, new).map_err(|error| match error.kind() {
        ErrorKind::KeyReused => failed_here(error).with(StatusCode::UNPROCESSABLE_ENTITY),
        _ => failed_here(error),
    })?;
    if !repeated && let Err(error) = launch(call, &job, array) {
        // Nobody was promised anything: what was refused leaves nothing behind.
        if matches!(error.kind(), ErrorKind::Refused | ErrorKind::Invalid | ErrorKind::Exhausted) {
            drop(engine.remove(&who, job.key));
        }
        return Err(failed_here(error));
    }
    let number = number(call, &job, repeated)?;
    call.trail.job(format!("{} ({number})", job.jobid));
    if desc.hold == Some(true) || desc.priority == Some(Num::Set(0)) {
        let held = Errno::HELD.text();
        call.warn(SUBMIT, format!("Job submission resulted in non-zero return code: {held}"));
        call.warn(SUBMIT, held);
    }
    Ok((number, job.key))
}

/// Refuses a description that lacks what every job needs.
pub(in super::super) fn check(call: &Call, desc: &JobDesc) -> Result<(), Failure> {
    let refused = |errno: Errno| Failure::new(errno, SUBMIT, REFUSED);
    if desc.current_working_directory.as_deref().unwrap_or_default().is_empty() {
        return Err(refused(Errno::NO_WORKING_DIRECTORY));
    }
    if desc.environment.as_ref().is_none_or(Vec::is_empty) {
        let newer = call.follows() >= Followed::V25_05 && call.version.number() > 41;
        return Err(refused(if newer { Errno::ENVIRONMENT_MISSING } else { Errno::WRITING_SCRIPT }));
    }
    Ok(())
}

/// The number of a job's first run. If the process that was asked first has died, this one may still be about to hand the run
/// over: a repeated request waits for that.
fn number(call: &Call, job: &Job, repeated: bool) -> Result<u32, Failure> {
    let until = Instant::now() + if repeated { HANDED_OVER } else { Duration::ZERO };
    loop {
        let number = call.cluster().number_of(&job.base, 1).map_err(failed(SUBMIT, REFUSED))?;
        if let Some(number) = number.and_then(|number| u32::try_from(number).ok()) {
            return Ok(number);
        }
        if Instant::now() >= until {
            let words = format!("Job {} is recorded, and will be queued as soon as that is possible", job.jobid);
            return Err(Failure::new(Errno::GENERAL, SUBMIT, words).with(StatusCode::SERVICE_UNAVAILABLE));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Hands the job to its batch system. Of an array the first task is waited for; the others follow after the answer.
fn launch(call: &Call, job: &Job, array: bool) -> Result<(), Error> {
    let (engine, key) = (call.shared.app.engine.clone(), job.key);
    if !array {
        return engine.launch(key, OnRefusal::Report).map(drop);
    }
    let (done, all) = std::sync::mpsc::channel();
    // whether anybody still waits for it does not matter
    std::thread::spawn(move || drop(done.send(engine.launch(key, OnRefusal::Report))));
    loop {
        match all.recv_timeout(Duration::from_millis(5)) {
            Ok(launched) => return launched.map(drop),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                if matches!(call.cluster().number_of(&job.base, 1), Ok(Some(_))) {
                    return Ok(());
                }
            }
        }
    }
}

/// As whom a job is submitted: the caller, or whom an administrator names, by login or number.
pub(in super::super) fn submitter(call: &Call, desc: &JobDesc) -> Result<Principal, Failure> {
    let refused = || Failure::new(Errno::USER_ID, SUBMIT, REFUSED);
    let Some(named) = desc.user_id.as_deref().filter(|user| !user.is_empty()) else {
        return Ok(call.asker.principal.clone());
    };
    let gate = &call.shared.app.gatekeeper;
    let login = named.parse().map_or_else(|_| Some(named.to_owned()), |uid| gate.login_of(uid));
    match login.ok_or_else(refused)? {
        login if login == call.asker.login => Ok(call.asker.principal.clone()),
        login if call.is_administrator() => gate.on_behalf(&call.asker.principal, &login).map_err(|_| refused()),
        _ => Err(refused()),
    }
}

/// Slurm takes any working directory, and runs the job in /tmp if it cannot be entered; here that is said at once.
fn settle_directory(call: &mut Call, spec: &mut JobSpec) {
    let Some(directory) = spec.directory.as_deref() else { return };
    let path = Path::new(directory);
    if !path.is_absolute() || !path.is_dir() {
        let words = format!("The working directory {directory:?} cannot be entered; the job runs in /tmp");
        spec.directory = Some("/tmp".into());
        spec.attributes.insert("--chdir", "/tmp");
        call.warn("#/job/current_working_directory/", words);
    }
}

/// The time limit of a job that names none: its partition's default, or else its longest, or none.
fn default_minutes(call: &Call, desc: &JobDesc) -> Result<i64, Failure> {
    const UNLIMITED: i64 = 0xffff_ffff;
    let partitions = call.cluster().partitions().map_err(failed(SUBMIT, REFUSED))?;
    let named = desc.partition.as_deref().and_then(|names| names.split(',').next()).filter(|name| !name.is_empty());
    let partition = partitions.iter().find(|partition| match named {
        Some(name) => partition.name.as_deref() == Some(name),
        None => partition.flags.as_ref().is_some_and(|flags| flags.has("DEFAULT")),
    });
    let limit = partition.or(partitions.first()).map(|partition| {
        let set = |number: Option<Num<u32>>| match number {
            Some(Num::Set(minutes)) => Some(i64::from(minutes)),
            _ => None,
        };
        set(partition.defaults_time).or(set(partition.maximums_time)).unwrap_or(UNLIMITED)
    });
    Ok(limit.unwrap_or(UNLIMITED))
}

/// Neither a job nor components were named.
pub(in super::super) fn neither(call: &Call) -> Failure {
    // as each release spells it
    let verb = if call.follows() < Followed::V26_05 { "Specifing" } else { "Specifying" };
    let words = format!("{verb} either \"job\" or \"hetjob\" fields are required to allocate job");
    Failure::new(Errno::REST_INVALID_QUERY, "op_handler_alloc_job", words)
}

/// `POST /slurm/V/job/allocate`: answers when the job has started. The allocation is a job that sleeps until it is cancelled
/// or its time is up.
pub(super) fn allocate(call: &mut Call) -> Outcome {
    let request: JobAllocRequest = call.read_body()?;
    let wrong = |words: &str| Failure::new(Errno::REST_INVALID_QUERY, "op_handler_alloc_job", words);
    let mut desc = match (request.job, request.hetjob) {
        (Some(job), None) => job,
        (None, Some(jobs)) if !jobs.is_empty() => together(call, jobs),
        (Some(_), Some(_)) => return Err(wrong("Specify only one \"job\" or \"hetjob\" fields but never both")),
        _ => return Err(neither(call)),
    };
    desc.environment = desc.environment.filter(|environment| !environment.is_empty()).or(Some(vec![String::new()]));
    desc.current_working_directory = desc.current_working_directory.or(Some("/tmp".into()));
    desc.standard_output = desc.standard_output.or(Some("/dev/null".into()));
    let (id, key) = queue(call, &desc, "#!/bin/sh\nexec sleep infinity\n".into())?;
    let until = Instant::now() + ALLOCATE;
    loop {
        let located =
            call.cluster().locate(i64::from(id), None).map_err(failed("slurm_allocate_resources_blocking()", ""))?;
        let waits = |job: &Located| job.pending;
        if !located.iter().any(waits) {
            break;
        }
        if Instant::now() >= until {
            drop(call.shared.app.engine.cancel(&acting(call), key));
            return Err(Failure::new(Errno::NODES_BUSY, "slurm_allocate_resources_blocking()", TAKEN_BACK));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(call.answer(JobAllocResp {
        job_id: Some(id),
        job_submit_user_msg: Some(String::new()),
        ..JobAllocResp::default()
    }))
}
