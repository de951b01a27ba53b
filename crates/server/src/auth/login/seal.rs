//! Texts that a browser keeps for us and can neither read nor change: what is in our cookies.

use std::fmt;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::auth::keyfile;

/// The file of the key, in the state directory.
const FILE: &str = "session.key";
const LENGTH: usize = 32;
/// No sealed text is longer: a browser keeps 4096 bytes.
const LONGEST: usize = 4096;

/// What a sealed text is for: one of another purpose does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody has logged in.
    Session,
    /// Somebody is on the way to log in.
    Attempt,
}

/// Seals and opens.
pub(super) struct Sealer(RandomizedNonceKey);

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(..)")
    }
}

impl Sealer {
    /// With the key in the state directory, which is made if there is none. Without the file's old content, all that was sealed
    /// is void.
    pub(super) fn open(state_dir: &Path) -> Result<Self, String> {
        let path = state_dir.join(FILE);
        if !path.exists() {
            keyfile::make(&path, LENGTH).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        }
        let key = keyfile::secret(&path)?;
        let unusable =
            |_| format!("{} is not a key of {LENGTH} bytes; remove it, and a new one is made", path.display());
        RandomizedNonceKey::new(&AES_256_GCM, &key).map(Self).map_err(unusable)
    }

    /// Seals a value as a word of URL-safe base64.
    pub(super) fn seal(&self, purpose: Purpose, value: &impl Serialize) -> Result<String, String> {
        let mut text = serde_json::to_vec(value).map_err(|error| error.to_string())?;
        let nonce = self.0.seal_in_place_append_tag(Aad::from(purpose.label()), &mut text);
        let nonce = nonce.map_err(|_| "cannot seal".to_owned())?;
        Ok(BASE64.encode([nonce.as_ref().as_slice(), &text].concat()))
    }

    /// Opens what was sealed for this purpose with this key. Nobody else's opens.
    pub(super) fn unseal<T: DeserializeOwned>(&self, purpose: Purpose, sealed: &str) -> Option<T> {
        if sealed.len() > LONGEST {
            return None;
        }
        let mut bytes = BASE64.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.open_in_place(nonce, Aad::from(purpose.label()), text).ok()?;
        serde_json::from_slice(text).ok()
    }
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Session => b"jobgate session 1",
            Self::Attempt => b"jobgate login 1",
        }
    }
}

/// Random bytes as a word of URL-safe base64: names of sessions, and what only we and one browser know.
pub(super) fn random_word() -> Result<String, String> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system has no random bytes".to_owned())?;
    Ok(BASE64.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_what_we_sealed_opens_and_only_for_its_purpose() {
        let dir = tempfile::tempdir().unwrap();
        let sealer = Sealer::open(dir.path()).unwrap();
        let sealed = sealer.seal(Purpose::Session, &"alice").unwrap();
        assert_eq!(sealer.unseal::<String>(Purpose::Session, &sealed).as_deref(), Some("alice"));
        assert_eq!(sealer.unseal::<String>(Purpose::Attempt, &sealed), None);
        for at in 0..sealed.len() {
            let mut other = sealed.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            // the last character has bits that mean nothing, and those must be zero
            assert_eq!(sealer.unseal::<String>(Purpose::Session, &other), None, "changed at {at}");
        }
        for bad in ["", "A", "====", &"A".repeat(5000), "ü"] {
            assert_eq!(sealer.unseal::<String>(Purpose::Session, bad), None, "{bad:.20}");
        }
        // the same key after a restart, and another one elsewhere
        assert!(Sealer::open(dir.path()).unwrap().unseal::<String>(Purpose::Session, &sealed).is_some());
        let other = tempfile::tempdir().unwrap();
        assert!(Sealer::open(other.path()).unwrap().unseal::<String>(Purpose::Session, &sealed).is_none());
    }

    #[test]
    fn the_key_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let (state, key) = (dir.path().join("state"), dir.path().join("state").join(FILE));
        Sealer::open(&state).unwrap();
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1, "nothing is left lying around");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Sealer::open(&state).unwrap_err().contains("can be read or written by others"));
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&key, "short").unwrap();
        assert!(Sealer::open(&state).unwrap_err().contains("not a key of 32 bytes"));
    }
}
