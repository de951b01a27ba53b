//! From Slurm's words to the engine's.

mod desc;
mod requeue;

pub(super) use desc::{spec, time_limit};
pub(super) use requeue::{requeue_many, requeue_once};
