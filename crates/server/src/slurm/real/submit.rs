//! Submitting jobs: each is a job of the gateway, too, with all that this means; what the controller gets is what was asked for.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use jobgate_engine::{Created, Job, JobKey, NewJob, OnRefusal, Start};
use jobgate_model::{DESCRIBED, Error, ErrorKind, Generation, Principal, Remark, State};
use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{JobDesc, JobSubmitRequest, JobSubmitResponse, JobSubmitResponseMsg};

use super::super::call::{Call, Outcome, failed};
use super::super::convert::spec;
use super::super::error::Failure;
use super::super::routes::submit::{MOST_SCRIPT, REFUSED, SUBMIT, check};

/// So long a request waits for a submission whose outcome has to be looked up.
const LOOKED_FOR: Duration = Duration::from_secs(20);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// `POST /slurm/V/job/submit`
pub(super) fn submit(call: &mut Call) -> Outcome {
    let (version, now) = (call.version.to_string(), call.now);
    let described = serde_json::json!({ "version": version, "now": now, "request": call.body }).to_string();
    let request: JobSubmitRequest = call.read_body()?;
    let mut desc = chosen(request)?;
    // the caller's own name is said by its credential
    if desc.user_id.as_deref() == Some(&*call.asker.login) {
        desc.user_id = None;
    }
    check(call, &desc)?;
    let (job_id, remarks) = queue(call, &desc, &described)?;
    let said = |remark: &&Remark| remark.number.is_none();
    let message = remarks.iter().find(said).map(|remark| remark.words.clone()).unwrap_or_default();
    let errno = remarks.iter().find_map(|remark| remark.number).map_or(Errno::NONE, Errno);
    if errno != Errno::NONE {
        call.warn(SUBMIT, format!("Job submission resulted in non-zero return code: {}", errno.text()));
        call.warn(SUBMIT, errno.text());
    }
    let result = JobSubmitResponseMsg {
        job_id: Some(job_id),
        step_id: Some("batch".into()),
        error_code: Some(errno.0),
        error: Some(errno.text().into()),
        job_submit_user_msg: Some(message.clone()),
    };
    Ok(call.answer(JobSubmitResponse {
        job_id: Some(job_id),
        step_id: Some("batch".into()),
        job_submit_user_msg: Some(message),
        result: Some(result),
        ..JobSubmitResponse::default()
    }))
}

/// Creates the job and hands it over; gives its number and what the controller has to say.
fn queue(call: &mut Call, desc: &JobDesc, described: &str) -> Result<(u32, Vec<Remark>), Failure> {
    let who = call.asker.principal.clone();
    let mut spec = spec(desc, desc.script.clone().unwrap_or_default(), &call.slurm().backend);
    // It runs elsewhere, as somebody else: what is here of that name is not the job's.
    spec.directory = None;
    spec.attributes.insert(DESCRIBED, call.version.to_string());
    let new = NewJob {
        spec,
        place: None,
        start: Start::Yes,
        idempotency: call.promise.take(),
        environment: Some(Vec::new()),
        generation: Generation::V3,
    };
    let engine = call.shared.app.engine.clone();
    let created = engine.create_described(&who, new, Some(described.as_bytes()));
    let Created { job, repeated } = created.map_err(|error| match error.kind() {
        ErrorKind::KeyReused => failure(&error).with(StatusCode::UNPROCESSABLE_ENTITY),
        _ => failure(&error),
    })?;
    if !repeated {
        match engine.launch(job.key, OnRefusal::Report) {
            Ok(launched) => {
                let first = launched.into_iter().next();
                if let Some((number, one)) = first.and_then(|one| Some((one.native.0.parse().ok()?, one))) {
                    call.trail.job(format!("{} ({number})", job.jobid));
                    return Ok((number, one.remarks));
                }
            }
            // It is looked for, and queued if it is not there.
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            Err(error) => {
                // Nobody was promised anything: what was refused leaves nothing behind.
                drop(engine.remove(&who, job.key));
                return Err(failure(&error));
            }
        }
    }
    let number = number(call, &who, &job)?;
    call.trail.job(format!("{} ({number})", job.jobid));
    Ok((number, Vec::new()))
}

/// The number of a job. Its submission may have to be looked for, or another process may be about to hand it over: that is
/// waited for.
fn number(call: &Call, who: &Principal, job: &Job) -> Result<u32, Failure> {
    let until = Instant::now() + LOOKED_FOR;
    loop {
        if let Some(number) = queued_as(call, who, job.key).map_err(|error| failure(&error))? {
            return Ok(number);
        }
        if Instant::now() >= until {
            let words = format!(
                "{REFUSED}: the controller has not answered; job {} is recorded, and is queued once as soon as that is \
                 possible. The same request with the same Idempotency-Key gives its number",
                job.jobid
            );
            return Err(Failure::new(Errno::CONTROLLER_RECEIVE, SUBMIT, words).with(StatusCode::SERVICE_UNAVAILABLE));
        }
        std::thread::sleep(LOOK);
    }
}

/// The number under which the job's first run was queued; `None` as long as that is not known.
fn queued_as(call: &Call, who: &Principal, key: JobKey) -> Result<Option<u32>, Error> {
    let history = call.shared.app.engine.history(who, key)?;
    let of_run = |state: State| {
        let is = move |row: &&jobgate_engine::HistoryRow| row.transition.jobndx == 1 && row.transition.state == state;
        history.iter().find(is).map(|row| row.transition.info.as_str())
    };
    match of_run(State::Queued).and_then(|info| info.parse().ok()) {
        Some(number) => Ok(Some(number)),
        None => match of_run(State::Failed).or(of_run(State::Canceled)) {
            Some(why) => Err(Error::new(ErrorKind::Refused, why.to_owned())),
            None => Ok(None),
        },
    }
}

/// What the controller refused is told as it said it.
fn failure(error: &Error) -> Failure {
    match error.number() {
        Some(number) => {
            let failure = failed(SUBMIT, REFUSED)(Fault::new(Errno(number), error.message().to_owned()));
            // nothing is wrong with the request, so it can be repeated
            let is_away = error.kind() == ErrorKind::Unavailable;
            if is_away { failure.with(StatusCode::SERVICE_UNAVAILABLE) } else { failure }
        }
        None => Failure::of_engine(error, SUBMIT, REFUSED),
    }
}

/// The description of a request, with its script.
fn chosen(request: JobSubmitRequest) -> Result<JobDesc, Failure> {
    let wrong = |words: &str| Failure::new(Errno::REST_INVALID_QUERY, "_job_post", words);
    let JobSubmitRequest { script, jobs, job } = request;
    let mut desc = match (job, jobs) {
        (Some(_), Some(_)) => return Err(wrong("Specify only one \"job\" or \"jobs\" fields but never both")),
        (Some(job), None) => job,
        (None, Some(mut jobs)) if jobs.len() == 1 => jobs.remove(0),
        (None, Some(jobs)) if !jobs.is_empty() => {
            let words = format!("{REFUSED}: heterogeneous jobs are not yet submitted to a real cluster");
            return Err(Failure::new(Errno::NOT_SUPPORTED, SUBMIT, words));
        }
        (None, _) => JobDesc::default(),
    };
    desc.script = desc.script.or(script);
    match &desc.script {
        None => Err(wrong("Populated \"script\" field is required for job submission")),
        Some(script) if script.is_empty() => {
            Err(Failure::new(Errno::MISSING_SCRIPT, "script", "Batch job script empty or missing"))
        }
        Some(script) if script.len() > MOST_SCRIPT => Err(Failure::new(Errno::PATH_NAME_TOO_LONG, SUBMIT, REFUSED)),
        Some(_) => Ok(desc),
    }
}
