//! JSON Web Tokens: whose are accepted, and who they say asks.
//!
//! The `iss` that a token gives itself only chooses whose keys it is verified with; from then on that issuer's keys and
//! algorithms count, and nothing else that the token says. Tokens of no configured issuer are Slurm's, or those of the one
//! issuer that writes no `iss`.

pub(in crate::auth) mod claims;
pub(in crate::auth) mod issuer;
mod jwks;
mod recall;
pub(in crate::auth) mod remote;
mod slurm;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jobgate_model::{Error, Role};

pub use claims::RoleClaim;
pub use issuer::{Issuer, IssuerSettings, KeySource, TrustError};
pub use remote::Freshness;
pub use slurm::{SlurmKeys, shared_key};

use super::names::Vouching;
use super::tokens::Refusal;
use recall::{Checked, Recall};
use slurm::SlurmIssuer;

/// Slurm's place among the issuers; the others follow.
const SLURM: usize = 0;

/// Whose tokens are accepted.
#[derive(Debug)]
pub(crate) struct Issuers {
    slurm: SlurmIssuer,
    others: Vec<Arc<Issuer>>,
    recall: Recall,
    /// Whoever checks a token keeps the others out that bring the same; the first byte of its digest says which.
    checking: [tokio::sync::Mutex<()>; 16],
}

/// Who somebody said that it is who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vouched {
    /// The name.
    pub(crate) user: String,
    /// Whose word it is.
    pub(crate) vouching: Vouching,
    /// What it is here, if it is more than a user.
    pub(crate) role: Option<Role>,
    /// When this ends, in unix seconds.
    pub(crate) expires: i64,
    /// The token is one of Slurm's.
    pub(crate) slurm: bool,
}

impl Issuers {
    pub(crate) fn new(slurm: SlurmKeys, others: Vec<Arc<Issuer>>) -> Self {
        Self { slurm: SlurmIssuer::new(slurm), others, recall: Recall::default(), checking: Default::default() }
    }

    /// Who a token is for. `now`: unix seconds. `may_guess`: whether the controller may be asked about one that nobody has seen yet.
    pub(crate) async fn check(
        &self,
        token: &str,
        now: i64,
        may_guess: impl Fn() -> Result<(), Error>,
    ) -> Result<Vouched, Refusal> {
        let digest: [u8; 32] = digest(&SHA256, token.as_bytes()).as_ref().try_into().unwrap_or_default();
        if let Some(vouched) = self.recalled(&digest, now).filter(|checked| now < checked.until) {
            return Ok(vouched.vouched);
        }
        // however many bring it at once, it is checked by one
        let _alone = self.checking[usize::from(digest[0]) % self.checking.len()].lock().await;
        let earlier = self.recalled(&digest, now);
        if let Some(checked) = earlier.as_ref().filter(|checked| now < checked.until) {
            return Ok(checked.vouched.clone());
        }
        // whoever has brought a good one does not guess
        let may_ask = || if earlier.is_some() { Ok(()) } else { may_guess() };
        match (self.verify(token, now, may_ask).await, earlier) {
            (Ok(checked), _) => {
                let vouched = checked.vouched.clone();
                self.recall.remember(digest, checked);
                Ok(vouched)
            }
            // it was good, and nobody says that it is not any more
            (Err(Refusal::Away(_)), Some(earlier)) => Ok(earlier.vouched),
            (Err(refusal), _) => {
                self.recall.forget(&digest);
                Err(refusal)
            }
        }
    }

    /// What was found out about a token, if that still counts.
    fn recalled(&self, digest: &[u8; 32], now: i64) -> Option<Checked> {
        let checked = self.recall.find(digest)?;
        let counts = checked.generation == self.generation(checked.source) && now < checked.vouched.expires;
        counts.then_some(checked)
    }

    fn generation(&self, source: usize) -> u64 {
        match source {
            SLURM => self.slurm.keys().0,
            other => self.others[other - 1].generation(),
        }
    }

    async fn verify(&self, token: &str, now: i64, may_ask: impl Fn() -> Result<(), Error>) -> Result<Checked, Refusal> {
        let issuer = claims::said_issuer(token)?;
        let named = |one: &Arc<Issuer>| one.issuer() == issuer.as_deref();
        let chosen = self.others.iter().position(named);
        if let (Some(chosen), Some(_)) = (chosen, &issuer) {
            return self.by(chosen, token, now).await;
        }
        let by_slurm = self.by_slurm(token, issuer.is_some(), now, may_ask).await;
        match (by_slurm, chosen) {
            (Err(Refusal::Exhausted(error)), Some(chosen)) => {
                self.by(chosen, token, now).await.map_err(|_| Refusal::Exhausted(error))
            }
            // one of Slurm's keys has signed it
            (Err(refusal), Some(chosen)) if !matches!(refusal, Refusal::Expired | Refusal::Away(_)) => {
                self.by(chosen, token, now).await
            }
            (outcome, _) => outcome,
        }
    }

    async fn by(&self, chosen: usize, token: &str, now: i64) -> Result<Checked, Refusal> {
        let header = claims::header(token)?;
        let (generation, vouched) = self.others[chosen].check(token, &header, now).await?;
        let until = vouched.expires;
        Ok(Checked { source: chosen + 1, generation, vouched, until })
    }

    async fn by_slurm(
        &self,
        token: &str,
        foreign: bool,
        now: i64,
        may_ask: impl Fn() -> Result<(), Error>,
    ) -> Result<Checked, Refusal> {
        let (generation, keys) = self.slurm.keys();
        let keys = keys.map_err(Refusal::Wrong)?;
        let (claims, until) = if let Some(site) = self.slurm.controller(&keys, token) {
            self.slurm.ask(site, &keys, token, now, may_ask).await?
        } else {
            let claims = SlurmIssuer::check(&keys, token, foreign, now)?;
            let until = claims.expires;
            (claims, until)
        };
        let (user, expires) = (claims.user, claims.expires);
        let vouched = Vouched { user, vouching: Vouching::Ours, role: None, expires, slurm: true };
        Ok(Checked { source: SLURM, generation, vouched, until })
    }
}
