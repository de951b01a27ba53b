//! The objects of the API, one table each.

mod accounting;
mod answers;
mod conf;
mod desc;
mod diag;
mod frame;
mod job;
mod node;
mod outcomes;
mod partition;
mod queries;
mod record;
mod reservation;
mod shares;
pub mod words;

pub use accounting::*;
pub use answers::*;
pub use conf::*;
pub use desc::*;
pub use diag::*;
pub use frame::Framed;
pub use job::*;
pub use node::*;
pub use outcomes::*;
pub use partition::*;
pub use queries::*;
pub use record::*;
pub use reservation::*;
pub use shares::*;
