//! `[slurm]`: the cluster that Slurm's REST clients talk to: the embedded batch system, or a real one.

mod accounting;
pub(crate) mod clusters;
pub(crate) mod controller;

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_slurm::operations::Plugin;
use jobgate_slurm::version::Version;
use serde::Deserialize;

pub(crate) use self::accounting::{AccountingConfig, Other};
pub(crate) use self::clusters::ClusterConfig;
pub(crate) use self::controller::ControllerConfig;
use super::render::{list, path, quoted};
use super::units::{Bytes, Lasting, show_duration, show_size};

/// Slurm's dialect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SlurmConfig {
    /// Whether it is served.
    pub(crate) enabled: bool,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// The versions that are served, oldest first.
    pub(crate) data_parsers: Vec<Version>,
    /// The parts that are served.
    pub(crate) plugins: Vec<Plugin>,
    /// The raw key for HS256; `None`: `slurm_jwt.key` in the state directory.
    pub(crate) jwt_key: Option<PathBuf>,
    /// The key set for RS256.
    pub(crate) jwks: Option<PathBuf>,
    /// A claim that names the user where `sun` and `username` do not.
    pub(crate) user_claim: Option<String>,
    /// Logins that may do everything, besides root and the gateway's own.
    pub(crate) administrators: Vec<String>,
    /// Jobs are shown to their owners and to administrators only.
    pub(crate) private_jobs: bool,
    /// What of the accounting database is enforced: `associations`, `limits`, `qos`.
    pub(crate) enforce: Vec<Enforced>,
    /// For so long a job is listed after its end.
    pub(crate) min_job_age: Duration,
    /// Memory for rendered listings, in bytes.
    pub(crate) listing_cache: usize,
    /// Who answers for the accounting database of a real cluster.
    pub(crate) accounting: Option<AccountingConfig>,
    /// Logins that this machine does not know.
    pub(crate) users: BTreeMap<String, UserConfig>,
    /// The real cluster that is shown; `None`: the embedded batch system.
    pub(crate) controller: Option<ControllerConfig>,
    /// Further real clusters, by the names that they have here.
    pub(crate) clusters: BTreeMap<String, ClusterConfig>,
}

/// A login that this machine does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserConfig {
    /// Its user id.
    pub(crate) uid: u32,
    /// Its group id.
    pub(crate) gid: u32,
}

/// What of the accounting database is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Enforced {
    /// Who submits needs an association.
    Associations,
    /// Limits of associations hold.
    Limits,
    /// Limits of qualities of service hold.
    Qos,
}

impl Enforced {
    /// Its name in the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Associations => "associations",
            Self::Limits => "limits",
            Self::Qos => "qos",
        }
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Table {
    enabled: Option<bool>,
    cluster: Option<String>,
    data_parsers: Option<Vec<String>>,
    plugins: Option<Vec<String>>,
    jwt_key: Option<PathBuf>,
    jwks: Option<PathBuf>,
    user_claim: Option<String>,
    administrators: Vec<String>,
    private_jobs: Option<bool>,
    enforce: Vec<Enforced>,
    min_job_age: Option<Lasting>,
    listing_cache: Option<Bytes>,
    accounting: Option<accounting::Table>,
    users: BTreeMap<String, UserConfig>,
    controller: Option<controller::Table>,
    clusters: BTreeMap<String, clusters::Table>,
}

impl Table {
    pub(super) fn settings(self, resolve: impl Fn(&Path) -> anyhow::Result<PathBuf>) -> anyhow::Result<SlurmConfig> {
        let controller = self.controller.map(|table| table.settings("slurm.controller", &resolve)).transpose()?;
        // a real cluster has its own name
        let otherwise = if controller.is_some() { "" } else { "jobgate" };
        let cluster = self.cluster.unwrap_or_else(|| otherwise.into());
        if !is_name(&cluster) && (!cluster.is_empty() || controller.is_none()) {
            bail!("slurm.cluster {cluster:?} must be letters, digits, - and _");
        }
        if self.accounting.is_some() && controller.is_none() {
            bail!("slurm.accounting is for a real cluster, which needs the table [slurm.controller]");
        }
        if let Some(controller) = &controller {
            one_proof("slurm", self.jwt_key.as_deref(), controller)?;
            // where psik's jobs have no place there
            if self.clusters.contains_key("slurm") {
                bail!("slurm.clusters.slurm: call it otherwise; this is the place of the jobs of [slurm.controller]");
            }
        }
        Ok(SlurmConfig {
            enabled: self.enabled.unwrap_or(true),
            cluster,
            data_parsers: data_parsers(self.data_parsers.as_deref())?,
            plugins: plugins(self.plugins.as_deref())?,
            jwt_key: self.jwt_key.as_deref().map(&resolve).transpose()?,
            jwks: self.jwks.as_deref().map(&resolve).transpose()?,
            user_claim: self.user_claim,
            administrators: self.administrators,
            private_jobs: self.private_jobs.unwrap_or(true),
            enforce: self.enforce,
            min_job_age: self.min_job_age.map_or(Duration::from_secs(300), |age| age.0),
            listing_cache: self.listing_cache.map_or(64 << 20, |bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX)),
            accounting: self.accounting.map(|table| table.settings("slurm.accounting", &resolve)).transpose()?,
            users: self.users,
            controller,
            clusters: clusters::settings(self.clusters, &resolve)?,
        })
    }
}

/// Whether this can be the name of a cluster.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Refuses two ways to speak for the gateway's own user.
fn one_proof(at: &str, jwt_key: Option<&Path>, controller: &ControllerConfig) -> anyhow::Result<()> {
    if jwt_key.is_some() && controller.munge.is_some() {
        bail!("{at}: set either jwt_key, which speaks for everybody, or controller.munge, for the gateway's own user");
    }
    Ok(())
}

/// Versions by their names; none named: all.
pub(crate) fn data_parsers(names: Option<&[String]>) -> anyhow::Result<Vec<Version>> {
    let Some(names) = names else { return Ok(Version::ALL.to_vec()) };
    let parse = |name: &String| {
        let name = name.strip_prefix("data_parser/").unwrap_or(name);
        Version::parse(name).with_context(|| format!("unknown data parser {name:?}: expected v0.0.40 to v0.0.45"))
    };
    let mut versions = names.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    versions.sort();
    versions.dedup();
    if versions.is_empty() {
        bail!("no data parser is named");
    }
    Ok(versions)
}

/// Parts by their names, `openapi/slurmctld` or `slurmctld`; none named: all.
pub(crate) fn plugins(names: Option<&[String]>) -> anyhow::Result<Vec<Plugin>> {
    let Some(names) = names else { return Ok(Plugin::ALL.to_vec()) };
    let known = |name: &str| Plugin::ALL.into_iter().find(|plugin| plugin.name() == name);
    let parse = |name: &String| {
        let short = name.strip_prefix("openapi/").unwrap_or(name);
        known(short).with_context(|| {
            format!("unknown plugin {name:?}: expected openapi/slurmctld, openapi/slurmdbd or openapi/util")
        })
    };
    names.iter().map(parse).collect()
}

impl SlurmConfig {
    /// The file of the shared key. `None`: there are only key sets, which turns off tokens of a shared key unless it is named,
    /// as in Slurm; or the key is that of a real cluster, which its controller has.
    pub(crate) fn shared_key(&self, state_dir: &Path) -> Option<PathBuf> {
        match (&self.jwt_key, &self.jwks) {
            (Some(path), _) => Some(path.clone()),
            (None, Some(_)) => None,
            (None, None) if self.controller.is_some() => None,
            (None, None) => Some(state_dir.join("slurm_jwt.key")),
        }
    }

    /// The table, as text that reads back as the same.
    pub(super) fn render(&self, text: &mut String) {
        let mut line = |args: fmt::Arguments<'_>| {
            text.write_fmt(args).expect("invariant: a String takes everything");
            text.push('\n');
        };
        line(format_args!("\n[slurm]"));
        line(format_args!("enabled = {}", self.enabled));
        line(format_args!("cluster = {}", quoted(&self.cluster)));
        line(format_args!("data_parsers = {}", list(self.data_parsers.iter().map(|v| quoted(&v.to_string())))));
        line(format_args!("plugins = {}", list(self.plugins.iter().map(|plugin| quoted(plugin.name())))));
        for (key, file) in [("jwt_key", &self.jwt_key), ("jwks", &self.jwks)] {
            if let Some(file) = file {
                line(format_args!("{key} = {}", path(file)));
            }
        }
        if let Some(claim) = &self.user_claim {
            line(format_args!("user_claim = {}", quoted(claim)));
        }
        line(format_args!("administrators = {}", list(self.administrators.iter().map(|login| quoted(login)))));
        line(format_args!("private_jobs = {}", self.private_jobs));
        line(format_args!("enforce = {}", list(self.enforce.iter().map(|what| quoted(what.as_str())))));
        line(format_args!("min_job_age = {}", quoted(&show_duration(self.min_job_age))));
        line(format_args!("listing_cache = {}", quoted(&show_size(self.listing_cache as u64))));
        if let Some(controller) = &self.controller {
            controller.render("slurm.controller", text);
        }
        if let Some(accounting) = &self.accounting {
            accounting.render("slurm.accounting", text);
        }
        for (name, cluster) in &self.clusters {
            cluster.render(name, text);
        }
        let mut line = |args: fmt::Arguments<'_>| {
            text.write_fmt(args).expect("invariant: a String takes everything");
            text.push('\n');
        };
        for (login, user) in &self.users {
            line(format_args!("\n[slurm.users.{}]\nuid = {}\ngid = {}", quoted(login), user.uid, user.gid));
        }
    }
}
