//! Nodes.

use crate::rpc::codec::{Text, layout};

layout! {
    /// A node.
    Node<'a> {
        name: Text<'a>;
        hostname: Text<'a>;
        address: Text<'a>;
        broadcast_address: Text<'a>;
        cert_flags: u16 => since(V25_11);
        port: u16;
        next_state: u32;
        state: u32;
        version: Text<'a>;
        cpus: u16;
        boards: u16;
        sockets: u16;
        cores: u16;
        threads: u16;
        memory: u64;
        tmp_disk: u32;
        gpu_cores: Text<'a>;
        mcs_label: Text<'a>;
        owner: u32;
        specialized_cores: u16;
        cpu_binding: u32;
        specialized_memory: u64;
        specialized_cpus: Text<'a>;
        effective_cpus: u16;
        cpu_load: u32;
        free_memory: u64;
        weight: u32;
        cores_per_gpu: u16;
        reason_user: u32;
        suspend_time: u32 => since(V26_05);
        boot_time: u64;
        last_busy: u64;
        reason_time: u64;
        resume_after: u64;
        started: u64;
        cert_renewed: u64 => since(V25_11);
        selector: u32 => before(V25_11);
        allocated_cpus: u16;
        allocated_memory: u64;
        tres_used: Text<'a>;
        tres_weighted: f64 => before(V25_11);
        architecture: Text<'a>;
        features: Text<'a>;
        active_features: Text<'a>;
        gres: Text<'a>;
        gres_drained: Text<'a>;
        gres_used: Text<'a>;
        system: Text<'a>;
        comment: Text<'a>;
        extra: Text<'a>;
        instance_id: Text<'a>;
        instance_type: Text<'a>;
        parameters: Text<'a> => since(V25_11);
        reason: Text<'a>;
        energy: Energy;
        tres: Text<'a>;
        reservation: Text<'a>;
        topology: Text<'a> => since(V25_11);
    }

    /// A node's energy.
    Energy {
        base: u64;
        average_watts: u32;
        consumed: u64;
        current_watts: u32;
        previous: u64;
        polled: u64;
        started: u64;
    }
}
