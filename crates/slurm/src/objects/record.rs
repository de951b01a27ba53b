//! Jobs in the accounting database.

use super::accounting::{AssociationShort, Tres};
use super::job::ExitCode;
use super::words;
use crate::table::{Flags, Num, Time, object};

object! {
    /// A job in the accounting database.
    JobRecord = "job" {
        account: String;
        comment_administrator: String = "comment/administrator";
        comment_job: String = "comment/job";
        comment_system: String = "comment/system";
        allocation_nodes: i32;
        array_job_id: i32 = "array/job_id";
        array_limits_max_running_tasks: i32 = "array/limits/max/running/tasks";
        array_task_id: Num<u32> = "array/task_id";
        array_task: String = "array/task";
        association: AssociationShort;
        block: String;
        cluster: String;
        constraints: String;
        container: String;
        sluid: String => since(45);
        derived_exit_code: ExitCode;
        time_elapsed: i32 = "time/elapsed";
        time_eligible: i64 = "time/eligible";
        time_end: i64 = "time/end";
        time_planned: Num<u64> = "time/planned" => since(41);
        time_start: i64 = "time/start";
        time_submission: i64 = "time/submission";
        time_suspended: i32 = "time/suspended";
        time_system_seconds: i64 = "time/system/seconds";
        time_system_microseconds: i64 = "time/system/microseconds";
        time_limit: Num<u32> = "time/limit";
        time_total_seconds: i64 = "time/total/seconds";
        time_total_microseconds: i64 = "time/total/microseconds";
        time_user_seconds: i64 = "time/user/seconds";
        time_user_microseconds: i64 = "time/user/microseconds";
        exclusive: String => since(45);
        exit_code: ExitCode;
        extra: String;
        failed_node: String;
        flags: Flags<words::SlurmdbJobFlags>;
        group: String;
        het_job_id: i32 = "het/job_id";
        het_job_offset: Num<u32> = "het/job_offset";
        job_id: u32;
        name: String;
        licenses: String;
        mcs_label: String = "mcs/label";
        nodes: String;
        oversubscribe: String => since(45);
        partition: String;
        hold: bool;
        priority: Num<u32>;
        qos: String;
        qosreq: String => since(42);
        required_cpus: i32 = "required/CPUs";
        required_memory_per_cpu: Num<u64> = "required/memory_per_cpu";
        required_memory_per_node: Num<u64> = "required/memory_per_node";
        kill_request_user: String;
        restart_cnt: i32 => since(42);
        reservation_id: i32 = "reservation/id";
        reservation_name: String = "reservation/name";
        reservation_requested: String = "reservation/requested" => since(43);
        script: String;
        segment_size: i32 => since(43);
        original_sluid: String => since(45);
        stdin_expanded: String => since(41);
        stdout_expanded: String => since(41);
        stderr_expanded: String => since(41);
        stdout: String => since(41);
        stderr: String => since(41);
        stdin: String => since(41);
        state_current: Flags<words::JobState> = "state/current";
        state_reason: String = "state/reason";
        steps: Vec<StepRecord> => named("step_list");
        submit_line: String;
        tres_allocated: Vec<Tres> = "tres/allocated" => named("tres_list");
        tres_requested: Vec<Tres> = "tres/requested" => named("tres_list");
        used_gres: String;
        user: String;
        wckey: WcKeyTagStruct;
        working_directory: String;
    }

    /// A step of a job in the accounting database.
    StepRecord = "step" {
        time_elapsed: i32 = "time/elapsed";
        time_end: Time = "time/end";
        time_start: Time = "time/start";
        time_suspended: i32 = "time/suspended";
        time_system_seconds: i64 = "time/system/seconds";
        time_system_microseconds: i32 = "time/system/microseconds";
        time_limit: Num<u32> = "time/limit" => since(43);
        time_total_seconds: i64 = "time/total/seconds";
        time_total_microseconds: i32 = "time/total/microseconds";
        time_user_seconds: i64 = "time/user/seconds";
        time_user_microseconds: i32 = "time/user/microseconds";
        exit_code: ExitCode;
        nodes_count: i32 = "nodes/count";
        nodes_range: String = "nodes/range";
        nodes_list: Vec<String> = "nodes/list" => named("hostlist");
        tasks_count: i32 = "tasks/count";
        cpu_requested_frequency_min: Num<u32> = "CPU/requested_frequency/min";
        cpu_requested_frequency_max: Num<u32> = "CPU/requested_frequency/max";
        cpu_governor: String = "CPU/governor";
        kill_request_user: String;
        state: Flags<words::JobState>;
        statistics_cpu_actual_frequency: i64 = "statistics/CPU/actual_frequency";
        statistics_energy_consumed: Num<u64> = "statistics/energy/consumed";
        step_id: String = "step/id";
        step_name: String = "step/name";
        step_stderr: String = "step/stderr" => since(43);
        step_stdin: String = "step/stdin" => since(43);
        step_stdout: String = "step/stdout" => since(43);
        step_stderr_expanded: String = "step/stderr_expanded" => since(43);
        step_stdin_expanded: String = "step/stdin_expanded" => since(43);
        step_stdout_expanded: String = "step/stdout_expanded" => since(43);
        submit_line: String => since(45);
        task_distribution: String = "task/distribution";
        tres_requested_max: Vec<Tres> = "tres/requested/max" => named("step_tres_req_max");
        tres_requested_min: Vec<Tres> = "tres/requested/min" => named("step_tres_req_min");
        tres_requested_average: Vec<Tres> = "tres/requested/average" => named("tres_list");
        tres_requested_total: Vec<Tres> = "tres/requested/total" => named("tres_list");
        tres_consumed_max: Vec<Tres> = "tres/consumed/max" => named("step_tres_usage_max");
        tres_consumed_min: Vec<Tres> = "tres/consumed/min" => named("step_tres_usage_min");
        tres_consumed_average: Vec<Tres> = "tres/consumed/average" => named("tres_list");
        tres_consumed_total: Vec<Tres> = "tres/consumed/total" => named("tres_list");
        tres_allocated: Vec<Tres> = "tres/allocated" => named("tres_list");
        pid: String => until(44) deprecated(42, 45);
    }

    /// `wckey_tag_struct` of the API.
    WcKeyTagStruct = "wckey_tag_struct" {
        wckey: String => required(40, 45);
        flags: Flags<words::WckeyTagFlags> => required(40, 45);
    }
}
