//! What goes into and comes out of the engine.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jobgate_model::{
    Access, Backend, BackendConfig, Evidence, Generation, JobId, JobNdx, JobSpec, NativeId, Remark, State,
};

use crate::outgoing::{ClientIdentity, Reach, Targets};

/// A configured place to run: psik's named backend, with the prefix under which its jobs live.
#[derive(Debug, Clone)]
pub struct Place {
    /// The name in the configuration, for example `default` or `perlmutter`.
    pub name: String,
    /// The root of the job tree (absolute, created if missing).
    pub prefix: PathBuf,
    /// psik's BackendConfig.
    pub config: BackendConfig,
    /// The batch system itself.
    pub backend: Arc<dyn Backend>,
}

/// All that an engine needs to know.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where the index lives; on a local disk.
    pub state_dir: PathBuf,
    /// Where jobs run. The first is the default unless one is called `default`.
    pub places: Vec<Place>,
    /// How callbacks are sent.
    pub callbacks: CallbackPolicy,
    /// How often live jobs are looked at when nothing tells of a change.
    pub poll_interval: Duration,
    /// What time it is.
    pub clock: Clock,
    /// What owners may have.
    pub quotas: Quotas,
}

/// What each owner may have; `None`: any number. Administrators and the owner of psik's local mode may have anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quotas {
    /// Runs that are under way or intended; each task of an array is one.
    pub live_jobs: Option<u64>,
    /// Bytes in the directories of its jobs. Each file counts as whole blocks of 4 KiB.
    pub stored: Option<u64>,
    /// Owners for whom none of this holds.
    pub exempt: BTreeSet<String>,
}

/// Where the time comes from: unix seconds (UTC). Tests pass their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Arc::new(|| {
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
        }))
    }

    /// A clock made of a function that gives unix seconds.
    pub fn from_fn(now: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now, in unix seconds with microseconds, as psik records times.
    pub fn now(&self) -> f64 {
        ((self.0)() * 1e6).round() / 1e6
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// How callbacks are sent.
#[derive(Debug, Clone)]
pub struct CallbackPolicy {
    /// The waits between attempts; the last one repeats. Each is stretched by up to a fifth (jitter).
    pub schedule: Vec<Duration>,
    /// A delivery that did not succeed for so long is given up.
    pub expire_after: Duration,
    /// One attempt may take so long.
    pub timeout: Duration,
    /// So many attempts to one host and port run at the same time.
    pub per_target: usize,
    /// Which addresses may be called.
    pub targets: Targets,
    /// A PEM file with certificates of authorities that are trusted besides the system's.
    pub roots: Option<PathBuf>,
    /// What is presented to receivers that ask who calls.
    pub identity: Option<ClientIdentity>,
}

impl CallbackPolicy {
    /// What it allows the client that sends them.
    pub fn reach(&self) -> Reach {
        Reach {
            timeout: self.timeout,
            targets: self.targets,
            setting: "[callbacks] targets",
            roots: self.roots.clone(),
            identity: self.identity.clone(),
        }
    }
}

impl Default for CallbackPolicy {
    fn default() -> Self {
        Self {
            schedule: [5, 30, 120, 600, 1800, 7200].map(Duration::from_secs).to_vec(),
            expire_after: Duration::from_secs(3 * 24 * 3600),
            timeout: Duration::from_secs(15),
            per_target: 4,
            targets: Targets::Any,
            roots: None,
            identity: None,
        }
    }
}

/// The index's own key of a job: two prefixes may hold the same jobid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey(pub i64);

/// A job as listings show it: its last transition.
#[derive(Debug, Clone)]
pub struct Job {
    /// The index's key.
    pub key: JobKey,
    /// The job's id.
    pub jobid: JobId,
    /// Its directory, `PREFIX/JOBID`.
    pub base: PathBuf,
    /// The label, if it has one.
    pub name: Option<String>,
    /// Whose it is.
    pub owner: String,
    /// Name of the place where it runs.
    pub backend: String,
    /// Time of the last transition, unix seconds.
    pub updated: f64,
    /// jobndx of the last transition.
    pub jobndx: JobNdx,
    /// The current state.
    pub state: State,
    /// Info of the last transition.
    pub info: String,
    /// Whether a run of it is, or may still be, under way.
    pub live: bool,
}

/// What somebody wants to do with a job, as far as it matters whether that one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// See it: its state, history, files, logs.
    Read,
    /// Change it: start, cancel, hold, release, upload, report a transition.
    Write,
    /// Dispose of it: delete it, say with whom it is shared.
    Own,
}

/// That a job is shared with a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// With whom.
    pub user: String,
    /// For what.
    pub access: Access,
    /// Who shared it.
    pub by: String,
    /// When, unix seconds.
    pub created: f64,
}

/// One row of a listing, borrowed from the store while it is rendered.
#[derive(Debug, Clone, Copy)]
pub struct JobRow<'a> {
    /// The job's id.
    pub jobid: &'a str,
    /// The label, if it has one.
    pub name: Option<&'a str>,
    /// Time of the last transition, unix seconds.
    pub updated: f64,
    /// jobndx of the last transition.
    pub jobndx: JobNdx,
    /// The current state.
    pub state: State,
    /// Info of the last transition.
    pub info: &'a str,
    /// Whose it is.
    pub owner: &'a str,
    /// Name of the place where it runs.
    pub backend: &'a str,
}

/// Which way a listing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// Newest first, as psik_api lists.
    #[default]
    Newest,
    /// Oldest first, as psik's command line lists.
    Oldest,
}

/// What to list. Filters first, then `index` and `limit`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ListQuery {
    /// Only jobs of this prefix; `None`: of all prefixes of the engine's places.
    pub prefix: Option<PathBuf>,
    /// Only jobs of the place with this name.
    pub backend: Option<String>,
    /// Only jobs in this state.
    pub state: Option<State>,
    /// Which way.
    pub order: Order,
    /// Skip so many.
    pub index: u64,
    /// At most so many.
    pub limit: Option<u64>,
}

/// A row of a job's history with what the index knows about it.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// The event's sequence number.
    pub seq: i64,
    /// Time, jobndx, state, info.
    pub transition: jobgate_model::Transition,
    /// Where it came from.
    pub evidence: Evidence,
    /// When it was recorded here, unix seconds.
    pub recorded: f64,
}

/// A job to be created.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// What was asked for. Without `directory`, a `work/` is made.
    pub spec: JobSpec,
    /// In whose manner callbacks of the job are told: psik_api 1 and 2 send the info as an integer, psik 3 as text.
    pub generation: Generation,
    /// Name of the place; `None`: the one that `spec.backend` names.
    pub place: Option<String>,
    /// Whether it is to be started, too: then the intent to submit is recorded in the same transaction.
    pub start: Start,
    /// The caller's `Idempotency-Key` and a digest of the request: the same pair returns the same job.
    pub idempotency: Option<Idempotency>,
    /// The environment that the script inherits; `None`: that of the process that starts it.
    pub environment: Option<Vec<(OsString, OsString)>>,
}

/// Whether a new job is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It stays `new`.
    No,
    /// A run is intended; [`crate::Engine::launch`] carries it out.
    Yes,
}

/// A caller's promise that two requests are the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The header's text.
    pub key: String,
    /// SHA-256 of the request (path and body).
    pub digest: [u8; 32],
}

/// A job was created, or found again by its idempotency key.
#[derive(Debug, Clone)]
pub struct Created {
    /// The job.
    pub job: Job,
    /// `true`: an earlier request with the same key had created it.
    pub repeated: bool,
}

/// A job was submitted, or found again by its idempotency key.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The job.
    pub job: Job,
    /// Its first run, if the batch system has just taken it; otherwise the job's history tells, sooner or later, what became of it.
    pub launched: Option<Launched>,
}

/// What to do when a batch system refuses a run whose submission somebody was already promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRefusal {
    /// Record `failed` for the run with the reason: nobody is waiting for an answer (REST).
    Record,
    /// Return the error and leave the job as it was: the caller is waiting (command line).
    Report,
}

/// A run that the batch system has.
#[derive(Debug, Clone)]
pub struct Launched {
    /// Which run.
    pub jobndx: JobNdx,
    /// What the batch system calls it.
    pub native: NativeId,
    /// What it has to say besides.
    pub remarks: Vec<Remark>,
}

/// What came of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The job is canceled; nothing of it runs any more.
    Done,
    /// Its runs were told to stop and have not all ended yet; the gateway keeps after them.
    Stopping,
    /// It had already ended (in this state); nothing was changed.
    AlreadyFinal(State),
}

/// A callback to be delivered, or that was.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// The job.
    pub jobid: JobId,
    /// The run.
    pub jobndx: JobNdx,
    /// The state that is told.
    pub state: State,
    /// The URL.
    pub url: String,
    /// `pending`, `delivered` or `expired`.
    pub status: DeliveryStatus,
    /// Attempts so far.
    pub attempts: u32,
    /// When the next attempt is due, unix seconds; only for pending ones.
    pub next: Option<f64>,
    /// What the last attempt said.
    pub last: Option<String>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// To be tried (again).
    Pending,
    /// The receiver answered 200.
    Delivered,
    /// Given up.
    Expired,
}

impl DeliveryStatus {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Expired => "expired",
        }
    }
}

/// How the first attempt to forward a received callback went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// The job has no callback URL, or its receiver answered 200.
    Ok,
    /// The receiver refused or could not be reached; it will be tried again.
    Failed,
}

/// Counters for `/metrics`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Jobs by state, in the order of [`State::ALL`].
    pub jobs: [u64; 6],
    /// Deliveries waiting.
    pub deliveries_pending: u64,
    /// Sequence number of the last event.
    pub last_event: i64,
}

/// What a rebuild or a clean-up did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Jobs seen.
    pub seen: u64,
    /// Jobs added, repaired or removed.
    pub changed: u64,
}

/// Which jobs [`crate::Engine::prune`] removes: those that ended (or were never started) before the given age.
#[derive(Debug, Clone)]
pub struct Retention<'a> {
    /// Jobs whose last transition is older than this.
    pub older_than: Duration,
    /// Only in this prefix.
    pub prefix: Option<&'a Path>,
    /// Only count them.
    pub dry_run: bool,
}
