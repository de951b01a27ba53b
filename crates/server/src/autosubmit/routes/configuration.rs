//! How an experiment is configured, now and when it ran.

use axum::http::StatusCode;
use jobgate_autosubmit::config::{ConfigError, Configuration, differences, mark_nones};
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::site::SiteError;
use jobgate_autosubmit::yaml;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::error::{Failure, UNEXPECTED};
use crate::autosubmit::model::{One, Told};
use crate::autosubmit::query::stored_number;

/// The files of Autosubmit 3, by which a run's configuration is shown as well.
const FILES: [&str; 5] = ["conf", "exp", "jobs", "platforms", "proj"];

/// `GET /v4/experiments/{expid}/filesystem-config`
pub(in crate::autosubmit) fn show(call: &Call) -> Answer {
    let configuration = call.site().configuration(&call.known()?)?;
    let mut shown = Value::Object(configuration.shown());
    yaml::without_points(&mut shown);
    json(&One("config", shown))
}

/// `GET /v4/experiments/{expid}/runs/{run_id}/config`
pub(in crate::autosubmit) fn show_of_run(call: &Call) -> Answer {
    let run = stored_number(call.part("run_id"));
    let found = call
        .expid()
        .ok()
        .zip(run)
        .filter(|(expid, run)| call.site().runs(expid).is_ok_and(|runs| runs.iter().any(|one| one.run_id == *run)));
    let (run, mut config) = match found {
        Some((expid, run)) => (Some(run), of_run(call, &expid, Some(run)).map_err(|failure| failure.told(UNEXPECTED))?),
        None => (None, Map::new()),
    };
    mark_nones(&mut config);
    json(&json!({"run_id": run, "config": config}))
}

/// What a run, or the newest one, was configured with; nothing where nothing can be read.
fn of_run(call: &Call, expid: &Expid, run: Option<i64>) -> Result<Map<String, Value>, Failure> {
    let stored = call.site().store().run_configuration(expid, run).unwrap_or_else(|error| {
        tracing::info!(%error, "the configuration of a run cannot be read");
        None
    });
    let Some(text) = stored.filter(|text| !text.is_empty()) else { return Ok(Map::new()) };
    match serde_json::from_str(&text) {
        Ok(Value::Object(configuration)) => Ok(configuration),
        Ok(Value::Null) => Ok(Map::new()),
        _ => {
            let text = "what is stored as the configuration of a run is no object in JSON";
            Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, text))
        }
    }
}

/// `GET /v3/cconfig/{expid}`
pub(in crate::autosubmit) fn compare(call: &Call) -> Answer {
    let nothing = || {
        let mut nothing = Map::new();
        mark_nones(&mut nothing);
        nothing
    };
    let read = || {
        let expid = call.expid()?;
        match call.site().configuration(&expid) {
            Err(SiteError::Config(error @ (ConfigError::NoExperiment(_) | ConfigError::NoFolder(_)))) => {
                Err(Failure::from(SiteError::from(error)))
            }
            other => Ok((of_run(call, &expid, None)?, other)),
        }
    };
    let (mut run, configuration) = match read() {
        Ok(found) => found,
        Err(failure) => {
            let view = json!({
                "warning": false, "warning_message": "", "configuration_current_run": nothing(),
                "configuration_filesystem": nothing(), "are_equal": true, "differences": [],
            });
            return json(&Told::badly(view, failure.message));
        }
    };
    let (mut now, warning) = match &configuration {
        Ok(configuration) => {
            if matches!(**configuration, Configuration::Ini(_)) {
                run.retain(|name, _| FILES.contains(&name.to_lowercase().as_str()));
            }
            (configuration.shown(), None)
        }
        Err(error) => {
            let text = format!("The filesystem system configuration can't be retrieved because '{error}'");
            (nothing(), Some(text))
        }
    };
    mark_nones(&mut run);
    without_repetitions(&mut now);
    without_repetitions(&mut run);
    let differing = differences(&now, &run);
    json(&Told::well(Compared {
        warning: warning.is_some(),
        warning_message: warning.unwrap_or_default(),
        are_equal: differing.is_empty(),
        differences: differing,
        configuration_current_run: run,
        configuration_filesystem: written(now),
    }))
}

/// What an experiment is configured with, beside what its newest run was.
#[derive(Debug, Serialize)]
struct Compared {
    warning: bool,
    warning_message: String,
    are_equal: bool,
    differences: Vec<String>,
    configuration_current_run: Map<String, Value>,
    configuration_filesystem: Value,
}

/// A configuration with its points in time as texts.
fn written(configuration: Map<String, Value>) -> Value {
    let mut configuration = Value::Object(configuration);
    yaml::with_written_points(&mut configuration);
    configuration
}

/// Sections of the experiment's file repeat its expid, as they repeat all defaults; only one needs it.
fn without_repetitions(configuration: &mut Map<String, Value>) {
    let Some(Value::Object(sections)) = configuration.get_mut("exp") else { return };
    for (_, section) in sections.iter_mut().filter(|(name, _)| *name != "experiment") {
        if let Value::Object(options) = section {
            options.remove("EXPID");
        }
    }
}
