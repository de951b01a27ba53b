//! `[slurm.clusters.NAME]`: further real clusters. Each is a table like `[slurm]` itself, with what is about a cluster.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use super::accounting::{self, AccountingConfig};
use super::controller::{self, ControllerConfig};
use super::{SlurmConfig, is_name};
use crate::config::PlaceConfig;
use crate::config::render::{path, quoted};

/// A further real cluster.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClusterConfig {
    /// What it calls itself (`ClusterName`); `None`: its controller is asked.
    pub(crate) cluster: Option<String>,
    /// Its raw key for HS256.
    pub(crate) jwt_key: Option<PathBuf>,
    /// Its key set for RS256.
    pub(crate) jwks: Option<PathBuf>,
    /// A claim of its tokens that names the user where `sun` and `username` do not.
    pub(crate) user_claim: Option<String>,
    /// Its controllers.
    pub(crate) controller: ControllerConfig,
    /// Who answers for its accounting database.
    pub(crate) accounting: Option<AccountingConfig>,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    cluster: Option<String>,
    jwt_key: Option<PathBuf>,
    jwks: Option<PathBuf>,
    user_claim: Option<String>,
    controller: controller::Table,
    accounting: Option<accounting::Table>,
}

impl Table {
    /// `name`: what it is called here.
    pub(super) fn settings(
        self,
        name: &str,
        resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<ClusterConfig> {
        let at = format!("slurm.clusters.{name}");
        if !is_name(name) {
            bail!("{at}: the name must be letters, digits, - and _: it is that of a backend and a part of URLs");
        }
        if let Some(cluster) = self.cluster.as_deref().filter(|cluster| !is_name(cluster)) {
            bail!("{at}.cluster {cluster:?} must be letters, digits, - and _");
        }
        let config = ClusterConfig {
            cluster: self.cluster,
            jwt_key: self.jwt_key.as_deref().map(&resolve).transpose()?,
            jwks: self.jwks.as_deref().map(&resolve).transpose()?,
            user_claim: self.user_claim,
            controller: self.controller.settings(&format!("{at}.controller"), &resolve)?,
            accounting: self
                .accounting
                .map(|table| table.settings(&format!("{at}.accounting"), &resolve))
                .transpose()?,
        };
        super::one_proof(&at, config.jwt_key.as_deref(), &config.controller)?;
        Ok(config)
    }
}

impl ClusterConfig {
    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, name: &str, text: &mut String) {
        let at = format!("slurm.clusters.{}", quoted(name));
        let mut line = |args: fmt::Arguments<'_>| {
            text.write_fmt(args).expect("invariant: a String takes everything");
            text.push('\n');
        };
        line(format_args!("\n[{at}]"));
        for (key, value) in [("cluster", &self.cluster), ("user_claim", &self.user_claim)] {
            if let Some(value) = value {
                line(format_args!("{key} = {}", quoted(value)));
            }
        }
        for (key, file) in [("jwt_key", &self.jwt_key), ("jwks", &self.jwks)] {
            if let Some(file) = file {
                line(format_args!("{key} = {}", path(file)));
            }
        }
        self.controller.render(&format!("{at}.controller"), text);
        if let Some(accounting) = &self.accounting {
            accounting.render(&format!("{at}.accounting"), text);
        }
    }
}

/// Says which backend is on which cluster: a backend of type "slurm" on the one that it names, or whose name it has, else on that of
/// `[slurm.controller]`.
pub(crate) fn assign(places: &mut [PlaceConfig], slurm: &SlurmConfig) -> anyhow::Result<()> {
    for place in places {
        let (name, kind) = (&place.name, place.backend.kind.as_str());
        let is_known = |cluster: &String| slurm.clusters.contains_key(cluster);
        if let Some(cluster) = &place.cluster {
            if kind != "slurm" {
                bail!("backends.{name}.cluster is for backends of type \"slurm\"");
            }
            if !is_known(cluster) {
                bail!("backends.{name}.cluster: there is no [slurm.clusters.{cluster}]");
            }
        } else if is_known(name) {
            if kind != "slurm" {
                bail!("backends.{name} has the name of a cluster of Slurm's ([slurm.clusters.{name}]) and is none");
            }
            place.cluster = Some(name.clone());
        }
        if let Some(cluster) = place.cluster.as_ref().and_then(|cluster| slurm.clusters.get_key_value(cluster))
            && is_known(name)
            && name != cluster.0
        {
            bail!("backends.{name} has the name of another cluster than its own ({})", cluster.0);
        }
    }
    Ok(())
}

/// What there is of `[slurm.clusters]`.
pub(super) fn settings(
    tables: BTreeMap<String, Table>,
    resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>,
) -> anyhow::Result<BTreeMap<String, ClusterConfig>> {
    tables
        .into_iter()
        .map(|(name, table)| {
            let config = table.settings(&name, &resolve).context("invalid [slurm.clusters]")?;
            Ok((name, config))
        })
        .collect()
}
