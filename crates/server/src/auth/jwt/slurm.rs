//! Slurm's tokens, which `jobgate token` and a site's Slurm sign.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jobgate_model::Error;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::jwt::{self, KeySet, Keys, SharedKey};
use jobgate_slurm::site::{Caller, Proof, Site, Token};
use jsonwebtoken::Algorithm;
use tokio::sync::Semaphore;

use crate::app::blocking;
use crate::auth::keyfile::{self, Watched};
use crate::auth::tokens::Refusal;

/// A controller's word about a token counts so long, in seconds.
const COUNTS: i64 = 60;
/// So many tokens are asked about at the same time: each occupies a thread and one of the connections that the controller has for
/// all that is asked of it.
const AT_ONCE: usize = 8;
/// A token waits so long for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The keys of Slurm's tokens, which `jobgate token` and a site's Slurm sign with.
#[derive(Debug, Clone, Default)]
pub struct SlurmKeys {
    /// The raw key for HS256 (Slurm's `jwt_key`); it need not be there yet when the server starts.
    pub hs256: Option<PathBuf>,
    /// The key set for RS256 (Slurm's `jwks`).
    pub jwks: Option<PathBuf>,
    /// A claim that names the user where neither `sun` nor `username` does (Slurm's `userclaimfield`).
    pub user_claim: Option<String>,
    /// The real cluster whose controller is asked about tokens for which there is no key here.
    pub controller: Option<Arc<dyn Site>>,
}

/// The keys as they are in the files now.
#[derive(Debug)]
pub(super) struct SlurmIssuer {
    files: SlurmKeys,
    keys: Watched<Keys>,
    asking: Arc<Semaphore>,
}

impl SlurmIssuer {
    pub(super) fn new(files: SlurmKeys) -> Self {
        let keys = Watched::new(files.hs256.iter().chain(&files.jwks).cloned());
        Self { files, keys, asking: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Which version of the keys this is, and they.
    pub(super) fn keys(&self) -> (u64, Result<Arc<Keys>, String>) {
        self.keys.get(|| load(&self.files))
    }

    /// The cluster that has to be asked about a token, if that is so: no key is here that could have signed it.
    pub(super) fn controller(&self, keys: &Keys, token: &str) -> Option<Arc<dyn Site>> {
        let site = self.files.controller.as_ref()?;
        let knows = match jsonwebtoken::decode_header(token).ok()?.alg {
            Algorithm::HS256 => keys.hs256.is_some(),
            _ => keys.jwks.is_some(),
        };
        (!knows).then(|| Arc::clone(site))
    }

    /// Checks a token. `foreign`: it names an issuer that is not known here, so that it is ours only if one of our keys has
    /// signed it.
    pub(super) fn check(keys: &Keys, token: &str, foreign: bool, now: i64) -> Result<jwt::Claims, Refusal> {
        keys.check(token, now).map_err(|refusal| match refusal {
            jwt::Refusal::Expired(_) => Refusal::Expired,
            jwt::Refusal::Signature
            | jwt::Refusal::NoKey(_)
            | jwt::Refusal::NoKid
            | jwt::Refusal::UnknownKid(_)
            | jwt::Refusal::Algorithm(_)
            | jwt::Refusal::Header
                if foreign =>
            {
                Refusal::Foreign(refusal.to_string())
            }
            _ => Refusal::Wrong(refusal.to_string()),
        })
    }

    /// Asks a cluster's controller about a token. Gives what the token says, and until when that counts without asking again.
    /// `may_ask`: whether its bearer may have that done; it is asked last, so that of many at once those that wait see what became
    /// of those before.
    pub(super) async fn ask(
        &self,
        site: Arc<dyn Site>,
        keys: &Keys,
        token: &str,
        now: i64,
        may_ask: impl Fn() -> Result<(), Error>,
    ) -> Result<(jwt::Claims, i64), Refusal> {
        let claims = keys.unchecked(token, now).map_err(|refusal| match refusal {
            jwt::Refusal::Expired(_) => Refusal::Expired,
            refusal => Refusal::Wrong(refusal.to_string()),
        })?;
        let caller = Caller { login: claims.user.clone(), proof: Proof::Token(Token::new(token)) };
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.asking).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Refusal::Away("too many tokens are asked about".into())) };
        may_ask().map_err(Refusal::Exhausted)?;
        let answer = blocking(move || {
            // as long as the thread is occupied, also if nobody waits for it any more
            let _turn = turn;
            site.accepts(&caller)
        });
        match answer.await.map_err(|error| Refusal::Away(error.to_string()))? {
            Ok(()) => {
                let until = claims.expires.min(now + COUNTS);
                Ok((claims, until))
            }
            Err(fault) if fault.errno == Errno::AUTHENTICATION => {
                Err(Refusal::Wrong(format!("the cluster's controller refuses it: {fault}")))
            }
            Err(fault) => Err(Refusal::Away(fault.to_string())),
        }
    }
}

fn load(files: &SlurmKeys) -> Result<Keys, String> {
    let mut keys = Keys { user_claim: files.user_claim.clone(), ..Keys::default() };
    if let Some(path) = files.hs256.as_deref().filter(|path| path.exists()) {
        keys.hs256 = Some(shared_key(path)?);
    }
    if let Some(path) = &files.jwks {
        let set = KeySet::parse(&keyfile::public(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        keys.jwks = Some(set);
    }
    Ok(keys)
}

/// Reads the key with which tokens are signed and checked. An error says what is wrong with it, and nothing of it.
pub fn shared_key(path: &Path) -> Result<SharedKey, String> {
    let bytes = keyfile::secret(path)?;
    let key = SharedKey::new(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    keyfile::check_strength(path, &bytes, jwt::MIN_KEY_LENGTH).map(|()| key)
}
