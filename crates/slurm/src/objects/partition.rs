//! Partitions.

use super::answers::{ErrorEntry, Meta, WarningEntry};
use super::words;
use crate::table::{Flags, Num, object};

object! {
    /// A partition.
    Partition = "partition_info" {
        nodes_allowed_allocation: String = "nodes/allowed_allocation";
        nodes_configured: String = "nodes/configured";
        nodes_total: i32 = "nodes/total";
        accounts_allowed: String = "accounts/allowed";
        accounts_deny: String = "accounts/deny";
        groups_allowed: String = "groups/allowed";
        qos_allowed: String = "qos/allowed";
        qos_deny: String = "qos/deny";
        qos_assigned: String = "qos/assigned";
        alternate: String;
        tres_billing_weights: String = "tres/billing_weights";
        tres_configured: String = "tres/configured";
        cluster: String;
        select_type: Flags<words::CrType> => since(41);
        cpus_task_binding: Flags<words::TaskBinding> = "cpus/task_binding" => since(45);
        cpus_task_binding_old: i32 = "cpus/task_binding" => until(44);
        cpus_total: i32 = "cpus/total";
        defaults_memory_per_cpu: i64 = "defaults/memory_per_cpu" => deprecated(45, 45);
        defaults_partition_memory_per_cpu: Num<u64> = "defaults/partition_memory_per_cpu";
        defaults_partition_memory_per_node: Num<u64> = "defaults/partition_memory_per_node";
        defaults_time: Num<u32> = "defaults/time";
        defaults_job: String = "defaults/job";
        flags: Flags<words::PartitionFlags> => since(45);
        partition_exclusive: String = "partition/exclusive" => since(45);
        partition_oversubscribe: String = "partition/oversubscribe" => since(45);
        partition_state: Flags<words::PartitionStates> = "partition/state";
        grace_time: i32;
        maximums_cpus_per_node: Num<u32> = "maximums/cpus_per_node";
        maximums_cpus_per_socket: Num<u32> = "maximums/cpus_per_socket";
        maximums_memory_per_cpu: i64 = "maximums/memory_per_cpu" => deprecated(45, 45);
        maximums_partition_memory_per_cpu: Num<u64> = "maximums/partition_memory_per_cpu";
        maximums_partition_memory_per_node: Num<u64> = "maximums/partition_memory_per_node";
        maximums_nodes: Num<u32> = "maximums/nodes";
        maximums_shares: i32 = "maximums/shares" => since(45) deprecated(45, 45);
        maximums_shares_old: i32 = "maximums/shares" => until(44);
        maximums_oversubscribe_jobs: i32 = "maximums/oversubscribe/jobs" => since(45) deprecated(45, 45);
        maximums_oversubscribe_jobs_old: i32 = "maximums/oversubscribe/jobs" => until(44);
        maximums_oversubscribe_flags: Flags<words::OversubscribeFlags> = "maximums/oversubscribe/flags" => deprecated(45, 45);
        maximums_time: Num<u32> = "maximums/time";
        maximums_over_time_limit: Num<u16> = "maximums/over_time_limit";
        minimums_nodes: i32 = "minimums/nodes";
        name: String;
        node_sets: String;
        preempt_mode: Flags<words::PreemptMode> => since(45);
        priority_job_factor: i32 = "priority/job_factor";
        priority_tier: i32 = "priority/tier";
        timeouts_resume: Num<u16> = "timeouts/resume";
        timeouts_suspend: Num<u16> = "timeouts/suspend";
        topology: String => since(43);
        suspend_time: Num<u32>;
    }

    /// `openapi_partitions_mod_req` of the API.
    PartitionsModReq = "openapi_partitions_mod_req" {
        partitions: Vec<Partition> => since(45) named("update_partition_msg_list") required(40, 45);
        meta: Meta => since(45);
        errors: Vec<ErrorEntry> => since(45) named("openapi_errors");
        warnings: Vec<WarningEntry> => since(45) named("openapi_warnings");
    }
}
