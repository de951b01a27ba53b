//! From the configuration, the original's environment variables and `autosubmitrc` to Autosubmit's dialect.

mod logins;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::mem::discriminant;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use jobgate_autosubmit::machine::{Call, Machine, MachineError, Said};
use jobgate_autosubmit::rc::{Environment, Rc};
use jobgate_autosubmit::runners::{RunnerSettings, Runners};
use jobgate_autosubmit::site::Site;
use jobgate_autosubmit::workers::{Schedule, Workers};
use jobgate_backends::autosubmit as programs;
use jobgate_backends::filters;
use jobgate_server::{
    AutosubmitKeys, AutosubmitSettings, Background, Draw, Protection, Settings, SigningKey, Spot, read_api_file,
};

use crate::config::autosubmit::Level;
use crate::config::{Config, env};

/// Whether the dialect is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It was asked for.
    Always {
        /// Whether anything is done in the background, if that was said.
        background: Option<bool>,
        /// Whether all of it is done once at the start.
        at_start: bool,
    },
    /// If the configuration says so, or Autosubmit's configuration is found.
    IfFound,
}

/// Adds the logins that the original's variables describe, where none of their kind is configured. For the original's own
/// command, whose logins people come by; call it before [`super::auth`].
pub(crate) fn with_logins(config: &mut Config, wanted: Wanted) -> anyhow::Result<()> {
    let providers = &mut config.auth.providers;
    let described = logins::described(&environment(wanted)?)?;
    for provider in described {
        if !providers.iter().any(|known| discriminant(known) == discriminant(&provider)) {
            providers.push(provider);
        }
    }
    Ok(())
}

/// The dialect, and what counts in it. Nothing if it is not wanted.
pub(crate) fn dialect(config: &Config, wanted: Wanted) -> anyhow::Result<Option<(AutosubmitSettings, AutosubmitKeys)>> {
    let said = &config.autosubmit;
    let environment = environment(wanted)?;
    let found = said.configuration.clone().or_else(|| Rc::find(&environment));
    let served = match (said.enabled, wanted) {
        (Some(false), Wanted::IfFound) => false,
        (Some(true), _) | (_, Wanted::Always { .. }) => true,
        (None, Wanted::IfFound) => found.is_some(),
    };
    if !served {
        return Ok(None);
    }
    let rc = match &found {
        Some(path) => Rc::read(path, &environment).context("cannot use Autosubmit's configuration")?,
        None => Rc::without_file(&environment),
    };
    let keys = keys(config, &environment)?;
    let zone = local_zone().to_offset(Timestamp::now());
    let api_file = environment
        .get(env::AS_API_CONFIG_FILE.name)
        .map_or_else(|| environment.expand("~/.autosubmit_api.yaml"), |path| environment.expand(path));
    let schedule = schedule(config, wanted, &environment, &read_api_file(&api_file));
    let machine: Arc<dyn Machine> = Arc::new(Here);
    let root_path = environment.get(env::AS_API_ROOT_PATH.name).unwrap_or_default().to_owned();
    let room = said.memory / 4;
    let site = Arc::new(Site::new(rc, environment, said.memory - room));
    let runners = RunnerSettings {
        folder: config.state_dir.join("autosubmit/runs"),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        zone,
        ssh_options: Vec::new(),
        run_output: said.run_output,
        run_age: said.run_age,
    };
    let settings = AutosubmitSettings {
        runners: Arc::new(Runners::new(Arc::clone(site.store()), Arc::clone(&machine), runners)),
        background: Background { workers: Arc::new(Workers::new(Arc::clone(&site), machine)), schedule },
        api_file,
        site,
        root_path,
        zone,
        room,
        draw: Draw { dot: Arc::new(filters::dot), xz: Arc::new(filters::unxz) },
    };
    Ok(Some((settings, keys)))
}

/// The zone of local time, read from the file that it is in: looked for by its name, all zones of the system are listed first.
fn local_zone() -> TimeZone {
    let file = zone_file(std::env::var_os("TZ"), std::env::var_os("TZDIR"));
    let read = std::fs::read(file).ok().and_then(|bytes| TimeZone::tzif("local", &bytes).ok());
    read.unwrap_or_else(TimeZone::system)
}

/// Where the C library looks for local time, and Autosubmit by it: in the file that `TZ` names, perhaps after a colon and perhaps in
/// `TZDIR`.
fn zone_file(name: Option<OsString>, folder: Option<OsString>) -> PathBuf {
    let Some(name) = name else { return "/etc/localtime".into() };
    let folder = folder.filter(|folder| !folder.is_empty()).unwrap_or_else(|| "/usr/share/zoneinfo".into());
    let name = name.as_bytes();
    Path::new(&folder).join(OsStr::from_bytes(name.strip_prefix(b":").unwrap_or(name)))
}

/// What is done in the background: as the original's variables say if we are in its place, else if the configuration says so.
fn schedule(config: &Config, wanted: Wanted, environment: &Environment, api_file: &serde_json::Value) -> Schedule {
    let is_set = |variable: &env::Variable| matches!(environment.get(variable.name), Some("True" | "T" | "true"));
    let usual = wanted != Wanted::IfFound;
    let disabled = match wanted {
        Wanted::Always { background: Some(background), .. } => !background,
        _ => !config.autosubmit.background.unwrap_or(usual) || is_set(&env::DISABLE_BACKGROUND_TASKS),
    };
    let at_start =
        matches!(wanted, Wanted::Always { at_start: true, .. }) || is_set(&env::RUN_BACKGROUND_TASKS_ON_START);
    Schedule::of(api_file, disabled, at_start)
}

/// This machine, as Autosubmit's runners and workers know it.
#[derive(Debug)]
struct Here;

impl Machine for Here {
    fn run(&self, call: &Call) -> Result<Said, MachineError> {
        let program = call.argv.first().cloned().unwrap_or_default();
        match programs::run(&call.argv, &call.input, call.time) {
            Ok(said) => Ok(Said { code: said.code, out: said.out, err: said.err }),
            Err(programs::Failure::Start(why)) => Err(MachineError::Start { program, why }),
            Err(programs::Failure::Killed(why)) => Err(MachineError::Killed { program, why }),
        }
    }
}

/// Adds what counts in the dialect. Beyond this machine the key must be one that cannot be guessed.
pub(crate) fn with_keys(mut settings: Settings, keys: AutosubmitKeys) -> anyhow::Result<Settings> {
    let beyond = settings.listeners.iter().any(|listener| match &listener.spot {
        Spot::Tcp(address) => !address.ip().to_canonical().is_loopback(),
        Spot::Unix { .. } => false,
    });
    for (name, key) in [(&env::SECRET_KEY, &keys.secret_key), (&env::AS_API_SECRET_TOKEN, &keys.token)] {
        if key.as_ref().is_some_and(SigningKey::is_short) {
            let name = name.name;
            ensure!(
                !beyond,
                "{name} is shorter than 32 bytes, so that it can be guessed; make another with `openssl rand -hex 32`"
            );
            tracing::warn!("{name} is shorter than 32 bytes; beyond this machine it would not be accepted");
        }
    }
    settings.auth.autosubmit = keys;
    Ok(settings)
}

/// The variables of this process, and for the original's command those of `.env` in the working directory.
fn environment(wanted: Wanted) -> anyhow::Result<Environment> {
    let working_directory = std::env::current_dir().context("cannot tell the working directory")?;
    let mut variables = BTreeMap::new();
    if wanted != Wanted::IfFound
        && let Ok(text) = std::fs::read_to_string(working_directory.join(".env"))
    {
        variables.extend(text.lines().filter_map(assignment));
    }
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    variables.extend(std::env::vars_os().filter_map(text));
    Ok(Environment { variables, working_directory })
}

/// A line `NAME=VALUE`, perhaps with `export` and quotes.
fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
    let value = value.trim();
    let bare = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some((name.trim().to_owned(), bare.unwrap_or(value).to_owned()))
}

fn keys(config: &Config, environment: &Environment) -> anyhow::Result<AutosubmitKeys> {
    let said = &config.autosubmit;
    let protection = match said.protection {
        Some(Level::All) => Protection::All,
        Some(Level::WriteOnly) => Protection::WriteOnly,
        Some(Level::None) => Protection::None,
        None => Protection::of(environment.get(env::PROTECTION_LEVEL.name).unwrap_or_default()),
    };
    Ok(AutosubmitKeys {
        protection,
        secret_key: key(said.secret_key.as_deref(), &env::SECRET_KEY, environment)?,
        token: key(said.token.as_deref(), &env::AS_API_SECRET_TOKEN, environment)?,
    })
}

/// A secret, from its file or its variable.
fn key(file: Option<&Path>, variable: &env::Variable, environment: &Environment) -> anyhow::Result<Option<SigningKey>> {
    let read = match (file, environment.get(variable.name)) {
        (Some(path), _) => SigningKey::read(path),
        (None, Some(text)) => SigningKey::new(text).map_err(|why| format!("{}: {why}", variable.name)),
        (None, None) => return Ok(None),
    };
    match read {
        Ok(key) => Ok(Some(key)),
        Err(why) => bail!("cannot serve Autosubmit's dialect: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{assignment, zone_file};

    #[test]
    fn local_time_is_looked_for_where_the_c_library_looks() {
        let of = |name: Option<&str>, folder: Option<&str>| zone_file(name.map(Into::into), folder.map(Into::into));
        for (name, folder, file) in [
            (None, None, "/etc/localtime"),
            (None, Some("/zones"), "/etc/localtime"),
            (Some("Europe/Madrid"), None, "/usr/share/zoneinfo/Europe/Madrid"),
            (Some(":Europe/Madrid"), Some(""), "/usr/share/zoneinfo/Europe/Madrid"),
            (Some("Madrid"), Some("/zones"), "/zones/Madrid"),
            (Some(":/etc/zone"), Some("/zones"), "/etc/zone"),
        ] {
            assert_eq!(of(name, folder).to_str(), Some(file));
        }
    }

    #[test]
    fn lines_of_env_files() {
        let of = |line: &str| assignment(line).map(|(name, value)| format!("{name}={value}"));
        assert_eq!(of("A=b").as_deref(), Some("A=b"));
        assert_eq!(of(" export A = \"b c\" ").as_deref(), Some("A=b c"));
        assert_eq!(of("A='b=c'").as_deref(), Some("A=b=c"));
        assert_eq!((of("# A=b"), of(""), of("A")), (None, None, None));
    }
}
