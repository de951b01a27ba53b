//! Showing jobs.

use std::collections::HashSet;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use bytes::Bytes;
use jobgate_slurm::array::{JobRef, Part};
use jobgate_slurm::cluster::{JobsWanted, Listed, Stamp};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Framed, JobInfoResp, JobQuery, ResourceLayoutResp};
use jobgate_slurm::table::{Time, Writer};

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;
use super::super::listing::Audience;

/// A change is there for all to see so many seconds after the time that it bears, as clocks of controllers differ by less.
const SETTLED: u64 = 5;

/// `GET /slurm/V/jobs`
pub(super) fn list(call: &mut Call) -> Outcome {
    let query: JobQuery = call.read_query("op_handler_jobs")?;
    let failed = failed("slurm_load_jobs()", "Unable to query jobs");
    let slurm = call.shared.slurm.clone();
    let stamp = call.cluster().stamp(Listed::Jobs).map_err(&failed)?;
    // within the second in which something was told, something else may have changed
    if let Some(since) = query.update_time.and_then(Time::seconds).filter(|since| *since > stamp.changed) {
        call.warn("op_handler_jobs", format!("No job changes since update_time[{since}]"));
        let nothing = Time::at(0);
        return Ok(call.answer(JobInfoResp {
            jobs: Some(Vec::new()),
            last_backfill: Some(nothing),
            last_update: Some(nothing),
            ..JobInfoResp::default()
        }));
    }
    let user = visible_user(call);
    let audience = Audience { class: call.real().map(|seen| seen.class().to_owned()), user: user.clone() };
    let rendered = slurm.listings.jobs(call.cluster(), call.version, &audience).map_err(failed)?;
    let warns = call.version.number() == 43 || call.version.number() == 42 && call.real().is_some();
    if rendered.jobs == 0 && warns {
        call.warn("", "Zero jobs to dump");
    }
    // weak: `meta` says who asked
    let etag = format!("W/\"{}-{}-{}\"", call.version.number(), rendered.stamp.number, audience.name());
    let plain = call.problems.is_empty();
    if plain && call.etag.as_deref().is_some_and(|known| known.split(',').any(|one| one.trim() == etag)) {
        return Ok(Reply { etag: Some(etag), ..Reply::not_modified() });
    }
    let stamp = rendered.stamp;
    let gzip = call.gzip && plain;
    if gzip {
        // shared by all requests of this user: it does not say from where they came
        call.peer = "shared".into();
    }
    let (before, after) = around(call, stamp);
    let (body, encoding) = if gzip {
        (vec![rendered.compressed(&digest_of(&before, &after), &before, &after).into()], Some("gzip"))
    } else {
        let [before, after] = [before, after].map(|text| Bytes::from(text).into());
        (std::iter::once(before).chain(rendered.parts()).chain([after]).collect(), None)
    };
    Ok(Reply { body, encoding, etag: plain.then_some(etag), ..Reply::json(call.status(), Vec::new()) })
}

/// What is around a list, in few words: who asked, and what there was to say.
fn digest_of(before: &[u8], after: &[u8]) -> String {
    let mut digest = Context::new(&SHA256);
    digest.update(&before.len().to_le_bytes());
    digest.update(before);
    digest.update(after);
    BASE64.encode(digest.finish())
}

/// When a client knows all that an answer says, for its next `update_time`. In the second of the last change there may be more
/// to come, so that is asked for again; once it is long past, it is not.
fn told_until(call: &Call, stamp: Stamp) -> Time {
    let now = u64::try_from(call.now).unwrap_or_default();
    let settled = stamp.changed > 0 && now > stamp.changed + SETTLED;
    Time::at(if settled { stamp.changed + 1 } else { stamp.changed })
}

/// What comes before the list of jobs in an answer, and what after it.
fn around(call: &Call, stamp: Stamp) -> (Vec<u8>, Vec<u8>) {
    let mut answer = JobInfoResp {
        last_backfill: Some(Time::at(stamp.backfill)),
        last_update: Some(told_until(call, stamp)),
        ..JobInfoResp::default()
    };
    let (meta, errors, warnings) = call.frame();
    answer.frame(meta, errors, warnings);
    let mut before = Vec::new();
    let mut out = Writer::new(call.version);
    out.object_but(&answer, &mut |path, out| {
        let here = path == "jobs";
        if here {
            before = out.take(Vec::new());
            // so that a comma follows
            out.raw("]");
        }
        here
    });
    let mut after = out.into_bytes();
    after.remove(0);
    (before, after)
}

/// `GET /slurm/V/job/ID`
pub(super) fn show(call: &mut Call) -> Outcome {
    let _: JobQuery = call.read_query("_handle_job_get")?;
    let (id, task) = job_id(call, "op_handler_job")?;
    if task.is_some() {
        call.warn(
            "_handle_job_get",
            "Job array Ids are not currently supported for job searches. Showing all jobs in array instead.",
        );
    }
    let wanted = JobsWanted { ids: Some(vec![id]), user: visible_user(call), all: false };
    let mut jobs = Vec::new();
    let failed = failed("slurm_load_job()", "Unable to query job");
    let mut each = |job| jobs.push(job);
    let stamp = if let Some(seen) = call.real() {
        seen.job(id, &mut each).map_err(failed)?
    } else {
        let stamp = call.cluster().stamp(Listed::Jobs).map_err(&failed)?;
        call.cluster().jobs(&wanted, &mut each).map_err(failed)?;
        stamp
    };
    if jobs.is_empty() {
        if id > MOST_ID {
            return Err(unknown(&call.path_name(), "op_handler_job"));
        }
        let failure = Failure::new(Errno::INVALID_JOB_ID, "_handle_job_get", format!("Unable to query JobId={id}"));
        let nothing = Some(Time::at(0));
        let none = JobInfoResp {
            jobs: Some(Vec::new()),
            last_backfill: nothing,
            last_update: nothing,
            ..JobInfoResp::default()
        };
        return Ok(call.refuse_in(failure, none));
    }
    Ok(call.answer(JobInfoResp {
        jobs: Some(jobs),
        last_backfill: Some(Time::at(stamp.backfill)),
        last_update: Some(Time::at(stamp.changed)),
        ..JobInfoResp::default()
    }))
}

/// `GET /slurm/V/resources/ID`
pub(super) fn resources(call: &mut Call) -> Outcome {
    let (id, task) = job_id(call, "op_handler_resources")?;
    let slurm = call.shared.slurm.clone();
    let located = call.cluster().locate(id, task).map_err(failed("_handle_get", "Unable to query job"))?;
    let Some(located) = located.first() else { return Err(unknown(&call.path_name(), "op_handler_resources")) };
    if slurm.private_jobs && located.user != call.asker.login && !call.is_administrator() {
        return Err(unknown(&call.path_name(), "op_handler_resources"));
    }
    let words = format!("Unable to query JobId={id}");
    match call.cluster().resources(located.id) {
        Ok(nodes) => Ok(call.answer(ResourceLayoutResp { nodes: Some(nodes), ..ResourceLayoutResp::default() })),
        Err(fault) => Ok(call.refuse_in(Failure::of(&fault, "_handle_get", &words), ResourceLayoutResp::default())),
    }
}

/// The job that the path names: its number, and the task of an array.
pub(super) fn job_id(call: &Call, source: &str) -> Result<(i64, Option<i64>), Failure> {
    let bad = || Failure::new(Errno::REST_INVALID_QUERY, source, "Rejecting request. Failure parsing parameters");
    let job = JobRef::parse(&call.path_name()).map_err(|_| bad())?;
    Ok((i64::from(job.job), task_of(&job)))
}

/// No job has a greater number.
const MOST_ID: i64 = 0x03ff_ffff;
/// At most so many jobs can be named in one request.
const MOST_NAMED: usize = 100_000;

/// The jobs that a request's list names, each once. All are read before anything is done to one of them.
pub(in super::super) fn named_jobs(texts: &[String]) -> Result<Vec<JobRef>, Failure> {
    let bad = |words: String| Failure::new(Errno::REST_INVALID_QUERY, "#/jobs/", words);
    let mut seen = HashSet::new();
    let mut jobs = Vec::new();
    for text in texts.iter().filter(|text| seen.insert(text.trim())) {
        jobs.push(JobRef::parse(text).map_err(|_| bad(format!("Cannot read the job id {text:?}")))?);
        if jobs.len() > MOST_NAMED {
            return Err(bad(format!("More than {MOST_NAMED} jobs are named: send several requests, or a filter")));
        }
    }
    Ok(jobs)
}

/// The one task of an array that a reference means; `None`: all of it.
pub(super) fn task_of(job: &JobRef) -> Option<i64> {
    match job.part {
        Part::Task(task) => Some(i64::from(task)),
        _ => None,
    }
}

/// There is no such job.
pub(in super::super) fn unknown(id: &str, source: &str) -> Failure {
    Failure::new(Errno::INVALID_JOB_ID, source, format!("Invalid JobID={id} rejected"))
}

/// Whose jobs the caller may see; `None`: everybody's, as in Slurm, unless jobs are private.
pub(in super::super) fn visible_user(call: &Call) -> Option<String> {
    (call.real().is_none() && call.slurm().private_jobs && !call.is_administrator()).then(|| call.asker.login.clone())
}
