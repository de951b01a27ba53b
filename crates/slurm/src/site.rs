//! The door to a real cluster. Its controller decides who sees what and who may do what, so it is always seen by somebody, and
//! asked with that one's own credentials.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Answer, Cluster, Fault, Reach, Requeue, Stamp};
use crate::ledger::{Question, Told};
use crate::objects::{Job, JobDesc, KillJobs, KillJobsRespJob, SharesRespMsg, SlurmConf, SlurmConfMeta};
use crate::rpc::{Inquiry, Submitted};

/// A token, which is a secret: it is shown to nobody.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

impl Token {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text, for those who are to check it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// With what somebody asks a controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Who it is was found out here; a token is signed for it with the site's key.
    Ours,
    /// Its own token, which the controller knows.
    Token(Token),
    /// The token of root or of Slurm's own user, who may act for others.
    Behalf(Token),
}

/// Who asks a real cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The login as whom to act.
    pub login: String,
    /// With what.
    pub proof: Proof,
}

/// How old what was answered is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// Since the controller was asked for it.
    pub age: Duration,
    /// Why it is older than it should be, if it is.
    pub stale: Option<Fault>,
}

/// A real cluster.
pub trait Site: Send + Sync + fmt::Debug {
    /// The cluster's name; empty as long as it is not known.
    fn name(&self) -> &str;

    /// The release of its controller, such as `24.11.5`, if it is known.
    fn release(&self) -> Option<String>;

    /// Asks the controller whether it accepts these credentials. Its refusal is a fault with
    /// [`Errno::AUTHENTICATION`](crate::errno::Errno::AUTHENTICATION); any other fault says nothing about them.
    fn accepts(&self, caller: &Caller) -> Answer<()>;

    /// The cluster as somebody sees it. To be used for one request, and not to be kept.
    fn seen_by(&self, caller: &Caller) -> Answer<Arc<dyn Seen>>;
}

/// A real cluster as somebody sees it, for one request: what is read of it is of the same moment, and what is ordered is
/// ordered in that one's name.
pub trait Seen: Cluster {
    /// Whose view it is: two with the same name may share what is read.
    fn class(&self) -> &str;

    /// How old the oldest thing is that was read by this view; `None`: nothing was.
    fn age(&self) -> Option<Age>;

    /// Calls `each` with the job of this number, or all that there is of the array or the heterogeneous job; nothing, if there
    /// is none. Gives when jobs changed last.
    fn job(&self, id: i64, each: &mut dyn FnMut(Job)) -> Answer<Stamp>;

    /// Asks whoever answers for the cluster's accounting database, which decides for itself what this caller may.
    fn accounting(&self, question: &Question) -> Answer<Told>;

    /// The cluster's accounting database, if it is asked in its own protocol; it decides as well.
    fn database(&self) -> Option<Inquiry>;

    /// Queues a job without a script, that only holds what it is given.
    fn allocate(&self, desc: &JobDesc) -> Answer<Submitted>;

    /// The same of a heterogeneous job: what each of its components asks for. Gives each of them.
    fn allocate_het(&self, components: &[JobDesc]) -> Answer<Vec<Submitted>>;

    /// Sends a signal to all jobs that fit. Gives those for which it failed.
    fn signal_many(&self, wanted: &KillJobs) -> Answer<Vec<KillJobsRespJob>>;

    /// Sends a signal to processes of a job; 9 cancels it. `job` is a number, or `array_task`.
    fn signal(&self, job: &str, signal: i32, reach: Reach) -> Answer<()>;

    /// Stops a job and puts it back into the queue. `job` is a number, or `array_task`.
    fn requeue(&self, job: &str, how: Requeue) -> Answer<()>;

    /// How the controller is configured.
    fn configuration(&self) -> Answer<(SlurmConf, SlurmConfMeta)>;

    /// The fair shares of these accounts and users; an empty list of either means all.
    fn shares(&self, accounts: &[String], users: &[String]) -> Answer<SharesRespMsg>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_shown() {
        let caller = Caller { login: "alice".into(), proof: Proof::Token(Token::new("a.secret.b")) };
        let shown = format!("{caller:?}");
        assert!(shown.contains("alice") && !shown.contains("secret"), "{shown}");
    }
}
