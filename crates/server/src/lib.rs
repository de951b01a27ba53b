//! Who may ask, and in which dialect.
//!
//! Start reading at `router.rs`, the list of every route. A request passes `observe.rs` (id, log line, metrics, panics),
//! then `auth` (one module decides who may ask for what), then a thin handler of a dialect, which asks the engine from a
//! blocking thread. Connections come from `listen.rs` (sockets) by `accept.rs` (the loop, with its limits).
//!
//! Nothing here knows how a job is run or where the index lives; nothing outside of this crate knows HTTP.

mod accept;
mod app;
mod asked;
mod audit;
mod auth;
mod autosubmit;
mod bodies;
mod buckets;
mod cors;
mod files;
mod headers;
mod inherit;
mod linger;
mod listen;
mod listener;
mod metrics;
mod observe;
mod pages;
mod promise;
mod psik;
mod router;
mod serve;
mod settings;
mod shared;
mod slurm;
mod stall;
mod status;
#[cfg(test)]
mod tests;
mod threads;
mod tls;

pub use audit::{AuditSettings, OnFailure};
pub use auth::biscuit;
pub use auth::certificate::NamedBy;
pub use auth::slurm::Accepted;
pub use auth::{
    AuthSettings, AutosubmitKeys, CasSettings, ClaimsFrom, ClientSecret, Clients, Door, Freshness, GithubSettings,
    Issuer, IssuerSettings, KeySource, LoginSettings, Logins, Mode, Names, OidcSettings, ProviderSettings,
    RateSettings, RoleClaim, Secret, SecretMethod, SecretSettings, SlurmKeys, TrustError, Vouching, Whereabouts, Wire,
    make_secret, shared_key,
};
pub use auth::{Protection, SigningKey};
pub use autosubmit::{AutosubmitSettings, Background, Draw, read_api_file};
pub use buckets::Rate;
pub use cors::Origin;
pub use inherit::{Inherited, is_inherited};
pub use jsonwebtoken::Algorithm;
pub use listen::{Endpoint, ListenError, Sockets, bind};
pub use listener::{Listener, Spot};
pub use serve::{serve, serve_inherited, terminated};
pub use settings::{ClearText, Limits, Settings, SocketAccess};
pub use slurm::{FurtherCluster, Shown, SlurmSettings};
pub use tls::{ClientAuthority, Demand, TlsError, TlsFiles};
