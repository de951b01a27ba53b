//! How an experiment is configured, now and when it ran.

use jobgate_autosubmit::config::{ConfigError, Configuration, differences, mark_nones};
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::site::SiteError;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::error::Failure;
use crate::autosubmit::model::{One, Told};
use crate::autosubmit::query::stored_number;

/// The files of Autosubmit 3, by which a run's configuration is shown as well.
const FILES: [&str; 5] = ["conf", "exp", "jobs", "platforms", "proj"];

/// `GET /v4/experiments/{expid}/filesystem-config`
pub(in crate::autosubmit) fn show(call: &Call) -> Answer {
    let configuration = call.site().configuration(&call.known()?)?;
    json(&One("config", configuration.shown()))
}

/// `GET /v4/experiments/{expid}/runs/{run_id}/config`
pub(in crate::autosubmit) fn show_of_run(call: &Call) -> Answer {
    let run = stored_number(call.part("run_id"));
    let found = call.expid().ok().zip(run).and_then(|(expid, run)| {
        let runs = call.site().runs(&expid).ok()?;
        runs.iter().find(|one| one.run_id == run)?;
        Some((run, of_run(call, &expid, Some(run)).unwrap_or_default()))
    });
    let (run, mut config) = found.map_or((None, Map::new()), |(run, config)| (Some(run), config));
    mark_nones(&mut config);
    json(&json!({"run_id": run, "config": config}))
}

/// What a run, or the newest one, was configured with.
fn of_run(call: &Call, expid: &Expid, run: Option<i64>) -> Result<Map<String, Value>, Failure> {
    let text = call.site().store().run_configuration(expid, run)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
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
            other => Ok((expid, other)),
        }
    };
    let (expid, configuration) = match read() {
        Ok(found) => found,
        Err(failure) => {
            let view = json!({
                "warning": false, "warning_message": "", "configuration_current_run": nothing(),
                "configuration_filesystem": nothing(), "are_equal": true, "differences": [],
            });
            return json(&Told::badly(view, failure.message));
        }
    };
    let mut run = of_run(call, &expid, None).unwrap_or_default();
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
        configuration_filesystem: now,
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
    configuration_filesystem: Map<String, Value>,
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
