//! What a decision is about, as facts.

use std::time::{Duration, SystemTime};

use biscuit_auth::builder::{Fact, Term, date, string};
use jobgate_model::{Access, Established, Role};

/// One request, as tokens' checks and the site's policy see it.
#[derive(Debug, Clone)]
pub struct Question {
    /// Who asks, as psik_api names users: `uid:alice`. It counts where there is no biscuit, which says itself whose it is.
    pub user: String,
    /// The name under which its jobs are recorded: `alice`.
    pub owner: String,
    /// Who is at the other end of the connection: `uid:alice`, `cn:alice`, `addr:192.0.2.1`.
    pub client: String,
    /// The serial number of the client's certificate; empty without one.
    pub serial: String,
    /// The path, decoded, without double slashes.
    pub path: String,
    /// The method.
    pub operation: String,
    /// Whether something may change.
    pub access: Access,
    /// The job that the path names.
    pub job: Option<String>,
    /// `psik` or `slurm`.
    pub dialect: &'static str,
    /// How it was established who asks.
    pub established: Established,
    /// What it is to this gateway.
    pub role: Role,
    /// Unix seconds.
    pub now: i64,
}

impl Question {
    /// The names of all facts that are supplied, but for `backend`.
    pub(super) const NAMES: [&'static str; 13] = [
        "time",
        "client",
        "service",
        "path",
        "operation",
        "client_serial",
        "user",
        "job",
        "access",
        "dialect",
        "established",
        "owner",
        "role",
    ];

    /// As psik_api supplies it, then what we add. `names_user`: there is no token that does.
    pub(super) fn facts(&self, names_user: bool) -> Vec<Fact> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(self.now.max(0).unsigned_abs());
        let mut facts = vec![
            one("time", date(&now)),
            one("client", string(&self.client)),
            one("service", string("psik_api")),
            one("path", string(&self.path)),
            one("operation", string(&self.operation)),
            one("client_serial", string(&self.serial)),
            one("access", string(self.access.as_str())),
            one("dialect", string(self.dialect)),
            one("established", string(self.established.as_str())),
            one("owner", string(&self.owner)),
            one("role", string(role(self.role))),
        ];
        if names_user {
            facts.push(one("user", string(&self.user)));
        }
        facts.extend(self.job.iter().map(|job| one("job", string(job))));
        facts
    }
}

/// `name(term)`
pub(super) fn one(name: &str, term: Term) -> Fact {
    Fact::new(name.to_owned(), vec![term])
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Stranger => "stranger",
        Role::Monitor => "monitor",
        Role::User => "user",
        Role::Administrator => "administrator",
    }
}
