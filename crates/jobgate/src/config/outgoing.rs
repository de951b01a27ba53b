//! Calls to others: whom the gateway trusts when it calls, which addresses it may call, and as whom it does.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use jobgate_engine::{ClientIdentity, Reach, Targets};
use serde::Deserialize;

use super::render::{path, quoted};
use super::units::{Lasting, show_duration};

/// `targets` as it is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TargetsName {
    Any,
    Public,
}

impl From<TargetsName> for Targets {
    fn from(name: TargetsName) -> Self {
        match name {
            TargetsName::Any => Self::Any,
            TargetsName::Public => Self::Public,
        }
    }
}

/// How `targets` is written.
pub(super) fn targets_name(targets: Targets) -> &'static str {
    match targets {
        Targets::Any => "any",
        Targets::Public => "public",
    }
}

/// A certificate and its key, which go together; `table` is where they are written.
pub(super) fn identity(
    table: &str,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> anyhow::Result<Option<ClientIdentity>> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(ClientIdentity { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => bail!("{table}.client_certificate needs its key: set {table}.client_key, too"),
        (None, Some(_)) => bail!("{table}.client_key needs its certificate: set {table}.client_certificate, too"),
    }
}

/// `[auth.outgoing]`: questions to those who say who asks (key sets, OIDC, CAS, GitHub).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OutgoingConfig {
    /// Which addresses may be asked.
    pub(crate) targets: Targets,
    /// One question, with its answer, may take so long.
    pub(crate) timeout: Duration,
    /// A PEM file with further authorities.
    pub(crate) ca: Option<PathBuf>,
}

impl Default for OutgoingConfig {
    fn default() -> Self {
        Self { targets: Targets::Any, timeout: Duration::from_secs(10), ca: None }
    }
}

impl OutgoingConfig {
    /// What the client for these questions may do.
    pub(crate) fn reach(&self) -> Reach {
        Reach {
            timeout: self.timeout,
            targets: self.targets,
            setting: "[auth.outgoing] targets",
            roots: self.ca.clone(),
            identity: None,
        }
    }

    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let targets = quoted(targets_name(self.targets));
        let timeout = quoted(&show_duration(self.timeout));
        write!(text, "\n[auth.outgoing]\ntargets = {targets}\ntimeout = {timeout}\n")
            .expect("invariant: a String takes everything");
        if let Some(ca) = &self.ca {
            writeln!(text, "ca = {}", path(ca)).expect("invariant: a String takes everything");
        }
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    targets: Option<TargetsName>,
    timeout: Option<Lasting>,
    ca: Option<PathBuf>,
}

impl Table {
    pub(super) fn settings(self, resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>) -> anyhow::Result<OutgoingConfig> {
        let default = OutgoingConfig::default();
        Ok(OutgoingConfig {
            targets: self.targets.map_or(default.targets, Targets::from),
            timeout: self.timeout.map_or(default.timeout, |lasting| lasting.0),
            ca: self.ca.as_deref().map(resolve).transpose()?,
        })
    }
}
