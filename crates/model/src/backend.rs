//! The door to a batch system.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::{BackendConfig, Error, Generation, JobId, JobNdx, JobSpec, State};

/// What a batch system calls a run: a process id, a queue number, a scheduler's job id. Opaque to us.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NativeId(pub String);

impl fmt::Display for NativeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a state came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Evidence {
    /// The gateway itself did it.
    Gateway,
    /// The runner, or psik, wrote it into the job's `status.csv`.
    Tree,
    /// The batch system was asked.
    Query,
    /// Somebody told us (`reached`, `POST /jobs/callback`).
    Callback,
}

/// The attribute by which a spec says that the job is described in its batch system's own terms; its value is the version. The
/// description is the body of a submission by Slurm's REST API as it came, `{"version": "v0.0.NN", "now": SECONDS, "request": {...}}`.
pub const DESCRIBED: &str = "slurm_description";

/// One run to be handed to a batch system.
#[derive(Debug, Clone, Copy)]
pub struct RunRequest<'a> {
    /// The job's directory (absolute).
    pub base: &'a Path,
    /// The job.
    pub jobid: &'a JobId,
    /// The run.
    pub jobndx: JobNdx,
    /// What was asked for; `directory` is set, `attributes` hold the backend's and the job's own.
    pub spec: &'a JobSpec,
    /// Its description in the batch system's own terms, if it has one ([`DESCRIBED`]).
    pub description: Option<&'a [u8]>,
    /// The backend's settings, frozen when the job was created.
    pub config: &'a BackendConfig,
    /// Who asked; travels with the run where the batch system can carry it.
    pub owner: &'a str,
    /// Travels with the run so that it can be found again: the same marker is never submitted twice.
    pub marker: &'a str,
    /// The environment of the submitter, which the script inherits. `None`: that of this process.
    pub environment: Option<&'a [(OsString, OsString)]>,
    /// The task of an array job, and the first jobndx of the array.
    pub array: Option<(i64, JobNdx)>,
    /// At most so many tasks of the array run at the same time.
    pub array_limit: Option<i64>,
    /// No gateway looks after the run: a runner on a machine without the index sends the run's callbacks itself, as psik
    /// does, in the manner of this generation.
    pub report: Option<Generation>,
}

/// A run that was handed to a batch system.
#[derive(Debug, Clone)]
pub struct RunRef {
    /// The job's directory (absolute).
    pub base: std::path::PathBuf,
    /// The job.
    pub jobid: JobId,
    /// The run.
    pub jobndx: JobNdx,
    /// Whose job it is.
    pub owner: String,
    /// The marker it was submitted with; empty for runs that psik submitted.
    pub marker: String,
    /// What the batch system calls it; `None` when that is not known.
    pub native: Option<NativeId>,
    /// Time of its `queued` row, unix seconds; 0 when there is none.
    pub since: f64,
    /// It is described in its batch system's own terms ([`DESCRIBED`]).
    pub described: bool,
    /// What its directory says of its submission may not be all.
    pub untold: Option<Untold>,
}

/// When a run may have been submitted of which its directory says nothing: it was sent before it was recorded, or intended
/// before this machine was started, and the files that tell of it may not have reached the disk. Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Untold {
    /// Not before this moment.
    pub since: f64,
    /// And not after this one, unless its directory says so.
    pub until: f64,
}

/// What a batch system has to say of a run although it took it: that it is held, for example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The batch system's own number for it, if it has one.
    pub number: Option<i32>,
    /// Its words.
    pub words: String,
}

/// What came of a submission.
#[derive(Debug)]
pub enum Submission {
    /// The batch system has it.
    Accepted(NativeId),
    /// The batch system has it, and has something to say.
    Remarked(NativeId, Vec<Remark>),
    /// The batch system does not have it and never will.
    Refused(Error),
    /// Nobody knows; look for the marker before trying again.
    Unknown(Error),
}

/// What came of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// The run never started; it is out of the queue and nobody else will record its end.
    Removed,
    /// The run was told to stop; its runner records the end, and the job counts as canceled when it has.
    Stopping,
    /// The batch system took the request and will see to it in its own time: the job counts as canceled now.
    HandedOver,
    /// The batch system does not know the run (any more).
    Absent,
}

/// What a batch system says of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Waiting; the reason in the batch system's words (`Resources`, `Priority`, `Dependency`, `JobHeldUser`, ...).
    Waiting(String),
    /// Running.
    Running,
    /// Over, with this final state and info.
    Ended(State, String),
    /// The batch system does not know it. That alone proves nothing.
    Absent,
}

/// One observation of one run.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The run's marker.
    pub marker: String,
    /// What was seen.
    pub phase: Phase,
    /// When it began to run (unix seconds), if nobody but the batch system tells.
    pub began: Option<f64>,
}

/// Told by [`Backend::attend`] when a job's directory is worth a look: its path, and what is known beyond the files.
pub type Tell = Arc<dyn Fn(&Path, Option<Sighting>) + Send + Sync>;

/// The task numbers of an array job, and how many of them may run at the same time.
pub type Tasks = (Vec<i64>, Option<i64>);

/// A place to run jobs. All calls may block; none is made from an async task.
///
/// A backend reports facts and may be killed at any instruction: whoever comes next asks [`Backend::find`] and
/// [`Backend::observe`].
pub trait Backend: Send + Sync + fmt::Debug {
    /// The `type` in a backend's configuration.
    fn kind(&self) -> &'static str;

    /// Refuses, before anything is written, what could never run.
    fn check(&self, spec: &JobSpec, config: &BackendConfig) -> Result<(), Error>;

    /// How many runs one start makes: the task numbers and the limit of an array job, or `None` for a single run.
    /// Backends that hand arrays to their batch system whole say `None`.
    fn array(&self, spec: &JobSpec) -> Result<Option<Tasks>, Error> {
        let _ = spec;
        Ok(None)
    }

    /// Hands a run over. The script does not start before [`Backend::confirm`], where the batch system allows that.
    fn submit(&self, run: &RunRequest<'_>) -> Submission;

    /// Hands a run over, and calls `meanwhile` when what is asked for is on its way, before its answer is waited for; not at all
    /// if nothing was sent, and perhaps more than once.
    fn submit_while(&self, run: &RunRequest<'_>, meanwhile: &mut dyn FnMut()) -> Submission {
        meanwhile();
        self.submit(run)
    }

    /// Whether a run of this job is kept by somebody else than this machine, and is found there whatever this one forgets
    /// ([`Backend::find`]): then nobody waits until it is on the disk that the run was handed over.
    fn keeps_elsewhere(&self, spec: &JobSpec) -> bool {
        let _ = spec;
        false
    }

    /// The gateway has recorded the run as queued: it may start.
    fn confirm(&self, marker: &str) {
        let _ = marker;
    }

    /// Looks for a run by its marker. `Ok(None)` only if the batch system surely does not have it, and will not get it by a
    /// submission that is still on its way. An error of the kind `Timeout` says that this is not certain yet; one of the kind
    /// `Conflict`, that nobody will ever know.
    fn find(&self, run: &RunRef) -> Result<Option<NativeId>, Error>;

    /// Stops a run.
    fn cancel(&self, run: &RunRef) -> Result<Cancel, Error>;

    /// Keeps a waiting run from starting.
    fn hold(&self, run: &RunRef) -> Result<(), Error>;

    /// Lets a held run start.
    fn release(&self, run: &RunRef) -> Result<(), Error>;

    /// Asks about all these runs in one query. Runs that are left out of the answer were not seen at all.
    fn observe(&self, runs: &[RunRef]) -> Result<Vec<Sighting>, Error>;

    /// Starts watching in the background, for as long as the process lives, and tells what changes.
    fn attend(self: Arc<Self>, tell: Tell) -> Result<(), Error> {
        let _ = tell;
        Ok(())
    }
}
