//! psik's and psik_api's configuration files, taken as they are.
//!
//! Three shapes: `psik.json` of psik 3 (`prefix`, `backends`; anything else is an error), the flat `psik_api.json` of psik_api 2
//! (the same with `authz` and psik 2's two paths), and the nested one of psik_api 1 (each backend has its own `prefix` and
//! psik 1's `backend` object; unknown keys are ignored). `~` is not expanded: psik does not do it either.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use jobgate_engine::{CallbackPolicy, Targets};
use jobgate_model::{BackendConfig, Generation, Violation, parse_backend_config};
use jobgate_server::{Limits, Mode};
use serde_json::{Map, Value};

use crate::nowhere::NOWHERE;

use super::{Config, LocalConfig, LogFormat, Manner, PlaceConfig, ServerConfig};

/// What `serve` listens on unless told otherwise.
pub(super) const LISTEN: &str = "127.0.0.1:8000";
/// How often live jobs are looked at unless told otherwise.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// Reads a file's text. `is_api`: its name says that it is psik_api's, so that a missing `authz` means psik_api's default.
pub(super) fn parse(text: &str, is_api: bool) -> anyhow::Result<Config> {
    let value: Value = serde_json::from_str(text).context("not JSON")?;
    let file = value.as_object().context("the document must be an object")?;
    let backends = match file.get("backends") {
        None => None,
        Some(value) => Some(value.as_object().context("backends: must be an object")?),
    };
    let nested = backends.is_some_and(|backends| backends.values().any(|value| value.get("prefix").is_some()));
    let is_api = is_api || nested || file.contains_key("authz");

    let places = if nested {
        backends.into_iter().flatten().map(|(name, value)| nested_place(name, value)).collect::<anyhow::Result<_>>()?
    } else {
        refuse_unknown_keys(file, is_api)?;
        flat_places(file, backends)?
    };
    let mode = if is_api { mode(file.get("authz"))? } else { Mode::Local };
    let targets = match mode {
        Mode::Local => Targets::Any,
        Mode::Insecure | Mode::Tokens | Mode::Autosubmit => Targets::Public,
    };
    Ok(Config {
        file: None,
        state_dir: super::default_state_dir()?,
        places,
        psik: Manner::default(),
        poll_interval: POLL_INTERVAL,
        callbacks: CallbackPolicy { targets, ..CallbackPolicy::default() },
        local: LocalConfig::default(),
        auth: super::auth::AuthConfig::default(),
        quota: super::quota::QuotaConfig::default(),
        audit: super::audit::AuditConfig::default(),
        slurm: super::slurm::Table::default().settings(|path| Ok(path.to_path_buf()))?,
        autosubmit: super::autosubmit::Table::default().settings(|path| Ok(path.to_path_buf()))?,
        server: ServerConfig {
            listen: vec![LISTEN.into()],
            uds: Vec::new(),
            listeners: Vec::new(),
            mode,
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            limits: Limits::default(),
            log_format: LogFormat::Text,
        },
    })
}

fn refuse_unknown_keys(file: &Map<String, Value>, is_api: bool) -> anyhow::Result<()> {
    for key in file.keys() {
        match key.as_str() {
            "prefix" | "backends" => {}
            "authz" | "psik_path" | "rc_path" if is_api => {}
            "backend" => bail!(
                "backend: psik 1's way to name a backend; write \"backends\": {{\"default\": {{...}}}} as psik 2 and 3 do"
            ),
            "psik_path" | "rc_path" => bail!("{key}: not used since psik 3; remove it"),
            _ => bail!("{key}: unknown key, expected prefix or backends"),
        }
    }
    Ok(())
}

fn flat_places(file: &Map<String, Value>, backends: Option<&Map<String, Value>>) -> anyhow::Result<Vec<PlaceConfig>> {
    let prefix = prefix(file, "prefix")?;
    let Some(backends) = backends else {
        return Ok(vec![PlaceConfig::new("default", prefix, BackendConfig::default())]);
    };
    if backends.is_empty() {
        // Accepted by psik, in which every run then fails.
        let backend = BackendConfig { kind: NOWHERE.into(), ..BackendConfig::default() };
        return Ok(vec![PlaceConfig::new("default", prefix, backend)]);
    }
    let place = |(name, value): (&String, &Value)| {
        let backend = backend(value, Generation::V3, &format!("backends.{name}"))?;
        Ok(PlaceConfig::new(name, prefix.clone(), backend))
    };
    backends.iter().map(place).collect()
}

fn nested_place(name: &str, value: &Value) -> anyhow::Result<PlaceConfig> {
    let at = format!("backends.{name}");
    let table = value.as_object().with_context(|| format!("{at}: must be an object"))?;
    let backend = match table.get("backend") {
        None => BackendConfig::default(),
        Some(value) => backend(value, Generation::V1, &format!("{at}.backend"))?,
    };
    Ok(PlaceConfig::new(name, prefix(table, &format!("{at}.prefix"))?, backend))
}

fn prefix(table: &Map<String, Value>, at: &str) -> anyhow::Result<PathBuf> {
    let value = table.get("prefix").with_context(|| format!("{at}: required, the directory under which jobs live"))?;
    let text = value.as_str().with_context(|| format!("{at}: must be text"))?;
    std::path::absolute(text).with_context(|| format!("{at}: not a path"))
}

fn backend(value: &Value, generation: Generation, at: &str) -> anyhow::Result<BackendConfig> {
    parse_backend_config(value, generation).map_err(|violations| {
        let lines: Vec<String> = violations.iter().map(Violation::line).collect();
        anyhow::anyhow!("{at}: {}", lines.join("; "))
    })
}

fn mode(authz: Option<&Value>) -> anyhow::Result<Mode> {
    match authz {
        None => Ok(Mode::Insecure),
        Some(Value::String(text)) if text == "local" => Ok(Mode::Local),
        Some(Value::String(text)) if text == "psik_api.authz:BaseAuthz" => Ok(Mode::Insecure),
        Some(other) => bail!(
            "authz: {other} cannot be loaded, because no Python runs here; write \"local\" to admit clients of this \
             machine, or leave it out for psik_api's default"
        ),
    }
}
