//! Counters.

use crate::rpc::Protocol;
use crate::rpc::codec::{Flagged, Malformed, Reader, Text, Wire, Writer, layout};

layout! {
    /// What the controller counts.
    Stats<'a> {
        counters: Counters;
        kinds: u32;
        kind_ids: Vec<u16>;
        kind_counts: Vec<u32>;
        kind_times: Vec<u64>;
        queues: Flagged<Queued>;
        users: u32;
        user_ids: Vec<u32>;
        user_counts: Vec<u32>;
        user_times: Vec<u64>;
        pending_kinds: Vec<u32>;
        pending_counts: Vec<u32>;
        waiting_kinds: Vec<u32>;
        waiting_hosts: Vec<Text<'a>>;
    }

    /// Counters of jobs and of the schedulers.
    Counted {
        time: u64;
        since: u64;
        server_threads: u32;
        agent_queue: u32;
        agents: u32;
        agent_threads: u32;
        dbd_agent_queue: u32;
        clock_latency: u32;
        submitted: u32;
        started: u32;
        completed: u32;
        canceled: u32;
        failed: u32;
        pending: u32;
        running: u32;
        jobs_time: u64;
        cycle_max: u32;
        cycle_last: u32;
        cycle_sum_short: u32 => before(V25_11);
        cycle_sum: u64 => since(V25_11);
        cycles: u32;
        cycle_depth: u32;
        exits: Vec<u32>;
        queue_length: u32;
        backfilled: u32;
        backfilled_last: u32;
        bf_cycles: u32;
        bf_cycle_sum: u64;
        bf_cycle_last: u32;
        bf_depth_last: u32;
        bf_depth_try_last: u32;
        bf_queue: u32;
        bf_cycle_max: u32;
        bf_last_cycle: u64;
        bf_depth_sum: u32;
        bf_depth_try_sum: u32;
        bf_queue_sum: u32;
        bf_table: u32;
        bf_table_sum: u32;
        bf_active: u32;
        backfilled_het: u32;
        bf_exits: Vec<u32>;
    }

    /// How kinds of requests were queued.
    Queued {
        waiting: Vec<u16>;
        dropped: Vec<u64>;
        cycle_last: Vec<u16>;
        cycle_max: Vec<u16>;
    }
}

/// Counters, if there are any: before 25.11 a number says whether they are there, since then they always are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::rpc) struct Counters(pub(in crate::rpc) Option<Box<Counted>>);

impl<'a> Wire<'a> for Counters {
    const LEAST: usize = 4;

    fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        if from.protocol() < Protocol::V25_11 && from.u32()? == 0 {
            return Ok(Self(None));
        }
        Ok(Self(Some(Box::new(Counted::read(from)?))))
    }

    fn write(&self, to: &mut Writer) {
        if to.protocol() < Protocol::V25_11 {
            to.u32(u32::from(self.0.is_some()));
        }
        match &self.0 {
            Some(counted) => counted.write(to),
            None if to.protocol() < Protocol::V25_11 => {}
            None => Counted::default().write(to),
        }
    }
}
