//! The runs of an experiment.

use std::sync::Arc;

use axum::http::StatusCode;
use jiff::tz::Offset;
use jobgate_autosubmit::databases::{DatabaseError, history, metrics};
use jobgate_autosubmit::texts::instant;
use jobgate_autosubmit::views::eta::eta;
use jobgate_autosubmit::views::facts::Facts;
use jobgate_autosubmit::views::rundetail::run_tree;
use jobgate_autosubmit::views::runs;
use serde_json::json;

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::convert::snapshot;
use crate::autosubmit::error::{Failure, UNEXPECTED};
use crate::autosubmit::model::{Dated, One, Told, no_tree};
use crate::autosubmit::query::{integer, stored_number};

/// What stands where the time of a tree would, on a run of the past.
const TIMELESS: i64 = 10_000_000;

/// `GET /v4/experiments/{expid}/runs`
pub(in crate::autosubmit) fn list_times(call: &Call) -> Answer {
    let runs = call.site().runs(&call.known()?).map_err(|error| {
        tracing::info!(%error, "the runs of an experiment cannot be read");
        Failure::from(error).told("Error while getting experiment runs")
    })?;
    let run = |run: &history::Run| {
        json!({
            "run_id": run.run_id, "start": instant(run.start, Offset::UTC), "finish": instant(run.finish, Offset::UTC),
        })
    };
    json(&json!({"runs": runs.iter().map(run).collect::<Vec<_>>()}))
}

/// `GET /v4/experiments/{expid}/runs/{run_id}/user-metrics`
pub(in crate::autosubmit) fn show_metrics(call: &Call) -> Answer {
    let run = integer(call.part("run_id")).map_err(|why| Failure::invalid(&[("run_id".into(), why.into())]))?;
    let expid = call.known()?;
    let found = call.site().store().metrics_of_run(&expid, run).map_err(|error| {
        tracing::info!(%error, "metrics of an experiment cannot be read");
        Failure::from(error).told(UNEXPECTED)
    })?;
    let metric = |one: metrics::Metric| {
        json!({
            "job_name": one.job_name, "metric_name": one.metric_name, "metric_value": one.metric_value,
            "modified": one.modified,
        })
    };
    json(&json!({"run_id": run, "metrics": found.into_iter().map(metric).collect::<Vec<_>>()}))
}

/// `GET /v4/experiments/{expid}/user-metrics-runs`
pub(in crate::autosubmit) fn list_measured(call: &Call) -> Answer {
    let runs = match call.expid() {
        Ok(expid) => call.site().store().metric_runs(&expid)?,
        Err(_) => Vec::new(),
    };
    json(&json!({"runs": runs.into_iter().map(|run_id| json!({"run_id": run_id})).collect::<Vec<_>>()}))
}

/// `GET /v4/experiments/{expid}/eta`
pub(in crate::autosubmit) fn estimate(call: &Call) -> Answer {
    let expid = call.known()?;
    let unreadable = |failure: Failure| {
        tracing::info!(error = failure.message, "what an estimate needs cannot be read");
        failure.told("Failed to compute ETA")
    };
    let jobs = call.site().jobs(&expid).map_err(|error| unreadable(error.into()))?;
    let history = call.site().history(&expid).map_err(|error| unreadable(error.into()));
    let section = call.query.get("section").unwrap_or("SIM");
    let estimate = eta(&jobs, history.as_deref().unwrap_or(&history::History::default()), expid.as_str(), section)
        .map_err(|why| Failure::new(StatusCode::BAD_REQUEST, why.to_string()))?;
    history?;
    json(&estimate)
}

/// `GET /v3/runs/{expid}`
pub(in crate::autosubmit) fn list(call: &Call) -> Answer {
    let found = || {
        let snapshot = snapshot(call)?;
        let completed = call.site().store().completed_tries(&snapshot.expid)?;
        let runs = runs::runs(&Facts::of(&snapshot, call.moment), &completed);
        if runs.is_empty() { Err(Failure::new(StatusCode::OK, "No data")) } else { Ok(runs) }
    };
    match found() {
        Ok(runs) => json(&Told::well(One("runs", runs))),
        Err(failure) => json(&Told::badly(json!({"runs": []}), failure.message)),
    }
}

/// `GET /v3/rundetail/{expid}/{runid}`
pub(in crate::autosubmit) fn show_tree(call: &Call) -> Answer {
    let found = || {
        let expid = call.expid()?;
        let places = call.site().places(&expid);
        let runs = match call.site().runs(&expid) {
            Err(DatabaseError::Missing { .. }) => Arc::default(),
            found => found?,
        };
        let run_id = stored_number(call.part("runid"));
        let run = runs.iter().find(|run| Some(run.run_id) == run_id).ok_or_else(|| {
            let text = "Autosubmit couldn't fin the experiment header information necessary to complete this request.";
            Failure::new(StatusCode::OK, text)
        })?;
        let rows = match call.site().store().tries_of_run(&expid, run.run_id) {
            // runs that nobody has tried anything in
            Err(DatabaseError::NoTable { .. } | DatabaseError::Missing { .. }) => Vec::new(),
            rows => rows?,
        };
        Ok::<_, Failure>(run_tree(run, &rows, &expid, &places, call.moment))
    };
    match found() {
        Ok(tree) => json(&Dated { told: Told::well(tree), pkl_timestamp: TIMELESS }),
        Err(failure) => json(&Dated { told: Told::badly(no_tree(), failure.message), pkl_timestamp: 0 }),
    }
}
