//! Where jobs live and run, how the gateway listens: read once at the start, from the first file that is found.
//!
//! Order: `--config`; the environment variables that name a file; the virtual environment; the user; the system. Within each
//! of these, our own file comes first, then psik_api's (for `serve` only), then psik's. The first file that exists is the
//! whole configuration: nothing is merged. No file: built-in defaults, which need none.

pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod autosubmit;
mod certificate;
pub(crate) mod env;
pub(crate) mod listener;
mod local;
mod outgoing;
mod psik;
pub(crate) mod quota;
mod render;
pub(crate) mod slurm;
mod state;
mod toml;
pub(crate) mod units;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_engine::{CallbackPolicy, Targets};
use jobgate_model::BackendConfig;
use jobgate_server::{Limits, Mode, Origin};
pub(crate) use local::LocalConfig;
pub(crate) use render::quoted;
pub(crate) use state::{default_state_dir, why_elsewhere};

/// The commented default file, which is also the reference.
pub(crate) const DEFAULT_FILE: &str = include_str!("../config.default.toml");

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file it came from; `None`: built-in defaults.
    pub(crate) file: Option<PathBuf>,
    /// Where the index and the local queue live.
    pub(crate) state_dir: PathBuf,
    /// Where jobs run; never empty.
    pub(crate) places: Vec<PlaceConfig>,
    /// Whose manner the command line has.
    pub(crate) psik: Manner,
    /// How often live jobs are looked at when nothing tells of a change.
    pub(crate) poll_interval: Duration,
    /// How callbacks are sent.
    pub(crate) callbacks: CallbackPolicy,
    /// The embedded batch system.
    pub(crate) local: LocalConfig,
    /// `jobgate serve`.
    pub(crate) server: ServerConfig,
    /// Whom `jobgate serve` trusts with what.
    pub(crate) auth: auth::AuthConfig,
    /// How much one user may have and ask for.
    pub(crate) quota: quota::QuotaConfig,
    /// What is recorded of who did what.
    pub(crate) audit: audit::AuditConfig,
    /// Slurm's dialect of `jobgate serve`.
    pub(crate) slurm: slurm::SlurmConfig,
    /// Autosubmit's dialect of `jobgate serve`.
    pub(crate) autosubmit: autosubmit::AutosubmitConfig,
}

/// A named place to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlaceConfig {
    /// The name that `spec.backend` refers to.
    pub(crate) name: String,
    /// Where its jobs live.
    pub(crate) prefix: PathBuf,
    /// psik's BackendConfig.
    pub(crate) backend: BackendConfig,
    /// Which of `[slurm.clusters]` it is on; `None`: none of them.
    pub(crate) cluster: Option<String>,
}

impl PlaceConfig {
    /// One that is on none of `[slurm.clusters]`.
    pub(crate) fn new(name: impl Into<String>, prefix: PathBuf, backend: BackendConfig) -> Self {
        Self { name: name.into(), prefix, backend, cluster: None }
    }
}

/// Which psik the command line follows where psik's versions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub(crate) enum Manner {
    /// Jobs run in the caller's directory unless `--newdir` is given; `start` prints `Started`.
    #[default]
    #[serde(rename = "3.0")]
    Psik30,
    /// Jobs run in a new directory unless `--here` is given; `start` prints `Queued`.
    #[serde(rename = "3.1")]
    Psik31,
}

impl Manner {
    /// Its name in the configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Psik30 => "3.0",
            Self::Psik31 => "3.1",
        }
    }
}

/// How `jobgate serve` listens and whom it admits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ServerConfig {
    /// `HOST:PORT`; port 0 takes any free one.
    pub(crate) listen: Vec<String>,
    /// Unix sockets.
    pub(crate) uds: Vec<PathBuf>,
    /// Places to listen of which more is said.
    pub(crate) listeners: Vec<listener::ListenerConfig>,
    /// Who is admitted.
    pub(crate) mode: Mode,
    /// Further host names under which clients may call.
    pub(crate) hosts: Vec<String>,
    /// Other web sites whose pages may use this gateway.
    pub(crate) cors_origins: Vec<Origin>,
    /// Sizes and times.
    pub(crate) limits: Limits,
    /// Form of the log on stderr.
    pub(crate) log_format: LogFormat,
}

/// Form of the log on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One readable line per event.
    #[default]
    Text,
    /// One JSON object per event.
    Json,
}

/// For what a configuration is wanted: a server also knows psik_api's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A command on the index.
    CommandLine,
    /// `jobgate serve`.
    Serve,
}

/// A file that is not there although somebody named it.
#[derive(Debug)]
struct Missing(PathBuf);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.file_name().unwrap_or(self.0.as_os_str());
        write!(f, "{} is required to exist (tried {})", name.display(), self.0.display())
    }
}

impl std::error::Error for Missing {}

/// Reads the configuration. `named` is the file of `--config`.
pub(crate) fn load(named: Option<&Path>, purpose: Purpose) -> anyhow::Result<Config> {
    let mut config = match find(candidates(named, purpose, &env::Variable::path, std::env::home_dir()))? {
        Some((path, Some(text))) => read(&path, &text)?,
        Some((path, None)) => return Err(Missing(path).into()),
        None => defaults()?,
    };
    if let Some(manner) = env::JOBGATE_PSIK.get() {
        config.psik = match manner.to_str() {
            Some("3.0") => Manner::Psik30,
            Some("3.1") => Manner::Psik31,
            _ => bail!("JOBGATE_PSIK must be 3.0 or 3.1, not {}", manner.display()),
        };
    }
    Ok(config)
}

/// How callbacks are sent by a process that knows a job and, perhaps, whose configuration it was started under. `file` is that
/// one; without it, the file that would be read now counts. Never fails: who records a transition must not depend on it.
pub(crate) fn callbacks(file: Option<&Path>) -> CallbackPolicy {
    let Ok(config) = load(file, Purpose::CommandLine) else {
        // Nobody knows what is allowed; what is refused now is tried again later.
        return CallbackPolicy { targets: Targets::Public, ..CallbackPolicy::default() };
    };
    let mut policy = config.callbacks;
    // A server that is away right now may be stricter than the command line.
    if file.is_none() && load(None, Purpose::Serve).is_ok_and(|served| served.callbacks.targets == Targets::Public) {
        policy.targets = Targets::Public;
    }
    policy
}

/// The built-in configuration.
pub(crate) fn defaults() -> anyhow::Result<Config> {
    toml::parse("", Path::new(".")).context("cannot make the built-in configuration")
}

/// A file to try, and whether it has to exist.
#[derive(Debug, PartialEq)]
struct Candidate {
    path: PathBuf,
    required: bool,
}

fn candidates(
    named: Option<&Path>,
    purpose: Purpose,
    var: &dyn Fn(&env::Variable) -> Option<PathBuf>,
    home: Option<PathBuf>,
) -> Vec<Candidate> {
    let mut list = Vec::new();
    let serve = purpose == Purpose::Serve;
    let mut add = |path: Option<PathBuf>, required: bool, when: bool| {
        list.extend(path.filter(|_| when).map(|path| Candidate { path, required }));
    };
    add(named.map(Path::to_path_buf), true, true);
    add(var(&env::JOBGATE_CONFIG), true, true);
    add(var(&env::PSIK_API_CONFIG), true, serve);
    add(var(&env::PSIK_CONFIG), true, true);

    let venv = var(&env::VIRTUAL_ENV).map(|venv| venv.join("etc"));
    add(venv.as_ref().map(|etc| etc.join("psik_api.json")), false, serve);
    add(venv.as_ref().map(|etc| etc.join("psik.json")), false, true);

    let dot_config = home.map(|home| home.join(".config"));
    let user = var(&env::XDG_CONFIG_HOME).or_else(|| dot_config.clone());
    add(user.map(|dir| dir.join("jobgate/jobgate.toml")), false, true);
    add(dot_config.map(|dir| dir.join("psik.json")), false, true);

    add(Some("/etc/jobgate/jobgate.toml".into()), false, true);
    add(Some("/etc/psik_api.json".into()), false, serve);
    add(Some("/etc/psik.json".into()), false, true);
    list
}

/// The first candidate that exists, with its text, or the first that should exist and does not (`None` as text).
fn find(candidates: Vec<Candidate>) -> anyhow::Result<Option<(PathBuf, Option<String>)>> {
    for Candidate { path, required } in candidates {
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some((path, Some(text)))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if required {
                    return Ok(Some((path, None)));
                }
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
    Ok(None)
}

fn read(path: &Path, text: &str) -> anyhow::Result<Config> {
    let mut config = if path.extension().is_some_and(|suffix| suffix == "toml") {
        let here = path.parent().unwrap_or(Path::new("."));
        toml::parse(text, here)
    } else {
        psik::parse(text, path.file_name().is_some_and(|name| name == "psik_api.json"))
    }
    .with_context(|| format!("invalid configuration {}", path.display()))?;
    config.file = Some(std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()));
    Ok(config)
}

/// Where `jobgate certs` keeps what it makes.
pub(crate) fn certs_dir() -> anyhow::Result<PathBuf> {
    below_home(&env::XDG_CONFIG_HOME, ".config", "jobgate/certs")
}

fn below_home(variable: &env::Variable, otherwise: &str, name: &str) -> anyhow::Result<PathBuf> {
    // The XDG specification wants relative paths in these variables to be ignored.
    if let Some(dir) = variable.path().filter(|dir| dir.is_absolute()) {
        return Ok(dir.join(name));
    }
    let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    let home = home.with_context(|| format!("there is no home directory: set HOME or {}", variable.name))?;
    Ok(home.join(otherwise).join(name))
}

#[cfg(test)]
mod tests;
