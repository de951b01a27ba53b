//! Workload keys. Only operators see them, as in slurmdbd.

use jobgate_slurm::books::{Books, Level, WcKeysWanted};
use jobgate_slurm::objects::{DbdWckeysQuery, WcKey, WcKeyRemovedResp, WcKeyResp};
use jobgate_slurm::rpc::Inquiry;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome};
use super::super::error::Failure;
use super::{change, found, list_answer, needed, removed, require};

const DUMP: &str = "_dump_wckeys";
const FAILED: &str = "slurmdb_wckeys_get failed";

/// `GET /slurmdb/V/wckeys`
pub(super) fn list(call: &mut Call) -> Outcome {
    let query: DbdWckeysQuery = call.read_query("op_handler_wckeys")?;
    let wckeys = all(call, &WcKeysWanted::of(&query))?;
    Ok(answer(call, wckeys))
}

/// `GET /slurmdb/V/wckey/NAME`; a number will do.
pub(super) fn show(call: &mut Call) -> Outcome {
    let name = call.path_name();
    let mut wckeys = all(call, &WcKeysWanted { names: vec![name.clone()], ..WcKeysWanted::default() })?;
    if wckeys.is_empty() && call.real().is_none() {
        wckeys = all(call, &WcKeysWanted { ids: vec![name], ..WcKeysWanted::default() })?;
    }
    Ok(answer(call, wckeys))
}

fn all(call: &mut Call, wanted: &WcKeysWanted) -> Result<Vec<WcKey>, Failure> {
    if call.real().is_none() {
        require(call, Level::Operator, DUMP, FAILED)?;
    }
    let (database, here) = (|inquiry: &Inquiry| inquiry.wckeys(wanted), |books: &Books| books.wckeys(wanted));
    found(call, DUMP, FAILED, database, here)
}

fn answer(call: &mut Call, wckeys: Vec<WcKey>) -> Reply {
    let is_empty = wckeys.is_empty();
    let answer = WcKeyResp { wckeys: Some(wckeys), ..WcKeyResp::default() };
    list_answer(call, answer, is_empty, "slurmdb_wckeys_get", DUMP)
}

/// `POST /slurmdb/V/wckeys`
pub(super) fn update(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_foreach_update_wckey";
    const WORDS: &str = "slurmdb_wckeys_add() failed";
    let _: DbdWckeysQuery = call.read_query("op_handler_wckeys")?;
    let request: WcKeyResp = call.read_body()?;
    let wckeys = needed(request.wckeys, "wckeys")?;
    require(call, Level::Operator, SOURCE, WORDS)?;
    change(call, SOURCE, WORDS, |books| wckeys.iter().try_for_each(|one| books.put_wckey(one).map(drop)))?;
    Ok(call.done())
}

/// `DELETE /slurmdb/V/wckey/NAME`; a number will do.
pub(super) fn delete(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_delete_wckey";
    const WORDS: &str = "slurmdb_wckeys_remove failed";
    require(call, Level::Operator, SOURCE, WORDS)?;
    let name = call.path_name();
    let gone = change(call, SOURCE, WORDS, |books| books.delete_wckey(&name))?;
    let is_empty = gone.is_empty();
    let answer = WcKeyRemovedResp { deleted_wckeys: Some(gone), ..WcKeyRemovedResp::default() };
    Ok(removed(call, answer, is_empty, Some(("slurmdb_wckeys_remove", SOURCE))))
}
