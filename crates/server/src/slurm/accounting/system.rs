//! The database itself: whether it is there, what it counts, how it is set up, all that it holds.

use std::time::Instant;

use jobgate_slurm::books::Level;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{
    DbdConfResp, DbdConfigResp, DbdPing, DbdPingResp, DbdStatsResp, RollupStats, SlurmdbPurgeUnits, SlurmdbdConf,
    StatsRec, StatsRpc, StatsUser, Tres, TresResp,
};
use jobgate_slurm::table::Flags;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;
use super::super::tally::Count;
use super::{books, change, clusters, require};

/// `GET /slurmdb/V/ping`
pub(super) fn ping(call: &mut Call) -> Reply {
    let slurm = call.shared.slurm.clone();
    let began = Instant::now();
    let asked = slurm.accounting.books();
    let status = asked.as_ref().map_or_else(|fault| fault.errno, |_| Errno::NONE);
    let ping = DbdPing {
        hostname: Some(host(call)),
        responding: Some(asked.is_ok()),
        latency: i64::try_from(began.elapsed().as_micros()).ok(),
        primary: Some(true),
        status: Some(status.text().to_owned()),
    };
    call.answer(DbdPingResp { pings: Some(vec![ping]), ..DbdPingResp::default() })
}

/// Where the database is: where the controller is.
fn host(call: &Call) -> String {
    call.cluster().ping().into_iter().next().and_then(|ping| ping.hostname).unwrap_or_default()
}

/// `GET /slurmdb/V/diag`. What slurmdbd counts as RPCs are requests here. Nothing is ever rolled up.
pub(super) fn diag(call: &mut Call) -> Reply {
    if let Err(refused) = require(call, Level::Operator, "slurmdb_get_stats", "stats query failed") {
        let nothing = DbdStatsResp { statistics: Some(StatsRec::default()), ..DbdStatsResp::default() };
        return call.refuse_in(refused, nothing);
    }
    let slurm = call.shared.slurm.clone();
    let wide = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let average = |count: &Count| wide(count.time.checked_div(count.count).unwrap_or_default());
    let few = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
    let rpcs = slurm.tally.operations().into_iter().filter_map(|(name, count)| {
        Some(StatsRpc {
            rpc: Some(rpc(name.strip_prefix("Dbd")?)),
            count: Some(few(count.count)),
            time_average: Some(average(&count)),
            time_total: Some(wide(count.time)),
        })
    });
    let users = slurm.tally.users().into_iter().map(|(user, count)| StatsUser {
        user: Some(user),
        count: Some(few(count.count)),
        time_average: Some(average(&count)),
        time_total: Some(wide(count.time)),
    });
    let statistics = StatsRec {
        time_start: Some(wide(slurm.accounting.started())),
        rollups: Some(RollupStats::default()),
        rollups_old: Some(Vec::new()),
        rpcs: Some(rpcs.collect()),
        users: Some(users.collect()),
    };
    call.answer(DbdStatsResp { statistics: Some(statistics), ..DbdStatsResp::default() })
}

/// An operation's name as those of RPCs are written: `GetUsers` is `DBD_GET_USERS`.
fn rpc(name: &str) -> String {
    let mut rpc = String::from("DBD");
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            rpc.push('_');
        }
        rpc.push(letter.to_ascii_uppercase());
    }
    rpc
}

/// `GET /slurmdb/V/conf`: what is true of this database, in slurmdbd's terms.
pub(super) fn conf(call: &mut Call) -> Outcome {
    const SOURCE: &str = "op_handler_conf";
    const WORDS: &str = "slurmdb_config_get() failed";
    require(call, Level::Operator, SOURCE, WORDS)?;
    let never = || Some(SlurmdbPurgeUnits { set: Some(false), ..SlurmdbPurgeUnits::default() });
    let conf = SlurmdbdConf {
        dbd_addr: Some(host(call)),
        dbd_host: Some(host(call)),
        dbd_port: Some(0),
        debug_level: Some("info".into()),
        debug_level_syslog: Some("quiet".into()),
        flags: Some(Flags::of(["AllowNoDefAcct"])),
        max_purge_limit: Some(0),
        max_query_time_range: Some("UNLIMITED".into()),
        purge_event_after: never(),
        purge_job_after: never(),
        purge_resv_after: never(),
        purge_step_after: never(),
        purge_suspend_after: never(),
        purge_txnafter: never(),
        purge_usage_after: never(),
        purge_job_script_after: never(),
        purge_job_env_after: never(),
        storage_loc: Some("local.db".into()),
        track_wckey: Some(true),
        track_slurmctld_down: Some(false),
        ..SlurmdbdConf::default()
    };
    Ok(call.answer(DbdConfResp { slurmdbd_conf: Some(conf), ..DbdConfResp::default() }))
}

/// `GET /slurmdb/V/config`: everything that [`load`] takes.
pub(super) fn dump(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_dump";
    // wckeys are what others may not see
    const WORDS: &str = "slurmdb_wckeys_get failed";
    require(call, Level::Operator, SOURCE, WORDS)?;
    let mut dump = books(call, SOURCE, WORDS)?.dump();
    clusters::describe(call, dump.clusters.get_or_insert_default(), SOURCE, WORDS)?;
    Ok(call.answer(dump))
}

/// `POST /slurmdb/V/config`
pub(super) fn load(call: &mut Call) -> Outcome {
    const SOURCE: &str = "op_handler_config";
    const WORDS: &str = "loading the configuration failed";
    let request: DbdConfigResp = call.read_body()?;
    require(call, Level::Administrator, SOURCE, WORDS)?;
    change(call, SOURCE, WORDS, |books| books.load(&request))?;
    Ok(call.done())
}

/// `GET /slurmdb/V/tres`. What there is on the cluster gets a number when it is first asked for.
pub(super) fn tres(call: &mut Call) -> Outcome {
    const SOURCE: &str = "op_handler_tres";
    const WORDS: &str = "slurmdb_tres_get() failed";
    let mut names: Vec<String> = Vec::new();
    for node in call.cluster().nodes().map_err(failed(SOURCE, WORDS))? {
        let amounts = node.tres.unwrap_or_default();
        names.extend(amounts.split(',').filter_map(|amount| amount.split_once('=')).map(|(name, _)| name.to_owned()));
    }
    for license in call.cluster().licenses().map_err(failed(SOURCE, WORDS))? {
        names.extend(license.license_name.map(|name| format!("license/{name}")));
    }
    let mut known = books(call, SOURCE, WORDS)?;
    let has = |tres: &[Tres], name: &str| {
        let (kind, rest) = name.split_once('/').unwrap_or((name, ""));
        tres.iter().any(|one| one.kind.as_deref() == Some(kind) && one.name.as_deref() == Some(rest))
    };
    let all = known.tres();
    if names.iter().any(|name| !has(&all, name)) {
        change(call, SOURCE, WORDS, |books| {
            books.learn_tres(names.iter().map(String::as_str));
            Ok(())
        })?;
        known = books(call, SOURCE, WORDS)?;
    }
    Ok(call.answer(TresResp { tres: Some(known.tres()), ..TresResp::default() }))
}

/// `POST /slurmdb/V/tres`
pub(super) fn refuse_tres() -> Outcome {
    let words = "TRES come from the cluster's nodes and licences: they cannot be added here";
    Err(Failure::new(Errno::NOT_SUPPORTED, "op_handler_tres", words))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_requests() {
        assert_eq!(super::rpc("GetUsers"), "DBD_GET_USERS");
        assert_eq!(super::rpc("PostAccountsAssociation"), "DBD_POST_ACCOUNTS_ASSOCIATION");
    }
}
