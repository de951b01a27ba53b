//! The tries of a job.

use axum::http::StatusCode;
use jobgate_autosubmit::views::runs::{NoRun, tries};
use serde_json::json;

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::error::Failure;
use crate::autosubmit::model::Told;

/// `GET /v3/history/{expid}/{jobname}`
pub(in crate::autosubmit) fn show(call: &Call) -> Answer {
    let expid = call.expid();
    let path_to_logs = expid.as_ref().ok().map(|expid| call.site().places(expid).logs);
    let found = || {
        let expid = expid?;
        let store = call.site().store();
        let (of_job, completed) = (store.tries_of_job(&expid, call.part("jobname"))?, store.completed_tries(&expid)?);
        let history = call.site().history(&expid)?;
        let no_run = |why: NoRun| Failure::new(StatusCode::OK, format!("{why} for experiment {expid}"));
        tries(&of_job, &history, &completed, call.moment).map_err(no_run)
    };
    match found() {
        Ok(history) => json(&Told::well(json!({"history": history, "path_to_logs": path_to_logs}))),
        Err(failure) => json(&Told::badly(json!({"history": null, "path_to_logs": path_to_logs}), failure.message)),
    }
}
