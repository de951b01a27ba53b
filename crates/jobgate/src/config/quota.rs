//! `[quota]`: how much one user may have and ask for.

use std::fmt::Write;

use jobgate_server::{Rate, RateSettings};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::render::quoted;
use super::units::{Bytes, show_size};

/// How much one user may have and ask for.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct QuotaConfig {
    /// Runs of one owner that wait or run; `None`: any number.
    pub(crate) live_jobs: Option<u64>,
    /// Bytes in the directories of one owner's jobs; `None`: any number.
    pub(crate) stored: Option<u64>,
    /// How often.
    pub(crate) rates: RateSettings,
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    live_jobs: Option<u64>,
    stored: Option<Bytes>,
    requests: Option<Often>,
    submissions: Option<Often>,
    failures: Option<Often>,
    limit_administrators: bool,
}

/// A rate, or `"none"`: there is no limit.
#[derive(Debug, Clone, Copy)]
struct Often(Option<Rate>);

impl<'de> Deserialize<'de> for Often {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            NONE => Ok(Self(None)),
            text => text.parse().map(|rate| Self(Some(rate))).map_err(D::Error::custom),
        }
    }
}

const NONE: &str = "none";

impl Table {
    pub(super) fn settings(self) -> QuotaConfig {
        let default = RateSettings::default();
        let rate = |given: Option<Often>, default| given.map_or(default, |Often(rate)| rate);
        let rates = RateSettings {
            requests: rate(self.requests, default.requests),
            submissions: rate(self.submissions, default.submissions),
            failures: rate(self.failures, default.failures),
            administrators: self.limit_administrators,
        };
        QuotaConfig { live_jobs: self.live_jobs, stored: self.stored.map(|bytes| bytes.0), rates }
    }
}

impl QuotaConfig {
    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let RateSettings { requests, submissions, failures, administrators } = self.rates;
        let shown = |rate: Option<Rate>| quoted(&rate.map_or_else(|| NONE.to_owned(), |rate| rate.to_string()));
        write!(
            text,
            "\n[quota]\nrequests = {}\nsubmissions = {}\nfailures = {}\nlimit_administrators = {administrators}\n",
            shown(requests),
            shown(submissions),
            shown(failures),
        )
        .expect("invariant: a String takes everything");
        let live_jobs = self.live_jobs.map(|count| format!("live_jobs = {count}\n"));
        let stored = self.stored.map(|bytes| format!("stored = {}\n", quoted(&show_size(bytes))));
        text.extend([live_jobs, stored].into_iter().flatten());
    }
}
