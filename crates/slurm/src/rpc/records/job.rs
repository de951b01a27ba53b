//! Jobs.

use super::{Allocation, StepId};
use crate::rpc::codec::{Bits, FewBits, Flagged, Malformed, Marked, Reader, Text, Wire, Writer, layout};

layout! {
    /// A job.
    Job<'a> {
        step: StepId => since(V25_11);
        account: Text<'a>;
        admin_comment: Text<'a>;
        allocating_node: Text<'a>;
        session: u32;
        array_id: u32;
        array_task: u32;
        association_id: u32;
        batch_features: Text<'a>;
        batch_flag: u16;
        batch_host: Text<'a>;
        flags: u64;
        burst_buffer: Text<'a>;
        burst_buffer_state: Text<'a>;
        billable_tres: f64;
        comment: Text<'a>;
        container: Text<'a>;
        container_id: Text<'a>;
        container_type: Text<'a> => since(V26_05);
        cpus_per_tres: Text<'a>;
        deadline: u64;
        delay_boot: u32;
        derived_exit_code: u32;
        exit_code: u32;
        extra: Text<'a>;
        failed_node: Text<'a>;
        federation: Flagged<Federation<'a>>;
        gres_total: Text<'a>;
        group_id: u32;
        het_id: u32;
        het_id_set: Text<'a>;
        het_offset: u32;
        number: u32 => before(V25_11);
        state: u32;
        last_sched_evaluation: u64;
        licenses: Text<'a>;
        licenses_allocated: Text<'a> => since(V25_11);
        mail_type: u16;
        mail_user: Text<'a>;
        mcs_label: Text<'a>;
        memory_per_tres: Text<'a>;
        name: Text<'a>;
        network: Text<'a>;
        preempt_time: u64;
        pre_sus_time: u64;
        priority: u32;
        profile: u32;
        reboot: u8;
        required_switches: u32;
        resize_time: u64;
        restart_count: u16;
        reservation: Text<'a>;
        reserved_ports: Text<'a>;
        selinux_context: Text<'a>;
        site_factor: u32;
        start_protocol: u16;
        state_description: Text<'a>;
        state_reason: u32;
        suspend_time: u64;
        system_comment: Text<'a>;
        time_minimum: u32;
        tres_bind: Text<'a>;
        tres_allocated: Text<'a>;
        tres_requested: Text<'a>;
        tres_freq: Text<'a>;
        tres_in_all: Text<'a>;
        tres_per_node: Text<'a>;
        tres_per_socket: Text<'a>;
        tres_per_task: Text<'a>;
        user_id: u32;
        user_name: Text<'a>;
        switch_wait: u32;
        wckey: Text<'a>;
        array_tasks: Text<'a>;
        array_max_tasks: u32;
        time_limit: u32;
        start_time: u64;
        end_time: u64;
        priorities: Vec<u32>;
        priority_partitions: Text<'a>;
        cluster: Text<'a>;
        nodes: Text<'a>;
        scheduled_nodes: Text<'a>;
        partition: Text<'a>;
        qos: Text<'a>;
        preemptable_time: u64;
        allocation: Allocation<'a>;
        gres_detail: Vec<Text<'a>>;
        node_places: Bits<'a>;
        details: Details<'a>;
        contiguous: u16;
        specialized: u16;
        cpus_per_task: u16;
        cpus_per_node: u16;
        memory: u64;
        tmp_disk: u32;
        oom_kill_step: u16;
        required_nodes: Text<'a>;
        required_places: Bits<'a>;
        excluded_nodes: Text<'a>;
        excluded_places: Bits<'a>;
        standard_error: Text<'a>;
        standard_input: Text<'a>;
        standard_output: Text<'a>;
        topology: Marked<Topology>;
    }

    /// A job's clusters.
    Federation<'a> {
        origin: Text<'a>;
        active: u64;
        active_names: Text<'a>;
        viable: u64;
        viable_names: Text<'a>;
    }

    /// What is known of a job until it is forgotten in part.
    Full<'a> {
        accrue_time: u64;
        eligible_time: u64;
        cluster_features: Text<'a>;
        cpu_governor: u32;
        cpu_maximum: u32;
        cpu_minimum: u32;
        dependency: Text<'a>;
        size: FewBits<'a>;
        nice: u32;
        tasks_per_node: u16;
        tasks_per_tres: u16;
        requeue: u16;
        segment_size: u16 => since(V25_11);
        submit_time: u64;
        directory: Text<'a>;
        features: Text<'a>;
        prefer: Text<'a>;
        command: Text<'a>;
        submit_line: Text<'a> => since(V25_11);
        cpus: u32;
        max_cpus: u32;
        nodes: u32;
        max_nodes: u32;
        tasks: u32;
        exclusive: u16 => since(V26_05);
        shared: u16;
        oversubscribe: u16 => since(V26_05);
        cron: Text<'a>;
        memory_update_delay: u16 => since(V26_05);
        memory_update_margin: u16 => since(V26_05);
    }

    /// What remains known of it.
    Brief {
        cpus: u32;
        nodes: u32;
        nice: u32;
    }

    /// The cores that it asks for.
    Topology {
        boards_per_node: u16;
        sockets_per_board: u16;
        sockets_per_node: u16;
        cores_per_socket: u16;
        threads_per_core: u16;
        tasks_per_board: u16;
        tasks_per_socket: u16;
        tasks_per_core: u16;
        plane_size: u16;
    }
}

/// Details of a job.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::rpc) enum Details<'a> {
    Full(Box<Full<'a>>),
    Brief(Brief),
}

impl Default for Details<'_> {
    fn default() -> Self {
        Self::Brief(Brief::default())
    }
}

impl<'a> Wire<'a> for Details<'a> {
    const LEAST: usize = 1 + Brief::LEAST;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        if bool::read(from)? {
            return Ok(Self::Full(Box::new(Full::read(from)?)));
        }
        Brief::read(from).map(Self::Brief)
    }

    fn write(&self, to: &mut Writer) {
        matches!(self, Self::Full(_)).write(to);
        match self {
            Self::Full(details) => details.write(to),
            Self::Brief(details) => details.write(to),
        }
    }
}
