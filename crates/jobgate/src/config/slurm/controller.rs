//! `[slurm.controller]`: a real cluster, spoken to by its controller's own protocol.

use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_slurm::rpc::{Controller, Limits, Protocol};
use serde::Deserialize;

use crate::config::render::{list, quoted};
use crate::config::units::{Bytes, Lasting, show_duration, show_size};

/// A real cluster.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ControllerConfig {
    /// Its controllers as they are written, the first one first.
    pub(crate) addresses: Vec<String>,
    /// The version of the protocol.
    pub(crate) protocol: Protocol,
    /// What was read is not asked for again within this time.
    pub(crate) freshness: Duration,
    /// How long is waited for an answer, and how much is taken.
    pub(crate) limits: Limits,
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
}

impl Table {
    pub(super) fn settings(self) -> anyhow::Result<ControllerConfig> {
        if self.addresses.is_empty() {
            bail!("slurm.controller.addresses names no controller");
        }
        for address in &self.addresses {
            Controller::parse(address).with_context(|| {
                format!("slurm.controller.addresses: {address:?} is no controller; write host, host:port or name(address):port")
            })?;
        }
        let limits = Limits {
            connect: self.connect_timeout.map_or(Duration::from_secs(3), |time| time.0),
            total: self.timeout.map_or(Duration::from_secs(10), |time| time.0),
            reply: self
                .reply
                .map_or(Ok(512 << 20), |bytes| u32::try_from(bytes.0))
                .context("slurm.controller.reply")?,
        };
        if limits.connect.is_zero() || limits.total.is_zero() {
            bail!("slurm.controller: timeout and connect_timeout must be longer than nothing");
        }
        Ok(ControllerConfig {
            protocol: protocol(self.protocol.as_deref())?,
            freshness: self.freshness.map_or(Duration::from_secs(2), |time| time.0),
            addresses: self.addresses,
            limits,
        })
    }
}

fn protocol(name: Option<&str>) -> anyhow::Result<Protocol> {
    let Some(name) = name else { return Ok(Protocol::V24_11) };
    let known = Protocol::ALL.into_iter().find(|protocol| protocol.to_string() == name);
    known.with_context(|| {
        let all: Vec<String> = Protocol::ALL.iter().map(Protocol::to_string).collect();
        format!("slurm.controller.protocol {name:?}: expected {}", all.join(" or "))
    })
}

impl ControllerConfig {
    /// The controllers, the first one first.
    pub(crate) fn controllers(&self) -> Vec<Controller> {
        self.addresses.iter().filter_map(|address| Controller::parse(address)).collect()
    }

    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let written = writeln!(
            text,
            "\n[slurm.controller]\naddresses = {}\nprotocol = {}\nfreshness = {}\nconnect_timeout = {}\ntimeout = {}\n\
             reply = {}",
            list(self.addresses.iter().map(|address| quoted(address))),
            quoted(&self.protocol.to_string()),
            quoted(&show_duration(self.freshness)),
            quoted(&show_duration(self.limits.connect)),
            quoted(&show_duration(self.limits.total)),
            quoted(&show_size(self.limits.reply.into())),
        );
        written.expect("invariant: a String takes everything");
    }
}
