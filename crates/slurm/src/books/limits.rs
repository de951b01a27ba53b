//! Limits of jobs, and whether one is within them.

use crate::cluster::Fault;
use crate::errno::Errno;

use super::admit::Admission;

/// Limits of one job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PerJob {
    /// Minutes.
    pub minutes: Option<u32>,
    /// Resources, by names such as `cpu` and `gres/gpu`.
    pub tres: Vec<(String, u64)>,
    /// Resources of each node.
    pub tres_per_node: Vec<(String, u64)>,
    /// Resources times minutes.
    pub tres_minutes: Vec<(String, u64)>,
    /// At least these resources.
    pub least: Vec<(String, u64)>,
}

/// Which jobs a limit counts together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Those of a user's association: account, user and partition (empty: all partitions).
    Association(String, String, String),
    /// Those of an account and all accounts below it, which are listed.
    Accounts(Vec<String>),
    /// Those of a QOS.
    Qos(String),
    /// Those of a QOS and a user.
    QosUser(String, String),
    /// Those of a QOS and an account.
    QosAccount(String, String),
}

/// A limit that jobs share.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Whose jobs.
    pub scope: Scope,
    /// So many run at the same time.
    pub running: Option<u32>,
    /// So many wait and run at the same time.
    pub submitted: Option<u32>,
    /// Resources of those that run, by names such as `cpu`.
    pub tres: Vec<(String, u64)>,
    /// The start of Slurm's names for the reasons: `Assoc`, `AssocGrp`, `QOSGrp`, `QOSMax`.
    pub reason: &'static str,
}

/// What the jobs of a scope have now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// So many run.
    pub running: u64,
    /// So many wait and run.
    pub submitted: u64,
}

impl Bound {
    /// Whether it limits anything.
    pub(super) fn limits(&self) -> bool {
        self.running.is_some() || self.submitted.is_some() || !self.tres.is_empty()
    }
}

impl Admission {
    /// Why a job of this size (minutes, and resources by name) can never run under the limits of one job.
    pub fn too_large(&self, minutes: Option<u64>, tres: &[(&str, u64)], nodes: u64) -> Option<Fault> {
        let refused = |what: String| Some(Fault::new(Errno::ACCOUNTING_POLICY, what));
        let limit = self.job.minutes.map(u64::from);
        if let Some((most, asked)) =
            limit.and_then(|most| Some((most, minutes.unwrap_or(u64::MAX))).filter(|(m, a)| a > m))
        {
            let asked =
                if asked == u64::MAX { "no time limit was".to_owned() } else { format!("{asked} minutes were") };
            return refused(format!("{asked} asked for, the limit of account and QOS is {most} minutes"));
        }
        let asked = |name: &str| tres.iter().find(|(one, _)| *one == name).map_or(0, |(_, count)| *count);
        for (name, most) in &self.job.tres {
            if asked(name) > *most {
                return refused(format!(
                    "{} of {name} was asked for, the limit of account and QOS is {most}",
                    asked(name)
                ));
            }
        }
        for (name, most) in &self.job.tres_per_node {
            let each = asked(name).div_ceil(nodes.max(1));
            if each > *most {
                return refused(format!("{each} of {name} was asked for on each node, the limit is {most}"));
            }
        }
        for (name, most) in &self.job.tres_minutes {
            let product = asked(name).saturating_mul(minutes.unwrap_or(u64::MAX));
            if asked(name) > 0 && product > *most {
                return refused(format!("{product} minutes of {name} were asked for, the limit is {most}"));
            }
        }
        for (name, least) in &self.job.least {
            if asked(name) < *least {
                return refused(format!("{} of {name} was asked for, the QOS wants at least {least}", asked(name)));
            }
        }
        for bound in &self.bounds {
            for (name, most) in &bound.tres {
                if asked(name) > *most {
                    return refused(format!(
                        "{} of {name} was asked for, {} may have {most}",
                        asked(name),
                        bound.scope
                    ));
                }
            }
        }
        None
    }

    /// Why no more jobs may be submitted, `count` at once. `usage` says what the jobs of a scope have now.
    pub fn too_many<E>(
        &self,
        count: u64,
        mut usage: impl FnMut(&Scope) -> Result<Usage, E>,
    ) -> Result<Option<Fault>, E> {
        for bound in &self.bounds {
            let Some(most) = bound.submitted else { continue };
            if usage(&bound.scope)?.submitted.saturating_add(count) > u64::from(most) {
                let description = format!("{} may have {most} jobs that wait or run", bound.scope);
                return Ok(Some(Fault::new(Errno::ACCOUNTING_POLICY, description)));
            }
        }
        Ok(None)
    }

    /// Slurm's word for why a job has to wait although there is room; `None`: no limit keeps it. `usage` says what the jobs of a
    /// scope have now.
    pub fn waits<E>(&self, mut usage: impl FnMut(&Scope) -> Result<Usage, E>) -> Result<Option<String>, E> {
        for bound in &self.bounds {
            let Some(most) = bound.running else { continue };
            if usage(&bound.scope)?.running >= u64::from(most) {
                let jobs = match (&bound.scope, bound.reason) {
                    (Scope::QosUser(..), _) => "JobsPerUserLimit",
                    (Scope::QosAccount(..), _) => "JobsPerAccountLimit",
                    (_, "Assoc") => "MaxJobsLimit",
                    _ => "JobsLimit",
                };
                return Ok(Some(format!("{}{jobs}", bound.reason)));
            }
        }
        Ok(None)
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Association(account, user, _) => write!(f, "user {user} of account {account}"),
            Self::Accounts(accounts) => write!(f, "account {}", accounts.first().map_or("", String::as_str)),
            Self::Qos(qos) => write!(f, "QOS {qos}"),
            Self::QosUser(qos, user) => write!(f, "user {user} with QOS {qos}"),
            Self::QosAccount(qos, account) => write!(f, "account {account} with QOS {qos}"),
        }
    }
}
