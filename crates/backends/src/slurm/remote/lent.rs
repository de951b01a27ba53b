//! What is done for somebody who is not there to ask: with whose word, and within which limits.

use std::sync::Arc;
use std::time::Instant;

use jobgate_model::{Error, ErrorKind};
use jobgate_slurm::rpc::{Credential, Limits};

use super::{Remote, RemoteView};

impl Remote {
    /// How long is waited for an answer.
    pub(super) fn limits(&self) -> Limits {
        self.wire.limits
    }

    /// So many seconds the controller knows of a job that has ended; `None`: that is not known, or for good.
    pub(super) fn min_job_age(&self) -> Option<u32> {
        self.outline().map(|outline| outline.min_job_age).filter(|age| *age != 0)
    }

    /// When the controller was started, unix seconds.
    pub(super) fn boot_time(&self) -> Option<f64> {
        self.outline().map(|outline| outline.boot_time as f64)
    }

    /// Since when the controller has answered whoever has asked; `None`: it has not, the last time.
    pub(super) fn answers_since(&self) -> Option<Instant> {
        self.wire.away.answers_since()
    }

    /// A credential of somebody that is good for so many seconds and no longer; `None` where the site's key is not known.
    pub(super) fn signed_for(&self, login: &str, seconds: u32) -> Option<Credential> {
        self.credentials.sign_for(login, seconds)
    }

    /// The cluster as this one sees it.
    pub(super) fn view_of(self: &Arc<Self>, login: &str) -> Result<RemoteView, Error> {
        let caller = self.caller_for(login).ok_or_else(|| nobody_asks_for(login))?;
        self.lent_view(&caller)
            .map_err(|fault| Error::new(ErrorKind::Unavailable, fault.description).numbered(fault.errno.0))
    }

    /// A credential of somebody, good for as long as it happens to be.
    pub(super) fn credential_of(&self, login: &str) -> Result<Credential, Error> {
        let caller = self.caller_for(login).ok_or_else(|| nobody_asks_for(login))?;
        let unusable = |fault: jobgate_slurm::cluster::Fault| {
            Error::new(ErrorKind::Unavailable, fault.description).numbered(fault.errno.0)
        };
        self.credentials.of(&caller).map_err(unusable)
    }
}

fn nobody_asks_for(login: &str) -> Error {
    let text = format!(
        "Slurm's controller cannot be asked for {login} until that one comes with a token again; with the cluster's key \
         (slurm.jwt_key) it could"
    );
    Error::new(ErrorKind::Unavailable, text)
}
