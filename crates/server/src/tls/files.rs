//! From files to what rustls takes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use super::{ClientAuthority, Demand, Loaded, TlsError, TlsFiles};
use crate::auth::certificate::Subject;

/// No file of this kind is larger, in bytes: a revocation list can be long.
const LARGEST: u64 = 64 << 20;

/// What files looked like: cheap to find out, and other after every change.
pub(super) type Seen = Vec<(PathBuf, Option<Look>)>;

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl TlsFiles {
    /// What they look like now. To be asked before they are read: a change in between is then seen at the next look.
    pub(super) fn look(&self) -> Seen {
        let mut seen = vec![look(&self.certificate), look(&self.key)];
        if let Some(clients) = &self.clients {
            let crl = clients.crl.as_deref().map(|path| (path, "crl"));
            for (path, ending) in [(clients.ca.as_path(), "crt")].into_iter().chain(crl) {
                seen.push(look(path));
                seen.extend(members(path, ending).unwrap_or_default().iter().map(|path| look(path)));
            }
        }
        seen
    }

    /// Reads them.
    pub(super) fn load(&self) -> Result<Loaded, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = certificates(&self.certificate)?;
        let not_after = chain.first().and_then(|own| Subject::read(own)).map(|own| own.not_after);
        let not_after =
            not_after.ok_or_else(|| unusable(&self.certificate, "certificate", "it cannot be read as X.509"))?;
        let key = CertifiedKey::from_der(chain, private_key(&self.key)?, &provider).map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { key: self.key.clone(), certificate: self.certificate.clone() }
            }
            source => TlsError::Refused { path: self.key.clone(), source },
        })?;
        let clients = self.clients.as_ref().map(|clients| clients.verifier(&provider)).transpose()?;
        let refused = |source| TlsError::Refused { path: self.certificate.clone(), source };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(refused)?
            .with_client_cert_verifier(clients.clone().unwrap_or_else(WebPkiClientVerifier::no_client_auth));
        let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Loaded { config: Arc::new(config), clients, not_after })
    }
}

impl ClientAuthority {
    /// Who says whether a client's certificate counts.
    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for path in members(&self.ca, "crt")? {
            for certificate in certificates(&path)? {
                roots.add(certificate).map_err(|source| TlsError::Refused { path: path.clone(), source })?;
            }
        }
        if roots.is_empty() {
            return Err(unusable(&self.ca, "certificate of an authority", "no file in it ends in .crt or .pem"));
        }
        let mut lists = Vec::new();
        if let Some(crl) = &self.crl {
            for path in members(crl, "crl")? {
                let found: Vec<CertificateRevocationListDer<'static>> = all(&path, "revocation list")?;
                lists.extend(found);
            }
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .with_crls(lists)
            // an authority without a list has revoked nothing
            .allow_unknown_revocation_status();
        let builder = match self.demand {
            Demand::Optional => builder.allow_unauthenticated(),
            Demand::Required => builder,
        };
        let path = self.crl.as_ref().unwrap_or(&self.ca);
        builder.build().map_err(|error| unusable(path, "trust in clients", &error.to_string()))
    }
}

fn look(path: &Path) -> (PathBuf, Option<Look>) {
    let look = std::fs::metadata(path).ok().map(|found| Look {
        device: found.dev(),
        inode: found.ino(),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    });
    (path.to_owned(), look)
}

/// The file itself, or the files of a directory that have this ending or `.pem`, by name.
fn members(path: &Path, ending: &str) -> Result<Vec<PathBuf>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|one| one == ending || one == "pem") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    all(path, "certificate")
}

/// All objects of one kind in a PEM file; there must be one.
fn all<T: PemObject>(path: &Path, what: &'static str) -> Result<Vec<T>, TlsError> {
    let text = read(path, |_| Ok(()))?;
    let found = T::pem_slice_iter(&text).collect::<Result<Vec<T>, pem::Error>>();
    match found {
        Ok(found) if found.is_empty() => Err(unusable(path, what, "there is none in PEM form")),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(path, what, &error.to_string())),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path, |mode| match mode & 0o077 {
        0 => Ok(()),
        _ => Err(TlsError::Exposed { path: path.to_owned(), mode }),
    })?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let encrypted = text.windows(9).any(|window| window == b"ENCRYPTED");
        let why = if encrypted { "it is encrypted, and there is nobody to ask for its passphrase" } else { "" };
        let why = if why.is_empty() { error.to_string() } else { why.to_owned() };
        unusable(path, "private key", &why)
    })
}

/// A file's bytes, if its permissions may be what they are: asked of the file that is read, not of its name.
fn read(path: &Path, permitted: impl FnOnce(u32) -> Result<(), TlsError>) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")));
    }
    permitted(found.mode() & 0o777)?;
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > LARGEST {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(text)
}

fn unusable(path: &Path, what: &'static str, why: &str) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), what, why: why.to_owned() }
}
