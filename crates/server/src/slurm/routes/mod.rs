//! What each operation does. A new operation without a handler does not compile.

mod controller;
mod jobs;
pub(super) mod kill;
mod nodes;
mod partitions;
mod requeue;
mod reservations;
mod states;
pub(super) mod submit;
pub(super) mod update;
mod words;

use jobgate_slurm::operations::Call as Operation;

use super::call::{Call, Outcome};
use super::{accounting, real};
pub(super) use accounting::{Level, level_of};
pub(super) use jobs::{named_jobs, unknown, visible_user};

/// Carries out an operation.
pub(super) fn run(call: &mut Call) -> Outcome {
    if let Some(seen) = call.real()
        && let Some(outcome) = real::run(call, &*seen)
    {
        return outcome;
    }
    match call.operation.call {
        Operation::GetPing => Ok(controller::ping(call)),
        Operation::GetDiag => controller::diag(call),
        Operation::GetConf => controller::conf(call),
        Operation::GetLicenses => controller::licenses(call),
        Operation::GetShares => controller::shares(call),
        Operation::GetReconfigure => controller::reconfigure(call),
        Operation::GetJobs => jobs::list(call),
        Operation::GetJob => jobs::show(call),
        Operation::GetJobsState => states::list(call),
        Operation::GetResources => jobs::resources(call),
        Operation::PostJobSubmit => submit::submit(call),
        Operation::PostJobAllocate => submit::allocate(call),
        Operation::PostJob => update::update(call),
        Operation::DeleteJob => kill::one(call),
        Operation::DeleteJobs => kill::many(call),
        Operation::GetJobRequeue => requeue::one(call),
        Operation::PostJobsRequeue => requeue::many(call),
        Operation::GetNodes => nodes::list(call),
        Operation::GetNode => nodes::show(call),
        Operation::PostNodes => nodes::update_many(call),
        Operation::PostNode => nodes::update(call),
        Operation::DeleteNode => nodes::delete(call),
        Operation::PostNewNode => nodes::create(call),
        Operation::GetPartitions => partitions::list(call),
        Operation::GetPartition => partitions::show(call),
        Operation::PostPartitions => partitions::update(call),
        Operation::DeletePartition => partitions::delete(call),
        Operation::GetReservations => reservations::list(call),
        Operation::GetReservation => reservations::show(call),
        Operation::PostReservation => reservations::update(call),
        Operation::PostReservations => reservations::update_many(call),
        Operation::DeleteReservation => reservations::delete(call),
        Operation::PostHostlist => words::hostlist(call),
        Operation::PostHostnames => words::hostnames(call),
        _ => accounting::run(call),
    }
}
