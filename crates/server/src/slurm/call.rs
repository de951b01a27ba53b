//! One operation under way.

use std::sync::Arc;

use axum::http::StatusCode;
use jobgate_model::Principal;
use jobgate_slurm::cluster::{Answer, Cluster, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{ErrorEntry, Framed, Meta, Plain, WarningEntry};
use jobgate_slurm::operations::Operation;
use jobgate_slurm::site::{Age, Seen};
use jobgate_slurm::table::{Object, Problem, Reader, Warning, Writer};
use jobgate_slurm::version::Version;
use serde_json::Value;

use super::answer::{self, Reply};
use super::error::{Failure, Followed};
use super::{Shown, Slurm, SlurmApp};
use crate::audit::Trail;
use crate::auth::slurm::Asker;

/// What a handler gives: an answer, or why there is none.
pub(super) type Outcome = Result<Reply, Failure>;

/// A cluster, as the caller sees it.
#[derive(Debug, Clone)]
pub(super) enum View {
    /// The embedded batch system, of which all see the same.
    Embedded(Arc<dyn Cluster>),
    /// A real cluster.
    Real(Arc<dyn Seen>),
}

/// One operation under way: what was asked for, by whom, and what there is to say besides the answer.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) shared: SlurmApp,
    pub(super) operation: &'static Operation,
    pub(super) version: Version,
    /// The open part of the path: a job's id, a node's name.
    pub(super) name: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) asker: Asker,
    /// The cluster, as the caller sees it.
    pub(super) view: View,
    /// The client's address, for `meta`.
    pub(super) peer: String,
    /// The revision that the client has (`If-None-Match`).
    pub(super) etag: Option<String>,
    /// The client takes gzip.
    pub(super) gzip: bool,
    /// The client's promise that two requests are the same one (`Idempotency-Key`).
    pub(super) promise: Option<jobgate_engine::Idempotency>,
    /// Where to tell what was done.
    pub(super) trail: Trail,
    /// Who of a real cluster has answered, if it was somebody else than its controller.
    pub(super) by: Option<String>,
    /// Now, unix seconds.
    pub(super) now: i64,
    /// Errors that do not keep it from being answered.
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Call {
    /// The dialect.
    pub(super) fn slurm(&self) -> &Slurm {
        &self.shared.slurm
    }

    /// The cluster.
    pub(super) fn cluster(&self) -> &dyn Cluster {
        match &self.view {
            View::Embedded(cluster) => cluster.as_ref(),
            View::Real(seen) => seen.as_ref(),
        }
    }

    /// The cluster, if it is a real one: then its controller decides who may do what.
    pub(super) fn real(&self) -> Option<Arc<dyn Seen>> {
        match &self.view {
            View::Real(seen) => Some(Arc::clone(seen)),
            View::Embedded(_) => None,
        }
    }

    /// A real cluster as it is now, seen by the caller or by somebody as whom the caller may act.
    pub(super) fn seen_anew_by(&self, who: &Principal) -> Answer<Arc<dyn Seen>> {
        match &self.slurm().shown {
            Shown::Real(site) => site.seen_by(&self.asker.caller_as(self.shared.app.gatekeeper.login_name(who))),
            Shown::Embedded(_) => {
                Err(Fault::new(Errno::NOT_SUPPORTED, "the embedded batch system is seen by all alike"))
            }
        }
    }

    /// How old what was shown of a real cluster is.
    pub(super) fn age(&self) -> Option<Age> {
        self.real()?.age()
    }

    /// Reads the body. What it says wrongly is refused; what it says oddly is warned of.
    pub(super) fn read_body<T: Object>(&mut self) -> Result<T, Failure> {
        let body = self.body.take();
        self.read(|reader| reader.object(body), None)
    }

    /// Reads the parameters of the URL. `source`: slurmrestd's name for who refuses them.
    pub(super) fn read_query<T: Object>(&mut self, source: &str) -> Result<T, Failure> {
        let query = std::mem::take(&mut self.query);
        self.read(|reader| reader.parameters(query), Some(source))
    }

    fn read<T>(&mut self, read: impl FnOnce(&mut Reader<'_>) -> T, query: Option<&str>) -> Result<T, Failure> {
        let zone = self.shared.slurm.zone.clone();
        let mut reader = Reader::new(self.version, self.now, &zone);
        let object = read(&mut reader);
        let (mut problems, mut warnings) = (reader.problems, reader.warnings);
        self.warnings.append(&mut warnings);
        if problems.is_empty() {
            return Ok(object);
        }
        let Some(source) = query else { return Err(Failure { status: None, problems, wait: None }) };
        // an unknown flag is the server's fault (500) in all releases, another bad parameter the client's (422)
        let only_flags = problems.iter().all(|problem| problem.errno == Errno::DATA_INVALID_FLAG);
        if only_flags && self.version != Version::V40 {
            // what was asked for is shown all the same
            self.problems.append(&mut problems);
            return Ok(object);
        }
        problems.push(Problem {
            description: "Rejecting request. Failure parsing query.".into(),
            errno: Errno::REST_INVALID_QUERY,
            source: source.to_owned(),
        });
        Err(Failure { status: only_flags.then_some(StatusCode::INTERNAL_SERVER_ERROR), problems, wait: None })
    }

    /// Adds a warning.
    pub(super) fn warn(&mut self, source: &str, description: impl Into<String>) {
        self.warnings.push(Warning { description: description.into(), source: source.to_owned() });
    }

    /// Adds an error that does not keep the rest from being answered.
    pub(super) fn note(&mut self, errno: Errno, source: &str, description: impl Into<String>) {
        self.problems.push(Problem { description: description.into(), errno, source: source.to_owned() });
    }

    /// The name in the path, decoded.
    pub(super) fn path_name(&self) -> String {
        percent_encoding::percent_decode_str(&self.name).decode_utf8_lossy().into_owned()
    }

    /// The release of Slurm that the answer follows.
    pub(super) fn follows(&self) -> Followed {
        Followed::of(self.version, self.slurm().shown.release().as_deref())
    }

    /// Reads the body; if that fails, says so as slurmrestd does for this operation: 422 for whatever it is.
    pub(super) fn read_body_for<T: Object>(&mut self, source: &str, words: &str) -> Result<T, Failure> {
        self.read_body().map_err(|failure: Failure| failure.unread(source, words))
    }

    /// Refuses everybody but administrators, in the controller's words. A real one says so itself.
    pub(super) fn administrators_only(&self, source: &str, words: &str) -> Result<(), Failure> {
        if self.real().is_some() || self.is_administrator() {
            Ok(())
        } else {
            Err(Failure::new(Errno::USER_ID, source, words))
        }
    }

    /// Whether the caller is an administrator of the system, or has the level in the accounting database.
    pub(super) fn is_administrator(&self) -> bool {
        self.asker.administrator || super::routes::level_of(self) >= super::routes::Level::Operator
    }

    /// An answer.
    pub(super) fn answer<T: Framed>(&self, answer: T) -> Reply {
        self.answer_with(self.status(), answer)
    }

    /// The status of an answer: an unknown flag in the URL makes it an error, although it is whole.
    pub(super) fn status(&self) -> StatusCode {
        let flag = self.problems.iter().any(|problem| problem.errno == Errno::DATA_INVALID_FLAG);
        if flag { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
    }

    /// An answer with this status.
    pub(super) fn answer_with<T: Framed>(&self, status: StatusCode, mut answer: T) -> Reply {
        let (meta, errors, warnings) = self.frame();
        answer.frame(meta, errors, warnings);
        let mut out = Writer::new(self.version);
        out.object(&answer);
        Reply::json(status, out.into_bytes())
    }

    /// An answer that says nothing but that it worked.
    pub(super) fn done(&self) -> Reply {
        self.answer(Plain::default())
    }

    /// What goes around every answer.
    pub(super) fn frame(&self) -> (Meta, Vec<ErrorEntry>, Vec<WarningEntry>) {
        let slurm = self.slurm();
        let mut warnings = answer::warnings(&self.warnings);
        if let Some(why) = self.age().and_then(|age| age.stale) {
            warnings.push(WarningEntry {
                description: Some(format!("This is what was known before the controller ceased to answer: {why}")),
                source: Some("jobgate".to_owned()),
            });
        }
        let meta = answer::meta(self.version, self.operation.plugin(), &slurm.shown, &self.peer, &self.asker.login);
        (meta, answer::errors(&self.problems), warnings)
    }

    /// Renders a failure.
    pub(super) fn refuse(&mut self, failure: Failure) -> Reply {
        self.refuse_in(failure, Plain::default())
    }

    /// Renders a failure in an answer that says nothing else, of the kind that it would have been.
    pub(super) fn refuse_in<T: Framed>(&mut self, failure: Failure, answer: T) -> Reply {
        let status = failure.status(self.follows());
        if status == StatusCode::NOT_MODIFIED {
            return Reply::not_modified();
        }
        self.problems.extend(failure.problems);
        Reply { wait: failure.wait, ..self.answer_with(status, answer) }
    }
}

/// Turns a fault into a failure under slurmrestd's function and words.
pub(super) fn failed<'a>(source: &'a str, words: &'a str) -> impl Fn(Fault) -> Failure + 'a {
    move |fault| Failure::of(&fault, source, words)
}
