//! Users.

use jobgate_slurm::books::{Books, Level, UsersWanted};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{
    DbdUserQuery, DbdUsersQuery, JobQuery, Plain, User, UsersAddCondResp, UsersAddCondRespStr, UsersResp,
};
use jobgate_slurm::rpc::Inquiry;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome};
use super::super::error::Failure;
use super::{books, change, found, level_of, list_answer, live, needed, require, require_coordinator};

const DUMP: &str = "_dump_users";
const GET: &str = "slurmdb_users_get";
const UPDATE: &str = "_foreach_update_user";
const ADD: &str = "slurmdb_users_add() failed";

/// `GET /slurmdb/V/users`
pub(super) fn list(call: &mut Call) -> Outcome {
    let query: DbdUsersQuery = call.read_query("op_handler_users")?;
    answer(call, &UsersWanted::many(&query))
}

/// `GET /slurmdb/V/user/NAME`
pub(super) fn show(call: &mut Call) -> Outcome {
    let query: DbdUserQuery = call.read_query("op_handler_user")?;
    let name = call.path_name();
    answer(call, &UsersWanted::one(&name, &query))
}

fn answer(call: &mut Call, wanted: &UsersWanted) -> Outcome {
    let (database, here) = (|inquiry: &Inquiry| inquiry.users(wanted), |books: &Books| books.users(wanted));
    let users = found(call, DUMP, "slurmdb_users_get() failed", database, here)?;
    let is_empty = users.is_empty();
    Ok(list_answer(call, UsersResp { users: Some(users), ..UsersResp::default() }, is_empty, GET, DUMP))
}

/// `POST /slurmdb/V/users`. Everybody may choose their own defaults; nobody gives others more rights than their own.
pub(super) fn update(call: &mut Call) -> Outcome {
    let request: UsersResp = call.read_body()?;
    let users = needed(request.users, "users")?;
    let level = level_of(call);
    let known = books(call, UPDATE, ADD)?;
    let denied = || Failure::new(Errno::ACCESS_DENIED, UPDATE, ADD);
    for user in &users {
        let name = user.name.as_deref().unwrap_or_default();
        let old = user.old_name.as_deref().filter(|old| !old.is_empty()).unwrap_or(name);
        let reaches = [name, old].iter().map(|name| known.level_of(name)).chain([user.level()]).max();
        let there = || !known.users(&UsersWanted { names: vec![name.to_owned()], ..UsersWanted::default() }).is_empty();
        let own = name == call.asker.login && is_about_defaults(user) && there();
        if !(own || (level >= Level::Operator && reaches.is_none_or(|reaches| reaches <= level))) {
            return Err(denied());
        }
    }
    change(call, UPDATE, ADD, |books| users.iter().try_for_each(|user| books.put_user(user)))?;
    Ok(call.done())
}

/// Whether a request changes nothing of a user but the defaults among what there is.
fn is_about_defaults(user: &User) -> bool {
    user.level() == Level::None
        && user.old_name.as_deref().is_none_or(str::is_empty)
        && user.default_qos.is_none_or(|id| id == 0)
        && user.associations.as_ref().is_none_or(Vec::is_empty)
        && user.coordinators.as_ref().is_none_or(Vec::is_empty)
        && user.wckeys.as_ref().is_none_or(Vec::is_empty)
        && user.default_wckey.as_deref().is_none_or(str::is_empty)
}

/// `POST /slurmdb/V/users_association`
pub(super) fn associate(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_add_users_cond";
    const WORDS: &str = "slurmdb_users_add_cond() failed";
    let _: JobQuery = call.read_query("op_handler_users_association")?;
    let request: UsersAddCondResp = call.read_body()?;
    let level = request
        .user
        .as_ref()
        .map_or(Level::None, |user| User { administrator_level: user.adminlevel.clone(), ..User::default() }.level());
    let condition = request.association_condition.as_ref();
    let default = request.user.as_ref().and_then(|user| user.defaultaccount.as_deref()).filter(|name| !name.is_empty());
    let named = condition.into_iter().flat_map(|one| one.accounts.iter().flatten()).map(String::as_str);
    require_coordinator(call, named.chain(default), SOURCE, WORDS)?;
    require(call, level, SOURCE, WORDS)?;
    match change(call, SOURCE, WORDS, |books| books.add_users(&request))? {
        None => Ok(Reply::not_modified()),
        Some(text) => {
            Ok(call.answer(UsersAddCondRespStr { added_users: Some(text), ..UsersAddCondRespStr::default() }))
        }
    }
}

/// `DELETE /slurmdb/V/user/NAME`
pub(super) fn delete(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_delete_user";
    const WORDS: &str = "slurmdb_users_remove failed";
    let name = call.path_name();
    let level = books(call, SOURCE, WORDS)?.level_of(&name);
    require(call, level.max(Level::Operator), SOURCE, WORDS)?;
    let live = live(call, SOURCE, WORDS)?;
    let gone = change(call, SOURCE, WORDS, |books| books.delete_user(&name, &live))?;
    if gone.is_empty() {
        return Ok(Reply::not_modified());
    }
    Ok(call.answer(Plain { removed_users: Some(gone), ..Plain::default() }))
}
