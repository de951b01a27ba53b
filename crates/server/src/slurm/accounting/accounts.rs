//! Accounts.

use jobgate_slurm::books::{AccountsWanted, Books, Level};
use jobgate_slurm::objects::{
    AccountsAddCondResp, AccountsAddCondRespStr, AccountsRemovedResp, AccountsResp, DbdAccountQuery, DbdAccountsQuery,
};
use jobgate_slurm::rpc::Inquiry;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome};
use super::{change, found, list_answer, live, needed, removed, require};

const DUMP: &str = "_dump_accounts";
const GET: &str = "slurmdb_accounts_get";

/// `GET /slurmdb/V/accounts`
pub(super) fn list(call: &mut Call) -> Outcome {
    let query: DbdAccountsQuery = call.read_query("op_handler_accounts")?;
    answer(call, &AccountsWanted::many(&query))
}

/// `GET /slurmdb/V/account/NAME`
pub(super) fn show(call: &mut Call) -> Outcome {
    let query: DbdAccountQuery = call.read_query("op_handler_account")?;
    let name = call.path_name();
    answer(call, &AccountsWanted::one(&name, &query))
}

fn answer(call: &mut Call, wanted: &AccountsWanted) -> Outcome {
    let (database, here) = (|inquiry: &Inquiry| inquiry.accounts(wanted), |books: &Books| books.accounts(wanted));
    let accounts = found(call, DUMP, "slurmdb_accounts_get() failed", database, here)?;
    let is_empty = accounts.is_empty();
    Ok(list_answer(call, AccountsResp { accounts: Some(accounts), ..AccountsResp::default() }, is_empty, GET, DUMP))
}

/// `POST /slurmdb/V/accounts`
pub(super) fn update(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_foreach_update_acct";
    const WORDS: &str = "slurmdb_accounts_add() failed";
    let request: AccountsResp = call.read_body()?;
    let accounts = needed(request.accounts, "accounts")?;
    require(call, Level::Operator, SOURCE, WORDS)?;
    change(call, SOURCE, WORDS, |books| accounts.iter().try_for_each(|account| books.put_account(account)))?;
    Ok(call.done())
}

/// `POST /slurmdb/V/accounts_association`
pub(super) fn associate(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_update_accts";
    const WORDS: &str = "slurmdb_accounts_add_cond() failed";
    let request: AccountsAddCondResp = call.read_body()?;
    require(call, Level::Operator, SOURCE, WORDS)?;
    match change(call, SOURCE, WORDS, |books| books.add_accounts(&request))? {
        None => Ok(Reply::not_modified()),
        Some(text) => {
            Ok(call.answer(AccountsAddCondRespStr { added_accounts: Some(text), ..AccountsAddCondRespStr::default() }))
        }
    }
}

/// `DELETE /slurmdb/V/account/NAME`
pub(super) fn delete(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_delete_account";
    const WORDS: &str = "slurmdb_accounts_remove failed";
    require(call, Level::Operator, SOURCE, WORDS)?;
    let (name, live) = (call.path_name(), live(call, SOURCE, WORDS)?);
    let gone = change(call, SOURCE, WORDS, |books| books.delete_account(&name, &live))?;
    let is_empty = gone.is_empty();
    Ok(removed(
        call,
        AccountsRemovedResp { removed_accounts: Some(gone), ..AccountsRemovedResp::default() },
        is_empty,
        None,
    ))
}
