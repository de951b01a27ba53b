//! With what the controller is asked for somebody.

use std::collections::HashMap;
use std::path::PathBuf;
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

/// The user whose process this is, for whom the `munged` of this machine vouches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Munge {
    /// Where `munged` listens.
    pub socket: PathBuf,
    /// The user's login.
    pub login: String,
}

/// Credentials of callers.
#[derive(Debug)]
pub(super) struct Credentials {
    key: Option<SharedKey>,
    munge: Option<Munge>,
    signed: Mutex<HashMap<String, (Instant, Credential)>>,
    /// The last token of each that the controller has accepted.
    brought: Mutex<HashMap<String, Proof>>,
}

impl Credentials {
    pub(super) fn new(key: Option<SharedKey>, munge: Option<Munge>) -> Self {
        Self { key, munge, signed: Mutex::default(), brought: Mutex::default() }
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
            None if self.munged(login).is_some() => Proof::Ours,
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

    /// Somebody who may act for this one does so: its word counts for this one's jobs, too, unless there is a better one.
    pub(super) fn lend(&self, caller: &Caller) {
        if matches!(caller.proof, Proof::Behalf(_)) {
            let brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
            let has_own = matches!(brought.get(&caller.login), Some(Proof::Token(_)));
            drop(brought);
            if !has_own {
                self.remember(caller);
            }
        }
    }

    /// A credential for one order: good for so many seconds.
    pub(super) fn sign_for(&self, login: &str, seconds: u32) -> Option<Credential> {
        let Some(key) = &self.key else { return Some(self.munged(login)?.lasting(seconds)) };
        let token = key.mint(login, Lifespan::Seconds(seconds), jiff::Timestamp::now().as_second()).ok()?;
        Credential::jwt(token).ok()
    }

    /// What `munged` says, if it is asked at all: it vouches for this process's user and nobody else.
    fn munged(&self, login: &str) -> Option<Credential> {
        let munge = self.munge.as_ref().filter(|munge| munge.login == login)?;
        Some(Credential::munge(Some(munge.socket.clone()), None))
    }

    fn sign(&self, login: &str) -> Answer<Credential> {
        let refused = |why: String| Fault::new(Errno::AUTHENTICATION, why);
        let Some(key) = &self.key else {
            if let Some(credential) = self.munged(login) {
                return Ok(credential);
            }
            if let Some(Munge { login: own, .. }) = &self.munge {
                let words = format!(
                    "MUNGE vouches for {own} only, whose process this gateway is; {login} has to send a token of \
                     `scontrol token` as X-SLURM-USER-TOKEN"
                );
                return Err(refused(words));
            }
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
        let without = Credentials::new(None, None);
        assert_eq!(without.of(&ours).unwrap_err().errno, Errno::AUTHENTICATION);
        assert_eq!(without.remembered("alice"), None);
        let key = SharedKey::new(b"0123456789abcdef0123456789abcdef").unwrap();
        let with = Credentials::new(Some(key), None);
        assert_eq!(with.of(&ours).unwrap(), with.of(&ours).unwrap());
        assert_eq!(with.remembered("alice"), Some(ours));
    }

    #[test]
    fn munge_speaks_for_ones_own_user_only() {
        let munge = Munge { socket: "/nowhere/munge".into(), login: "alice".into() };
        let credentials = Credentials::new(None, Some(munge));
        let caller = |login: &str| Caller { login: login.into(), proof: Proof::Ours };
        let own = credentials.of(&caller("alice")).unwrap();
        assert_eq!(own, Credential::munge(Some("/nowhere/munge".into()), None));
        assert_eq!(credentials.remembered("alice"), Some(caller("alice")));
        assert_eq!(credentials.sign_for("alice", 20), Some(own.lasting(20)));
        let refused = credentials.of(&caller("bob")).unwrap_err();
        assert!(refused.errno == Errno::AUTHENTICATION && refused.description.contains("alice only"), "{refused}");
        assert_eq!((credentials.remembered("bob"), credentials.sign_for("bob", 20)), (None, None));
        // who brings a token is asked for with it
        let token = Caller { login: "bob".into(), proof: Proof::Token(Token::new("a.b.c")) };
        assert!(credentials.of(&token).unwrap().token().is_some());
        credentials.remember(&token);
        assert_eq!(credentials.remembered("bob"), Some(token));
    }

    #[test]
    fn the_last_accepted_token_is_remembered() {
        let credentials = Credentials::new(None, None);
        let caller = Caller { login: "alice".into(), proof: Proof::Token(Token::new("a.b.c")) };
        credentials.remember(&caller);
        assert_eq!(credentials.remembered("alice"), Some(caller.clone()));
        assert_eq!(credentials.remembered("bob"), None);
        // root, for others: one's own token is better
        let behalf = |login: &str| Caller { login: login.into(), proof: Proof::Behalf(Token::new("r.o.t")) };
        credentials.lend(&behalf("alice"));
        credentials.lend(&behalf("bob"));
        assert_eq!(
            (credentials.remembered("alice"), credentials.remembered("bob")),
            (Some(caller), Some(behalf("bob")))
        );
    }
}
