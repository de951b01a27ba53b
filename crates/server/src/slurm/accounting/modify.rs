//! Changing job records after the fact.

use jiff::Timestamp;
use jobgate_slurm::array::{JobRef, Part};
use jobgate_slurm::books::Level;
use jobgate_slurm::cluster::{RecordChange, RecordsWanted};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{ExitCode, JobModify, JobModifyReq, JobModifyResp, JobRecord};
use jobgate_slurm::table::Num;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;
use super::{books, level_of};

const SOURCE: &str = "_modify_job";
const FAILED: &str = "slurmdb_job_modify() failed";

/// `POST /slurmdb/V/job/ID`
pub(super) fn one(call: &mut Call) -> Outcome {
    let change: JobModify = call.read_body()?;
    let id = call.path_name();
    modify(call, &[id], &change)
}

/// `POST /slurmdb/V/jobs`: one change for all that are named.
pub(super) fn many(call: &mut Call) -> Outcome {
    let request: JobModifyReq = call.read_body()?;
    let ids = super::needed(request.job_id_list, "job_id_list")?;
    modify(call, &ids, &request.job_rec.unwrap_or_default())
}

fn modify(call: &mut Call, ids: &[String], given: &JobModify) -> Outcome {
    let change = change_of(call, given)?;
    let mut found = Vec::new();
    for id in ids {
        let job = JobRef::parse(id)
            .map_err(|error| Failure::new(Errno::REST_INVALID_QUERY, "#/job_id_list/", error.to_string()))?;
        found.extend(records(call, &job)?);
    }
    let operator = level_of(call) >= Level::Operator;
    if !found.iter().all(|record| operator || (is_own(call, record) && is_for_owners(&change))) {
        return Err(Failure::new(Errno::ACCESS_DENIED, SOURCE, FAILED));
    }
    if found.is_empty() || change == RecordChange::default() {
        return Ok(Reply::not_modified());
    }
    let mut results = Vec::with_capacity(found.len());
    for record in &found {
        let id = record.job_id.unwrap_or_default();
        call.slurm().accounting.change_record(i64::from(id), &change).map_err(failed(SOURCE, FAILED))?;
        results.push(line(call, record));
    }
    Ok(call.answer(JobModifyResp { results: Some(results), ..JobModifyResp::default() }))
}

/// The records that an id means.
fn records(call: &Call, job: &JobRef) -> Result<Vec<JobRecord>, Failure> {
    let wanted = RecordsWanted { ids: vec![i64::from(job.job)], ..RecordsWanted::default() };
    let mut found = Vec::new();
    call.slurm().accounting.records(&wanted, &mut |record| found.push(record)).map_err(failed(SOURCE, FAILED))?;
    found.retain(|record| {
        let task = record.array_task_id.and_then(Num::number);
        match &job.part {
            Part::Task(wanted) => task == Some(*wanted),
            Part::Tasks(set) => task.is_some_and(|task| set.contains(task)),
            Part::Whole | Part::AllTasks | Part::Component(_) => true,
        }
    });
    Ok(found)
}

fn is_own(call: &Call, record: &JobRecord) -> bool {
    record.user.as_deref() == Some(call.asker.login.as_str())
}

/// Owners may say what their job was for and how it is to be known to have ended; the rest is an operator's business.
fn is_for_owners(change: &RecordChange) -> bool {
    let others = RecordChange { comment: None, extra: None, derived_exit_code: None, ..change.clone() };
    others == RecordChange::default()
}

fn change_of(call: &Call, given: &JobModify) -> Result<RecordChange, Failure> {
    let tres = match given.tres_allocated.as_deref() {
        None | Some([]) => None,
        Some(list) => Some(books(call, SOURCE, FAILED)?.tres_text(list).map_err(failed(SOURCE, FAILED))?),
    };
    Ok(RecordChange {
        comment: given.comment_job.clone(),
        admin_comment: given.comment_administrator.clone(),
        system_comment: given.comment_system.clone(),
        extra: given.extra.clone(),
        wckey: given.wckey.clone(),
        derived_exit_code: given.derived_exit_code.as_ref().and_then(wait_status),
        tres,
    })
}

/// A code as wait(2) gives it, which is what this request's `return_code` is; a signal has the low bits.
fn wait_status(code: &ExitCode) -> Option<u32> {
    let signal = code.signal_id.and_then(Num::number).map(u32::from);
    let number = code.return_code.and_then(Num::number);
    match (number, signal) {
        (None, None) => None,
        (number, signal) => Some(number.unwrap_or(0) | signal.unwrap_or(0)),
    }
}

/// A changed job in words: `119 submitted at 2026-11-22T02:35:36`.
fn line(call: &Call, record: &JobRecord) -> String {
    let id = match (record.array_job_id.filter(|id| *id > 0), record.array_task_id.and_then(Num::number)) {
        (Some(array), Some(task)) => format!("{array}_{task}"),
        _ => record.job_id.unwrap_or_default().to_string(),
    };
    let zone = call.slurm().zone.clone();
    let submitted = Timestamp::from_second(record.time_submission.unwrap_or_default()).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{id} submitted at {}", submitted.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S"))
}
