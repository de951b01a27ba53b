//! Numbers for Prometheus.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use jobgate_engine::Counts;
use jobgate_model::State;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::audit::Counters;
use crate::auth::Passed;

/// The text format that [`Metrics::render`] writes.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds, from what a cached listing takes to what a large upload takes.
const BUCKETS: [f64; 12] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// All numbers of this process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    seconds: Family<Route, Histogram>,
    jobs: Family<InState, Gauge>,
    deliveries: Gauge,
    events: Gauge,
}

impl Metrics {
    /// With the numbers that others count.
    pub(crate) fn new(audit: &Counters, limits: &Family<Passed, Counter>, answers: Option<&Counter>) -> Self {
        let mut all = Self {
            registry: Registry::with_prefix("jobgate"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            jobs: Family::default(),
            deliveries: Gauge::default(),
            events: Gauge::default(),
        };
        let registry = &mut all.registry;
        registry.register("http_requests", "Requests answered", all.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer's head",
            Unit::Seconds,
            all.seconds.clone(),
        );
        registry.register("jobs", "Jobs by the state of their last transition", all.jobs.clone());
        registry.register("deliveries_pending", "Callback deliveries waiting", all.deliveries.clone());
        registry.register("last_event", "Sequence number of the last recorded event", all.events.clone());
        registry.register("rate_limited", "Requests refused because too many came", limits.clone());
        if let Some(answers) = answers {
            let text = "Answers in Autosubmit's dialect that were given again, since nothing had changed";
            registry.register("autosubmit_answers_again", text, answers.clone());
        }
        registry.register("audit_records", "Records written to the audit log", audit.written.clone());
        registry.register("audit_lost", "Records that the audit log lacks", audit.lost.clone());
        registry.register("audit_failures", "Attempts to write the audit log that failed", audit.failures.clone());
        all
    }

    /// Counts an answered request. `route` is the matched pattern, never the path itself.
    pub(crate) fn count(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = match method.as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "PUT" => "PUT",
            "DELETE" => "DELETE",
            _ => "other",
        };
        self.requests.get_or_create(&Answer { method, route: route.to_owned(), status: status.as_u16() }).inc();
        self.seconds.get_or_create(&Route { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// All numbers in OpenMetrics' text form, with the engine's at this moment.
    pub(crate) fn render(&self, counts: &Counts) -> String {
        for (state, count) in State::ALL.into_iter().zip(counts.jobs) {
            self.jobs.get_or_create(&InState { state: state.as_str() }).set(count as i64);
        }
        self.deliveries.set(counts.deliveries_pending as i64);
        self.events.set(counts.last_event);
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("invariant: writing to a string does not fail");
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page() {
        let metrics = Metrics::new(&Counters::default(), &Family::default(), None);
        metrics.count(&Method::GET, "/v1/jobs", StatusCode::OK, Duration::from_millis(2));
        metrics.count(&Method::from_bytes(b"BREW").unwrap(), "unmatched", StatusCode::NOT_FOUND, Duration::ZERO);
        let page = metrics.render(&Counts { jobs: [1, 2, 3, 4, 5, 6], deliveries_pending: 7, last_event: 8 });
        for line in [
            r#"jobgate_http_requests_total{method="GET",route="/v1/jobs",status="200"} 1"#,
            r#"jobgate_http_requests_total{method="other",route="unmatched",status="404"} 1"#,
            r#"jobgate_http_request_duration_seconds_count{route="/v1/jobs"} 1"#,
            r#"jobgate_jobs{state="canceled"} 6"#,
            "jobgate_deliveries_pending 7",
            "jobgate_last_event 8",
            "jobgate_audit_lost_total 0",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
    }
}
