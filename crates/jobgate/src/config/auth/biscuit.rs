//! `[auth.biscuit]`: the keys of this gateway's own tokens.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use jobgate_server::biscuit::{Accept, BiscuitSettings, KeyFiles};
use serde::Deserialize;

use crate::config::render::{list, path, quoted};
use crate::config::units::{Lasting, show_duration};

/// Keys and lives of biscuits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BiscuitConfig {
    /// The signing key; `None`: `biscuit.key` in the state directory.
    pub(crate) key: Option<PathBuf>,
    /// Further public keys whose tokens count.
    pub(crate) accept: Vec<Accept>,
    /// For so long a token from `GET /token` is valid.
    pub(crate) lifespan: Duration,
}

impl Default for BiscuitConfig {
    fn default() -> Self {
        Self { key: None, accept: Vec::new(), lifespan: BiscuitSettings::LIFESPAN }
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    key: Option<PathBuf>,
    accept: Vec<String>,
    lifespan: Option<Lasting>,
}

impl Table {
    pub(super) fn settings(self, resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>) -> anyhow::Result<BiscuitConfig> {
        let accept = |text: String| match text.split_once('/') {
            Some(("ed25519", hex)) if hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(Accept::Key(text))
            }
            Some(("ed25519" | "ed25519-private" | "secp256r1", _)) => {
                bail!("auth.biscuit.accept takes public keys, ed25519/ and 64 hexadecimal digits, or files of such")
            }
            _ => Ok(Accept::File(resolve(Path::new(&text))?)),
        };
        let lifespan = self.lifespan.map_or(BiscuitSettings::LIFESPAN, |lasting| lasting.0);
        if lifespan.is_zero() {
            bail!("auth.biscuit.lifespan must not be zero");
        }
        Ok(BiscuitConfig {
            key: self.key.as_deref().map(&resolve).transpose()?,
            accept: self.accept.into_iter().map(accept).collect::<anyhow::Result<_>>()?,
            lifespan,
        })
    }
}

impl BiscuitConfig {
    /// Where everything is, for a state directory.
    pub(crate) fn settings(&self, state_dir: &Path) -> BiscuitSettings {
        let below = BiscuitSettings::below(state_dir);
        let signing = self.key.clone().unwrap_or(below.keys.signing);
        let keys = KeyFiles { signing, accept: self.accept.clone() };
        BiscuitSettings { keys, lifespan: self.lifespan, ..below }
    }

    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let accept = self.accept.iter().map(|accept| match accept {
            Accept::Key(key) => quoted(key),
            Accept::File(file) => path(file),
        });
        let key = self.key.as_ref().map(|key| format!("key = {}\n", path(key))).unwrap_or_default();
        let lifespan = quoted(&show_duration(self.lifespan));
        let accept = list(accept);
        write!(text, "\n[auth.biscuit]\n{key}accept = {accept}\nlifespan = {lifespan}\n")
            .expect("invariant: a String takes everything");
    }
}
