//! Texts that prove who asks: each is looked at by the one kind of token whose form it has.

use std::sync::Arc;

use jobgate_model::{Error, Established};
use jobgate_slurm::site::Token;
use thiserror::Error as IsError;

use super::Door;
use super::biscuit::Biscuits;
use super::identify::Identity;
use super::jwt::{Issuers, Vouched};
use super::names::{self, Names};
use super::secrets::{self, Secret};

/// Nothing longer is looked at, in bytes.
const LONGEST: usize = 16 << 10;

/// Why a text does not prove who asks. For the log: callers are told less.
#[derive(Debug, IsError)]
pub(crate) enum Refusal {
    /// It is no token of this gateway's, nor of anybody whom it trusts.
    #[error("not a token of ours: {0}")]
    Foreign(String),
    /// It has ended.
    #[error("expired")]
    Expired,
    /// It was taken back.
    #[error("revoked")]
    Revoked,
    /// Only somebody knows who cannot be asked now.
    #[error("whether the token counts cannot be found out now: {0}")]
    Away(String),
    /// Whoever brings it has guessed too often to have somebody asked about it.
    #[error("{0}")]
    Exhausted(Error),
    /// It is ours, and something about it is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// All kinds of tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(super) issuers: Issuers,
    pub(super) secrets: Vec<Arc<Secret>>,
    pub(super) names: Names,
    pub(super) biscuits: Option<Arc<Biscuits>>,
}

impl Tokens {
    /// Who asks, according to a token. `now`: unix seconds. `may_guess`: whether a token may turn out not to count that somebody else
    /// has to be asked about.
    pub(crate) async fn check(
        &self,
        door: &Door,
        text: &str,
        now: i64,
        may_guess: impl Fn() -> Result<(), Error>,
    ) -> Result<Identity, Refusal> {
        if text.len() > LONGEST {
            return Err(Refusal::Foreign(format!("longer than {LONGEST} bytes")));
        }
        if door.admits(Established::Secret)
            && let Some(principal) = secrets::bearer_of(&self.secrets, text, &self.names)
        {
            return Ok(Identity::new(principal, String::new()));
        }
        let kind = if text.bytes().filter(|byte| *byte == b'.').count() == 2 {
            Established::Jwt
        } else {
            Established::Biscuit
        };
        if !door.admits(kind) {
            return Err(Refusal::Foreign(format!("{} does not count on this listener", kind.as_str())));
        }
        match kind {
            Established::Jwt => {
                let Vouched { user, vouching, role, expires, slurm } = self.issuers.check(text, now, may_guess).await?;
                let mut principal = self.names.principal(&user, kind, vouching).map_err(Refusal::Wrong)?;
                principal.role = names::with_claims(principal.role, role);
                principal.expires = Some(expires);
                let slurm_token = slurm.then(|| Token::new(text));
                Ok(Identity { vouching, slurm_token, ..Identity::new(principal, String::new()) })
            }
            _ => self.biscuit(text, now),
        }
    }

    /// Who asks, according to a biscuit. What it forbids is for `decide.rs`.
    fn biscuit(&self, text: &str, now: i64) -> Result<Identity, Refusal> {
        let Some(biscuits) = &self.biscuits else { return Err(Refusal::Foreign("no biscuits are read".into())) };
        let token = biscuits.check(text, now)?;
        let (name, vouching) = token.name();
        let mut principal = self.names.principal(name, Established::Biscuit, vouching).map_err(Refusal::Wrong)?;
        principal.expires = token.expires();
        Ok(Identity { vouching, token: Some(token), ..Identity::new(principal, String::new()) })
    }
}
