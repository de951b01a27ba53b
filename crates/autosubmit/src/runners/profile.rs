//! Profiles of runners and what is permitted, from the API's YAML file.

use serde_json::{Map, Value, json};

use super::loader::is_straight;
use super::{Loader, Runner, RunnerError};

/// What can be switched on and off, with the words of its refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `set-job-status`
    SetJobStatus,
    /// `create-experiment`
    CreateExperiment,
    /// `run-experiment`, `stop-experiment`, `get-runner-run-status`
    RunnerRun,
    /// `update-experiment-description`
    UpdateExperimentDetails,
}

impl Endpoint {
    fn name(self) -> &'static str {
        match self {
            Self::SetJobStatus => "SET_JOB_STATUS",
            Self::CreateExperiment => "CREATE_EXPERIMENT",
            Self::RunnerRun => "RUNNER_RUN",
            Self::UpdateExperimentDetails => "UPDATE_EXPERIMENT_DETAILS",
        }
    }

    /// Whether it is switched on, which it is if nothing is said.
    pub fn enabled(self, settings: &Value) -> bool {
        let said = &settings["RUNNER_CONFIGURATION"]["ENDPOINTS"][self.name()]["ENABLED"];
        said.is_null() || truthy(said)
    }

    /// What is shown of all: the file's over the defaults.
    pub fn shown(settings: &Value) -> Map<String, Value> {
        let said = &settings["RUNNER_CONFIGURATION"]["ENDPOINTS"];
        let of = |endpoint: Self| {
            let mut shown = Map::from_iter([("ENABLED".to_owned(), json!(true))]);
            shown.extend(said[endpoint.name()].as_object().cloned().unwrap_or_default());
            (endpoint.name().to_owned(), Value::Object(shown))
        };
        [Self::SetJobStatus, Self::CreateExperiment, Self::RunnerRun].map(of).into_iter().collect()
    }
}

/// The public keys of the runners, as they are shown.
pub fn public_keys(settings: &Value) -> Vec<String> {
    let keys = settings["RUNNER_CONFIGURATION"]["SSH_PUBLIC_KEYS"].as_array();
    keys.into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned)).collect()
}

/// All profiles, as they are shown.
pub fn profiles(settings: &Value) -> Map<String, Value> {
    settings["RUNNER_CONFIGURATION"]["PROFILES"].as_object().cloned().unwrap_or_default()
}

impl Runner {
    /// The runner of a profile. What the caller gives completes the profile and replaces nothing of it.
    pub fn of_profile(settings: &Value, name: &str, given: Option<&Map<String, Value>>) -> Result<Self, RunnerError> {
        let Some(Value::Object(profile)) = profiles(settings).get(name).cloned() else {
            return Err(RunnerError::Profile);
        };
        let profile = Value::Object(complete(profile, given.unwrap_or(&Map::new())));
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(RunnerError::Fields);
        let (kind, loader) = (text(&profile["RUNNER_TYPE"])?, text(&profile["MODULE_LOADER_TYPE"])?);
        if loader != "NO_MODULE" && profile.get("MODULES").is_none() {
            return Err(RunnerError::Fields);
        }
        let loader = Loader::parse(&loader, profile.get("MODULES"))?;
        let ssh = &profile["SSH"];
        match kind.to_uppercase().as_str() {
            "LOCAL" => Ok(Self::local(loader)),
            "SSH" => Self::ssh(loader, &text(&ssh["HOST"])?, Some(&text(&ssh["USERNAME"])?), ssh["PORT"].as_u64()),
            _ => Err(RunnerError::Kind(kind)),
        }
    }

    /// The runner that a caller of `/v4alpha` names, if the file permits it. `extra` may have `ssh_host`, `ssh_user`, `ssh_port`.
    pub fn named(
        settings: &Value,
        kind: &str,
        loader: &str,
        modules: Option<&Value>,
        extra: Option<&Value>,
    ) -> Result<Self, RunnerError> {
        let permitted = &settings["RUNNERS"][kind.to_uppercase().as_str()];
        let loaders = &permitted["MODULE_LOADERS"][loader.to_uppercase().as_str()];
        if !truthy(&permitted["ENABLED"]) || !truthy(&loaders["ENABLED"]) {
            return Err(RunnerError::Forbidden);
        }
        let loader = Loader::parse(loader, modules)?;
        if let Loader::Venv(path) = &loader {
            // the original compares letters, and only if the kind is written in small ones
            let safe = loaders["SAFE_ROOT_PATH"].as_str().unwrap_or("/");
            if !is_straight(safe) || !std::path::Path::new(path).starts_with(safe) {
                return Err(RunnerError::Forbidden);
            }
        }
        let extra = extra.unwrap_or(&Value::Null);
        match kind.to_uppercase().as_str() {
            "LOCAL" => Ok(Self::local(loader)),
            "SSH" => {
                let host = extra["ssh_host"].as_str().ok_or(RunnerError::Host)?;
                Self::ssh(loader, host, extra["ssh_user"].as_str(), extra["ssh_port"].as_u64())
            }
            _ => Err(RunnerError::Kind(kind.to_owned())),
        }
    }
}

fn complete(mut base: Map<String, Value>, given: &Map<String, Value>) -> Map<String, Value> {
    for (key, value) in given {
        match (base.get_mut(key), value) {
            (None, _) => {
                base.insert(key.clone(), value.clone());
            }
            (Some(Value::Object(known)), Value::Object(value)) => *known = complete(std::mem::take(known), value),
            _ => {}
        }
    }
    base
}

/// What Python takes as true.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Value {
        json!({
            "RUNNER_CONFIGURATION": {
                "SSH_PUBLIC_KEYS": ["ssh-ed25519 AAAA"],
                "ENDPOINTS": {"RUNNER_RUN": {"ENABLED": false, "NOTE": 1}},
                "PROFILES": {
                    "HERE": {"RUNNER_TYPE": "LOCAL", "MODULE_LOADER_TYPE": "NO_MODULE"},
                    "VENV": {"RUNNER_TYPE": "LOCAL", "MODULE_LOADER_TYPE": "VENV", "MODULES": "/opt/as"},
                    "FAR": {"RUNNER_TYPE": "SSH", "MODULE_LOADER_TYPE": "LMOD", "SSH": {"HOST": "hub1"}},
                    "HALF": {"RUNNER_TYPE": "LOCAL"},
                },
            },
            "RUNNERS": {"LOCAL": {"ENABLED": true, "MODULE_LOADERS": {"VENV": {"ENABLED": true, "SAFE_ROOT_PATH": "/opt"}, "CONDA": {}}}},
        })
    }

    #[test]
    fn what_a_caller_gives_completes_a_profile_and_replaces_nothing() {
        let settings = settings();
        let of = |name: &str, given: Value| Runner::of_profile(&settings, name, given.as_object());
        assert_eq!(of("HERE", Value::Null), Ok(Runner::local(Loader::NoModule)));
        assert_eq!(of("VENV", json!({"MODULES": "/tmp/evil"})), Ok(Runner::local(Loader::Venv("/opt/as".into()))));
        assert_eq!(of("HALF", json!({"MODULE_LOADER_TYPE": "NO_MODULE"})), Ok(Runner::local(Loader::NoModule)));
        let far =
            of("FAR", json!({"MODULES": ["as"], "SSH": {"HOST": "other", "USERNAME": "me", "PORT": 2222}})).unwrap();
        assert_eq!(far, Runner::ssh(Loader::Lmod(vec!["as".into()]), "hub1", Some("me"), Some(2222)).unwrap());
        assert_eq!(of("FAR", json!({"MODULES": ["as"]})), Err(RunnerError::Fields));
        assert_eq!(of("FAR", json!({"SSH": {"USERNAME": "me"}})), Err(RunnerError::Fields));
        assert_eq!(of("HALF", Value::Null), Err(RunnerError::Fields));
        assert_eq!(of("NONE", Value::Null).unwrap_err().to_string(), "Invalid profile name");
    }

    #[test]
    fn only_what_is_permitted_may_be_named() {
        let settings = settings();
        let named = |kind: &str, loader: &str, modules: &str| {
            Runner::named(&settings, kind, loader, Some(&json!(modules)), None)
        };
        assert!(named("LOCAL", "VENV", "/opt/as").is_ok());
        for (kind, loader, modules) in [
            ("LOCAL", "VENV", "/optional/as"),
            ("LOCAL", "CONDA", "as"),
            ("LOCAL", "NO_MODULE", ""),
            ("SSH", "VENV", "/opt/as"),
        ] {
            assert_eq!(named(kind, loader, modules), Err(RunnerError::Forbidden), "{kind} {loader} {modules}");
        }
        assert!(matches!(named("LOCAL", "VENV", "/opt/../tmp"), Err(RunnerError::Modules(_))));
    }

    #[test]
    fn endpoints_are_on_unless_switched_off() {
        let settings = settings();
        assert!(!Endpoint::RunnerRun.enabled(&settings) && Endpoint::SetJobStatus.enabled(&settings));
        assert!(Endpoint::UpdateExperimentDetails.enabled(&Value::Null));
        let shown = Value::Object(Endpoint::shown(&settings));
        assert_eq!(shown["RUNNER_RUN"], json!({"ENABLED": false, "NOTE": 1}));
        assert_eq!(shown["CREATE_EXPERIMENT"], json!({"ENABLED": true}));
        assert_eq!((public_keys(&settings).len(), profiles(&settings).len()), (1, 4));
        assert_eq!((public_keys(&Value::Null).len(), profiles(&json!({"RUNNER_CONFIGURATION": 7})).len()), (0, 0));
    }
}
