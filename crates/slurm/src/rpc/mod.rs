//! Slurm's own wire protocol, spoken to a controller without any of Slurm's libraries: one TCP connection per request, big-endian
//! fields without names, whose order belongs to the protocol's version.
//!
//! The layers, from the bytes up: `codec` (fields), [`Credential`] and `frame` (what is around a message), `records` (what the
//! controller packs, field by field), `show` (records as the objects of the API), `orders` (the API's objects as what a
//! controller is told to do), [`Client`] (a request and its answer). [`Database`] is the same for the accounting database, whose
//! connections last for a conversation, and for the next one of who asks again soon.
//!
//! What a field is, and in which order fields stand, was read in Slurm's source and seen in answers of real controllers of
//! 24.11 and later; see [`Protocol`] for the versions. Nothing is guessed: an answer in another version, an unknown mark, a
//! length beyond the end, or bytes that are left over are errors.

mod client;
mod codec;
mod credential;
mod database;
mod error;
mod frame;
mod kinds;
mod orders;
mod protocol;
mod records;
mod show;
mod words;

pub use client::Submitted;
pub use client::{Client, Controller, Fresh, Jobs, Limits, Listing, States, pause};
pub use codec::Malformed;
pub use credential::{Credential, CredentialError};
pub use database::{Database, Heard, Inquiry, Listed, Moment, People, RecordsOf, Unanswered};
pub use error::Error;
pub use kinds::Kind;
pub use orders::Unsendable;
pub use protocol::Protocol;
pub use show::{Names, Outline, Private};
