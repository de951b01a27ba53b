//! Hostlists and host names.

use axum::http::StatusCode;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::hostlist::Hostlist;
use jobgate_slurm::objects::{HostlistReqResp, HostnamesReqResp};

use super::super::call::{Call, Outcome};
use super::super::error::Failure;

const CONVERT: &str = "_convert_hostnames_hostlist";

/// `POST /util/V/hostnames`: the names in a hostlist.
pub(super) fn hostnames(call: &mut Call) -> Outcome {
    let request: HostlistReqResp = call.read_body()?;
    let list = request.hostlist.ok_or_else(|| missing("hostlist"))?;
    let names = Hostlist::parse(&list).map_err(|error| wrong(error.to_string()))?.names().collect();
    Ok(call.answer(HostnamesReqResp { hostnames: Some(names), ..HostnamesReqResp::default() }))
}

/// `POST /util/V/hostlist`: a hostlist of names.
pub(super) fn hostlist(call: &mut Call) -> Outcome {
    let request: HostnamesReqResp = call.read_body()?;
    let names = request.hostnames.ok_or_else(|| missing("hostnames"))?;
    let list = Hostlist::of(&names).map_err(|error| wrong(error.to_string()))?.to_string();
    Ok(call.answer(HostlistReqResp { hostlist: Some(list), ..HostlistReqResp::default() }))
}

fn missing(field: &str) -> Failure {
    let words = format!("Missing required field '{field}' in dictionary");
    let mut failure = Failure::new(Errno::DATA_PATH_NOT_FOUND, format!("#/{field}/"), words);
    let rejected = Failure::new(Errno::REST_INVALID_QUERY, CONVERT, "Rejecting request. Failure parsing request");
    failure.problems.extend(rejected.problems);
    failure
}

fn wrong(words: String) -> Failure {
    Failure::new(Errno::REST_INVALID_QUERY, CONVERT, words).with(StatusCode::UNPROCESSABLE_ENTITY)
}
