//! The keys of biscuits: the one that signs, and all that are accepted.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use biscuit_auth::{Algorithm, KeyPair, PrivateKey, PublicKey};
use thiserror::Error;

/// More keys than this are not accepted at the same time: each is tried on a token that does not say which one signed it.
const MOST: usize = 16;

/// Where keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// The signing key: `ed25519-private/HEX` as biscuit's other libraries write it, or PEM. Made at the first need.
    pub signing: PathBuf,
    /// Further public keys whose tokens count.
    pub accept: Vec<Accept>,
}

/// Public keys whose tokens count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accept {
    /// This one: `ed25519/HEX`.
    Key(String),
    /// Those in a file, one a line, or one in PEM.
    File(PathBuf),
}

/// Why keys cannot be used. The texts hold nothing of a private key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner can read it.
    #[error("{} can be read or written by others, or belongs to somebody else; `chmod 600` it, or make a new one with \
             `jobgate token rotate`", .0.display())]
    Open(PathBuf),
    /// It is no private key.
    #[error("{} is no Ed25519 private key: expected ed25519-private/HEX, or PEM", .0.display())]
    NoPrivateKey(PathBuf),
    /// It is no public key.
    #[error("{0} is no Ed25519 public key: expected ed25519/HEX, or PEM")]
    NoPublicKey(String),
    /// There are too many.
    #[error("more than {MOST} public keys of biscuits are accepted; remove old ones from {}", .0.display())]
    TooMany(PathBuf),
}

/// The keys as they are in the files.
#[derive(Debug)]
pub(super) struct Keys {
    /// By the id that a token names; the signing key's first.
    pub(super) accepted: Vec<(u32, PublicKey)>,
}

impl KeyFiles {
    /// Where `rotate` keeps the public parts of earlier signing keys.
    pub fn earlier(&self) -> PathBuf {
        self.signing.with_extension("accepted")
    }

    /// All files that are read.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let files = self.accept.iter().filter_map(|accept| match accept {
            Accept::File(path) => Some(path.clone()),
            Accept::Key(_) => None,
        });
        [self.signing.clone(), self.earlier()].into_iter().chain(files).collect()
    }

    /// Reads them. That there is no signing key is no error: nothing was signed yet.
    pub(super) fn load(&self) -> Result<Keys, KeyError> {
        let signing = match read_private(&self.signing) {
            Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
            other => Some(other?),
        };
        let mut keys: Vec<PublicKey> = signing.iter().map(PrivateKey::public).collect();
        if self.earlier().exists() {
            keys.extend(read_public(&self.earlier())?);
        }
        for accept in &self.accept {
            match accept {
                Accept::Key(text) => keys.push(public(text)?),
                Accept::File(path) => keys.extend(read_public(path)?),
            }
        }
        let mut accepted: Vec<(u32, PublicKey)> = Vec::new();
        for key in keys {
            if !accepted.iter().any(|(_, known)| *known == key) {
                accepted.push((key_id(&key), key));
            }
        }
        if accepted.len() > MOST {
            return Err(KeyError::TooMany(self.earlier()));
        }
        Ok(Keys { accepted })
    }

    /// The signing key, made if there is none yet. Of several that make one at the same time, one wins.
    pub(super) fn signing(&self) -> Result<KeyPair, KeyError> {
        if !self.signing.exists() {
            match write_new(&self.signing, &KeyPair::new().private(), Naming::Once) {
                Err(KeyError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
        Ok(KeyPair::from(&read_private(&self.signing)?))
    }

    /// The public keys in biscuit's text form, the signing one first; it is made if there is none.
    pub fn public(&self) -> Result<Vec<String>, KeyError> {
        self.signing()?;
        Ok(self.load()?.accepted.iter().map(|(_, key)| key.to_string()).collect())
    }

    /// Signs with a new key from now on; what was signed with the one before goes on counting. Gives the new public key.
    pub fn rotate(&self) -> Result<String, KeyError> {
        let before = self.signing()?.public();
        let earlier = self.earlier();
        let failed = |source| KeyError::Io { path: earlier.clone(), source };
        // One after the other: the key of who comes in between must be among the accepted ones.
        let mut file = File::options().append(true).create(true).mode(0o600).open(&earlier).map_err(failed)?;
        file.lock().map_err(failed)?;
        let before = self.signing().map_or(before, |now| now.public());
        file.write_all(format!("{before}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        if self.load()?.accepted.len() == MOST {
            return Err(KeyError::TooMany(earlier));
        }
        let new = KeyPair::new();
        write_new(&self.signing, &new.private(), Naming::Instead)?;
        Ok(new.public().to_string())
    }
}

impl Keys {
    /// Whether there is a key whose tokens count.
    pub(super) fn are_none(&self) -> bool {
        self.accepted.is_empty()
    }

    /// The keys that may have signed a token which names this id; without an id, or with another's, all.
    pub(super) fn candidates(&self, id: Option<u32>) -> Vec<PublicKey> {
        let of = |wanted: u32| self.accepted.iter().filter(move |(id, _)| *id == wanted).map(|(_, key)| *key);
        let named: Vec<PublicKey> = id.into_iter().flat_map(of).collect();
        if named.is_empty() { self.accepted.iter().map(|(_, key)| *key).collect() } else { named }
    }

    /// Whether an id is one of ours.
    pub(super) fn knows(&self, id: Option<u32>) -> bool {
        self.accepted.iter().any(|(known, _)| Some(*known) == id)
    }
}

/// The id by which a token names its key: the first four bytes of the key's SHA-256, so that nobody has to give out numbers.
pub(super) fn key_id(key: &PublicKey) -> u32 {
    let digest = digest(&SHA256, &key.to_bytes());
    let bytes = digest.as_ref();
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn read_private(path: &Path) -> Result<PrivateKey, KeyError> {
    let failed = |source| KeyError::Io { path: path.to_path_buf(), source };
    let meta = std::fs::metadata(path).map_err(failed)?;
    if meta.mode() & 0o077 != 0 || ![0, rustix::process::geteuid().as_raw()].contains(&meta.uid()) {
        return Err(KeyError::Open(path.to_path_buf()));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let key = if text.starts_with("-----BEGIN") {
        PrivateKey::from_pem_with_algorithm(&text, Algorithm::Ed25519).ok()
    } else {
        text.trim().parse().ok()
    };
    key.filter(|key| matches!(key, PrivateKey::Ed25519(_))).ok_or_else(|| KeyError::NoPrivateKey(path.to_path_buf()))
}

fn read_public(path: &Path) -> Result<Vec<PublicKey>, KeyError> {
    let text = std::fs::read_to_string(path).map_err(|source| KeyError::Io { path: path.to_path_buf(), source })?;
    if text.starts_with("-----BEGIN") {
        let key = PublicKey::from_pem_with_algorithm(&text, Algorithm::Ed25519).ok();
        return key.map(|key| vec![key]).ok_or_else(|| KeyError::NoPublicKey(path.display().to_string()));
    }
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(public).collect()
}

fn public(text: &str) -> Result<PublicKey, KeyError> {
    let key = text.trim().parse::<PublicKey>().ok().filter(|key| matches!(key, PublicKey::Ed25519(_)));
    key.ok_or_else(|| KeyError::NoPublicKey(format!("{text:?}")))
}

/// Under which condition a new key gets its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// Nothing has it.
    Once,
    /// Whatever has it loses it.
    Instead,
}

/// Writes a key that nobody else can read. It is there as a whole or not at all, whoever is killed when.
fn write_new(path: &Path, key: &PrivateKey, naming: Naming) -> Result<(), KeyError> {
    let failed = |source| KeyError::Io { path: path.to_path_buf(), source };
    let dir = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // threads of one process may be at it at the same time, too
    let draft = dir.join(format!(".{name}.{}.{:08x}", std::process::id(), key_id(&key.public())));
    let write = || {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(format!("{}\n", key.to_prefixed_string()).as_bytes())?;
        file.sync_all()?;
        match naming {
            Naming::Once => std::fs::hard_link(&draft, path)?,
            Naming::Instead => std::fs::rename(&draft, path)?,
        }
        File::open(dir)?.sync_all()
    };
    let written = write();
    if naming == Naming::Once || written.is_err() {
        drop(std::fs::remove_file(&draft));
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn files(dir: &tempfile::TempDir) -> KeyFiles {
        KeyFiles { signing: dir.path().join("state/biscuit.key"), accept: Vec::new() }
    }

    #[test]
    fn made_once_kept_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(&dir);
        assert!(files.load().unwrap().are_none());
        std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| files.signing().unwrap().public())).collect();
            let keys: Vec<PublicKey> = makers.into_iter().map(|maker| maker.join().unwrap()).collect();
            assert!(keys.iter().all(|key| *key == keys[0]), "whoever comes first wins");
        });
        assert_eq!(files.signing.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path().join("state")).unwrap().count(), 1, "nothing is left lying around");
        assert_eq!(files.public().unwrap().len(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(&dir);
        files.signing().unwrap();
        let text = std::fs::read_to_string(&files.signing).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o644] {
            std::fs::set_permissions(&files.signing, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = files.load().unwrap_err().to_string();
            assert!(error.contains("chmod 600") && files.signing().is_err(), "{error}");
        }
        std::fs::set_permissions(&files.signing, std::fs::Permissions::from_mode(0o600)).unwrap();
        for bad in ["", "ed25519-private/00", "ed25519/00", &text[1..], "secp256r1-private/00", "-----BEGIN X-----"] {
            std::fs::write(&files.signing, bad).unwrap();
            let error = files.load().unwrap_err().to_string();
            assert!(error.contains("no Ed25519 private key"), "{bad}: {error}");
            assert!(!error.contains(text.trim()));
        }
    }

    #[test]
    fn pem_is_read_too() {
        let dir = tempfile::tempdir().unwrap();
        let (mut files, key) = (files(&dir), KeyPair::new());
        std::fs::create_dir(dir.path().join("state")).unwrap();
        std::fs::write(&files.signing, key.to_private_key_pem().unwrap().as_bytes()).unwrap();
        std::fs::set_permissions(&files.signing, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(files.signing().unwrap().public(), key.public());
        let public = dir.path().join("other.pem");
        std::fs::write(&public, KeyPair::new().public().to_pem().unwrap()).unwrap();
        files.accept = vec![Accept::File(public), Accept::Key(key.public().to_string())];
        assert_eq!(files.load().unwrap().accepted.len(), 2, "the same key counts once");
        files.accept = vec![Accept::Key("ed25519/xyz".into())];
        assert!(files.load().unwrap_err().to_string().contains("ed25519/xyz"));
    }

    #[test]
    fn a_new_key_leaves_the_old_ones_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(&dir);
        let mut known = files.public().unwrap();
        for _ in 0..3 {
            known.insert(0, files.rotate().unwrap());
        }
        let mut now = files.public().unwrap();
        assert_eq!(now[0], known[0], "the newest signs");
        now.sort();
        known.sort();
        assert_eq!(now, known);
        assert_eq!(files.signing.metadata().unwrap().mode() & 0o777, 0o600);
        let refused = (0..MOST).map(|_| files.rotate()).find_map(Result::err).unwrap();
        assert!(refused.to_string().contains("biscuit.accepted"), "{refused}");
        assert!(files.load().is_ok(), "and what is there goes on counting");
    }
}
