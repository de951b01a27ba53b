//! What of a request is recorded: everything that changes something or is refused, and on demand who looks at jobs.

use axum::http::StatusCode;
use jobgate_engine::audit::{Entry, Event, Outcome};
use jobgate_model::Role;

use super::trail::actor;
use super::{Audit, Trail};
use crate::accept::Peer;
use crate::asked::{Asked, Effect};
use crate::auth::Wire;
use crate::buckets::Damper;

/// Records a request that was answered. `damper`: so that nobody fills the disk with refusals.
pub(crate) fn records(
    audit: &Audit,
    damper: &Damper,
    asked: &Asked,
    (peer, wire): (Option<Peer>, Wire),
    trail: &Trail,
    status: StatusCode,
    id: &str,
) {
    if audit.queue.is_none() {
        return;
    }
    let known = trail.take();
    let outcome = outcome(asked, status, known.denied);
    let worth = is_recorded(asked, status, outcome, audit.records_reads());
    if known.events.is_empty() && !worth {
        return;
    }
    let actor = actor(known.asker.as_ref(), peer, wire);
    let mut times = 1;
    if outcome == Outcome::Denied {
        let unknown = known.asker.as_ref().is_none_or(|asker| asker.role == Role::Stranger);
        let whose = if unknown { format!("addr:{}", actor.client) } else { actor.who.clone() };
        match damper.speak(whose) {
            Some(silent) => times += silent,
            None if known.events.is_empty() => return,
            None => {}
        }
    }
    let job = known.job.or_else(|| asked.job.clone());
    let record = |event: Event| Entry {
        job: job.clone(),
        outcome: if matches!(event, Event::LoginFailed { .. }) { Outcome::Denied } else { outcome },
        status: Some(status.as_u16()),
        request_id: Some(id.to_owned()),
        times,
        ..Entry::new(actor.clone(), event)
    };
    for event in known.events {
        audit.record(record(event));
    }
    if worth {
        let route = asked.route.clone().unwrap_or_else(|| "unmatched".into());
        let route = match known.acts_as {
            Some(user) => format!("{route} as {user}"),
            None => route,
        };
        audit.record(record(Event::Request { dialect: asked.dialect, method: asked.method.to_string(), route }));
    }
}

fn outcome(asked: &Asked, status: StatusCode, denied: bool) -> Outcome {
    match status {
        _ if denied => Outcome::Denied,
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::NETWORK_AUTHENTICATION_REQUIRED => Outcome::Denied,
        StatusCode::NOT_FOUND if asked.is_of_jobs() => Outcome::Denied,
        _ if status.is_client_error() || status.is_server_error() => Outcome::Failed,
        _ => Outcome::Allowed,
    }
}

fn is_recorded(asked: &Asked, status: StatusCode, outcome: Outcome, reads: bool) -> bool {
    // led to another path, or a method that there is not: nothing could have been changed
    let nothing = status.is_redirection() || status == StatusCode::METHOD_NOT_ALLOWED;
    match outcome {
        Outcome::Denied => true,
        _ if asked.changes() => !nothing,
        _ => reads && asked.effect == Effect::ReadsJobs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Method;

    fn recorded(line: &str, route: &str, status: u16, reads: bool) -> Option<&'static str> {
        let (method, path) = line.split_once(' ').unwrap();
        let asked = Asked::of(&method.parse::<Method>().unwrap(), path, Some(route));
        let status = StatusCode::from_u16(status).unwrap();
        let outcome = outcome(&asked, status, false);
        is_recorded(&asked, status, outcome, reads).then_some(outcome.as_str())
    }

    #[test]
    fn what_is_recorded() {
        let (jobs, job) = ("/v2/jobs", "/v2/jobs/{jobid}");
        assert_eq!(recorded("POST /v2/jobs", jobs, 200, false), Some("allowed"));
        assert_eq!(recorded("POST /v2/jobs", jobs, 422, false), Some("failed"));
        assert_eq!(recorded("POST /v2/jobs", jobs, 503, false), Some("failed"));
        assert_eq!(recorded("DELETE /v2/jobs/1.5", job, 404, false), Some("denied"));
        assert_eq!(recorded("GET /v2/jobs/1.5", job, 404, false), Some("denied"));
        assert_eq!(recorded("GET /v2/jobs/1.5", job, 200, false), None);
        assert_eq!(recorded("GET /v2/jobs/1.5", job, 200, true), Some("allowed"));
        assert_eq!(recorded("GET /v2/jobs/1.5", job, 304, true), Some("allowed"));
        assert_eq!(recorded("GET /v2/backends", "/v2/backends", 200, true), None);
        assert_eq!(recorded("GET /v2/backends/x", "/v2/backends/{name}", 404, true), None);
        assert_eq!(recorded("GET /metrics", "/metrics", 401, false), Some("denied"));
        assert_eq!(recorded("GET /v2/backends", "/v2/backends", 429, false), Some("denied"));
        assert_eq!(recorded("POST /v2/jobs/1.5/", "/v2/jobs/{jobid}/", 307, false), None);
        assert_eq!(recorded("POST /metrics", "/metrics", 405, false), None);
        assert_eq!(recorded("POST /slurm/v0.0.43/job/submit", "/slurm/{*path}", 511, false), Some("denied"));
        assert_eq!(recorded("GET /slurm/v0.0.45/job/7/requeue", "/slurm/{*path}", 200, false), Some("allowed"));
    }
}
