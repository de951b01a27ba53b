//! Hostlists and host names.

use axum::http::StatusCode;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::hostlist::Hostlist;
use jobgate_slurm::objects::{HostlistReqResp, HostnamesReqResp};

use super::super::call::{Call, Outcome};
use super::super::error::Failure;

const CONVERT: &str = "_convert_hostnames_hostlist";
const UNREAD: &str = "Rejecting request. Failure parsing request";

/// `POST /util/V/hostnames`: the names in a hostlist.
pub(super) fn hostnames(call: &mut Call) -> Outcome {
    let request: HostlistReqResp = call.read_body_for(CONVERT, UNREAD)?;
    let list = request.hostlist.ok_or_else(|| missing("hostlist").unread(CONVERT, UNREAD))?;
    let names = Hostlist::parse(&list).map_err(|error| {
        let words = format!("Invalid hostlist string: {list}: {error}");
        Failure::new(Errno::DATA_INVALID, "#/hostlist/", words).unread(CONVERT, UNREAD)
    })?;
    let names = names.names().collect();
    Ok(call.answer(HostnamesReqResp { hostnames: Some(names), ..HostnamesReqResp::default() }))
}

/// `POST /util/V/hostlist`: a hostlist of names.
pub(super) fn hostlist(call: &mut Call) -> Outcome {
    let request: HostnamesReqResp = call.read_body_for(CONVERT, UNREAD)?;
    let names = request.hostnames.ok_or_else(|| missing("hostnames").unread(CONVERT, UNREAD))?;
    let list = Hostlist::of(&names).map_err(|error| wrong(error.to_string()))?.to_string();
    Ok(call.answer(HostlistReqResp { hostlist: Some(list), ..HostlistReqResp::default() }))
}

/// A field that a request has to have is not there.
pub(super) fn missing(field: &str) -> Failure {
    let words = format!("Missing required field '{field}' in dictionary");
    Failure::new(Errno::DATA_PATH_NOT_FOUND, format!("#/{field}/"), words)
}

fn wrong(words: String) -> Failure {
    Failure::new(Errno::REST_INVALID_QUERY, CONVERT, words).with(StatusCode::UNPROCESSABLE_ENTITY)
}
