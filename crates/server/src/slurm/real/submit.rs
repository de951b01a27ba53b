//! Submitting jobs: each is a job of the gateway, too, with all that this means; what the controller gets is what was asked for.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use jobgate_engine::{Job, JobKey, NewJob, Start, Submitted};
use jobgate_model::{DESCRIBED, Error, ErrorKind, Generation, Principal, Remark, State};
use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{JobDesc, JobSubmitRequest, JobSubmitResponse, JobSubmitResponseMsg};

use super::super::call::{Call, Outcome, failed};
use super::super::convert::spec;
use super::super::error::Failure;
use super::super::routes::submit::{MOST_SCRIPT, REFUSED, SUBMIT, check, submitter};

/// So long a request waits for a submission whose outcome has to be looked up.
const LOOKED_FOR: Duration = Duration::from_secs(20);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);

/// `POST /slurm/V/job/submit`
pub(super) fn submit(call: &mut Call) -> Outcome {
    let (version, now) = (call.version.to_string(), call.now);
    let described = serde_json::json!({ "version": version, "now": now, "request": call.body }).to_string();
    let request: JobSubmitRequest = call.read_body()?;
    let words = words_of(&request);
    let is_one = request.jobs.is_none();
    let parts = chosen(request)?;
    for (index, part) in parts.iter().enumerate() {
        let at = if is_one { "#/job/".to_owned() } else { format!("#/jobs[{index}]/") };
        super::warn_of_crontab(call, part, &at);
    }
    let desc = &parts[0];
    // of components, the controller says what is missing
    if is_one {
        check(call, desc)?;
    }
    let who = submitter(call, desc)?;
    for part in &parts[1..] {
        if submitter(call, part)? != who {
            return Err(Failure::new(Errno::USER_ID, words.source, words.refused));
        }
    }
    if who != call.asker.principal {
        // with whose word it is handed over, also later, if there is no key
        call.seen_anew_by(&who).map_err(failed(words.source, words.refused))?;
    }
    let (job_id, remarks) = queue(call, &who, desc, &described, words)?;
    let said = |remark: &&Remark| remark.number.is_none();
    let message = remarks.iter().find(said).map(|remark| remark.words.clone()).unwrap_or_default();
    let errno = remarks.iter().find_map(|remark| remark.number).map_or(Errno::NONE, Errno);
    if errno != Errno::NONE {
        let kind = if words.source == SUBMIT { "Job" } else { "HetJob" };
        call.warn(words.source, format!("{kind} submission resulted in non-zero return code: {}", errno.text()));
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
fn queue(
    call: &mut Call,
    who: &Principal,
    desc: &JobDesc,
    described: &str,
    words: Words,
) -> Result<(u32, Vec<Remark>), Failure> {
    let failure = |error: &Error| failure(error, words);
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
    let submitted = engine.submit(who, new, described.as_bytes());
    let Submitted { job, launched } = submitted.map_err(|error| match error.kind() {
        ErrorKind::KeyReused => failure(&error).with(StatusCode::UNPROCESSABLE_ENTITY),
        _ => failure(&error),
    })?;
    if let Some((number, one)) = launched.and_then(|one| Some((one.native.0.parse().ok()?, one))) {
        call.trail.job(format!("{} ({number})", job.jobid));
        return Ok((number, one.remarks));
    }
    // Its submission is looked for, and queued if it is not there.
    let number = number(call, who, &job, words)?;
    call.trail.job(format!("{} ({number})", job.jobid));
    Ok((number, Vec::new()))
}

/// The number of a job. Its submission may have to be looked for, or another process may be about to hand it over: that is
/// waited for.
fn number(call: &Call, who: &Principal, job: &Job, words: Words) -> Result<u32, Failure> {
    let until = Instant::now() + LOOKED_FOR;
    loop {
        if let Some(number) = queued_as(call, who, job.key).map_err(|error| failure(&error, words))? {
            return Ok(number);
        }
        if Instant::now() >= until {
            let Words { source, refused } = words;
            let words = format!(
                "{refused}: the controller has not answered; job {} is recorded, and is queued once as soon as that is \
                 possible. The same request with the same Idempotency-Key gives its number",
                job.jobid
            );
            return Err(Failure::new(Errno::CONTROLLER_RECEIVE, source, words).with(StatusCode::SERVICE_UNAVAILABLE));
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
fn failure(error: &Error, Words { source, refused }: Words) -> Failure {
    match error.number() {
        Some(number) => {
            let failure = failed(source, refused)(Fault::new(Errno(number), error.message().to_owned()));
            // nothing is wrong with the request, so it can be repeated
            let is_away = error.kind() == ErrorKind::Unavailable;
            if is_away { failure.with(StatusCode::SERVICE_UNAVAILABLE) } else { failure }
        }
        None => Failure::of_engine(error, source, refused),
    }
}

/// slurmrestd's words for who refuses a submission, and for that it is refused.
#[derive(Debug, Clone, Copy)]
struct Words {
    source: &'static str,
    refused: &'static str,
}

/// A list of components, also of one, is a heterogeneous job.
fn words_of(request: &JobSubmitRequest) -> Words {
    match request.jobs {
        Some(_) => Words { source: "slurm_submit_batch_het_job()", refused: "HetJob submission failed" },
        None => Words { source: SUBMIT, refused: REFUSED },
    }
}

/// What is asked for, with its script: one job, or the components of a heterogeneous one; never nothing.
fn chosen(request: JobSubmitRequest) -> Result<Vec<JobDesc>, Failure> {
    let wrong = |words: &str| Failure::new(Errno::REST_INVALID_QUERY, "_job_post", words);
    let Words { source, refused } = words_of(&request);
    let JobSubmitRequest { script, jobs, job } = request;
    let is_one = jobs.is_none();
    let mut parts = match (job, jobs) {
        (Some(_), Some(_)) => return Err(wrong("Specify only one \"job\" or \"jobs\" fields but never both")),
        (job, None) => vec![job.unwrap_or_default()],
        (None, Some(jobs)) => jobs,
    };
    let Some(first) = parts.first_mut() else {
        let words = "Refusing HetJob submission without any components";
        return Err(Failure::new(Errno::REST_INVALID_QUERY, "_job_post_het_submit", words));
    };
    first.script = first.script.take().or(script);
    match &first.script {
        None if is_one => Err(wrong("Populated \"script\" field is required for job submission")),
        Some(script) if is_one && script.is_empty() => {
            Err(Failure::new(Errno::MISSING_SCRIPT, "script", "Batch job script empty or missing"))
        }
        Some(script) if script.len() > MOST_SCRIPT => Err(Failure::new(Errno::PATH_NAME_TOO_LONG, source, refused)),
        Some(script) if !script.is_empty() => Ok(parts),
        _ => {
            let words = "Refusing HetJob submission without batch script or empty batch script for first component";
            Err(Failure::new(Errno::MISSING_SCRIPT, "_job_post_het_submit", words))
        }
    }
}
