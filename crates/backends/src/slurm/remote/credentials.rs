//! With what the controller is asked for somebody.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::jwt::{Lifespan, SharedKey};
use jobgate_slurm::rpc::Credential;
use jobgate_slurm::site::{Caller, Proof, Token};

/// So many seconds a token that is signed here is good.
const LIFESPAN: u32 = 600;
/// And so long it is used.
const USED: Duration = Duration::from_secs(300);
/// So many callers are remembered.
const MOST: usize = 10_000;

/// Credentials of callers.
#[derive(Debug)]
pub(super) struct Credentials {
    key: Option<SharedKey>,
    signed: Mutex<HashMap<String, (Instant, Credential)>>,
    /// The last token of each that the controller has accepted.
    brought: Mutex<HashMap<String, Proof>>,
}

impl Credentials {
    pub(super) fn new(key: Option<SharedKey>) -> Self {
        Self { key, signed: Mutex::default(), brought: Mutex::default() }
    }

    /// With what the controller is asked.
    pub(super) fn of(&self, caller: &Caller) -> Answer<Credential> {
        let refused = |why: String| Fault::new(Errno::AUTHENTICATION, why);
        let own = |token: &Token| Credential::jwt(token.expose()).map_err(|error| refused(error.to_string()));
        match &caller.proof {
            Proof::Token(token) => own(token),
            Proof::Behalf(token) => {
                own(token)?.acting_for(caller.login.clone()).map_err(|error| refused(error.to_string()))
            }
            Proof::Ours => self.sign(&caller.login),
        }
    }

    /// Who can ask for somebody that is not there.
    pub(super) fn remembered(&self, login: &str) -> Option<Caller> {
        let proof = match self.key {
            Some(_) => Proof::Ours,
            None => self.brought.lock().unwrap_or_else(PoisonError::into_inner).get(login)?.clone(),
        };
        Some(Caller { login: login.to_owned(), proof })
    }

    /// The controller has accepted this.
    pub(super) fn remember(&self, caller: &Caller) {
        if caller.proof == Proof::Ours || self.key.is_some() {
            return;
        }
        let mut brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        if brought.len() >= MOST {
            brought.clear();
        }
        brought.insert(caller.login.clone(), caller.proof.clone());
    }

    /// A token for one order: good for so many seconds.
    pub(super) fn sign_for(&self, login: &str, seconds: u32) -> Option<Credential> {
        let token =
            self.key.as_ref()?.mint(login, Lifespan::Seconds(seconds), jiff::Timestamp::now().as_second()).ok()?;
        Credential::jwt(token).ok()
    }

    fn sign(&self, login: &str) -> Answer<Credential> {
        let refused = |why: String| Fault::new(Errno::AUTHENTICATION, why);
        let Some(key) = &self.key else {
            let words = "the cluster wants a token of its own: send the one of `scontrol token` as \
                         X-SLURM-USER-TOKEN, or give Jobgate the cluster's key (slurm.jwt_key)";
            return Err(refused(words.to_owned()));
        };
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, credential)) = signed.get(login).filter(|(at, _)| at.elapsed() < USED) {
            let _ = at;
            return Ok(credential.clone());
        }
        let now = jiff::Timestamp::now().as_second();
        let token = key.mint(login, Lifespan::Seconds(LIFESPAN), now).map_err(|error| refused(error.to_string()))?;
        let credential = Credential::jwt(token).map_err(|error| refused(error.to_string()))?;
        signed.retain(|_, (at, _)| at.elapsed() < USED);
        signed.insert(login.to_owned(), (Instant::now(), credential.clone()));
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brings_no_token_needs_the_key() {
        let ours = Caller { login: "alice".into(), proof: Proof::Ours };
        let without = Credentials::new(None);
        assert_eq!(without.of(&ours).unwrap_err().errno, Errno::AUTHENTICATION);
        assert_eq!(without.remembered("alice"), None);
        let key = SharedKey::new(b"0123456789abcdef0123456789abcdef").unwrap();
        let with = Credentials::new(Some(key));
        assert_eq!(with.of(&ours).unwrap(), with.of(&ours).unwrap());
        assert_eq!(with.remembered("alice"), Some(ours));
    }

    #[test]
    fn the_last_accepted_token_is_remembered() {
        let credentials = Credentials::new(None);
        let caller = Caller { login: "alice".into(), proof: Proof::Token(Token::new("a.b.c")) };
        credentials.remember(&caller);
        assert_eq!(credentials.remembered("alice"), Some(caller));
        assert_eq!(credentials.remembered("bob"), None);
    }
}
