//! Counters.

use super::words;
use crate::table::{Num, Time, WordOf, object};

object! {
    /// What the controller counts.
    Diag = "stats_msg" {
        req_time: Time;
        req_time_start: Time;
        server_thread_count: i32;
        agent_queue_size: i32;
        agent_count: i32;
        agent_thread_count: i32;
        dbd_agent_queue_size: i32;
        gettimeofday_latency: i32;
        schedule_cycle_max: i32;
        schedule_cycle_last: i32;
        schedule_cycle_sum: i64 => since(41);
        schedule_cycle_total: i32;
        schedule_cycle_mean: i64;
        schedule_cycle_mean_depth: i64;
        schedule_cycle_per_minute: i64;
        schedule_cycle_depth: i32 => since(41);
        schedule_exit: ScheduleExitFields;
        schedule_queue_length: i32;
        jobs_submitted: i32;
        jobs_started: i32;
        jobs_completed: i32;
        jobs_canceled: i32;
        jobs_failed: i32;
        jobs_pending: i32;
        jobs_running: i32;
        job_states_ts: Time;
        bf_backfilled_jobs: i32;
        bf_last_backfilled_jobs: i32;
        bf_backfilled_het_jobs: i32;
        bf_cycle_counter: i32;
        bf_cycle_mean: i64;
        bf_depth_mean: i64;
        bf_depth_mean_try: i64;
        bf_cycle_sum: i64;
        bf_cycle_last: i32;
        bf_cycle_max: i32 => since(41);
        bf_exit: BfExitFields;
        bf_last_depth: i32;
        bf_last_depth_try: i32;
        bf_depth_sum: i32;
        bf_depth_try_sum: i32;
        bf_queue_len: i32;
        bf_queue_len_mean: i64;
        bf_queue_len_sum: i32;
        bf_table_size: i32;
        bf_table_size_sum: i32 => since(41);
        bf_table_size_mean: i64;
        bf_when_last_cycle: Time;
        bf_active: bool;
        rpcs_by_message_type: Vec<StatsMsgRpcType> => named("stats_msg_rpcs_by_type");
        rpcs_by_user: Vec<StatsMsgRpcUser> => named("stats_msg_rpcs_by_user");
        pending_rpcs: Vec<StatsMsgRpcQueue> => since(41) named("stats_msg_rpcs_queue");
        pending_rpcs_by_hostlist: Vec<StatsMsgRpcDump> => since(41) named("stats_msg_rpcs_dump");
        parts_packed: i32 => until(44) deprecated(41, 45);
    }

    /// `schedule_exit_fields` of the API.
    ScheduleExitFields = "schedule_exit_fields" {
        end_job_queue: i32;
        default_queue_depth: i32;
        max_job_start: i32;
        max_rpc_cnt: i32;
        max_sched_time: i32;
        licenses: i32;
    }

    /// `bf_exit_fields` of the API.
    BfExitFields = "bf_exit_fields" {
        end_job_queue: i32;
        bf_max_job_start: i32;
        bf_max_job_test: i32;
        bf_max_time: i32;
        bf_node_space_size: i32;
        state_changed: i32;
    }

    /// `stats_msg_rpc_type` of the API.
    StatsMsgRpcType = "stats_msg_rpc_type" {
        type_id: i32 => required(41, 45);
        message_type: String => required(41, 45);
        count: i32 => since(41) required(40, 45);
        count_old: i64 = "count" => until(40);
        queued: i32 => since(41) required(40, 45);
        dropped: i64 => since(41) required(40, 45);
        cycle_last: i32 => since(41) required(40, 45);
        cycle_max: i32 => since(41) required(40, 45);
        total_time: i64 => required(41, 45);
        average_time: Num<u64> => since(41) required(40, 45);
        average_time_old: i64 = "average_time" => until(40);
    }

    /// `stats_msg_rpc_user` of the API.
    StatsMsgRpcUser = "stats_msg_rpc_user" {
        user_id: u32 => required(41, 45);
        user: String => required(41, 45);
        count: i32 => since(41) required(40, 45);
        count_old: i64 = "count" => until(40);
        total_time: i64 => required(41, 45);
        average_time: Num<u64> => since(41) required(40, 45);
        average_time_old: i64 = "average_time" => until(40);
    }

    /// `stats_msg_rpc_queue` of the API.
    StatsMsgRpcQueue = "stats_msg_rpc_queue" {
        type_id: i32 => since(41) required(40, 45);
        message_type: String => since(41) required(40, 45);
        count: i32 => since(41) required(40, 45);
    }

    /// `stats_msg_rpc_dump` of the API.
    StatsMsgRpcDump = "stats_msg_rpc_dump" {
        type_id: i32 => since(41) required(40, 45);
        message_type: String => since(41) required(40, 45);
        count: Vec<String> => since(41) named("hostlist_string") required(40, 45);
    }

    /// `stats_rec` of the API.
    StatsRec = "stats_rec" {
        time_start: i64;
        rollups: RollupStats => since(41);
        rollups_old: Vec<RollupStatsV40> = "rollups" => until(40) named("rollup_stats");
        rpcs: Vec<StatsRpc> = "RPCs" => named("stats_rpc_list");
        users: Vec<StatsUser> => named("stats_user_list");
    }

    /// `rollup_stats` of the API.
    RollupStats = "rollup_stats" {
        hourly_count: i32 = "hourly/count" => since(41) required(40, 45);
        hourly_last_run: i64 = "hourly/last_run" => since(41) required(40, 45) rank(1);
        hourly_duration_last: i64 = "hourly/duration/last" => since(41) required(40, 45) rank(2);
        hourly_duration_max: i64 = "hourly/duration/max" => since(41) required(40, 45) rank(3);
        hourly_duration_time: i64 = "hourly/duration/time" => since(41) required(40, 45) rank(4);
        daily_count: i32 = "daily/count" => since(41) required(40, 45);
        daily_last_run: i64 = "daily/last_run" => since(41) required(40, 45) rank(1);
        daily_duration_last: i64 = "daily/duration/last" => since(41) required(40, 45) rank(2);
        daily_duration_max: i64 = "daily/duration/max" => since(41) required(40, 45) rank(3);
        daily_duration_time: i64 = "daily/duration/time" => since(41) required(40, 45) rank(4);
        monthly_count: i32 = "monthly/count" => since(41) required(40, 45);
        monthly_last_run: i64 = "monthly/last_run" => since(41) required(40, 45) rank(1);
        monthly_duration_last: i64 = "monthly/duration/last" => since(41) required(40, 45) rank(2);
        monthly_duration_max: i64 = "monthly/duration/max" => since(41) required(40, 45) rank(3);
        monthly_duration_time: i64 = "monthly/duration/time" => since(41) required(40, 45) rank(4);
    }

    /// `rollup_stats_v40` of the API.
    RollupStatsV40 = "rollup_stats_v40" {
        kind: WordOf<words::RollupStatsV40Type> = "type";
        last_run: i32 = "last run";
        max_cycle: i64;
        total_time: i64;
        total_cycles: i64;
        mean_cycles: i64;
    }

    /// `stats_rpc` of the API.
    StatsRpc = "stats_rpc" {
        rpc: String;
        count: i32;
        time_average: i64 = "time/average";
        time_total: i64 = "time/total";
    }

    /// `stats_user` of the API.
    StatsUser = "stats_user" {
        user: String;
        count: i32;
        time_average: i64 = "time/average";
        time_total: i64 = "time/total";
    }

    /// `slurmdbd_ping` of the API.
    DbdPing = "slurmdbd_ping" {
        hostname: String => since(42) required(40, 45);
        responding: bool => since(42) required(40, 45);
        latency: i64 => since(42) required(40, 45);
        primary: bool => since(42) required(40, 45);
        status: String => since(45) required(40, 45);
    }
}
