//! What the product does: it creates, starts, cancels, lists and watches jobs, records every fact once, and tells those
//! who asked to be told. It has no HTTP server and knows no dialect; it reaches batch systems through
//! [`jobgate_model::Backend`] only.
//!
//! All calls block (the store is SQLite, the tree is files); a server makes them from blocking threads. Start reading at
//! [`Engine::create`], then `engine/record.rs`, the one place where a fact becomes an event.

pub mod audit;
mod callbacks;
mod engine;
mod gateway;
mod outgoing;
mod process;
mod store;
pub mod tree;
mod types;

pub use callbacks::{Messenger, sign};
pub use engine::{Engine, Room};
pub use gateway::socket_path;
pub use outgoing::{Answer, ClientIdentity, Outgoing, Reach, Targets};
pub use store::network_file_system;
pub use types::*;
