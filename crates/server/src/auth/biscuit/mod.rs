//! Biscuits: tokens that this gateway signs, that anybody can restrict further offline, and whose checks are evaluated for
//! every request; and the site's own policy, which is written in the same language.
//!
//! Only this folder knows the library. `keys.rs` signs and says which keys count, `mint.rs` makes tokens and restricts them,
//! `verify.rs` reads what clients bring (once per token: the outcome is kept), `judge.rs` decides about a request, and
//! `cost.rs` keeps tokens from costing more than a decision may.

mod blank;
mod cost;
mod judge;
mod keys;
mod mint;
mod pattern;
mod policy;
mod question;
mod revoked;
mod show;
#[cfg(test)]
mod tests;
mod verify;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

pub use cost::Heavy;
pub use judge::{Allowed, Denied, judge};
pub use keys::{Accept, KeyError, KeyFiles};
pub use mint::{Grant, MintError, Restriction, attenuate, mint};
pub(crate) use policy::SitePolicy;
pub use policy::{Policy, PolicyError};
pub use question::Question;
pub use revoked::{RevokedError, revoke};
pub use show::{Inspection, Shown, inspect, revocation_id};
pub(crate) use show::{blocks, is_biscuit};
pub use verify::{Biscuits, Verified};

/// Where a gateway's biscuits have their keys, and how long they live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiscuitSettings {
    /// The keys.
    pub keys: KeyFiles,
    /// The list of revoked tokens; it need not be there.
    pub revoked: PathBuf,
    /// For so long a token from `GET /token` is valid.
    pub lifespan: Duration,
}

impl BiscuitSettings {
    /// For so long tokens are valid if nothing else is said: as long as psik_api's.
    pub const LIFESPAN: Duration = Duration::from_secs(24 * 60 * 60);

    /// With everything in a state directory.
    pub fn below(state_dir: &std::path::Path) -> Self {
        Self {
            keys: KeyFiles { signing: state_dir.join("biscuit.key"), accept: Vec::new() },
            revoked: state_dir.join("biscuit.revoked"),
            lifespan: Self::LIFESPAN,
        }
    }

    /// Says what is wrong with the files before a server starts with them.
    pub fn check(&self) -> Result<(), String> {
        self.keys.load().map_err(|error| error.to_string())?;
        revoked::load(&self.revoked).map_err(|error| error.to_string())?;
        Ok(())
    }
}
