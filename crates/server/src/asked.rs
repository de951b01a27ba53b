//! What a request asks for, as far as it matters before and after it is handled: for its record, and for what it costs.

use axum::http::Method;
use jobgate_model::JobId;
use jobgate_slurm::operations::{self, Call, Found, Plugin};

/// The first part of the paths of Slurm's dialect for clusters that have a base path of their own; their name follows.
pub(crate) const CLUSTER: &str = "cluster";
/// The longest id of a job that is taken over from a path.
const LONGEST: usize = 64;

/// What a request asks for; an extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// In whose manner: `psik`, `slurm`, `autosubmit`, or `gateway` for what is nobody's.
    pub(crate) dialect: &'static str,
    /// The method, in capitals.
    pub(crate) method: Method,
    /// The route that it matched, never its path; `None`: there is none.
    pub(crate) route: Option<String>,
    /// The job that its path names.
    pub(crate) job: Option<String>,
    /// What it does.
    pub(crate) effect: Effect,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It reads what everybody may know.
    Reads,
    /// It reads something of a job's.
    ReadsJobs,
    /// It changes something.
    Changes,
    /// It makes or starts jobs.
    Submits,
}

impl Asked {
    /// What a method, a path and the route that was matched mean.
    pub(crate) fn of(method: &Method, path: &str, route: Option<&str>) -> Self {
        match route {
            None => Self::nothing(method),
            Some(route) if route.starts_with("/v1/") || route.starts_with("/v2/") => psik(method, path, route),
            Some(route) if is_slurm(route) => slurm(method, path),
            Some(route) if is_autosubmit(route) => autosubmit(method, route),
            Some(route) => Self {
                effect: if reads(method) { Effect::Reads } else { Effect::Changes },
                route: Some(route.to_owned()),
                ..Self::nothing(method)
            },
        }
    }

    /// The same where there is no dialect but Slurm's: it answers also what matches no route, and finds the operation by the path.
    pub(crate) fn of_slurm(method: &Method, path: &str) -> Self {
        slurm(method, path)
    }

    fn nothing(method: &Method) -> Self {
        Self { dialect: "gateway", method: method.clone(), route: None, job: None, effect: Effect::Reads }
    }

    /// Whether something is to be changed.
    pub(crate) fn changes(&self) -> bool {
        matches!(self.effect, Effect::Changes | Effect::Submits)
    }

    /// Whether it is about jobs.
    pub(crate) fn is_of_jobs(&self) -> bool {
        self.effect != Effect::Reads && self.route.as_ref().is_some_and(|route| route.contains("/job"))
    }
}

fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_slurm(route: &str) -> bool {
    ["/slurm/", "/slurmdb/", "/util/", "/{version}/", "/cluster/", "//"].iter().any(|root| route.starts_with(root))
}

fn is_autosubmit(route: &str) -> bool {
    route == "/v4" || ["/v3/", "/v4/", "/v4alpha/"].iter().any(|root| route.starts_with(root))
}

fn autosubmit(method: &Method, route: &str) -> Asked {
    let last = route.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let effect = match (reads(method), last) {
        // they only ask with a body
        (true, _) | (false, "tokentest" | "get-runner-run-status") => Effect::Reads,
        (false, "run-experiment") => Effect::Submits,
        (false, _) => Effect::Changes,
    };
    Asked { dialect: "autosubmit", route: Some(route.to_owned()), effect, ..Asked::nothing(method) }
}

fn psik(method: &Method, path: &str, route: &str) -> Asked {
    let below = route[3..].trim_end_matches('/');
    let submits = matches!(below, "/jobs" | "/jobs/new" | "/jobs/{jobid}/start");
    let effect = match (reads(method), below.starts_with("/jobs")) {
        (true, true) => Effect::ReadsJobs,
        (true, false) => Effect::Reads,
        (false, true) if submits && *method == Method::POST => Effect::Submits,
        // a token is shown
        (false, _) if below == "/token" && *method == Method::POST => Effect::Reads,
        (false, _) => Effect::Changes,
    };
    let job = path.split('/').zip(route.split('/')).find(|(_, name)| *name == "{jobid}").map(|(part, _)| part);
    let job = job.and_then(|text| JobId::parse(text).ok()).map(|jobid| jobid.as_str().to_owned());
    let job = job.filter(|text| text.len() <= LONGEST);
    Asked { dialect: "psik", method: method.clone(), route: Some(route.to_owned()), job, effect }
}

fn slurm(method: &Method, path: &str) -> Asked {
    let nothing = Asked { dialect: "slurm", ..Asked::nothing(method) };
    let Some(Found { operation, version, name }) = operation(method, path) else { return nothing };
    let of_jobs = operation.path.contains("/job") || operation.path.contains("{job_id}");
    let effect = match operation.call {
        Call::PostJobSubmit | Call::PostJobAllocate | Call::PostJobsRequeue | Call::GetJobRequeue => Effect::Submits,
        Call::GetReconfigure => Effect::Changes,
        _ if !reads(method) && operation.plugin() != Plugin::Util => Effect::Changes,
        _ if of_jobs => Effect::ReadsJobs,
        _ => Effect::Reads,
    };
    let plain = |text: &String| {
        (1..=LONGEST).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+.-".contains(&byte))
    };
    let base = of_cluster(path).0.map(|name| format!("/{CLUSTER}/{name}")).unwrap_or_default();
    Asked {
        route: Some(base + &operation.path.replace("{version}", &version.to_string())),
        job: Some(name).filter(|_| operation.path.contains("{job_id}")).filter(plain),
        effect,
        ..nothing
    }
}

/// The operation of Slurm's that is meant, also below the prefixes of a cluster and of one version.
pub(crate) fn operation(method: &Method, path: &str) -> Option<Found> {
    let path = of_cluster(path).1.trim_start_matches('/');
    let path = match path.split_once('/') {
        Some((first, rest)) if first.starts_with("only-") => rest,
        _ => path,
    };
    operations::find(method.as_str(), path)
}

/// The name of the cluster that a path is about, if it has a base path of its own; and the path below that.
pub(crate) fn of_cluster(path: &str) -> (Option<&str>, &str) {
    let named = path.trim_start_matches('/').strip_prefix(CLUSTER).filter(|rest| rest.starts_with('/'));
    let Some(named) = named.map(|rest| rest.trim_start_matches('/')) else { return (None, path) };
    let end = named.find('/').unwrap_or(named.len());
    (Some(&named[..end]), &named[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_requests_mean() {
        let of = |line: &str, route: &str| {
            let (method, path) = line.split_once(' ').unwrap();
            let asked = Asked::of(&method.parse().unwrap(), path, Some(route).filter(|route| !route.is_empty()));
            let (route, job) = (asked.route.unwrap_or_default(), asked.job.unwrap_or_default());
            format!("{} {route} {job} {:?}", asked.dialect, asked.effect)
        };
        assert_eq!(of("GET /healthz", "/healthz"), "gateway /healthz  Reads");
        assert_eq!(of("POST /nowhere/secret", ""), "gateway   Reads");
        assert_eq!(of("POST /v2/jobs", "/v2/jobs"), "psik /v2/jobs  Submits");
        assert_eq!(of("GET /v2/jobs/?a=b", "/v2/jobs/"), "psik /v2/jobs/  ReadsJobs");
        assert_eq!(of("POST /v1/jobs/1.5/start", "/v1/jobs/{jobid}/start"), "psik /v1/jobs/{jobid}/start 1.5 Submits");
        assert_eq!(of("DELETE /v1/jobs/1.5", "/v1/jobs/{jobid}"), "psik /v1/jobs/{jobid} 1.5 Changes");
        assert_eq!(of("DELETE /v1/jobs/a%0a", "/v1/jobs/{jobid}"), "psik /v1/jobs/{jobid}  Changes");
        assert_eq!(of("POST /v1/token", "/v1/token"), "psik /v1/token  Reads");
        let route = "/slurm/{*path}";
        assert_eq!(of("POST /slurm/v0.0.43/job/submit", route), "slurm /slurm/v0.0.43/job/submit  Submits");
        assert_eq!(of("DELETE /slurm/v0.0.43/job/7_1/", route), "slurm /slurm/v0.0.43/job/{job_id} 7_1 Changes");
        assert_eq!(
            of("GET /slurm/v0.0.45/job/7/requeue", route),
            "slurm /slurm/v0.0.45/job/{job_id}/requeue 7 Submits"
        );
        assert_eq!(of("GET /slurm/v0.0.45/job/7%22", route), "slurm /slurm/v0.0.45/job/{job_id}  ReadsJobs");
        assert_eq!(of("GET /slurm/v0.0.45/nodes", route), "slurm /slurm/v0.0.45/nodes/  Reads");
        assert_eq!(of("POST /util/v0.0.45/hostlist", route), "slurm /util/v0.0.45/hostlist  Reads");
        let only = "/{version}/slurm/{*path}";
        assert_eq!(
            of("POST //only-v0.0.43/slurm//v0.0.43/job/submit", only),
            "slurm /slurm/v0.0.43/job/submit  Submits"
        );
        assert_eq!(of("POST /slurm/v0.0.43/nothing", route), "slurm   Reads");
        assert_eq!(
            of("GET /cluster/slurm/slurm/v0.0.45/job/7/requeue", "/cluster/slurm/slurm/{*path}"),
            "slurm /cluster/slurm/slurm/v0.0.45/job/{job_id}/requeue 7 Submits"
        );
        assert_eq!(
            of("POST /cluster/b/only-v0.0.43//slurm/v0.0.43/job/submit", "/cluster/b/{version}/slurm/{*path}"),
            "slurm /cluster/b/slurm/v0.0.43/job/submit  Submits"
        );
    }
}
