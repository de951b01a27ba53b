//! `[slurm.accounting]`, and `accounting` of a cluster in `[slurm.clusters]`: who answers for a real cluster's accounting database.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_slurm::restd::{Address, Limits};
use jobgate_slurm::rpc::{Controller, Database};
use serde::Deserialize;

use super::super::render::{list, path, quoted};
use super::super::units::{Bytes, Lasting, show_duration, show_size};

/// Who answers for the accounting database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountingConfig {
    /// Where slurmdbd itself is, the first host first; none: it is not asked.
    slurmdbd: Vec<String>,
    /// Who is asked what it is not asked.
    pub(crate) other: Option<Other>,
    /// For all of them.
    pub(crate) limits: Limits,
}

/// Who answers in place of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Other {
    /// A slurmrestd of the site's.
    Restd(Address),
    /// `sacct` and `sacctmgr`: in this directory, or in the PATH.
    Programs(Option<PathBuf>),
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    slurmdbd: Option<Vec<String>>,
    slurmrestd: Option<String>,
    programs: Option<PathBuf>,
    timeout: Option<Lasting>,
    answer: Option<Bytes>,
    at_once: Option<usize>,
}

impl Table {
    /// `at`: the table's name.
    pub(super) fn settings(
        self,
        at: &str,
        resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<AccountingConfig> {
        if self.slurmrestd.is_some() && self.programs.is_some() {
            bail!("{at}: set either slurmrestd or programs");
        }
        if self.slurmdbd.as_ref().is_some_and(Vec::is_empty) {
            bail!("{at}.slurmdbd names no host");
        }
        let slurmdbd = self.slurmdbd.unwrap_or_default();
        for host in &slurmdbd {
            host_of(host).with_context(|| {
                format!("{at}.slurmdbd: {host:?} is no host; write host, host:port or name(address):port")
            })?;
        }
        let other = match (self.slurmrestd, self.programs) {
            (Some(address), _) => Some(Other::Restd(Address::parse(&address).with_context(|| {
                format!("{at}.slurmrestd {address:?} must be unix:/PATH or HOST:PORT (there is no TLS)")
            })?)),
            (None, Some(dir)) => Some(Other::Programs(Some(resolve(&dir)?))),
            (None, None) => slurmdbd.is_empty().then_some(Other::Programs(None)),
        };
        let limited = self.timeout.is_some() || self.answer.is_some() || self.at_once.is_some();
        if limited && slurmdbd.is_empty() && matches!(other, Some(Other::Programs(_))) {
            bail!("{at}: timeout, answer and at_once are for `slurmdbd` and `slurmrestd`, which are not set");
        }
        let usual = Limits::default();
        let limits = Limits {
            total: self.timeout.map_or(usual.total, |timeout| timeout.0),
            answer: self.answer.map_or(usual.answer, |bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX)),
            at_once: self.at_once.unwrap_or(usual.at_once),
            ..usual
        };
        if limits.total == Duration::ZERO || limits.answer == 0 || limits.at_once == 0 {
            bail!("{at}: timeout, answer and at_once must be above 0");
        }
        Ok(AccountingConfig { slurmdbd, other, limits })
    }
}

/// A host of an accounting database.
fn host_of(text: &str) -> Option<Controller> {
    Controller::parse_at(text, Database::PORT)
}

impl AccountingConfig {
    /// Where slurmdbd itself is, the first host first; none: it is not asked.
    pub(crate) fn hosts(&self) -> Vec<Controller> {
        self.slurmdbd.iter().filter_map(|host| host_of(host)).collect()
    }

    /// The table `[at]`, as text that reads back as the same.
    pub(super) fn render(&self, at: &str, text: &mut String) {
        let mut line = |args: fmt::Arguments<'_>| {
            text.write_fmt(args).expect("invariant: a String takes everything");
            text.push('\n');
        };
        line(format_args!("\n[{at}]"));
        if !self.slurmdbd.is_empty() {
            line(format_args!("slurmdbd = {}", list(self.slurmdbd.iter().map(|host| quoted(host)))));
        }
        match &self.other {
            Some(Other::Restd(address)) => line(format_args!("slurmrestd = {}", quoted(&address.to_string()))),
            Some(Other::Programs(Some(dir))) => line(format_args!("programs = {}", path(dir))),
            Some(Other::Programs(None)) | None => {}
        }
        if !self.slurmdbd.is_empty() || matches!(self.other, Some(Other::Restd(_))) {
            line(format_args!("timeout = {}", quoted(&show_duration(self.limits.total))));
            line(format_args!("answer = {}", quoted(&show_size(self.limits.answer as u64))));
            line(format_args!("at_once = {}", self.limits.at_once));
        }
    }
}
