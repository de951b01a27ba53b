//! Slurm: by its commands on this machine ([`Slurm`]), or by its controller's own protocol ([`remote::Remote`]); its
//! accounting by `sacct` and `sacctmgr` ([`accounting::AccountingPrograms`]) where there is no slurmrestd.

pub(crate) mod accounting;
mod attempt;
mod commands;
mod either;
pub(crate) mod remote;

pub use commands::Slurm;
pub(crate) use commands::{cannot_start, environment, query, said, start};
pub use either::Either;
