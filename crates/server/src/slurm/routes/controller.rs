//! The controller itself: whether it is there, what it counts, how it is set up.

use jobgate_slurm::cluster::{Listed, Stamp};
use jobgate_slurm::objects::{
    ConfQuery, ConfResp, DiagResp, LicensesResp, PingArrayResp, SharesQuery, SharesResp, SlurmConfMeta,
    StatsMsgRpcType, StatsMsgRpcUser,
};
use jobgate_slurm::table::{Num, Time};

use super::super::accounting;
use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::nodes::unchanged;

/// `GET /slurm/V/ping`
pub(super) fn ping(call: &Call) -> Reply {
    let pings = call.cluster().ping();
    call.answer(PingArrayResp { pings: Some(pings), ..PingArrayResp::default() })
}

/// `GET /slurm/V/diag`. What slurmrestd shows as RPCs are requests here.
pub(super) fn diag(call: &mut Call) -> Outcome {
    let slurm = call.shared.slurm.clone();
    let mut diag = call.cluster().diag().map_err(failed("slurm_get_statistics()", "Unable to query statistics"))?;
    let average = |time: u64, count: u64| time.checked_div(count).unwrap_or_default();
    let wide = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let operations = slurm.tally.operations().into_iter().enumerate();
    diag.rpcs_by_message_type = Some(
        operations
            .map(|(id, (name, count))| StatsMsgRpcType {
                type_id: i32::try_from(id).ok(),
                message_type: Some(name),
                count: i32::try_from(count.count).ok(),
                count_old: Some(wide(count.count)),
                total_time: Some(wide(count.time)),
                average_time: Some(Num::Set(average(count.time, count.count))),
                average_time_old: Some(wide(average(count.time, count.count))),
                queued: Some(0),
                dropped: Some(0),
                cycle_last: Some(0),
                cycle_max: Some(0),
            })
            .collect(),
    );
    diag.rpcs_by_user = Some(
        slurm
            .tally
            .users()
            .into_iter()
            .map(|(user, count)| StatsMsgRpcUser {
                user_id: Some(0),
                user: Some(user),
                count: i32::try_from(count.count).ok(),
                count_old: Some(wide(count.count)),
                total_time: Some(wide(count.time)),
                average_time: Some(Num::Set(average(count.time, count.count))),
                average_time_old: Some(wide(average(count.time, count.count))),
            })
            .collect(),
    );
    Ok(call.answer(DiagResp { statistics: Some(diag), ..DiagResp::default() }))
}

/// `GET /slurm/V/conf`
pub(super) fn conf(call: &mut Call) -> Outcome {
    let query: ConfQuery = call.read_query("op_handler_conf")?;
    let failed = failed("slurm_load_ctl_conf()", "Unable to query configuration");
    let slurm = call.shared.slurm.clone();
    let (conf, meta) = match call.real() {
        Some(seen) => {
            let (conf, meta) = seen.configuration().map_err(&failed)?;
            (conf, Some(meta))
        }
        None => (call.cluster().conf().map_err(&failed)?, None),
    };
    let said = meta.as_ref().and_then(|meta| u64::try_from(meta.last_update?).ok());
    let changed = said.unwrap_or(slurm.started);
    if unchanged(query.update_time, Stamp { changed, known: changed, ..Stamp::default() }) {
        call.warn("op_handler_conf", "The configuration has not changed since update_time");
        // neither the configuration nor what is said about it is there
        return Ok(call.done());
    }
    let started = i64::try_from(changed).ok();
    let own = || SlurmConfMeta {
        last_update: started,
        boot_time: started,
        cluster_id: Some(Num::Set(1)),
        hash_value: Some(0),
        next_job_id: Some(Num::Set(call.cluster().next_job_id())),
        slurm_conf: Some(String::new()),
        slurm_version: Some(call.version.release().to_string()),
    };
    Ok(call.answer(ConfResp {
        slurm_conf: Some(conf),
        slurm_conf_meta: Some(meta.unwrap_or_else(own)),
        ..ConfResp::default()
    }))
}

/// `GET /slurm/V/licenses`
pub(super) fn licenses(call: &mut Call) -> Outcome {
    let slurm = call.shared.slurm.clone();
    let failed = failed("slurm_load_licenses()", "Unable to query licenses");
    let stamp = call.cluster().stamp(Listed::Licenses).map_err(&failed)?;
    let licenses = call.cluster().licenses().map_err(failed)?;
    let last_update = Some(Time::at(if stamp.changed == 0 { slurm.started } else { stamp.changed }));
    Ok(call.answer(LicensesResp { licenses: Some(licenses), last_update, ..LicensesResp::default() }))
}

/// `GET /slurm/V/shares`
pub(super) fn shares(call: &mut Call) -> Outcome {
    let query: SharesQuery = call.read_query("op_handler_shares")?;
    let shares = accounting::shares(call, &query)?;
    Ok(call.answer(SharesResp { shares: Some(shares), ..SharesResp::default() }))
}

/// `GET /slurm/V/reconfigure`
pub(super) fn reconfigure(call: &mut Call) -> Outcome {
    let words = "slurm_reconfigure() failed";
    call.administrators_only("op_handler_reconfigure", words)?;
    call.cluster().reconfigure().map_err(failed("op_handler_reconfigure", words))?;
    Ok(call.done())
}
