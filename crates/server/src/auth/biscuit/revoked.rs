//! Tokens that were taken back: a file with one revocation id a line, which any process may append to.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A revocation id: the Ed25519 signature of a block. All tokens that were made from it by attenuation have it, too.
pub(super) type RevocationId = [u8; 64];

/// Why a list of revoked tokens cannot be used. As long as it cannot, no biscuit counts.
#[derive(Debug, Error)]
pub enum RevokedError {
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can change it.
    #[error("{} can be written by others; run `chmod 600` on it", .0.display())]
    Open(PathBuf),
    /// It has something else than ids.
    #[error("{}, line {line}: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        source: NoId,
    },
}

/// Something is no revocation id.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected a revocation id of 128 hexadecimal digits, as `jobgate token inspect` shows them")]
pub struct NoId;

/// Reads the list; there need not be one.
pub(super) fn load(path: &Path) -> Result<HashSet<RevocationId>, RevokedError> {
    let failed = |source| RevokedError::Io { path: path.to_path_buf(), source };
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        other => other.map_err(failed)?,
    };
    if std::fs::metadata(path).map_err(failed)?.mode() & 0o022 != 0 {
        return Err(RevokedError::Open(path.to_path_buf()));
    }
    let mut ids = HashSet::new();
    for (at, line) in text.lines().enumerate() {
        let id = line.split('#').next().unwrap_or_default().trim();
        if id.is_empty() {
            continue;
        }
        let wrong = |source| RevokedError::Line { path: path.to_path_buf(), line: at + 1, source };
        ids.insert(parse(id).map_err(wrong)?);
    }
    Ok(ids)
}

/// Appends ids, with a remark. Who has been killed at it has appended all of a line or nothing.
pub fn revoke(path: &Path, ids: &[String], remark: &str) -> Result<(), RevokedError> {
    let failed = |source| RevokedError::Io { path: path.to_path_buf(), source };
    let mut lines = String::new();
    for (at, id) in ids.iter().enumerate() {
        let wrong = |source| RevokedError::Line { path: path.to_path_buf(), line: at + 1, source };
        parse(id).map_err(wrong)?;
        lines.extend([id.trim(), " # ", &remark.replace(char::is_control, " "), "\n"]);
    }
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let mut file = File::options().append(true).create(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// An id of hexadecimal digits.
pub(super) fn parse(text: &str) -> Result<RevocationId, NoId> {
    let text = text.trim().as_bytes();
    let mut id = [0; 64];
    if text.len() != 2 * id.len() {
        return Err(NoId);
    }
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8).ok_or(NoId);
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(id)
}

/// An id in hexadecimal digits.
pub(super) fn show(id: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * id.len());
    for byte in id {
        write!(text, "{byte:02x}").expect("invariant: a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_taken_back_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/biscuit.revoked");
        assert!(load(&path).unwrap().is_empty());
        let (one, two) = ("0f".repeat(64), "A0".repeat(64));
        revoke(&path, std::slice::from_ref(&one), "lost\nlaptop").unwrap();
        revoke(&path, std::slice::from_ref(&two), "").unwrap();
        assert_eq!(load(&path).unwrap(), HashSet::from([parse(&one).unwrap(), parse(&two).unwrap()]));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(show(&parse(&two).unwrap()), two.to_lowercase());
        assert!(revoke(&path, &["12".into()], "").is_err());

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("chmod 600"));
        std::fs::write(&path, "# nothing yet\n\nxyz\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(
            load(&path).unwrap_err().to_string().contains("line 3"),
            "a list that nobody understands takes back all"
        );
    }
}
