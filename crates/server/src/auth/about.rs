//! What a request is about, for those who decide by it.

use std::str::Utf8Error;

use axum::extract::MatchedPath;
use axum::http::Method;
use axum::http::request::Parts;
use jobgate_model::{Access, Established, LOCAL, Role};
use jobgate_slurm::operations::Call;
use percent_encoding::percent_decode_str;

use super::biscuit::Question;
use super::decide::Dialect;
use super::identify::Identity;
use crate::asked::{CLUSTER, operation};

/// The question whether this one may do this. `None`: the path is not one that anybody could have a rule about.
pub(super) fn question(identity: &Identity, parts: &Parts, dialect: Dialect, now: i64) -> Option<Question> {
    let raw = parts.uri.path();
    Some(Question {
        user: user(identity),
        owner: identity.principal.name.clone(),
        client: identity.client.clone(),
        serial: identity.serial.clone(),
        access: access(&parts.method, raw, dialect),
        job: job(parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str), raw).ok()?,
        path: path(raw, dialect)?,
        operation: parts.method.as_str().to_owned(),
        dialect: name(dialect),
        established: identity.principal.established,
        role: identity.principal.role,
        now,
    })
}

impl Question {
    /// A question about a request that nobody has made. `None`: no rule could be about such a path.
    pub fn about(user: String, client: String, method: &str, raw: &str) -> Option<Self> {
        let slurms = |part: &str| matches!(part, "slurm" | "slurmdb" | "util" | CLUSTER) || part.starts_with("only-");
        let mut steps = raw.split('/').filter(|part| !part.is_empty());
        let dialect = match steps.next() {
            Some(first) if slurms(first) => Dialect::Slurm,
            Some("v3" | "v4" | "v4alpha") => Dialect::Autosubmit,
            _ => Dialect::Psik,
        };
        // as the router would match it
        let jobs = dialect == Dialect::Psik && steps.next() == Some("jobs");
        let named = steps.next().filter(|name| jobs && !matches!(*name, "new" | "callback"));
        let pattern = named.map(|_| "/{dialect}/jobs/{jobid}");
        Some(Self {
            owner: user.strip_prefix("uid:").or_else(|| user.strip_prefix("cn:")).unwrap_or(&user).to_owned(),
            user,
            client,
            serial: String::new(),
            access: access(&Method::from_bytes(method.as_bytes()).ok()?, raw, dialect),
            job: job(pattern, raw).ok()?,
            path: path(raw, dialect)?,
            operation: method.to_owned(),
            dialect: name(dialect),
            established: Established::Socket,
            role: Role::User,
            now: 0,
        })
    }
}

fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Psik => "psik",
        Dialect::Slurm => "slurm",
        Dialect::Autosubmit => "autosubmit",
    }
}

/// How psik_api calls a user: as the certificate does, or by the login.
pub(super) fn user(identity: &Identity) -> String {
    let name = &identity.principal.name;
    let certified = identity.principal.established == Established::Certificate
        && ["uid:", "cn:"].iter().any(|prefix| identity.client.strip_prefix(prefix) == Some(name));
    match () {
        () if certified => identity.client.clone(),
        () if name == LOCAL => LOCAL.to_owned(),
        () => format!("uid:{name}"),
    }
}

/// The path as rules see it: decoded, without double slashes, and in Slurm's dialect without the prefix that chooses a version.
/// `None`: it has parts by which it could lead elsewhere than it seems.
fn path(raw: &str, dialect: Dialect) -> Option<String> {
    let decoded = percent_decode_str(raw).decode_utf8().ok()?;
    let mut parts: Vec<&str> = decoded.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) || decoded.contains('\0') {
        return None;
    }
    let at = if parts.first() == Some(&CLUSTER) { 2 } else { 0 };
    if dialect == Dialect::Slurm && parts.get(at).is_some_and(|part| part.starts_with("only-")) {
        parts.remove(at);
    }
    let end = if decoded.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", parts.join("/")))
}

/// What a request does. Slurm has reads that act. They are found as `slurm/dispatch.rs` finds them: by the path as it came.
pub(super) fn access(method: &Method, raw: &str, dialect: Dialect) -> Access {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Access::Write;
    }
    let found = (dialect == Dialect::Slurm).then(|| operation(method, raw)).flatten();
    match found.map(|found| found.operation.call) {
        Some(Call::GetJobRequeue | Call::GetReconfigure) => Access::Write,
        _ => Access::Read,
    }
}

/// The job that the path names, by the pattern that it matched.
fn job(pattern: Option<&str>, raw: &str) -> Result<Option<String>, Utf8Error> {
    let named = pattern.and_then(|pattern| pattern.split('/').zip(raw.split('/')).find(|(part, _)| *part == "{jobid}"));
    named.map(|(_, raw)| percent_decode_str(raw).decode_utf8().map(String::from)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_what_they_seem() {
        let psik = |raw| path(raw, Dialect::Psik);
        assert_eq!(psik("/v1/jobs/"), Some("/v1/jobs/".into()));
        assert_eq!(psik("/v1/jobs/1%2E5"), Some("/v1/jobs/1.5".into()));
        assert_eq!(psik("//v1///jobs"), Some("/v1/jobs".into()));
        assert_eq!(psik("/"), Some("/".into()));
        for bad in ["/v1/../v2", "/v1/%2e%2E/x", "/v1/./x", "/v1/%2F..%2Fx", "/%ff", "/%00"] {
            assert_eq!(psik(bad), None, "{bad}");
        }
        let slurm = |raw| path(raw, Dialect::Slurm);
        assert_eq!(slurm("//only-v0.0.45//slurmdb/v0.0.45/jobs"), Some("/slurmdb/v0.0.45/jobs".into()));
        assert_eq!(slurm("/cluster/b/only-v0.0.45/slurm/v0.0.45/jobs"), Some("/cluster/b/slurm/v0.0.45/jobs".into()));
    }

    #[test]
    fn reads_that_act_are_no_reads() {
        let access = |method: Method, path, dialect| access(&method, path, dialect);
        assert_eq!(access(Method::GET, "/v1/jobs", Dialect::Psik), Access::Read);
        assert_eq!(access(Method::HEAD, "/v1/jobs", Dialect::Psik), Access::Read);
        assert_eq!(access(Method::POST, "/v1/jobs", Dialect::Psik), Access::Write);
        assert_eq!(access(Method::GET, "/slurm/v0.0.45/jobs/", Dialect::Slurm), Access::Read);
        assert_eq!(access(Method::GET, "/slurm/v0.0.45/job/7/requeue", Dialect::Slurm), Access::Write);
        assert_eq!(access(Method::GET, "//only-v0.0.40//slurm/v0.0.40/reconfigure/", Dialect::Slurm), Access::Write);
        assert_eq!(access(Method::GET, "/slurm/v0.0.45/job/a%2Fb/requeue", Dialect::Slurm), Access::Write);
        for cluster in ["b", "slurm", "slurm-2", "only-"] {
            let path = format!("/cluster/{cluster}/slurm/v0.0.45/job/7/requeue");
            assert_eq!(super::access(&Method::GET, &path, Dialect::Slurm), Access::Write, "{cluster}");
        }
    }
}
