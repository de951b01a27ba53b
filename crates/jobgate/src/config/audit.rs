//! `[audit]`: what is recorded of who did what.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use jobgate_server::OnFailure;
use serde::Deserialize;

use super::render::{path, quoted};

/// What is recorded, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AuditConfig {
    /// Anything is.
    pub(crate) enabled: bool,
    /// The log; `None`: `audit.log` in the state directory.
    pub(crate) file: Option<PathBuf>,
    /// Also who only looks at jobs.
    pub(crate) reads: bool,
    /// What becomes of requests and commands while it cannot be written.
    pub(crate) on_failure: OnFailure,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { enabled: true, file: None, reads: false, on_failure: OnFailure::Continue }
    }
}

impl AuditConfig {
    /// The log, if there is one.
    pub(crate) fn path(&self, state_dir: &Path) -> Option<PathBuf> {
        self.enabled.then(|| self.usual(state_dir))
    }

    /// Where the log is, or would be.
    pub(crate) fn usual(&self, state_dir: &Path) -> PathBuf {
        self.file.clone().unwrap_or_else(|| state_dir.join("audit.log"))
    }

    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let on_failure = match self.on_failure {
            OnFailure::Continue => "continue",
            OnFailure::Refuse => "refuse",
        };
        let file = self.file.as_ref().map(|file| format!("file = {}\n", path(file))).unwrap_or_default();
        write!(
            text,
            "\n[audit]\nenabled = {}\n{file}reads = {}\non_failure = {}\n",
            self.enabled,
            self.reads,
            quoted(on_failure)
        )
        .expect("invariant: a String takes everything");
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    enabled: Option<bool>,
    file: Option<PathBuf>,
    reads: bool,
    on_failure: Failure,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Failure {
    #[default]
    Continue,
    Refuse,
}

impl Table {
    pub(super) fn settings(self, resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>) -> anyhow::Result<AuditConfig> {
        Ok(AuditConfig {
            enabled: self.enabled.unwrap_or(true),
            file: self.file.as_deref().map(resolve).transpose()?,
            reads: self.reads,
            on_failure: match self.on_failure {
                Failure::Continue => OnFailure::Continue,
                Failure::Refuse => OnFailure::Refuse,
            },
        })
    }
}
