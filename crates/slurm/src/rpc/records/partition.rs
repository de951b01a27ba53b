//! Partitions.

use crate::rpc::codec::{Bits, Text, layout};

layout! {
    /// A partition.
    Partition<'a> {
        name: Text<'a>;
        cpu_binding: u32;
        grace_time: u32;
        max_time: u32;
        default_time: u32;
        max_nodes: u32;
        min_nodes: u32;
        total_nodes: u32;
        total_cpus: u32;
        default_memory: u64;
        max_cpus_per_node: u32;
        max_cpus_per_socket: u32;
        max_memory: u64;
        flags: u32;
        max_share: u16;
        over_time_limit: u16;
        preempt_mode: u16;
        priority_job_factor: u16;
        priority_tier: u16;
        state: u16;
        select_type: u16;
        resume_timeout: u16;
        suspend_timeout: u16;
        suspend_time: u32;
        accounts: Text<'a>;
        groups: Text<'a>;
        submit_nodes: Text<'a>;
        qos_allowed: Text<'a>;
        qos: Text<'a>;
        alternate: Text<'a>;
        accounts_denied: Text<'a>;
        qos_denied: Text<'a>;
        nodes: Text<'a>;
        node_sets: Text<'a>;
        node_places: Bits<'a>;
        billing_weights: Text<'a>;
        topology: Text<'a> => since(V25_11);
        tres: Text<'a>;
        job_defaults: Option<Vec<JobDefault>>;
    }

    /// What its jobs get if they ask for nothing else.
    JobDefault {
        kind: u16;
        value: u64;
    }
}
