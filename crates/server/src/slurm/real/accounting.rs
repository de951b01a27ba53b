//! Accounting of a real cluster: its database is asked itself, if the site says where it is; otherwise, and for what it is not asked
//! natively, whoever answers for it gets the request as it came. Both are asked in the caller's name, and decide.

use axum::http::StatusCode;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::ledger::Question;
use jobgate_slurm::operations::Call as Operation;
use jobgate_slurm::site::Seen;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome};
use super::super::error::Failure;
use super::database;

const SOURCE: &str = "openapi_get_db_conn";
const FAILED: &str = "Failed to ask the accounting database";

/// Carries out any operation of `/slurmdb`.
pub(super) fn run(call: &mut Call, seen: &dyn Seen) -> Outcome {
    if let Some(inquiry) = seen.database()
        && let Some(outcome) = database::run(call, &inquiry)
    {
        return outcome.map(|reply| Reply { by: reply.by.or_else(|| call.by.take()), ..reply });
    }
    if call.operation.call == Operation::DbdPostJobs && !names_records(&call.body) {
        // older servers of Slurm's do not survive it
        let words = "the request has no field \"job_id_list\": give the list";
        return Err(Failure::new(Errno::DATA_PATH_NOT_FOUND, "#/job_id_list/", words));
    }
    let question = Question {
        call: call.operation.call,
        version: call.version,
        name: std::mem::take(&mut call.name),
        query: std::mem::take(&mut call.query),
        body: call.body.take(),
    };
    let told = seen.accounting(&question).map_err(|fault| {
        tracing::warn!(%fault, operation = ?question.call, "accounting is not answered for");
        let failure = Failure::of(&fault, SOURCE, FAILED);
        match fault.errno {
            Errno::NOT_SUPPORTED => failure.with(StatusCode::NOT_IMPLEMENTED),
            _ => failure,
        }
    })?;
    tracing::debug!(way = %told.way, status = told.status, operation = ?question.call, "accounting has answered");
    let status = StatusCode::from_u16(told.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let reply = if status == StatusCode::NOT_MODIFIED { Reply::not_modified() } else { Reply::json(status, told.body) };
    Ok(Reply { by: Some(told.way.to_string()), ..reply })
}

/// Whether a change of records says of which.
fn names_records(body: &serde_json::Value) -> bool {
    body["job_id_list"].as_array().is_some_and(|list| !list.is_empty() && list.iter().all(serde_json::Value::is_string))
}
