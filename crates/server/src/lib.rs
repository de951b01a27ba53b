//! Who may ask, and in which dialect.
//!
//! Start reading at `router.rs`, the list of every route. A request passes `observe.rs` (id, log line, metrics, panics),
//! then `auth` (one module decides who may ask for what), then a thin handler of a dialect, which asks the engine from a
//! blocking thread. Connections come from `listen.rs` (sockets) by `accept.rs` (the loop, with its limits).
//!
//! Nothing here knows how a job is run or where the index lives; nothing outside of this crate knows HTTP.

mod accept;
mod app;
mod auth;
mod files;
mod linger;
mod listen;
mod metrics;
mod observe;
mod pages;
mod psik;
mod router;
mod serve;
mod settings;
mod stall;
#[cfg(test)]
mod tests;

pub use auth::Mode;
pub use listen::{Endpoint, ListenError, Sockets, bind};
pub use serve::{serve, terminated};
pub use settings::{Limits, Settings};
