//! `[autosubmit]`: the experiments of the workflow manager Autosubmit, as its graphical interface asks for them.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::render::{path, quoted};
use super::units::{Bytes, Lasting, show_duration, show_size};

/// Autosubmit's dialect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AutosubmitConfig {
    /// Whether it is served; `None`: if Autosubmit's configuration is found.
    pub(crate) enabled: Option<bool>,
    /// Autosubmit's configuration; `None`: where Autosubmit looks for it.
    pub(crate) configuration: Option<PathBuf>,
    /// How much needs a token; `None`: what `PROTECTION_LEVEL` says.
    pub(crate) protection: Option<Level>,
    /// The file with the key of its tokens; `None`: `SECRET_KEY`.
    pub(crate) secret_key: Option<PathBuf>,
    /// The file with the token that everybody has; `None`: `AS_API_SECRET_TOKEN`.
    pub(crate) token: Option<PathBuf>,
    /// Whether experiments' states, details and layouts are kept up to date in the background; `None`: if we are in the original's
    /// place.
    pub(crate) background: Option<bool>,
    /// Memory for what was read, in bytes.
    pub(crate) memory: usize,
    /// Bytes of output that are kept of a run.
    pub(crate) run_output: u64,
    /// So long what a run left is kept after its end.
    pub(crate) run_age: Duration,
}

/// How much needs a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Everything but logins.
    All,
    /// What changes something.
    WriteOnly,
    /// Nothing.
    None,
}

impl Level {
    /// Its name in the configuration.
    fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::WriteOnly => "writeonly",
            Self::None => "none",
        }
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    enabled: Option<bool>,
    configuration: Option<PathBuf>,
    protection: Option<Level>,
    secret_key: Option<PathBuf>,
    token: Option<PathBuf>,
    background: Option<bool>,
    memory: Option<Bytes>,
    run_output: Option<Bytes>,
    run_age: Option<Lasting>,
}

impl Table {
    pub(super) fn settings(
        self,
        resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<AutosubmitConfig> {
        let resolved = |path: Option<PathBuf>| path.as_deref().map(&resolve).transpose();
        Ok(AutosubmitConfig {
            enabled: self.enabled,
            configuration: resolved(self.configuration)?,
            protection: self.protection,
            secret_key: resolved(self.secret_key)?,
            token: resolved(self.token)?,
            background: self.background,
            memory: self.memory.map_or(64 << 20, |bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX)),
            run_output: self.run_output.map_or(16 << 20, |bytes| bytes.0),
            run_age: self.run_age.map_or(Duration::from_secs(30 * 86_400), |age| age.0),
        })
    }
}

impl AutosubmitConfig {
    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let mut line = |args: fmt::Arguments<'_>| {
            text.write_fmt(args).expect("invariant: a String takes everything");
            text.push('\n');
        };
        line(format_args!("\n[autosubmit]"));
        if let Some(enabled) = self.enabled {
            line(format_args!("enabled = {enabled}"));
        }
        if let Some(background) = self.background {
            line(format_args!("background = {background}"));
        }
        if let Some(level) = self.protection {
            line(format_args!("protection = {}", quoted(level.as_str())));
        }
        for (key, file) in
            [("configuration", &self.configuration), ("secret_key", &self.secret_key), ("token", &self.token)]
        {
            if let Some(file) = file {
                line(format_args!("{key} = {}", path(file)));
            }
        }
        line(format_args!("memory = {}", quoted(&show_size(self.memory as u64))));
        line(format_args!("run_output = {}", quoted(&show_size(self.run_output))));
        line(format_args!("run_age = {}", quoted(&show_duration(self.run_age))));
    }
}
