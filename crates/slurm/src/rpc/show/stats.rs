//! Counters.

use crate::objects::{
    BfExitFields, Diag, ScheduleExitFields, StatsMsgRpcDump, StatsMsgRpcQueue, StatsMsgRpcType, StatsMsgRpcUser,
};
use crate::rpc::records;
use crate::rpc::{Kind, Protocol};
use crate::table::Num;

use super::{Names, int, time, wide};

/// What the controller counts, as the API shows it.
pub(in crate::rpc) fn stats(record: &records::Stats<'_>, protocol: Protocol, names: Names<'_>) -> Diag {
    let mut shown = Diag {
        rpcs_by_message_type: Some(by_kind(record)),
        rpcs_by_user: Some(by_user(record, names)),
        pending_rpcs: Some(pending(record)),
        pending_rpcs_by_hostlist: Some(waiting(record)),
        parts_packed: int(u32::from(record.counters.0.is_some())),
        ..Diag::default()
    };
    if let Some(counted) = &record.counters.0 {
        show_counted(counted, protocol, &mut shown);
    }
    shown
}

fn show_counted(counted: &records::Counted, protocol: Protocol, shown: &mut Diag) {
    let sum = if protocol < Protocol::V25_11 { counted.cycle_sum_short.into() } else { counted.cycle_sum };
    let mean = |sum: u64, count: u32| wide(sum.checked_div(count.into()).unwrap_or(0));
    let minutes = counted.time.saturating_sub(counted.since) / 60;
    shown.req_time = time(counted.time);
    shown.req_time_start = time(counted.since);
    shown.server_thread_count = int(counted.server_threads);
    shown.agent_queue_size = int(counted.agent_queue);
    shown.agent_count = int(counted.agents);
    shown.agent_thread_count = int(counted.agent_threads);
    shown.dbd_agent_queue_size = int(counted.dbd_agent_queue);
    shown.gettimeofday_latency = int(counted.clock_latency);
    shown.schedule_cycle_max = int(counted.cycle_max);
    shown.schedule_cycle_last = int(counted.cycle_last);
    shown.schedule_cycle_sum = wide(sum);
    shown.schedule_cycle_total = int(counted.cycles);
    shown.schedule_cycle_mean = mean(sum, counted.cycles);
    shown.schedule_cycle_mean_depth = mean(counted.cycle_depth.into(), counted.cycles);
    shown.schedule_cycle_per_minute = wide(u64::from(counted.cycles).checked_div(minutes).unwrap_or(0));
    shown.schedule_cycle_depth = int(counted.cycle_depth);
    shown.schedule_exit = Some(schedule_exits(&counted.exits));
    shown.schedule_queue_length = int(counted.queue_length);
    shown.jobs_submitted = int(counted.submitted);
    shown.jobs_started = int(counted.started);
    shown.jobs_completed = int(counted.completed);
    shown.jobs_canceled = int(counted.canceled);
    shown.jobs_failed = int(counted.failed);
    shown.jobs_pending = int(counted.pending);
    shown.jobs_running = int(counted.running);
    shown.job_states_ts = time(counted.jobs_time);
    show_backfill(counted, shown);
}

fn show_backfill(counted: &records::Counted, shown: &mut Diag) {
    let mean = |sum: u64| wide(sum.checked_div(counted.bf_cycles.into()).unwrap_or(0));
    shown.bf_backfilled_jobs = int(counted.backfilled);
    shown.bf_last_backfilled_jobs = int(counted.backfilled_last);
    shown.bf_backfilled_het_jobs = int(counted.backfilled_het);
    shown.bf_cycle_counter = int(counted.bf_cycles);
    shown.bf_cycle_mean = mean(counted.bf_cycle_sum);
    shown.bf_depth_mean = mean(counted.bf_depth_sum.into());
    shown.bf_depth_mean_try = mean(counted.bf_depth_try_sum.into());
    shown.bf_cycle_sum = wide(counted.bf_cycle_sum);
    shown.bf_cycle_last = int(counted.bf_cycle_last);
    shown.bf_cycle_max = int(counted.bf_cycle_max);
    shown.bf_exit = Some(backfill_exits(&counted.bf_exits));
    shown.bf_last_depth = int(counted.bf_depth_last);
    shown.bf_last_depth_try = int(counted.bf_depth_try_last);
    shown.bf_depth_sum = int(counted.bf_depth_sum);
    shown.bf_depth_try_sum = int(counted.bf_depth_try_sum);
    shown.bf_queue_len = int(counted.bf_queue);
    shown.bf_queue_len_mean = mean(counted.bf_queue_sum.into());
    shown.bf_queue_len_sum = int(counted.bf_queue_sum);
    shown.bf_table_size = int(counted.bf_table);
    shown.bf_table_size_sum = int(counted.bf_table_sum);
    shown.bf_table_size_mean = mean(counted.bf_table_sum.into());
    shown.bf_when_last_cycle = time(counted.bf_last_cycle);
    shown.bf_active = Some(counted.bf_active != 0);
}

/// Why cycles of the scheduler ended; the order is the wire's.
fn schedule_exits(counts: &[u32]) -> ScheduleExitFields {
    let of = |place: usize| counts.get(place).copied().map_or(Some(0), int);
    ScheduleExitFields {
        end_job_queue: of(0),
        default_queue_depth: of(1),
        max_job_start: of(2),
        licenses: of(3),
        max_rpc_cnt: of(4),
        max_sched_time: of(5),
    }
}

/// Why cycles of the backfill scheduler ended.
fn backfill_exits(counts: &[u32]) -> BfExitFields {
    let of = |place: usize| counts.get(place).copied().map_or(Some(0), int);
    BfExitFields {
        end_job_queue: of(0),
        bf_max_job_start: of(1),
        bf_max_job_test: of(2),
        state_changed: of(3),
        bf_node_space_size: of(4),
        bf_max_time: of(5),
    }
}

/// What an average is shown as: nothing where nothing took time.
fn average(time: u64, count: u32) -> Num<u64> {
    if time == 0 { Num::Unset } else { time.checked_div(count.into()).into() }
}

fn by_kind(record: &records::Stats<'_>) -> Vec<StatsMsgRpcType> {
    let queued = record.queues.0.as_ref();
    let kinds = record.kind_ids.iter().zip(&record.kind_counts).zip(&record.kind_times).take(record.kinds as usize);
    let one = |(place, ((kind, count), time)): (usize, ((&u16, &u32), &u64))| {
        let short = |of: fn(&records::Queued) -> &Vec<u16>| queued.and_then(|queued| of(queued).get(place).copied());
        let average = average(*time, *count);
        StatsMsgRpcType {
            type_id: int(*kind),
            message_type: Some(Kind(*kind).to_string()),
            count: int(*count),
            count_old: Some((*count).into()),
            queued: int(short(|queued| &queued.waiting).unwrap_or(0)),
            dropped: wide(queued.and_then(|queued| queued.dropped.get(place).copied()).unwrap_or(0)),
            cycle_last: int(short(|queued| &queued.cycle_last).unwrap_or(0)),
            cycle_max: int(short(|queued| &queued.cycle_max).unwrap_or(0)),
            total_time: wide(*time),
            average_time: Some(average),
            average_time_old: average.number().and_then(wide),
        }
    };
    kinds.enumerate().map(one).collect()
}

fn by_user(record: &records::Stats<'_>, names: Names<'_>) -> Vec<StatsMsgRpcUser> {
    let users = record.user_ids.iter().zip(&record.user_counts).zip(&record.user_times).take(record.users as usize);
    let one = |((user, count), time): ((&u32, &u32), &u64)| {
        let average = average(*time, *count);
        StatsMsgRpcUser {
            user_id: Some(*user),
            user: Some(names.user(*user)),
            count: int(*count),
            count_old: Some((*count).into()),
            total_time: wide(*time),
            average_time: Some(average),
            average_time_old: average.number().and_then(wide),
        }
    };
    users.map(one).collect()
}

fn pending(record: &records::Stats<'_>) -> Vec<StatsMsgRpcQueue> {
    let one = |(kind, count): (&u32, &u32)| StatsMsgRpcQueue {
        type_id: int(*kind),
        message_type: Some(name(*kind)),
        count: int(*count),
    };
    record.pending_kinds.iter().zip(&record.pending_counts).map(one).collect()
}

fn waiting(record: &records::Stats<'_>) -> Vec<StatsMsgRpcDump> {
    let one = |(kind, hosts): (&u32, &crate::rpc::codec::Text<'_>)| StatsMsgRpcDump {
        type_id: int(*kind),
        message_type: Some(name(*kind)),
        count: super::csv(*hosts),
    };
    record.waiting_kinds.iter().zip(&record.waiting_hosts).map(one).collect()
}

fn name(kind: u32) -> String {
    u16::try_from(kind).map_or_else(|_| kind.to_string(), |kind| Kind(kind).to_string())
}
