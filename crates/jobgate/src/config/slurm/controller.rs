//! `[slurm.controller]`, and `controller` of a cluster in `[slurm.clusters]`: a real cluster, spoken to by its controller's own protocol.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_slurm::rpc::{Controller, Limits, Protocol};
use serde::Deserialize;

use crate::config::render::{list, path, quoted};
use crate::config::units::{Bytes, Lasting, show_duration, show_size};

/// A real cluster.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ControllerConfig {
    /// Its controllers as they are written, the first one first.
    pub(crate) addresses: Vec<String>,
    /// The version of the protocol; `None`: the newest that the controller knows.
    pub(crate) protocol: Option<Protocol>,
    /// What was read is not asked for again within this time.
    pub(crate) freshness: Duration,
    /// How long is waited for an answer, how much is taken, and how many ask at once.
    pub(crate) limits: Limits,
    /// The socket of `munged`, which vouches for the gateway's own user.
    pub(crate) munge: Option<PathBuf>,
    /// The cluster's `slurm.conf`, for Slurm's own programs.
    pub(crate) conf: Option<PathBuf>,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    addresses: Vec<String>,
    protocol: Option<String>,
    freshness: Option<Lasting>,
    connect_timeout: Option<Lasting>,
    timeout: Option<Lasting>,
    reply: Option<Bytes>,
    at_once: Option<usize>,
    munge: Option<PathBuf>,
    conf: Option<PathBuf>,
}

impl Table {
    /// `at`: the table's name.
    pub(super) fn settings(
        self,
        at: &str,
        resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<ControllerConfig> {
        if self.addresses.is_empty() {
            bail!("{at}.addresses names no controller");
        }
        for address in &self.addresses {
            Controller::parse(address).with_context(|| {
                format!("{at}.addresses: {address:?} is no controller; write host, host:port or name(address):port")
            })?;
        }
        let limits = Limits {
            connect: self.connect_timeout.map_or(Duration::from_secs(3), |time| time.0),
            total: self.timeout.map_or(Duration::from_secs(10), |time| time.0),
            reply: self
                .reply
                .map_or(Ok(512 << 20), |bytes| u32::try_from(bytes.0))
                .with_context(|| format!("{at}.reply"))?,
            at_once: self.at_once.unwrap_or(Limits::default().at_once),
        };
        if limits.connect.is_zero() || limits.total.is_zero() || limits.at_once == 0 {
            bail!("{at}: timeout, connect_timeout and at_once must be above 0");
        }
        Ok(ControllerConfig {
            protocol: self.protocol.map(|name| protocol(&name, at)).transpose()?,
            munge: self.munge.as_deref().map(&resolve).transpose()?,
            conf: self.conf.as_deref().map(&resolve).transpose()?,
            freshness: self.freshness.map_or(Duration::from_secs(2), |time| time.0),
            addresses: self.addresses,
            limits,
        })
    }
}

fn protocol(name: &str, at: &str) -> anyhow::Result<Protocol> {
    let known = Protocol::ALL.into_iter().find(|protocol| protocol.to_string() == name);
    known.with_context(|| {
        let all: Vec<String> = Protocol::ALL.iter().map(Protocol::to_string).collect();
        format!("{at}.protocol {name:?}: expected {}", all.join(" or "))
    })
}

impl ControllerConfig {
    /// The controllers, the first one first.
    pub(crate) fn controllers(&self) -> Vec<Controller> {
        self.addresses.iter().filter_map(|address| Controller::parse(address)).collect()
    }

    /// The table `[at]`, as text that reads back as the same.
    pub(super) fn render(&self, at: &str, text: &mut String) {
        let mut line = |key: &str, value: &str| {
            writeln!(text, "{key} = {value}").expect("invariant: a String takes everything");
        };
        line(&format!("\n[{at}]\naddresses"), &list(self.addresses.iter().map(|address| quoted(address))));
        if let Some(protocol) = self.protocol {
            line("protocol", &quoted(&protocol.to_string()));
        }
        line("freshness", &quoted(&show_duration(self.freshness)));
        line("connect_timeout", &quoted(&show_duration(self.limits.connect)));
        line("timeout", &quoted(&show_duration(self.limits.total)));
        line("reply", &quoted(&show_size(self.limits.reply.into())));
        line("at_once", &self.limits.at_once.to_string());
        for (key, file) in [("munge", &self.munge), ("conf", &self.conf)] {
            if let Some(file) = file {
                line(key, &path(file));
            }
        }
    }
}
