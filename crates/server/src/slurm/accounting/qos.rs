//! Qualities of service.

use jobgate_slurm::books::{Books, Level, QosWanted};
use jobgate_slurm::objects::{DbdQosQuery, DbdQosRemovedResp, DbdQosResp, DbdSingleQosQuery, Qos};
use jobgate_slurm::rpc::Inquiry;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome};
use super::super::error::Failure;
use super::{change, found, list_answer, needed, removed, require};

const SOURCE: &str = "_op_handler_qos";

/// `GET /slurmdb/V/qos`
pub(super) fn list(call: &mut Call) -> Outcome {
    let query: DbdQosQuery = call.read_query(SOURCE)?;
    answer(call, &QosWanted::many(&query))
}

/// `GET /slurmdb/V/qos/NAME`; a number will do.
pub(super) fn show(call: &mut Call) -> Outcome {
    let query: DbdSingleQosQuery = call.read_query(SOURCE)?;
    let (name, deleted) = (call.path_name(), query.with_deleted == Some(true));
    let named = QosWanted::one(&name, deleted);
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let qos = all(call, &named)?;
    if qos.is_empty() && is_number {
        return answer(call, &QosWanted { ids: vec![name], deleted, ..QosWanted::default() });
    }
    Ok(reply(call, qos))
}

fn answer(call: &mut Call, wanted: &QosWanted) -> Outcome {
    let qos = all(call, wanted)?;
    Ok(reply(call, qos))
}

fn all(call: &mut Call, wanted: &QosWanted) -> Result<Vec<Qos>, Failure> {
    let (database, here) = (|inquiry: &Inquiry| inquiry.qos(wanted), |books: &Books| books.qos(wanted));
    found(call, SOURCE, "slurmdb_qos_get() failed", database, here)
}

fn reply(call: &mut Call, qos: Vec<Qos>) -> Reply {
    let is_empty = qos.is_empty();
    list_answer(call, DbdQosResp { qos: Some(qos), ..DbdQosResp::default() }, is_empty, "slurmdb_qos_get", SOURCE)
}

/// `POST /slurmdb/V/qos`
pub(super) fn update(call: &mut Call) -> Outcome {
    const UPDATE: &str = "_foreach_update_qos";
    const WORDS: &str = "slurmdb_qos_add() failed";
    let _: DbdQosQuery = call.read_query(SOURCE)?;
    let request: DbdQosResp = call.read_body()?;
    let qos = needed(request.qos, "qos")?;
    require(call, Level::Administrator, UPDATE, WORDS)?;
    change(call, UPDATE, WORDS, |books| qos.iter().try_for_each(|one| books.put_qos(one)))?;
    Ok(call.done())
}

/// `DELETE /slurmdb/V/qos/NAME`; a number will do.
pub(super) fn delete(call: &mut Call) -> Outcome {
    const WORDS: &str = "slurmdb_qos_remove() failed";
    require(call, Level::Administrator, SOURCE, WORDS)?;
    let name = call.path_name();
    let gone = change(call, SOURCE, WORDS, |books| books.delete_qos(&name))?;
    let is_empty = gone.is_empty();
    let answer = DbdQosRemovedResp { removed_qos: Some(gone), ..DbdQosRemovedResp::default() };
    Ok(removed(call, answer, is_empty, Some(("slurmdb_qos_remove", SOURCE))))
}
