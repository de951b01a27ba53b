//! What an experiment consumes, and how fast it simulates.

use axum::http::StatusCode;
use jobgate_autosubmit::views::facts::Facts;
use jobgate_autosubmit::views::performance as speed;
use jobgate_autosubmit::views::statistics as consumption;
use serde::Serialize;
use serde_json::json;

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::convert::snapshot;
use crate::autosubmit::error::Failure;
use crate::autosubmit::model::Told;

/// `GET /v3/stats/{expid}/{filter_period}/{filter_type}`
pub(in crate::autosubmit) fn show(call: &Call) -> Answer {
    let found = || {
        let text = call.part("filter_period");
        let hours = text
            .trim()
            .parse()
            .map_err(|_| Failure::new(StatusCode::OK, format!("invalid literal for int() with base 10: '{text}'")))?;
        let snapshot = snapshot(call)?;
        let section = Some(call.part("filter_type")).filter(|section| *section != "Any");
        consumption::statistics(&snapshot, call.moment, hours, section).map_err(|why| Failure::new(StatusCode::OK, why))
    };
    match found() {
        Ok(statistics) => json(&Told::well(Consumed { summary: &statistics.summary, statistics: &statistics })),
        Err(failure) => json(&Told::badly(json!({"Statistics": null, "summary": null}), failure.message)),
    }
}

#[derive(Debug, Serialize)]
struct Consumed<'a> {
    summary: &'a consumption::Totals,
    #[serde(rename = "Statistics")]
    statistics: &'a consumption::Statistics,
}

/// `GET /v3/performance/{expid}`
pub(in crate::autosubmit) fn performance(call: &Call) -> Answer {
    match snapshot(call) {
        Ok(snapshot) => json(&Told::well(speed::performance(&Facts::of(&snapshot, call.moment)))),
        Err(failure) => json(&Told::badly(
            json!({
                "SYPD": null, "ASYPD": null, "RSYPD": null, "CHSY": null, "JPSY": null, "Parallelization": null, "PE": null,
                "considered": [], "warnings_job_data": [],
            }),
            failure.message,
        )),
    }
}
