//! With what the controller is asked for somebody.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::jwt::{self, Lifespan, SharedKey};
use jobgate_slurm::rpc::Credential;
use jobgate_slurm::site::{Caller, Proof, Token};

/// So many seconds a token that is signed here is good.
const LIFESPAN: u32 = 600;
/// And so long it is used.
const USED: Duration = Duration::from_secs(300);
/// A controller's word about who acts for somebody else counts so long.
const COUNTS: Duration = Duration::from_secs(60);
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
    /// What callers have brought that counts.
    brought: Mutex<HashMap<String, Brought>>,
    /// Who acts for somebody else, and when the controller has accepted that.
    accepted: Mutex<HashMap<Caller, Instant>>,
}

/// The last tokens with which the controller can be asked for somebody.
#[derive(Debug, Default)]
struct Brought {
    /// Its own.
    own: Option<Lent>,
    /// That of somebody who may act for it.
    behalf: Option<Lent>,
}

/// A token that is used while its bearer is not there.
#[derive(Debug)]
struct Lent {
    proof: Proof,
    /// Unix seconds; `None`: it does not say.
    expires: Option<i64>,
}

impl Brought {
    fn place(&mut self, proof: &Proof) -> Option<&mut Option<Lent>> {
        match proof {
            Proof::Token(_) => Some(&mut self.own),
            Proof::Behalf(_) => Some(&mut self.behalf),
            Proof::Ours => None,
        }
    }

    /// One's own is better.
    fn best(&self, now: i64) -> Option<&Proof> {
        let good = |lent: &&Lent| lent.expires.is_none_or(|expires| expires > now);
        self.own.as_ref().filter(good).or_else(|| self.behalf.as_ref().filter(good)).map(|lent| &lent.proof)
    }
}

impl Credentials {
    pub(super) fn new(key: Option<SharedKey>, munge: Option<Munge>) -> Self {
        Self { key, munge, signed: Mutex::default(), brought: Mutex::default(), accepted: Mutex::default() }
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
        self.remembered_at(login, jiff::Timestamp::now().as_second())
    }

    fn remembered_at(&self, login: &str, now: i64) -> Option<Caller> {
        let proof = match self.key {
            Some(_) => Proof::Ours,
            None if self.munged(login).is_some() => Proof::Ours,
            None => self.brought.lock().unwrap_or_else(PoisonError::into_inner).get(login)?.best(now)?.clone(),
        };
        Some(Caller { login: login.to_owned(), proof })
    }

    /// Somebody has come with what counts: its word is good for its jobs later, too.
    pub(super) fn remember(&self, caller: &Caller) {
        let (Proof::Token(token) | Proof::Behalf(token)) = &caller.proof else { return };
        if self.key.is_some() {
            return;
        }
        let mut brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        if brought.len() >= MOST && !brought.contains_key(&caller.login) {
            brought.clear();
        }
        let Some(place) = brought.entry(caller.login.clone()).or_default().place(&caller.proof) else { return };
        if place.as_ref().is_none_or(|lent| lent.proof != caller.proof) {
            *place = Some(Lent { proof: caller.proof.clone(), expires: jwt::expiry(token.expose()) });
        }
    }

    /// Whether a caller is who it says: one who acts for somebody else is, if the controller has accepted that not long ago.
    pub(super) fn is_accepted(&self, caller: &Caller) -> bool {
        if !matches!(caller.proof, Proof::Behalf(_)) {
            return true;
        }
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.get(caller).is_some_and(|at| at.elapsed() < COUNTS)
    }

    /// The controller has accepted this one.
    pub(super) fn accept(&self, caller: &Caller) {
        if matches!(caller.proof, Proof::Behalf(_)) {
            let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            if accepted.len() >= MOST {
                accepted.retain(|_, at| at.elapsed() < COUNTS);
            }
            if accepted.len() >= MOST {
                accepted.clear();
            }
            accepted.insert(caller.clone(), Instant::now());
        }
        self.remember(caller);
    }

    /// The controller does not accept this (any more).
    pub(super) fn refuse(&self, refused: &Credential) {
        let Some(token) = refused.token() else { return };
        let is_it = |login: &str, proof: &Proof| match proof {
            Proof::Token(own) => refused.user().is_none() && own.expose() == token,
            Proof::Behalf(others) => refused.user() == Some(login) && others.expose() == token,
            Proof::Ours => false,
        };
        self.brought.lock().unwrap_or_else(PoisonError::into_inner).retain(|login, brought| {
            let keeps = |place: &mut Option<Lent>| {
                drop(place.take_if(|lent| is_it(login, &lent.proof)));
                place.is_some()
            };
            let (own, behalf) = (keeps(&mut brought.own), keeps(&mut brought.behalf));
            own || behalf
        });
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.retain(|caller, _| !is_it(&caller.login, &caller.proof));
    }

    /// A credential for one order: good for so many seconds.
    pub(super) fn sign_for(&self, login: &str, seconds: u32) -> Option<Credential> {
        let Some(key) = &self.key else {
            return Some(self.munged(login)?.lasting(Duration::from_secs(seconds.into())));
        };
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
        assert!(credentials.sign_for("alice", 20).is_some_and(|lasting| lasting != own), "it ends");
        let refused = credentials.of(&caller("bob")).unwrap_err();
        assert!(refused.errno == Errno::AUTHENTICATION && refused.description.contains("alice only"), "{refused}");
        assert_eq!((credentials.remembered("bob"), credentials.sign_for("bob", 20)), (None, None));
        // who brings a token is asked for with it
        let token = Caller { login: "bob".into(), proof: Proof::Token(Token::new("a.b.c")) };
        assert!(credentials.of(&token).unwrap().token().is_some());
        credentials.remember(&token);
        assert_eq!(credentials.remembered("bob"), Some(token));
    }

    fn brings(login: &str, token: &str) -> Caller {
        Caller { login: login.into(), proof: Proof::Token(Token::new(token)) }
    }

    fn acts_for(login: &str, token: &str) -> Caller {
        Caller { login: login.into(), proof: Proof::Behalf(Token::new(token)) }
    }

    /// A token that says when it ends.
    fn until(expires: i64) -> String {
        SharedKey::new(&[7; 32]).unwrap().mint("u", Lifespan::Seconds(1), expires - 1).unwrap()
    }

    #[test]
    fn the_last_token_is_remembered() {
        let credentials = Credentials::new(None, None);
        credentials.remember(&brings("alice", "a.b.b"));
        credentials.remember(&brings("alice", "a.b.c"));
        assert_eq!(credentials.remembered("bob"), None);
        // root, for others: one's own token is better
        credentials.remember(&acts_for("alice", "r.o.t"));
        credentials.remember(&acts_for("bob", "r.o.t"));
        let remembered = (credentials.remembered("alice"), credentials.remembered("bob"));
        assert_eq!(remembered, (Some(brings("alice", "a.b.c")), Some(acts_for("bob", "r.o.t"))));
    }

    #[test]
    fn what_has_expired_is_not_used() {
        let credentials = Credentials::new(None, None);
        let (short, long) = (brings("alice", &until(1000)), acts_for("alice", &until(2000)));
        credentials.remember(&short);
        credentials.remember(&long);
        assert_eq!(credentials.remembered_at("alice", 999), Some(short));
        assert_eq!(credentials.remembered_at("alice", 1000), Some(long), "it has hidden a good one");
        assert_eq!(credentials.remembered_at("alice", 2000), None);
    }

    #[test]
    fn what_is_refused_is_forgotten() {
        let credentials = Credentials::new(None, None);
        for caller in [brings("alice", "a.b.c"), acts_for("alice", "r.o.t"), acts_for("bob", "r.o.t")] {
            credentials.accept(&caller);
        }
        let refused = |caller: &Caller| credentials.refuse(&credentials.of(caller).unwrap());
        refused(&brings("root", "r.o.t"));
        refused(&brings("alice", "o.t.h"));
        assert_eq!(credentials.remembered("alice"), Some(brings("alice", "a.b.c")));
        refused(&brings("alice", "a.b.c"));
        assert_eq!(credentials.remembered("alice"), Some(acts_for("alice", "r.o.t")));
        refused(&acts_for("bob", "r.o.t"));
        assert_eq!(credentials.remembered("bob"), None);
        assert!(credentials.is_accepted(&acts_for("alice", "r.o.t")));
        assert!(!credentials.is_accepted(&acts_for("bob", "r.o.t")));
    }

    #[test]
    fn who_acts_for_somebody_has_to_be_accepted() {
        let credentials = Credentials::new(None, None);
        assert!(credentials.is_accepted(&brings("alice", "a.b.c")));
        let boss = acts_for("bob", "b.o.s");
        assert!(!credentials.is_accepted(&boss));
        credentials.accept(&boss);
        assert!(credentials.is_accepted(&boss));
        assert!(
            !credentials.is_accepted(&acts_for("alice", "b.o.s")) && !credentials.is_accepted(&acts_for("bob", "x"))
        );
    }
}
