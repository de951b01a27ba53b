//! TLS for listeners: which files it takes, and what of them is used at this moment.
//!
//! `files.rs` reads them, [`Credentials`] holds what was read last and takes up changed files (`reload.rs`), `handshake.rs`
//! makes a TLS connection of a TCP one.

mod files;
mod handshake;
mod reload;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use thiserror::Error;

use crate::auth::certificate::{ClientCertificate, Subject};
use files::Seen;
pub(crate) use handshake::{Handshake, shake_hands};
pub(crate) use reload::keep_fresh;

/// The files of a listener with TLS, all of them PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, followed by those of the authorities between it and the root.
    pub certificate: PathBuf,
    /// Its private key (PKCS#8, SEC1 or PKCS#1, not encrypted), which nobody but its owner may read.
    pub key: PathBuf,
    /// Whose client certificates count; `None`: clients are not asked for one.
    pub clients: Option<ClientAuthority>,
}

/// Whose client certificates count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthority {
    /// Certificates of authorities: a file, or a directory of files that end in `.crt` or `.pem` (as `known_clients` of
    /// `certified`). Each of them is trusted with naming any user.
    pub ca: PathBuf,
    /// What they have revoked: a file with revocation lists, or a directory of files that end in `.crl` or `.pem`.
    pub crl: Option<PathBuf>,
    /// Whether a client must have one.
    pub demand: Demand,
}

/// Whether a client must have a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Who has none may bring something else.
    Optional,
    /// Who has none cannot connect.
    Required,
}

/// Why TLS cannot be had from some files.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file or directory cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read the private key.
    #[error("{} is a private key that others can read (mode {mode:03o}); `chmod 600` it, or make a new one if others may have", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file does not contain what it should.
    #[error("{} has no usable {what}: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Key and certificate are of different pairs.
    #[error("the key {} does not belong to the certificate {}", key.display(), certificate.display())]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
    /// The library does not take it.
    #[error("cannot use {} for TLS: {source}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: rustls::Error,
    },
}

/// What a listener shows of itself and asks of clients, as its files said when they were last read.
pub(crate) struct Credentials {
    files: TlsFiles,
    current: RwLock<Arc<Loaded>>,
    /// How often files were taken up: who was admitted in an earlier generation is looked at again.
    generation: AtomicU64,
    seen: Mutex<Watched>,
}

/// What was made of the files.
struct Loaded {
    config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    /// When the server's certificate ends, in unix seconds.
    not_after: i64,
}

/// What the files looked like.
#[derive(Debug, Default)]
struct Watched {
    /// When they were last read, successfully or not.
    read: Seen,
    /// At the last look.
    last: Seen,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the files. A certificate that has ended, or soon will, is worth a warning in the log.
    pub(crate) fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = files.look();
        let loaded = files.load()?;
        reload::warn_of_end(&files.certificate, loaded.not_after);
        Ok(Self {
            files,
            current: RwLock::new(Arc::new(loaded)),
            generation: AtomicU64::new(0),
            seen: Mutex::new(Watched { read: seen.clone(), last: seen }),
        })
    }

    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, loaded: Loaded) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// The certificate that a client has shown in its handshake. It is looked at again when the listener's files have changed:
/// what was revoked since counts no longer, also on a connection that has been there before.
#[derive(Debug)]
pub(crate) struct Presented {
    subject: Arc<Subject>,
    chain: Vec<CertificateDer<'static>>,
    credentials: Arc<Credentials>,
    verdict: Mutex<Verdict>,
}

/// Whether a certificate counts, as of a generation of the files.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    generation: u64,
    counts: bool,
}

impl Presented {
    /// What the handshake was about; `None`: its certificate cannot be read, which the handshake would have noticed.
    fn new(chain: Vec<CertificateDer<'static>>, credentials: Arc<Credentials>, generation: u64) -> Option<Self> {
        let subject = Arc::new(Subject::read(chain.first()?)?);
        Some(Self { subject, chain, credentials, verdict: Mutex::new(Verdict { generation, counts: true }) })
    }

    /// For a request that comes now.
    pub(crate) fn now(&self) -> ClientCertificate {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let generation = self.credentials.generation.load(Ordering::Acquire);
        if verdict.generation != generation {
            *verdict = Verdict { generation, counts: self.still_counts() };
        }
        ClientCertificate { subject: Arc::clone(&self.subject), withdrawn: !verdict.counts }
    }

    fn still_counts(&self) -> bool {
        let loaded = self.credentials.current();
        let (Some(clients), Some((own, between))) = (&loaded.clients, self.chain.split_first()) else { return false };
        clients.verify_client_cert(own, between, UnixTime::now()).is_ok()
    }
}
