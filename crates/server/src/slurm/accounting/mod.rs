//! `/slurmdb`: the accounting database. What is decided here is who may do what; what it means is the books' own
//! (`jobgate_slurm::books`).

mod accounts;
mod associations;
mod clusters;
mod filter;
pub(super) mod jobs;
mod modify;
mod qos;
mod shares;
mod system;
mod users;
mod wckeys;

use std::sync::Arc;

use axum::http::StatusCode;
pub(super) use jobgate_slurm::books::Level;
use jobgate_slurm::books::{Books, Live};
use jobgate_slurm::cluster::{Answer, JobsWanted};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::Framed;
use jobgate_slurm::operations::Call as Operation;
use jobgate_slurm::rpc::{Inquiry, Listed, Unanswered};

use super::answer::Reply;
use super::call::{Call, Outcome, failed};
use super::error::Failure;
pub(super) use shares::shares;

/// The caller's level.
pub(super) fn level_of(call: &Call) -> Level {
    if call.asker.administrator {
        return Level::Administrator;
    }
    // its own database decides
    if call.real().is_some() {
        return Level::None;
    }
    match call.slurm().accounting.books() {
        Ok(books) => books.level_of(&call.asker.login),
        Err(error) => {
            tracing::warn!(%error, "nobody is an administrator while the accounting books cannot be read");
            Level::None
        }
    }
}

/// Carries out an operation on the accounting database.
pub(super) fn run(call: &mut Call) -> Outcome {
    match call.operation.call {
        Operation::DbdGetAccounts => accounts::list(call),
        Operation::DbdGetAccount => accounts::show(call),
        Operation::DbdPostAccounts => accounts::update(call),
        Operation::DbdPostAccountsAssociation => accounts::associate(call),
        Operation::DbdDeleteAccount => accounts::delete(call),
        Operation::DbdGetAssociations | Operation::DbdGetAssociation => associations::list(call),
        Operation::DbdPostAssociations => associations::update(call),
        Operation::DbdDeleteAssociations => associations::delete_many(call),
        Operation::DbdDeleteAssociation => associations::delete(call),
        Operation::DbdGetClusters => clusters::list(call),
        Operation::DbdGetCluster => clusters::show(call),
        Operation::DbdPostClusters => clusters::update(call),
        Operation::DbdDeleteCluster => clusters::delete(call),
        Operation::DbdGetInstances | Operation::DbdGetInstance => clusters::instances(call),
        Operation::DbdGetJobs => jobs::list(call),
        Operation::DbdGetJob => jobs::show(call),
        Operation::DbdPostJobs => modify::many(call),
        Operation::DbdPostJob => modify::one(call),
        Operation::DbdGetQos => qos::list(call),
        Operation::DbdGetSingleQos => qos::show(call),
        Operation::DbdPostQos => qos::update(call),
        Operation::DbdDeleteSingleQos => qos::delete(call),
        Operation::DbdGetUsers => users::list(call),
        Operation::DbdGetUser => users::show(call),
        Operation::DbdPostUsers => users::update(call),
        Operation::DbdPostUsersAssociation => users::associate(call),
        Operation::DbdDeleteUser => users::delete(call),
        Operation::DbdGetWckeys => wckeys::list(call),
        Operation::DbdGetWckey => wckeys::show(call),
        Operation::DbdPostWckeys => wckeys::update(call),
        Operation::DbdDeleteWckey => wckeys::delete(call),
        Operation::DbdGetTres => system::tres(call),
        Operation::DbdPostTres => system::refuse_tres(),
        Operation::DbdGetPing => Ok(system::ping(call)),
        Operation::DbdGetDiag => Ok(system::diag(call)),
        Operation::DbdGetConf => system::conf(call),
        Operation::DbdGetConfig => system::dump(call),
        Operation::DbdPostConfig => system::load(call),
        other => Err(Failure::new(Errno::NOT_SUPPORTED, "slurmdbd", format!("{other:?} is no operation of this part"))
            .with(StatusCode::NOT_IMPLEMENTED)),
    }
}

/// The books as they are.
fn books(call: &Call, source: &str, words: &str) -> Result<Arc<Books>, Failure> {
    call.slurm().accounting.books().map_err(failed(source, words))
}

/// Looks something up: in a real cluster's database, if that is asked itself, or else in the books.
fn found<T>(
    call: &mut Call,
    source: &str,
    words: &str,
    database: impl FnOnce(&Inquiry) -> Result<Listed<T>, Unanswered>,
    books: impl FnOnce(&Books) -> Vec<T>,
) -> Result<Vec<T>, Failure> {
    let Some(inquiry) = call.real().and_then(|seen| seen.database()) else {
        return Ok(books(self::books(call, source, words)?.as_ref()));
    };
    let listed = database(&inquiry).map_err(|why| super::real::unanswered(why, source, source, words))?;
    Ok(super::real::heard(call, listed))
}

/// Changes the books; what is refused changes nothing. Gives what the change gives.
fn change<T: Default>(
    call: &Call,
    source: &str,
    words: &str,
    mut change: impl FnMut(&mut Books) -> Answer<T>,
) -> Result<T, Failure> {
    let mut given = T::default();
    let mut keep = |books: &mut Books| change(books).map(|value| given = value);
    call.slurm().accounting.change_books(&mut keep).map_err(failed(source, words))?;
    Ok(given)
}

/// Refuses whoever has a lower level, in the database's words.
fn require(call: &Call, level: Level, source: &str, words: &str) -> Result<(), Failure> {
    if level_of(call) >= level { Ok(()) } else { Err(Failure::new(Errno::ACCESS_DENIED, source, words)) }
}

/// Refuses whoever is no operator and does not coordinate all of these accounts.
fn require_coordinator<'a>(
    call: &Call,
    accounts: impl IntoIterator<Item = &'a str>,
    source: &str,
    words: &str,
) -> Result<(), Failure> {
    if level_of(call) >= Level::Operator {
        return Ok(());
    }
    let books = books(call, source, words)?;
    let mut accounts = accounts.into_iter().peekable();
    let some = accounts.peek().is_some();
    if some && accounts.all(|account| books.coordinates(&call.asker.login, account)) {
        return Ok(());
    }
    Err(Failure::new(Errno::ACCESS_DENIED, source, words))
}

/// Whose jobs wait or run, under which account.
fn live(call: &Call, source: &str, words: &str) -> Result<Live, Failure> {
    const OVER: [&str; 11] = [
        "COMPLETED",
        "CANCELLED",
        "FAILED",
        "TIMEOUT",
        "NODE_FAIL",
        "PREEMPTED",
        "BOOT_FAIL",
        "DEADLINE",
        "OUT_OF_MEMORY",
        "LAUNCH_FAILED",
        "REVOKED",
    ];
    let mut live = Live::default();
    let collect = &mut |job: jobgate_slurm::objects::Job| {
        let over = job.job_state.as_ref().is_some_and(|states| OVER.iter().any(|word| states.has(word)));
        if !over {
            live.add(job.account.as_deref().unwrap_or_default(), job.user_name.as_deref().unwrap_or_default());
        }
    };
    call.cluster().jobs(&JobsWanted::default(), collect).map_err(failed(source, words))?;
    Ok(live)
}

/// Warns that a query found nothing, in slurmrestd's words, and gives the answer with its empty list.
fn list_answer<T: Framed>(call: &mut Call, answer: T, is_empty: bool, function: &str, source: &str) -> Reply {
    if is_empty {
        call.warn(source, format!("{function}() found nothing"));
    }
    call.answer(answer)
}

/// What became of a removal: what is gone. Nothing means that nothing was changed (304); v0.0.40 warns of it where
/// `warns` says so.
fn removed<T: Framed>(call: &mut Call, answer: T, is_empty: bool, warns: Option<(&str, &str)>) -> Reply {
    match warns {
        _ if !is_empty => call.answer(answer),
        Some((function, source)) if call.version.number() <= 40 => list_answer(call, answer, true, function, source),
        _ => Reply::not_modified(),
    }
}

/// The list that a request has to have.
fn needed<T>(list: Option<Vec<T>>, field: &str) -> Result<Vec<T>, Failure> {
    list.ok_or_else(|| {
        let description = format!("the request has no field {field:?}: give the list");
        Failure::new(Errno::DATA_PATH_NOT_FOUND, format!("#/{field}/"), description)
    })
}
