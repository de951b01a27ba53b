//! What is asked for: jobs to be submitted, changed, signalled.

use super::accounting::Tres;
use super::answers::{ErrorEntry, Meta, WarningEntry};
use super::job::{ExitCode, SlurmStepId};
use super::words;
use crate::table::{Flags, Num, Raw, Time, object};

object! {
    /// A job to be submitted.
    JobSubmitRequest = "job_submit_req" {
        script: String;
        jobs: Vec<JobDesc> => named("job_desc_msg_list");
        job: JobDesc;
    }

    /// `job_alloc_req` of the API.
    JobAllocRequest = "job_alloc_req" {
        hetjob: Vec<JobDesc> => since(41) named("job_desc_msg_list");
        job: JobDesc => since(41);
    }

    /// A job as it is asked for, or what is to change in one.
    JobDesc = "job_desc_msg" {
        account: String;
        account_gather_frequency: String;
        admin_comment: String;
        allocation_node_list: String;
        allocation_node_port: i32;
        argv: Vec<String> => named("string_array");
        array: String;
        batch_features: String;
        begin_time: Time;
        flags: Flags<words::JobFlags>;
        burst_buffer: String;
        clusters: String;
        cluster_constraint: String;
        comment: String;
        contiguous: bool;
        container: String;
        container_id: String;
        container_type: String => since(45);
        core_specification: i32;
        thread_specification: i32;
        cpu_binding: String;
        cpu_binding_flags: Flags<words::CpuBindingFlags>;
        cpu_frequency: String;
        cpus_per_tres: String;
        crontab: CronEntry;
        deadline: i64;
        delay_boot: i32;
        dependency: String;
        end_time: i64;
        environment: Vec<String> => named("string_array");
        rlimits_cpu: Num<u64> = "rlimits/cpu";
        rlimits_fsize: Num<u64> = "rlimits/fsize";
        rlimits_data: Num<u64> = "rlimits/data";
        rlimits_stack: Num<u64> = "rlimits/stack";
        rlimits_core: Num<u64> = "rlimits/core";
        rlimits_rss: Num<u64> = "rlimits/rss";
        rlimits_nproc: Num<u64> = "rlimits/nproc";
        rlimits_nofile: Num<u64> = "rlimits/nofile";
        rlimits_memlock: Num<u64> = "rlimits/memlock";
        rlimits_as: Num<u64> = "rlimits/as";
        excluded_nodes: Vec<String> => named("csv_string");
        extra: String;
        constraints: String;
        group_id: String;
        hetjob_group: i32;
        immediate: bool;
        job_id: u32;
        kill_on_node_fail: bool;
        licenses: String;
        mail_type: Flags<words::JobMailFlags>;
        mail_user: String;
        mcs_label: String;
        memory_binding: String;
        memory_binding_type: Flags<words::MemoryBindingType>;
        memory_per_tres: String;
        memory_update_margin: i32 => since(45);
        memory_update_delay: i32 => since(45);
        name: String;
        network: String;
        nice: i32;
        tasks: i32;
        oom_kill_step: i32 => since(42);
        open_mode: Flags<words::OpenMode>;
        reserve_ports: i32;
        overcommit: bool;
        partition: String;
        distribution_plane_size: Num<u16> => since(41);
        distribution_plane_size_old: i32 = "distribution_plane_size" => until(40);
        prefer: String;
        hold: bool;
        priority: Num<u32>;
        profile: Flags<words::AcctGatherProfile>;
        qos: String;
        reboot: bool;
        required_nodes: Vec<String> => named("csv_string");
        requeue: bool;
        reservation: String;
        script: String;
        shared: Flags<words::JobShared>;
        site_factor: i32;
        spank_environment: Vec<String> => named("string_array");
        step_id: SlurmStepId => since(44);
        distribution: String;
        time_limit: Num<u32>;
        time_minimum: Num<u32>;
        tres_bind: String;
        tres_freq: String;
        tres_per_job: String;
        tres_per_node: String;
        tres_per_socket: String;
        tres_per_task: String;
        user_id: String;
        wait_all_nodes: bool;
        kill_warning_flags: Flags<words::WarnFlags>;
        kill_warning_signal: String;
        kill_warning_delay: Num<u16>;
        current_working_directory: String;
        cpus_per_task: i32;
        minimum_cpus: i32;
        maximum_cpus: i32;
        nodes: String;
        minimum_nodes: i32;
        maximum_nodes: i32;
        minimum_boards_per_node: i32;
        minimum_sockets_per_board: i32;
        sockets_per_node: i32;
        cores_per_socket: i32 => since(45);
        cores_per_socket_old: i32 = "cores_per_socket" => until(40);
        threads_per_core: i32;
        tasks_per_node: i32;
        tasks_per_socket: i32;
        tasks_per_core: i32;
        tasks_per_board: i32;
        ntasks_per_tres: i32;
        minimum_cpus_per_node: i32;
        memory_per_cpu: Num<u64>;
        memory_per_node: Num<u64>;
        temporary_disk_per_node: i32;
        selinux_context: String;
        required_switches: Num<u32>;
        segment_size: Num<u16> => since(41);
        standard_error: String;
        standard_input: String;
        standard_output: String;
        wait_for_switch: i32;
        wckey: String;
        x11: Flags<words::X11Flags>;
        x11_magic_cookie: String;
        x11_target_host: String;
        x11_target_port: i32;
        power_flags: Vec<Raw> => since(41) until(44) deprecated(40, 45) undescribed(40, 45);
        power_flags_old: Vec<Raw> = "power_flags" => until(40) named("power_flags") undescribed(40, 45);
        exclusive: Flags<words::JobExclusiveFlags> => until(41) deprecated(41, 45) undescribed(40, 45);
        oversubscribe: bool => until(41) deprecated(41, 45) undescribed(40, 45);
        resv_mpi_ports: i32 => since(41) until(41);
    }

    /// `cron_entry` of the API.
    CronEntry = "cron_entry" {
        flags: Flags<words::CronEntryFlags>;
        minute: String;
        hour: String;
        day_of_month: String;
        month: String;
        day_of_week: String;
        specification: String;
        command: String;
        line_start: i32 = "line/start";
        line_end: i32 = "line/end";
    }

    /// Which jobs are to be signalled, and how.
    KillJobs = "kill_jobs_msg" {
        account: String;
        flags: Flags<words::WarnFlags>;
        job_name: String;
        jobs: Vec<String> => named("kill_jobs_msg_jobs_array");
        partition: String;
        qos: String;
        reservation: String;
        signal: String;
        job_state: Flags<words::JobState>;
        user_id: String;
        user_name: String;
        wckey: String;
        nodes: Vec<String> => named("hostlist_string");
    }

    /// `kill_jobs_resp_job` of the API.
    KillJobsRespJob = "kill_jobs_resp_job" {
        error_string: String = "error/string" => required(40, 45);
        error_code: i32 = "error/code" => required(40, 45);
        error_message: String = "error/message" => required(40, 45);
        step_id: String => required(40, 45);
        job_id: Num<u32> => required(40, 45);
        federation_sibling: String = "federation/sibling" => required(40, 45);
    }

    /// `job_array_response_msg_entry` of the API.
    JobArrayResponseMsgEntry = "job_array_response_msg_entry" {
        job_id: u32;
        step_id: String;
        error: String;
        error_code: i32;
        why: String;
    }

    /// `openapi_jobs_requeue_query` of the API.
    JobsRequeueQuery = "openapi_jobs_requeue_query" {
        flags: Flags<words::JobsRequeueQueryFlags> => since(45);
        jobs: Vec<String> => since(45) named("selected_step_list");
    }

    /// `job_submit_response_msg` of the API.
    JobSubmitResponseMsg = "job_submit_response_msg" {
        job_id: u32 => until(41);
        step_id: String => until(41);
        error_code: i32 => until(41);
        error: String => until(41);
        job_submit_user_msg: String => until(41);
    }

    /// `job_modify` of the API.
    JobModify = "job_modify" {
        comment_administrator: String = "comment/administrator" => since(44);
        comment_job: String = "comment/job" => since(44);
        comment_system: String = "comment/system" => since(44);
        derived_exit_code: ExitCode => since(44);
        extra: String => since(44);
        tres_allocated: Vec<Tres> = "tres/allocated" => since(44) named("tres_list");
        wckey: String => since(44);
    }

    /// `openapi_job_modify_req` of the API.
    JobModifyReq = "openapi_job_modify_req" {
        job_id_list: Vec<String> => since(44) named("selected_step_list");
        job_rec: JobModify => since(44);
        meta: Meta => since(44);
        errors: Vec<ErrorEntry> => since(44) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(44) named("openapi_warnings");
    }
}
