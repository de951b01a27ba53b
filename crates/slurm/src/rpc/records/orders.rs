//! What is to be done.

use super::StepId;
use crate::rpc::codec::{FewBits, Malformed, NO_VAL, NO_VAL16, NO_VAL64, Reader, Text, Wire, Writer, layout};

layout! {
    /// A signal for a job. The job is named by its text: a number, or `array_task`.
    Kill<'a> {
        step: StepId;
        job: Text<'a>;
        sibling: Text<'a>;
        signal: u16;
        flags: u16;
    }

    /// A signal for all jobs that fit: those that are named, and of these, or of all, those of which all that is given is true.
    KillMany<'a> {
        account: Text<'a>;
        admin_comment: Text<'a> => since(V25_11);
        flags: u16;
        name: Text<'a>;
        jobs: Vec<Text<'a>>;
        partition: Text<'a>;
        qos: Text<'a>;
        reservation: Text<'a>;
        signal: u16;
        state: u32;
        user_id: u32;
        user_name: Text<'a>;
        wckey: Text<'a>;
        nodes: Text<'a>;
    }

    /// What came of a signal for a job.
    Killed<'a> {
        error: u32;
        message: Text<'a>;
        step: StepId;
        array_task: u32;
        het_offset: u32;
        tasks: FewBits<'a>;
        job: u32;
        sibling: Text<'a>;
    }

    /// What came of a submission. Which step it is says nothing: it is the batch step.
    Submitted<'a> {
        step: StepId => since(V25_11);
        job: u32 => before(V25_11);
        batch_step: u32 => before(V25_11);
        error: u32;
        message: Text<'a>;
    }

    /// What came of an allocation.
    Allocated<'a> {
        account: Text<'a>;
        aliases: Text<'a> => before(V25_11);
        batch_host: Text<'a>;
        environment: Vec<Text<'a>>;
        error: u32;
        group_id: u32;
        group_name: Text<'a>;
        message: Text<'a>;
        job: u32 => before(V25_11);
        node_count: u32;
        addresses: u8 => before(V25_11);
        nodes: Text<'a>;
        tasks_per_board: u16;
        tasks_per_core: u16;
        tasks_per_tres: u16;
        tasks_per_socket: u16;
        cpus: CpusPerNode;
        partition: Text<'a>;
        memory: u64;
        qos: Text<'a>;
        reservation: Text<'a>;
        segment_size: u16 => since(V25_11);
        protocol: u16 => since(V25_11);
        step: StepId => since(V25_11);
        tres_per_node: Text<'a>;
        tres_per_task: Text<'a> => since(V25_11);
        user_id: u32;
        user_name: Text<'a>;
        cluster: Nowhere;
    }

    /// A job is to be stopped and put back into the queue.
    Requeue<'a> {
        step: StepId => since(V25_11);
        number: u32 => before(V25_11);
        job: Text<'a>;
        flags: u32;
    }

    /// A job is to be suspended, or to go on.
    Suspend<'a> {
        step: StepId => since(V25_11);
        what: u16;
        number: u32 => before(V25_11);
        job: Text<'a>;
    }

    /// The name of what is to be removed.
    Name<'a> {
        name: Text<'a>;
    }

    /// A reservation that is to be made, or what is to change in one.
    ReservationChange<'a> {
        name: Text<'a>;
        start_time: u64;
        end_time: u64;
        duration: u32;
        flags: u64;
        node_count: u32;
        cores: u32;
        nodes: Text<'a>;
        features: Text<'a>;
        licenses: Text<'a>;
        max_start_delay: u32;
        partition: Text<'a>;
        purge_after: u32;
        watts: u32 => before(V25_11);
        partitions_allowed: Text<'a> => since(V25_11);
        qos: Text<'a> => since(V25_11);
        users: Text<'a>;
        accounts: Text<'a>;
        burst_buffer: Text<'a>;
        groups: Text<'a>;
        comment: Text<'a>;
        tres: Text<'a>;
    }

    /// A partition that is to be made, or what is to change in one.
    PartitionChange<'a> {
        accounts: Text<'a>;
        submit_nodes: Text<'a>;
        groups: Text<'a>;
        qos_allowed: Text<'a>;
        alternate: Text<'a>;
        billing_weights: Text<'a>;
        cpu_binding: u32;
        default_memory: u64;
        default_time: u32;
        accounts_denied: Text<'a>;
        qos_denied: Text<'a>;
        flags: u32;
        job_defaults: Text<'a>;
        grace_time: u32;
        max_cpus_per_node: u32;
        max_cpus_per_socket: u32;
        max_memory: u64;
        max_nodes: u32;
        max_share: u16;
        max_time: u32;
        min_nodes: u32;
        name: Text<'a>;
        nodes: Text<'a>;
        over_time_limit: u16;
        preempt_mode: u16;
        priority_job_factor: u16;
        priority_tier: u16;
        qos: Text<'a>;
        state: u16;
        topology: Text<'a> => since(V25_11);
    }

    /// What is to change in nodes.
    NodeChange<'a> {
        cert_token: Text<'a>;
        comment: Text<'a>;
        cpu_binding: u32;
        extra: Text<'a>;
        features: Text<'a>;
        active_features: Text<'a>;
        gres: Text<'a>;
        instance_id: Text<'a>;
        instance_type: Text<'a>;
        addresses: Text<'a>;
        hostnames: Text<'a>;
        names: Text<'a>;
        state: u32;
        power_action: Text<'a> => since(V26_05);
        reason: Text<'a>;
        resume_after: u32;
        topology: Text<'a> => since(V25_11);
        weight: u32;
    }
}

impl NodeChange<'_> {
    /// Nothing changes.
    pub(in crate::rpc) fn unset() -> Self {
        Self { state: NO_VAL, resume_after: NO_VAL, weight: NO_VAL, ..Self::default() }
    }
}

impl ReservationChange<'_> {
    /// Nothing is said.
    pub(in crate::rpc) fn unset() -> Self {
        Self {
            start_time: NO_VAL.into(),
            end_time: NO_VAL.into(),
            duration: NO_VAL,
            flags: NO_VAL64,
            node_count: NO_VAL,
            cores: NO_VAL,
            max_start_delay: NO_VAL,
            purge_after: NO_VAL,
            watts: NO_VAL,
            ..Self::default()
        }
    }
}

impl PartitionChange<'_> {
    /// Nothing is said.
    pub(in crate::rpc) fn unset() -> Self {
        Self {
            default_memory: NO_VAL64,
            default_time: NO_VAL,
            grace_time: NO_VAL,
            max_cpus_per_node: NO_VAL,
            max_cpus_per_socket: NO_VAL,
            max_memory: NO_VAL64,
            max_nodes: NO_VAL,
            max_share: NO_VAL16,
            max_time: NO_VAL,
            min_nodes: NO_VAL,
            over_time_limit: NO_VAL16,
            preempt_mode: NO_VAL16,
            priority_job_factor: NO_VAL16,
            priority_tier: NO_VAL16,
            state: NO_VAL16,
            ..Self::default()
        }
    }
}

/// How many CPUs nodes have, in runs of nodes that are alike.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::rpc) struct CpusPerNode(pub(in crate::rpc) Vec<u16>, pub(in crate::rpc) Vec<u32>);

impl<'a> Wire<'a> for CpusPerNode {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        match from.u32()? {
            0 => Ok(Self::default()),
            _ => Ok(Self(Wire::read(from)?, Wire::read(from)?)),
        }
    }

    fn write(&self, to: &mut Writer) {
        to.length(self.0.len());
        if !self.0.is_empty() {
            self.0.write(to);
            self.1.write(to);
        }
    }
}

/// Which cluster of a federation took a job: none, for only one cluster is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::rpc) struct Nowhere;

impl<'a> Wire<'a> for Nowhere {
    const LEAST: usize = 1;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let at = from.at();
        match from.u8()? {
            0 => Ok(Self),
            found => Err(Malformed::Mark { at, found }),
        }
    }

    fn write(&self, to: &mut Writer) {
        to.u8(0);
    }
}
