//! The HTTP clients behind [`super::Outgoing`], made when they are first needed: most jobs have no callback, and loading root
//! certificates is slow.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Client, Identity};
use url::Url;

use super::{ClientIdentity, Reach, Targets, guard};

#[derive(Debug)]
pub(super) struct Clients {
    reach: Reach,
    plain: OnceLock<Result<Client, String>>,
    tls: Mutex<Option<Made>>,
}

/// A client, and what its files were when it was made.
#[derive(Debug, Clone)]
struct Made {
    client: Client,
    files: Vec<Stamp>,
}

/// Inode, size and time of the last change: who renews a certificate changes one of them.
type Stamp = Option<(u64, u64, i64, i64)>;

impl Clients {
    pub(super) fn new(reach: Reach) -> Self {
        Self { reach, plain: OnceLock::new(), tls: Mutex::default() }
    }

    /// The client that may call this URL.
    pub(super) fn client(&self, url: &Url) -> Result<Client, String> {
        if self.reach.targets == Targets::Public {
            guard::check_host(url, self.reach.setting)?;
        }
        match url.scheme() {
            "http" => self.plain.get_or_init(|| build(self.builder().tls_certs_only([]))).clone(),
            "https" => self.tls(),
            other => Err(format!("cannot call a {other} URL, only http and https")),
        }
    }

    /// The client for TLS, made anew if its files have changed. Files that cannot be used (somebody is just writing them)
    /// leave the client that there is.
    pub(super) fn tls(&self) -> Result<Client, String> {
        let files = self.stamps();
        let mut made = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref().filter(|made| made.files == files) {
            return Ok(made.client.clone());
        }
        match (self.with_certificates(), made.as_ref()) {
            (Ok(client), _) => {
                *made = Some(Made { client: client.clone(), files });
                Ok(client)
            }
            (Err(why), Some(old)) => {
                tracing::warn!(why, "new certificates for outgoing calls cannot be used; the old ones are");
                Ok(old.client.clone())
            }
            (Err(why), None) => Err(why),
        }
    }

    /// Whether anything is configured that has to be read.
    pub(super) fn has_files(&self) -> bool {
        self.reach.roots.is_some() || self.reach.identity.is_some()
    }

    fn stamps(&self) -> Vec<Stamp> {
        let identity = self.reach.identity.iter().flat_map(|identity| [&identity.certificate, &identity.key]);
        let stamp = |path| std::fs::metadata(path).ok().map(|m| (m.ino(), m.size(), m.mtime(), m.mtime_nsec()));
        self.reach.roots.iter().chain(identity).map(stamp).collect()
    }

    fn with_certificates(&self) -> Result<Client, String> {
        let mut builder = self.builder();
        if let Some(path) = &self.reach.roots {
            let unusable = |why: String| format!("cannot use the authorities in {}: {why}", path.display());
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            let roots = Certificate::from_pem_bundle(&pem).map_err(|error| unusable(describe(&error)))?;
            if roots.is_empty() {
                return Err(unusable("there is no certificate in PEM form".into()));
            }
            builder = builder.tls_certs_merge(roots);
        }
        if let Some(identity) = &self.reach.identity {
            builder = builder.identity(read_identity(identity)?);
        }
        build(builder)
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        // An error means that there is a provider already.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let builder = Client::builder()
            .timeout(self.reach.timeout)
            .connect_timeout(self.reach.timeout.min(Duration::from_secs(10)))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("jobgate/", env!("CARGO_PKG_VERSION")));
        match self.reach.targets {
            Targets::Any => builder,
            // A proxy would resolve names for us, beyond the guard.
            Targets::Public => builder.no_proxy().dns_resolver(guard::PublicOnly { setting: self.reach.setting }),
        }
    }
}

fn build(builder: reqwest::ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| format!("cannot make an HTTP client: {}", describe(&error)))
}

fn read_identity(identity: &ClientIdentity) -> Result<Identity, String> {
    let mut pem = read(&identity.certificate, "client certificate")?;
    let key = read_key(&identity.key)?;
    pem.push(b'\n');
    pem.extend_from_slice(&key);
    Identity::from_pem(&pem).map_err(|_| {
        format!(
            "cannot use the client certificate {} with the key {}: one of them is not in PEM form",
            identity.certificate.display(),
            identity.key.display()
        )
    })
}

fn read_key(path: &Path) -> Result<Vec<u8>, String> {
    let key = read(path, "client key")?;
    let mode = std::fs::metadata(path).map_err(|error| unreadable("client key", path, &error))?.mode();
    if mode & 0o007 != 0 {
        return Err(format!("others can read or change the client key {0}: chmod o-rwx {0}", path.display()));
    }
    Ok(key)
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| unreadable(what, path, &error))
}

fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => format!("there is no {what} {}", path.display()),
        _ => format!("cannot read the {what} {}: {error}", path.display()),
    }
}

/// The error and its causes, without the URL, which may hold a secret.
pub(super) fn describe(error: &reqwest::Error) -> String {
    let mut text = match error {
        error if error.is_timeout() => "timed out".to_owned(),
        error if error.is_decode() => "cannot read the answer".to_owned(),
        _ => "cannot send".to_owned(),
    };
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
