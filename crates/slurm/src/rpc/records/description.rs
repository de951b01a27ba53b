//! What is asked for: a job that is submitted, or what is to change in one.

use super::StepId;
use crate::rpc::codec::{NO_VAL, NO_VAL8, NO_VAL16, NO_VAL64, Text, layout};

layout! {
    /// A job as it is asked for. The same record says what is to change in a job; what is "not set" stays.
    ///
    /// Each field has a "not set" of its own: see [`Description::unset`].
    Description<'a> {
        step: StepId => since(V25_11);
        site_factor: u32;
        batch_features: Text<'a>;
        cluster_features: Text<'a>;
        clusters: Text<'a>;
        contiguous: u16;
        container: Text<'a>;
        container_id: Text<'a>;
        container_type: Text<'a> => since(V26_05);
        specialized: u16;
        distribution: u32;
        kill_on_node_fail: u16;
        features: Text<'a>;
        fed_siblings_active: u64;
        fed_siblings_viable: u64;
        number: u32 => before(V25_11);
        job: Text<'a>;
        name: Text<'a>;
        allocating_node: Text<'a>;
        session: u32;
        array: Text<'a>;
        burst_buffer: Text<'a>;
        cpus_per_node: u16;
        memory: u64;
        memory_update_delay: u16 => since(V26_05);
        memory_update_margin: u16 => since(V26_05);
        oom_kill_step: u16;
        tmp_disk: u32;
        prefer: Text<'a>;
        cpu_minimum: u32;
        cpu_maximum: u32;
        cpu_governor: u32;
        partition: Text<'a>;
        priority: u32;
        dependency: Text<'a>;
        account: Text<'a>;
        admin_comment: Text<'a>;
        comment: Text<'a>;
        nice: u32;
        profile: u32;
        qos: Text<'a>;
        mcs_label: Text<'a>;
        origin_cluster: Text<'a>;
        open_mode: u8;
        overcommit: u8;
        gather_frequency: Text<'a>;
        tasks: u32;
        selinux_context: Text<'a>;
        required_nodes: Text<'a>;
        excluded_nodes: Text<'a>;
        environment: Vec<Text<'a>>;
        spank_environment: Vec<Text<'a>>;
        script: Text<'a>;
        arguments: Vec<Text<'a>>;
        standard_error: Text<'a>;
        standard_input: Text<'a>;
        standard_output: Text<'a>;
        submit_line: Text<'a>;
        directory: Text<'a>;
        immediate: u16;
        reboot: u16;
        requeue: u16;
        shared: u16;
        cpus_per_task: u16;
        ntasks_per_node: u16;
        ntasks_per_board: u16;
        ntasks_per_socket: u16;
        ntasks_per_core: u16;
        ntasks_per_tres: u16;
        plane_size: u16;
        cpu_bind_type: u16;
        mem_bind_type: u16;
        cpu_bind: Text<'a>;
        mem_bind: Text<'a>;
        time_limit: u32;
        time_minimum: u32;
        min_cpus: u32;
        max_cpus: u32;
        min_nodes: u32;
        max_nodes: u32;
        size: Text<'a>;
        boards_per_node: u16;
        sockets_per_board: u16;
        sockets_per_node: u16;
        cores_per_socket: u16;
        threads_per_core: u16;
        user_id: u32;
        group_id: u32;
        response_port: u16;
        response_certificate: Text<'a> => since(V25_11);
        response_host: Text<'a>;
        other_port: u16;
        reserved_ports: u16;
        network: Text<'a>;
        begin_time: u64;
        end_time: u64;
        deadline: u64;
        licenses: Text<'a>;
        mail_type: u16;
        mail_user: Text<'a>;
        reservation: Text<'a>;
        restart_count: u16;
        warn_flags: u16;
        warn_signal: u16;
        warn_time: u16;
        wckey: Text<'a>;
        required_switches: u32;
        switch_wait: u32;
        wait_all_nodes: u16;
        flags: u64;
        delay_boot: u32;
        extra: Text<'a>;
        x11: u16;
        x11_magic_cookie: Text<'a>;
        x11_target: Text<'a>;
        x11_target_port: u16;
        cpus_per_tres: Text<'a>;
        mem_per_tres: Text<'a>;
        tres_bind: Text<'a>;
        tres_freq: Text<'a>;
        tres_per_job: Text<'a>;
        tres_per_node: Text<'a>;
        tres_per_socket: Text<'a>;
        tres_per_task: Text<'a>;
        cron: u8;
        segment_size: u16;
    }
}

/// The number of a user or a group that says: as the credential.
const NOBODY: u32 = 99;

impl Description<'_> {
    /// Nothing is asked for.
    pub(in crate::rpc) fn unset() -> Self {
        Self {
            step: StepId::NONE,
            site_factor: NO_VAL,
            distribution: NO_VAL,
            number: NO_VAL,
            session: NO_VAL,
            tmp_disk: NO_VAL,
            cpu_minimum: NO_VAL,
            cpu_maximum: NO_VAL,
            cpu_governor: NO_VAL,
            priority: NO_VAL,
            nice: NO_VAL,
            tasks: NO_VAL,
            time_limit: NO_VAL,
            time_minimum: NO_VAL,
            min_cpus: NO_VAL,
            max_cpus: NO_VAL,
            min_nodes: NO_VAL,
            max_nodes: NO_VAL,
            required_switches: NO_VAL,
            switch_wait: NO_VAL,
            delay_boot: NO_VAL,
            contiguous: NO_VAL16,
            specialized: NO_VAL16,
            kill_on_node_fail: NO_VAL16,
            cpus_per_node: NO_VAL16,
            reboot: NO_VAL16,
            requeue: NO_VAL16,
            shared: NO_VAL16,
            cpus_per_task: NO_VAL16,
            ntasks_per_node: NO_VAL16,
            ntasks_per_socket: NO_VAL16,
            ntasks_per_core: NO_VAL16,
            ntasks_per_tres: NO_VAL16,
            plane_size: NO_VAL16,
            cpu_bind_type: NO_VAL16,
            mem_bind_type: NO_VAL16,
            sockets_per_node: NO_VAL16,
            cores_per_socket: NO_VAL16,
            threads_per_core: NO_VAL16,
            mail_type: NO_VAL16,
            wait_all_nodes: NO_VAL16,
            memory: NO_VAL64,
            overcommit: NO_VAL8,
            user_id: NOBODY,
            group_id: NOBODY,
            ..Self::default()
        }
    }
}
