//! Associations.

use jobgate_slurm::books::{AssociationsWanted, Books, Level};
use jobgate_slurm::cluster::Fault;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Association, AssocsRemovedResp, AssocsResp, DbdDeleteAssociationQuery};
use jobgate_slurm::rpc::Inquiry;

use super::super::call::{Call, Outcome};
use super::super::error::Failure;
use super::{books, change, found, list_answer, live, needed, removed, require_coordinator};

const DUMP: &str = "_dump_assoc_cond";
const DELETE: &str = "_delete_assoc";
const REMOVE: &str = "slurmdb_associations_remove failed";

/// `GET /slurmdb/V/associations` and `GET /slurmdb/V/association`
pub(super) fn list(call: &mut Call) -> Outcome {
    let query: DbdDeleteAssociationQuery = call.read_query("op_handler_associations")?;
    let wanted = AssociationsWanted::of(&query);
    let (database, here) =
        (|inquiry: &Inquiry| inquiry.associations(&wanted), |books: &Books| books.associations(&wanted));
    let associations = found(call, DUMP, "slurmdb_associations_get() failed", database, here)?;
    let is_empty = associations.is_empty();
    let answer = AssocsResp { associations: Some(associations), ..AssocsResp::default() };
    Ok(list_answer(call, answer, is_empty, "slurmdb_associations_get", DUMP))
}

/// `POST /slurmdb/V/associations`. Coordinators look after the users of their accounts.
pub(super) fn update(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_foreach_update_assoc";
    const WORDS: &str = "slurmdb_associations_add() failed";
    let request: AssocsResp = call.read_body()?;
    let associations = needed(request.associations, "associations")?;
    coordinators_only(call, &associations, SOURCE, WORDS)?;
    change(call, SOURCE, WORDS, |books| associations.iter().try_for_each(|one| books.put_association(one)))?;
    Ok(call.done())
}

/// Refuses whoever may not change all of these: an account's own association is an operator's business.
fn coordinators_only(call: &Call, all: &[Association], source: &str, words: &str) -> Result<(), Failure> {
    let is_user = |one: &&Association| one.user.as_deref().is_some_and(|user| !user.is_empty());
    if !all.iter().all(|one| is_user(&one)) {
        return super::require(call, Level::Operator, source, words);
    }
    require_coordinator(call, all.iter().map(|one| one.account.as_deref().unwrap_or_default()), source, words)
}

/// `DELETE /slurmdb/V/associations`: all that the query means.
pub(super) fn delete_many(call: &mut Call) -> Outcome {
    remove(call, false)
}

/// `DELETE /slurmdb/V/association`: the one that the query means.
pub(super) fn delete(call: &mut Call) -> Outcome {
    remove(call, true)
}

fn remove(call: &mut Call, only_one: bool) -> Outcome {
    let query: DbdDeleteAssociationQuery = call.read_query("op_handler_association")?;
    let wanted = AssociationsWanted { deleted: false, ..AssociationsWanted::of(&query) };
    let meant = books(call, DELETE, REMOVE)?.associations(&wanted);
    coordinators_only(call, &meant, DELETE, REMOVE)?;
    let live = live(call, DELETE, REMOVE)?;
    let gone = change(call, DELETE, REMOVE, |books| {
        let count = books.associations(&wanted).len();
        if only_one && count > 1 {
            let description =
                format!("{count} associations are meant: name account, user, partition and cluster of one");
            return Err(Fault::new(Errno::DATA_AMBIGUOUS_MODIFY, description));
        }
        books.delete_associations(&wanted, &live)
    })?;
    let is_empty = gone.is_empty();
    let answer = AssocsRemovedResp { removed_associations: Some(gone), ..AssocsRemovedResp::default() };
    Ok(removed(call, answer, is_empty, None))
}
