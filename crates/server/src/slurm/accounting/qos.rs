//! Qualities of service.

use jobgate_slurm::books::{Level, QosWanted};
use jobgate_slurm::objects::{DbdQosQuery, DbdQosRemovedResp, DbdQosResp, DbdSingleQosQuery};

use super::super::call::{Call, Outcome};
use super::{books, change, list_answer, needed, removed, require};

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
    let known = books(call, SOURCE, "slurmdb_qos_get() failed")?;
    if known.qos(&named).is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return answer(call, &QosWanted { ids: vec![name], deleted, ..QosWanted::default() });
    }
    answer(call, &named)
}

fn answer(call: &mut Call, wanted: &QosWanted) -> Outcome {
    let qos = books(call, SOURCE, "slurmdb_qos_get() failed")?.qos(wanted);
    let is_empty = qos.is_empty();
    Ok(list_answer(call, DbdQosResp { qos: Some(qos), ..DbdQosResp::default() }, is_empty, "slurmdb_qos_get", SOURCE))
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
