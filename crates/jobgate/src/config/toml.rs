//! Our own configuration file.
//!
//! The structures mirror the file; an error of the parser names the line and the key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jobgate_engine::CallbackPolicy;
use jobgate_model::{BackendConfig, StringMap};
use jobgate_server::{Limits, Mode, Origin};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::local::Local;
use super::outgoing::{TargetsName, identity};
use super::slurm::clusters::assign;
use super::units::{Bytes, Lasting};
use super::{Config, LogFormat, Manner, PlaceConfig, ServerConfig, env};

/// Reads a file's text; relative paths in it start at `here`.
pub(super) fn parse(text: &str, here: &Path) -> anyhow::Result<Config> {
    let file: File = ::toml::from_str(text)?;
    let prefix = match &file.prefix {
        Some(prefix) => resolve(prefix, here)?,
        None => super::below_home(&env::XDG_DATA_HOME, ".local/share", "jobgate/jobs")?,
    };
    let state_dir = match &file.state_dir {
        Some(dir) => resolve(dir, here)?,
        None => super::default_state_dir()?,
    };
    let server = file.server.settings(here)?;
    let targets = file.callbacks.targets.unwrap_or(match server.mode {
        Mode::Local => TargetsName::Any,
        Mode::Insecure | Mode::Tokens | Mode::Autosubmit => TargetsName::Public,
    });
    let slurm = file.slurm.settings(|path| resolve(path, here))?;
    let mut places = places(file.backends, &prefix, here)?;
    assign(&mut places, &slurm)?;
    Ok(Config {
        file: None,
        state_dir,
        places,
        psik: file.psik,
        poll_interval: file.poll_interval.map_or(super::psik::POLL_INTERVAL, |lasting| lasting.0),
        callbacks: file.callbacks.policy(targets, here)?,
        local: file.local.settings(),
        server,
        auth: file.auth.settings(|path| resolve(path, here))?,
        quota: file.quota.settings(),
        audit: file.audit.settings(|path| resolve(path, here))?,
        slurm,
        autosubmit: file.autosubmit.settings(|path| resolve(path, here))?,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    prefix: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    psik: Manner,
    poll_interval: Option<Lasting>,
    server: Server,
    callbacks: Callbacks,
    local: Local,
    auth: super::auth::Table,
    quota: super::quota::Table,
    audit: super::audit::Table,
    slurm: super::slurm::Table,
    autosubmit: super::autosubmit::Table,
    backends: BTreeMap<String, Backend>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Server {
    listen: Option<Vec<String>>,
    uds: Vec<PathBuf>,
    listener: Vec<super::listener::Table>,
    authz: Option<Authz>,
    hosts: Vec<String>,
    cors_origins: Vec<Site>,
    log_format: LogFormat,
    limits: ServerLimits,
}

/// Another web site.
#[derive(Debug)]
struct Site(Origin);

impl<'de> Deserialize<'de> for Site {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Authz {
    Local,
    Insecure,
    Tokens,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ServerLimits {
    json_body: Option<Bytes>,
    upload: Option<Bytes>,
    connections: Option<usize>,
    header_timeout: Option<Lasting>,
    stall_timeout: Option<Lasting>,
    body_timeout: Option<Lasting>,
    drain: Option<Lasting>,
    listing_cache: Option<Bytes>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Callbacks {
    schedule: Option<Vec<Lasting>>,
    expire_after: Option<Lasting>,
    timeout: Option<Lasting>,
    per_target: Option<usize>,
    targets: Option<TargetsName>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    ca: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backend {
    #[serde(rename = "type", default = "local")]
    kind: String,
    prefix: Option<PathBuf>,
    cluster: Option<String>,
    queue_name: Option<String>,
    project_name: Option<String>,
    reservation_id: Option<String>,
    #[serde(default)]
    attributes: StringMap,
}

fn local() -> String {
    "local".into()
}

fn places(backends: BTreeMap<String, Backend>, prefix: &Path, here: &Path) -> anyhow::Result<Vec<PlaceConfig>> {
    if backends.is_empty() {
        let backend = BackendConfig::default();
        return Ok(vec![PlaceConfig::new("default", prefix.to_path_buf(), backend)]);
    }
    let place = |(name, table): (String, Backend)| {
        let prefix = table.prefix.as_deref().map_or_else(|| Ok(prefix.to_path_buf()), |own| resolve(own, here))?;
        let backend = BackendConfig {
            kind: table.kind,
            queue_name: table.queue_name,
            project_name: table.project_name,
            reservation_id: table.reservation_id,
            attributes: table.attributes,
        };
        Ok(PlaceConfig { cluster: table.cluster, ..PlaceConfig::new(name, prefix, backend) })
    };
    backends.into_iter().map(place).collect()
}

impl Server {
    fn settings(self, here: &Path) -> anyhow::Result<ServerConfig> {
        let listeners = self.listener.into_iter().map(|table| table.settings(|path| resolve(path, here)));
        let listeners = listeners.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(ServerConfig {
            // who says more about where to listen does not mean the usual place besides
            listen: self
                .listen
                .unwrap_or_else(|| if listeners.is_empty() { vec![super::psik::LISTEN.into()] } else { Vec::new() }),
            uds: self.uds.iter().map(|path| resolve(path, here)).collect::<anyhow::Result<_>>()?,
            listeners,
            mode: match self.authz {
                None | Some(Authz::Local) => Mode::Local,
                Some(Authz::Insecure) => Mode::Insecure,
                Some(Authz::Tokens) => Mode::Tokens,
            },
            hosts: self.hosts,
            cors_origins: self.cors_origins.into_iter().map(|Site(origin)| origin).collect(),
            limits: self.limits.settings(),
            log_format: self.log_format,
        })
    }
}

impl ServerLimits {
    fn settings(self) -> Limits {
        let default = Limits::default();
        let bytes = |given: Option<Bytes>, default: usize| {
            given.map_or(default, |bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX))
        };
        let lasting = |given: Option<Lasting>, default| given.map_or(default, |lasting| lasting.0);
        Limits {
            json_body: bytes(self.json_body, default.json_body),
            bodies: default.bodies,
            upload: self.upload.map_or(default.upload, |bytes| Some(bytes.0).filter(|bytes| *bytes > 0)),
            connections: self.connections.unwrap_or(default.connections),
            header_timeout: lasting(self.header_timeout, default.header_timeout),
            stall_timeout: lasting(self.stall_timeout, default.stall_timeout),
            body_timeout: lasting(self.body_timeout, default.body_timeout),
            drain: lasting(self.drain, default.drain),
            listing_cache: bytes(self.listing_cache, default.listing_cache),
        }
    }
}

impl Callbacks {
    fn policy(self, targets: TargetsName, here: &Path) -> anyhow::Result<CallbackPolicy> {
        let default = CallbackPolicy::default();
        let schedule = self.schedule.map(|waits| waits.into_iter().map(|lasting| lasting.0).collect::<Vec<_>>());
        let path = |given: Option<PathBuf>| given.map(|given| resolve(&given, here)).transpose();
        Ok(CallbackPolicy {
            schedule: schedule.filter(|waits| !waits.is_empty()).unwrap_or(default.schedule),
            expire_after: self.expire_after.map_or(default.expire_after, |lasting| lasting.0),
            timeout: self.timeout.map_or(default.timeout, |lasting| lasting.0),
            per_target: self.per_target.unwrap_or(default.per_target).max(1),
            targets: targets.into(),
            roots: path(self.ca)?,
            identity: identity("callbacks", path(self.client_certificate)?, path(self.client_key)?)?,
        })
    }
}

/// `~` and `~/x` are below the home directory, relative paths below `here`.
fn resolve(path: &Path, here: &Path) -> anyhow::Result<PathBuf> {
    if let Ok(rest) = path.strip_prefix("~") {
        let home = std::env::home_dir().context("`~` is used, but there is no home directory: set HOME")?;
        return Ok(home.join(rest));
    }
    std::path::absolute(here.join(path)).with_context(|| format!("cannot resolve {}", path.display()))
}
