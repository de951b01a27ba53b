//! Secrets in files, for programs that watch this gateway (`Authorization: Bearer TEXT`).

use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use jobgate_model::{Established, Principal, Role};

use super::jwt::TrustError;
use super::keyfile::{self, Watched};
use super::names::{Names, Vouching};

/// A secret is at least so long, in characters.
const SHORTEST: usize = 32;
/// And no longer than this.
const LONGEST: usize = 4096;

/// A secret, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSettings {
    /// What the configuration calls it.
    pub name: String,
    /// The file: its text, without a line end, is the secret.
    pub file: PathBuf,
    /// As whom its bearer acts.
    pub user: String,
    /// What its bearer is.
    pub role: Role,
}

/// A secret in use.
#[derive(Debug)]
pub struct Secret {
    settings: SecretSettings,
    /// The SHA-256 of the text: what is compared has always the same length.
    digest: Watched<Digest>,
}

impl Secret {
    /// Reads the file once, so that what is wrong with it is known at the start.
    pub fn open(settings: SecretSettings) -> Result<Self, TrustError> {
        let setting = |key: &str| format!("auth.secrets.{}.{key}", settings.name);
        Names::default()
            .principal(&settings.user, Established::Secret, Vouching::Others)
            .map_err(|why| TrustError::new(setting("user"), why))?;
        read(&settings.file).map_err(|why| TrustError::new(setting("file"), why))?;
        let digest = Watched::new([settings.file.clone()]);
        Ok(Self { settings, digest })
    }

    /// Whether this is the text. Takes as long whatever the text is.
    fn is(&self, presented: &Digest) -> bool {
        let (_, digest) = self.digest.get(|| read(&self.settings.file));
        digest.is_ok_and(|digest| verify_slices_are_equal(digest.as_ref().as_ref(), presented.as_ref()).is_ok())
    }

    fn principal(&self, names: &Names) -> Option<Principal> {
        let SecretSettings { user, role, .. } = &self.settings;
        let principal = names.principal(user, Established::Secret, Vouching::Others).ok()?;
        // what the configuration says here counts, not what the user could be elsewhere
        Some(Principal { role: *role, ..principal })
    }
}

/// Whose secret a text is, if it is one. All of them are compared, so that the time does not tell which.
pub(super) fn bearer_of(secrets: &[std::sync::Arc<Secret>], text: &str, names: &Names) -> Option<Principal> {
    if secrets.is_empty() || !(SHORTEST..=LONGEST).contains(&text.len()) {
        return None;
    }
    let presented = digest(&SHA256, text.as_bytes());
    let found = secrets.iter().fold(None, |found, secret| if secret.is(&presented) { Some(secret) } else { found });
    found.and_then(|secret| secret.principal(names))
}

fn read(path: &Path) -> Result<Digest, String> {
    let bytes = keyfile::secret(path)?;
    let text = bytes.trim_ascii_end();
    if text.len() > LONGEST || !text.iter().all(u8::is_ascii_graphic) {
        return Err(format!(
            "{}: a secret that travels in a header is one word of at most {LONGEST} printable ASCII characters; make one with \
             `openssl rand -hex 32`",
            path.display()
        ));
    }
    keyfile::check_strength(path, text, SHORTEST)?;
    Ok(digest(&SHA256, text))
}
