//! What a controller packs, field by field, in the order of the wire. Names are near to those of the API where it shows the
//! field; what nobody is shown is kept, too, so that an answer is read to its last byte.

mod allocation;
mod config;
mod description;
mod job;
mod layout;
mod license;
mod node;
mod orders;
mod partition;
mod reservation;
mod shares;
mod state;
mod stats;

pub(super) use allocation::{Allocation, Given};
pub(super) use config::Configuration;
pub(super) use description::Description;
pub(super) use job::{Details, Job};
pub(super) use layout::{GresLayout, Layout};
pub(super) use license::License;
pub(super) use node::{Energy, Node};
pub(super) use orders::{
    Allocated, Kill, KillMany, Killed, Name, NodeChange, PartitionChange, Requeue, ReservationChange, Submitted,
    Suspend,
};
pub(super) use partition::{JobDefault, Partition};
pub(super) use reservation::{CoreSpec, Reservation};
pub(super) use shares::{Share, Shares};
pub(super) use state::{Part, State};
pub(super) use stats::{Counted, Queued, Stats};

use super::codec::{NO_VAL, layout};

layout! {
    /// What is before the records of nodes, partitions, reservations and licences.
    ListHead {
        count: u32;
        last_update: u64;
    }

    /// What is before the records of jobs.
    JobsHead {
        count: u32;
        last_update: u64;
        last_backfill: u64;
    }

    /// A step of a job; or the job, where the step is "not set".
    StepId {
        sluid: u64;
        job: u32;
        step: u32;
        component: u32;
    }
}

impl StepId {
    /// None.
    pub(super) const NONE: Self = Self { sluid: 0, job: NO_VAL, step: NO_VAL, component: NO_VAL };

    /// The job with this number.
    pub(super) const fn job(job: u32) -> Self {
        Self { job, ..Self::NONE }
    }
}

#[cfg(test)]
mod tests;
