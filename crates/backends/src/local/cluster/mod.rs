//! The embedded batch system as a cluster: what a dialect of Slurm's shows of it, and what it can change.
//!
//! Nodes are logical: they divide what there is for accounting, and all runs share the one machine. Nothing here decides who
//! may do what; that is done before, in one place for all dialects. All calls may block. Errors carry Slurm's number where it
//! has one ([`jobgate_model::Error::number`]).

mod change;
mod order;
mod show;
mod view;
mod walk;

pub use change::{HoldChange, NodeChange, NodeOrder, PartitionChange, Reach, ReservationChange, RunChange};
pub use view::{
    AccountView, ArrayTask, Counters, Hold, LicenceView, NodeState, NodeView, PartitionState, PartitionView, QosView,
    Requested, ReservationView, Revision, RunFilter, RunPhase, RunView, Share, UNLIMITED, Walked,
};

#[cfg(test)]
mod tests;
