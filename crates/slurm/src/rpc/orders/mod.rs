//! The API's objects as what a controller is told to do.
//!
//! A controller believes what it gets. So every field is set from a typed value or carries its own "not set", and each order
//! here is compared byte by byte with what the real commands and the real slurmrestd send for the same request, in each
//! protocol (`recorded`). What has no such comparison is not sent: see [`Unsendable`].

mod job;
mod kill;
mod node;
mod partition;
mod reservation;

pub(super) use job::{Governors, Joined as JoinedJob, description};
pub(super) use kill::{Joined as JoinedKill, kill_many};
pub(super) use node::{Joined as JoinedNode, added, change};
pub(super) use partition::{Joined as JoinedPartition, partition};
pub(super) use reservation::{Joined as JoinedReservation, change as change_reservation, create as create_reservation};

use thiserror::Error;

use super::Protocol;
use crate::table::{Object, Writer};
use crate::version::Version;

/// Why something is not sent to a controller.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unsendable {
    /// It has not been compared with what Slurm's own commands send.
    #[error("{0} cannot be sent to the controller yet")]
    Field(&'static str),
    /// The protocol that is spoken has no place for it.
    #[error(
        "{field} cannot be said to the controller in the protocol of Slurm {spoken}: it has it since that of {since}"
    )]
    Older {
        /// Its name.
        field: &'static str,
        /// The protocol that is spoken.
        spoken: Protocol,
        /// The first one that has it.
        since: Protocol,
    },
    /// It has to be said.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// It is none of the values that the field may have.
    #[error("{field}: {value} is not possible")]
    Value {
        /// Its name.
        field: &'static str,
        /// What it was.
        value: String,
    },
}

/// That nothing else is asked for than what was taken out of `rest`.
fn nothing_else<T: Object + PartialEq>(rest: &T) -> Result<(), Unsendable> {
    if *rest == T::default() {
        return Ok(());
    }
    let mut nowhere = Writer::new(Version::V45);
    let given = T::FIELDS.iter().find(|field| (field.write)(rest, &mut nowhere));
    given.map_or(Ok(()), |field| Err(Unsendable::Field(field.path)))
}

/// What was taken out of a field, if it was given, that the protocol has since a version.
fn newer<T>(spoken: Protocol, since: Protocol, field: &'static str, given: Option<T>) -> Result<Option<T>, Unsendable> {
    if given.is_some() && spoken < since { Err(Unsendable::Older { field, spoken, since }) } else { Ok(given) }
}

/// A number that the wire has in fewer bits, or that may not be negative.
fn fit<T: TryFrom<i32>>(field: &'static str, number: i32) -> Result<T, Unsendable> {
    T::try_from(number).map_err(|_| Unsendable::Value { field, value: number.to_string() })
}

#[cfg(test)]
mod recorded;
