//! Our own configuration file.
//!
//! The structures mirror the file; an error of the parser names the line and the key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jobgate_backends::local::{Oversize, Partition};
use jobgate_engine::{CallbackPolicy, Targets};
use jobgate_model::{BackendConfig, StringMap};
use jobgate_server::{Limits, Mode};
use serde::Deserialize;

use super::units::{Bytes, Lasting};
use super::{Config, LocalConfig, LogFormat, Manner, PlaceConfig, ServerConfig, env};

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
        Mode::Insecure => TargetsName::Public,
    });
    Ok(Config {
        file: None,
        state_dir,
        places: places(file.backends, &prefix, here)?,
        psik: file.psik,
        poll_interval: file.poll_interval.map_or(super::psik::POLL_INTERVAL, |lasting| lasting.0),
        callbacks: file.callbacks.policy(targets),
        local: file.local.settings(),
        server,
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
    backends: BTreeMap<String, Backend>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Server {
    listen: Option<Vec<String>>,
    uds: Vec<PathBuf>,
    authz: Option<Authz>,
    hosts: Vec<String>,
    log_format: LogFormat,
    limits: ServerLimits,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Authz {
    Local,
    Insecure,
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
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TargetsName {
    Any,
    Public,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Local {
    cores: Option<u64>,
    memory: Option<Bytes>,
    gpus: Option<u64>,
    licences: BTreeMap<String, u64>,
    oversize: Oversize,
    partitions: BTreeMap<String, Partition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backend {
    #[serde(rename = "type", default = "local")]
    kind: String,
    prefix: Option<PathBuf>,
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
        return Ok(vec![PlaceConfig { name: "default".into(), prefix: prefix.to_path_buf(), backend }]);
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
        Ok(PlaceConfig { name, prefix, backend })
    };
    backends.into_iter().map(place).collect()
}

impl Server {
    fn settings(self, here: &Path) -> anyhow::Result<ServerConfig> {
        Ok(ServerConfig {
            listen: self.listen.unwrap_or_else(|| vec![super::psik::LISTEN.into()]),
            uds: self.uds.iter().map(|path| resolve(path, here)).collect::<anyhow::Result<_>>()?,
            mode: match self.authz {
                None | Some(Authz::Local) => Mode::Local,
                Some(Authz::Insecure) => Mode::Insecure,
            },
            hosts: self.hosts,
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
    fn policy(self, targets: TargetsName) -> CallbackPolicy {
        let default = CallbackPolicy::default();
        let schedule = self.schedule.map(|waits| waits.into_iter().map(|lasting| lasting.0).collect::<Vec<_>>());
        CallbackPolicy {
            schedule: schedule.filter(|waits| !waits.is_empty()).unwrap_or(default.schedule),
            expire_after: self.expire_after.map_or(default.expire_after, |lasting| lasting.0),
            timeout: self.timeout.map_or(default.timeout, |lasting| lasting.0),
            per_target: self.per_target.unwrap_or(default.per_target).max(1),
            targets: match targets {
                TargetsName::Any => Targets::Any,
                TargetsName::Public => Targets::Public,
            },
        }
    }
}

impl Local {
    fn settings(self) -> LocalConfig {
        LocalConfig {
            cores: self.cores,
            memory: self.memory.map(|bytes| bytes.0),
            gpus: self.gpus,
            licences: self.licences,
            oversize: self.oversize,
            partitions: self.partitions,
        }
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
