//! `[slurm.accounting]`, and `accounting` of a cluster in `[slurm.clusters]`: who answers for a real cluster's accounting database.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_slurm::restd::{Address, Limits};
use serde::Deserialize;

use super::super::render::{path, quoted};
use super::super::units::{Bytes, Lasting, show_duration, show_size};

/// Who answers for the accounting database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AccountingConfig {
    /// A slurmrestd of the site's.
    Restd(Address, Limits),
    /// `sacct` and `sacctmgr`: in this directory, or in the PATH.
    Programs(Option<PathBuf>),
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
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
        let Some(address) = self.slurmrestd else {
            if self.timeout.is_some() || self.answer.is_some() || self.at_once.is_some() {
                bail!("{at}: timeout, answer and at_once are for `slurmrestd`, which is not set");
            }
            return Ok(AccountingConfig::Programs(self.programs.as_deref().map(resolve).transpose()?));
        };
        if self.programs.is_some() {
            bail!("{at}: set either slurmrestd or programs");
        }
        let parsed = Address::parse(&address).with_context(|| {
            format!("{at}.slurmrestd {address:?} must be unix:/PATH or HOST:PORT (there is no TLS)")
        })?;
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
        Ok(AccountingConfig::Restd(parsed, limits))
    }
}

impl AccountingConfig {
    /// The table `[at]`, as text that reads back as the same.
    pub(super) fn render(&self, at: &str, text: &mut String) {
        let mut line = |args: fmt::Arguments<'_>| {
            text.write_fmt(args).expect("invariant: a String takes everything");
            text.push('\n');
        };
        line(format_args!("\n[{at}]"));
        match self {
            Self::Restd(address, limits) => {
                line(format_args!("slurmrestd = {}", quoted(&address.to_string())));
                line(format_args!("timeout = {}", quoted(&show_duration(limits.total))));
                line(format_args!("answer = {}", quoted(&show_size(limits.answer as u64))));
                line(format_args!("at_once = {}", limits.at_once));
            }
            Self::Programs(Some(dir)) => line(format_args!("programs = {}", path(dir))),
            Self::Programs(None) => {}
        }
    }
}
