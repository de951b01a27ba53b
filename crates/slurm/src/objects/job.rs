//! Jobs as the controller shows them.

use super::words;
use crate::table::{Flags, Num, Raw, Time, object};

object! {
    /// A job as the controller shows it.
    Job = "job_info" {
        account: String;
        accrue_time: Time;
        admin_comment: String;
        allocating_node: String;
        array_job_id: Num<u32>;
        array_task_id: Num<u32>;
        array_max_tasks: Num<u32>;
        array_task_string: String;
        association_id: i32;
        batch_features: String;
        batch_flag: bool;
        batch_host: String;
        flags: Flags<words::JobFlags>;
        burst_buffer: String;
        burst_buffer_state: String;
        cluster: String;
        cluster_features: String;
        command: String;
        comment: String;
        container: String;
        container_id: String;
        container_type: String => since(45);
        contiguous: bool;
        core_spec: i32;
        thread_spec: i32;
        cores_per_socket: Num<u16>;
        billable_tres: Num<f64>;
        cpus_per_task: Num<u16>;
        cpu_frequency_minimum: Num<u32>;
        cpu_frequency_maximum: Num<u32>;
        cpu_frequency_governor: Num<u32>;
        cpus_per_tres: String;
        cron: String;
        deadline: Time;
        delay_boot: Num<u32>;
        dependency: String;
        derived_exit_code: ExitCode;
        eligible_time: Time;
        end_time: Time;
        excluded_nodes: String;
        exit_code: ExitCode;
        extra: String;
        failed_node: String;
        features: String;
        federation_origin: String;
        federation_siblings_active: String;
        federation_siblings_viable: String;
        gres_detail: Vec<String> => named("job_info_gres_detail");
        group_id: u32;
        group_name: String;
        het_job_id: Num<u32>;
        het_job_id_set: String;
        het_job_offset: Num<u32>;
        job_id: u32;
        job_resources: JobResources;
        job_size_str: Vec<String> => named("csv_string");
        job_state: Flags<words::JobState>;
        last_sched_evaluation: Time;
        licenses: String;
        licenses_allocated: String => since(43);
        mail_type: Flags<words::JobMailFlags>;
        mail_user: String;
        max_cpus: Num<u32>;
        max_nodes: Num<u32>;
        mcs_label: String;
        memory_per_tres: String;
        memory_update_delay: i32 => since(45);
        memory_update_margin: i32 => since(45);
        name: String;
        network: String;
        nodes: String;
        nice: i32;
        tasks_per_core: Num<u16>;
        tasks_per_tres: Num<u16>;
        tasks_per_node: Num<u16>;
        tasks_per_socket: Num<u16>;
        tasks_per_board: Num<u16>;
        cpus: Num<u32>;
        node_count: Num<u32>;
        tasks: Num<u32>;
        partition: String;
        prefer: String;
        memory_per_cpu: Num<u64>;
        memory_per_node: Num<u64>;
        minimum_cpus_per_node: Num<u16>;
        minimum_tmp_disk_per_node: Num<u32>;
        preempt_time: Time;
        preemptable_time: Time;
        pre_sus_time: Time;
        hold: bool;
        priority: Num<u32>;
        priority_by_partition: Vec<PartPrio> => since(42) named("priority_by_partition");
        profile: Flags<words::AcctGatherProfile>;
        qos: String;
        reboot: bool;
        required_nodes: String;
        required_switches: i32 => since(42);
        requeue: bool;
        resize_time: Time;
        restart_cnt: i32;
        resv_name: String;
        scheduled_nodes: String;
        segment_size: i32 => since(43);
        selinux_context: String;
        shared: Flags<words::JobShared> => until(44);
        shared_gone: Flags<words::JobShared> = "shared" => since(45) deprecated(45, 45);
        step_id: SlurmStepId => since(44);
        sockets_per_board: i32;
        sockets_per_node: Num<u16>;
        start_time: Time;
        state_description: String;
        state_reason: String;
        standard_input: String => since(43);
        standard_input_old: String = "standard_input" => until(42);
        standard_output: String => since(43);
        standard_output_old: String = "standard_output" => until(42);
        standard_error: String => since(43);
        standard_error_v41: String = "standard_error" => since(41) until(42);
        standard_error_old: String = "standard_error" => until(40);
        stdin_expanded: String => since(43);
        stdout_expanded: String => since(43);
        stderr_expanded: String => since(43);
        submit_time: Time;
        submit_line: String => since(44);
        suspend_time: Time;
        system_comment: String;
        time_limit: Num<u32>;
        time_minimum: Num<u32>;
        threads_per_core: Num<u16>;
        tres_bind: String;
        tres_freq: String;
        tres_per_job: String;
        tres_per_node: String;
        tres_per_socket: String;
        tres_per_task: String;
        tres_req_str: String;
        tres_alloc_str: String;
        user_id: u32;
        user_name: String;
        maximum_switch_wait_time: i32;
        wckey: String;
        current_working_directory: String;
        power_flags: Vec<Raw> = "power/flags" => since(41) until(44) deprecated(40, 45) undescribed(40, 45);
        power_flags_old: Vec<Raw> = "power/flags" => until(40) named("power_flags") undescribed(40, 45);
        minimum_switches: i32 => until(41);
        exclusive: Flags<words::JobExclusiveFlags> => until(41) deprecated(41, 45) undescribed(40, 45);
        oversubscribe: bool => until(41) deprecated(41, 45) undescribed(40, 45);
        show_flags: Flags<words::JobShowFlags> => until(41) deprecated(41, 45) undescribed(40, 45);
    }

    /// How a process ended.
    ExitCode = "process_exit_code_verbose" {
        status: Flags<words::ProcessExitCodeStatus>;
        return_code: Num<u32>;
        signal_id: Num<u16> = "signal/id";
        signal_name: String = "signal/name";
    }

    /// What a job was given.
    JobResources = "job_res" {
        select_type: Flags<words::CrType> => since(41) required(40, 45);
        nodes_count: i32 = "nodes/count" => since(41) required(40, 45);
        nodes_select_type: Flags<words::NodeCrType> = "nodes/select_type" => since(41) required(40, 45);
        nodes_list: String = "nodes/list" => since(41) required(40, 45);
        nodes_whole: bool = "nodes/whole" => since(41) required(40, 45) rank(1);
        nodes_allocation: Vec<JobResNode> = "nodes/allocation" => since(41) named("job_res_nodes") required(40, 45) rank(1);
        cpus: i32 => since(41) required(40, 45);
        threads_per_core: Num<u16> => since(41) required(40, 45);
        nodes: String => until(40);
        allocated_cores: i32 => until(40);
        allocated_cpus: i32 => until(40);
        allocated_hosts: i32 => until(40);
        allocated_nodes: Vec<Raw> => until(40) named("job_res_nodes");
    }

    /// `job_res_node` of the API.
    JobResNode = "job_res_node" {
        index: i32 => since(41) required(40, 45);
        name: String => since(41) required(40, 45);
        cpus_count: i32 = "cpus/count" => since(41) required(40, 45);
        cpus_used: i32 = "cpus/used" => since(41) required(40, 45);
        memory_used: i64 = "memory/used" => since(41) required(40, 45);
        memory_allocated: i64 = "memory/allocated" => since(41) required(40, 45);
        sockets: Vec<JobResSocket> => since(41) named("job_res_socket_array") required(40, 45);
    }

    /// `job_res_socket` of the API.
    JobResSocket = "job_res_socket" {
        index: i32 => since(41) required(40, 45);
        cores: Vec<JobResCore> => since(41) named("job_res_core_array") required(40, 45);
    }

    /// `job_res_core` of the API.
    JobResCore = "job_res_core" {
        index: i32 => since(41) required(40, 45);
        status: Flags<words::JobResCoreStatus> => since(41) required(40, 45);
    }

    /// `part_prio` of the API.
    PartPrio = "part_prio" {
        partition: String => since(42);
        priority: i32 => since(42);
    }

    /// `slurm_step_id` of the API.
    SlurmStepId = "slurm_step_id" {
        sluid: String => since(44);
        job_id: Num<u32> => since(44);
        step_het_component: Num<u32> => since(44);
        step_id: String => since(44);
    }

    /// `node_resource_layout` of the API.
    NodeResourceLayout = "node_resource_layout" {
        node: String => since(44) required(40, 45);
        sockets_per_node: i32 => since(44);
        cores_per_socket: i32 => since(44);
        mem_alloc: i64 => since(44);
        core_bitmap: String => since(44);
        channel: Num<u32> => since(44);
        gres: Vec<NodeGresLayout> => since(44) named("node_gres_layout_list");
    }

    /// `node_gres_layout` of the API.
    NodeGresLayout = "node_gres_layout" {
        name: String => since(44) required(40, 45);
        kind: String = "type" => since(44);
        count: i64 => since(44);
        index: String => since(44);
    }
}
