//! `spec.json` of any of psik's generations.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jobgate_model::{Generation, JobSpec, parse_spec};

/// A spec larger than this is not read (scripts are text, not data).
const LARGEST: u64 = 64 << 20;
/// What psik 1 and 2 write in place of a secret.
const ASTERISKS: &str = "**********";

/// A spec as it was found in a tree.
#[derive(Debug, Clone)]
pub struct StoredSpec {
    /// What was asked for.
    pub spec: JobSpec,
    /// Which psik wrote it.
    pub generation: Generation,
}

/// Reads a job's `spec.json`. `Ok(None)`: there is none, or it is not a spec (psik ignores such directories).
pub fn read_spec(base: &Path) -> io::Result<Option<StoredSpec>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32)
        .open(base.join("spec.json"));
    let file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(parse_stored(&bytes))
}

fn parse_stored(bytes: &[u8]) -> Option<StoredSpec> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let generation = match value.get("backend") {
        Some(serde_json::Value::Object(_)) => Generation::V1,
        _ if value.get("client_secret").is_some() => Generation::V2,
        _ => Generation::V3,
    };
    let mut spec = parse_spec(&value, generation).ok()?;
    for secret in [&mut spec.cb_secret, &mut spec.client_secret] {
        if secret.as_deref() == Some(ASTERISKS) {
            *secret = None;
        }
    }
    Some(StoredSpec { spec, generation })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_generations_are_read() {
        let of = |text: &str| parse_stored(text.as_bytes());
        let v1 =
            of(r#"{"script":"x","backend":{"type":"local"},"cb_secret":"**********","client_secret":null}"#).unwrap();
        assert_eq!((v1.generation, v1.spec.cb_secret), (Generation::V1, None));
        assert_eq!(of(r#"{"script":"x","backend":"a","client_secret":null}"#).unwrap().generation, Generation::V2);
        assert_eq!(of(&JobSpec::new("x").to_spec_json()).unwrap().generation, Generation::V3);
        for bad in ["", "{", "[]", "{}", r#"{"script":5}"#] {
            assert!(of(bad).is_none(), "{bad}");
        }
    }
}
