//! What can be asked of a cluster, whatever it is: the door through which a dialect sees a controller and its accounting
//! database. A real cluster stands behind it, or an embedded batch system that shows itself as one.
//!
//! Nothing here asks who the caller is: that is decided before. All calls may block.

use std::borrow::Cow;
use std::fmt::Debug;
use std::path::PathBuf;

use crate::books::Books;
use crate::errno::Errno;
use crate::objects::{
    ControllerPing, Diag, Job, JobDesc, JobRecord, License, Node, NodeResourceLayout, NodeUpdate, Partition,
    Reservation, ReservationDesc, SlurmConf,
};

/// Why a cluster does not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Slurm's number.
    pub errno: Errno,
    /// What was tried and why not, in words.
    pub description: Cow<'static, str>,
}

impl Fault {
    /// This number, described by these words.
    pub fn new(errno: Errno, description: impl Into<Cow<'static, str>>) -> Self {
        Self { errno, description: description.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.description, self.errno)
    }
}

impl std::error::Error for Fault {}

/// What a cluster answers.
pub type Answer<T> = Result<T, Fault>;

/// Things that a controller lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Jobs.
    Jobs,
    /// Nodes.
    Nodes,
    /// Partitions.
    Partitions,
    /// Reservations.
    Reservations,
    /// Licences.
    Licenses,
}

/// How far things of a kind have changed: two equal stamps mean that nothing that can be seen of them has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Increases with every change.
    pub number: u64,
    /// When one of them changed last, unix seconds; 0: not known.
    pub changed: u64,
    /// Until when it is known that none has changed since, unix seconds.
    pub known: u64,
    /// When the backfill scheduler last looked at jobs, unix seconds; 0: not known.
    pub backfill: u64,
}

/// Which jobs are wanted of those that the controller shows: those that have not ended, or ended not long ago (`MinJobAge`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobsWanted {
    /// Only these: a number is a job, or all tasks of an array whose number it is.
    pub ids: Option<Vec<i64>>,
    /// Also jobs that ended long ago, as far back as is known.
    pub all: bool,
    /// Only this user's.
    pub user: Option<String>,
}

/// By what a job is known again as it is shown: two of a cluster with the same one are shown alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision {
    /// What the cluster has said of it: no two records that differ have the same number in one process.
    pub record: u64,
    /// What else is shown of it: a hash of the names of its user and its group, and so on.
    pub looks: u64,
}

/// Is told by what a job is known again, if it can be, and makes it, if at all, once.
pub type Offered<'a> = dyn FnMut(Option<Revision>, &mut dyn FnMut() -> Job) + 'a;

/// How a job is made that is there already.
pub fn made(job: Job) -> impl FnMut() -> Job {
    let mut job = Some(job);
    move || job.take().unwrap_or_default()
}

/// A job in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobState {
    /// Its number.
    pub id: i64,
    /// The number of its array and its task in it.
    pub array: Option<(i64, i64)>,
    /// Its place in the heterogeneous job that it is a component of.
    pub component: Option<i64>,
    /// Its states, the base state first.
    pub states: Vec<&'static str>,
}

/// Where a job lives: what is needed to act on it outside the cluster's own calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Its number.
    pub id: i64,
    /// The number of its array, and its task in it.
    pub array: Option<(i64, i64)>,
    /// Its directory.
    pub directory: PathBuf,
    /// Which run of that directory's job it is.
    pub run: i64,
    /// Whose it is, as recorded.
    pub owner: String,
    /// The login that it is shown under.
    pub user: String,
    /// It waits.
    pub pending: bool,
    /// It has ended.
    pub over: bool,
    /// An administrator holds it.
    pub held_by_admin: bool,
}

/// Which of a job's processes a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of its steps, which `srun` has started; not the batch script. What Slurm does if nothing else is said.
    Steps,
    /// The batch script's own process only (`BATCH_JOB`).
    Script,
    /// All of them (`FULL_JOB`).
    Whole,
}

/// How jobs are put back into the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requeue {
    /// They are held there.
    pub hold: bool,
    /// They are marked as special exits.
    pub special_exit: bool,
    /// Only those that have not completed.
    pub incomplete: bool,
}

/// What a job record may be changed to in the accounting database; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordChange {
    /// The user's comment.
    pub comment: Option<String>,
    /// An administrator's comment.
    pub admin_comment: Option<String>,
    /// The system's comment.
    pub system_comment: Option<String>,
    /// Other words.
    pub extra: Option<String>,
    /// The workload key.
    pub wckey: Option<String>,
    /// The exit code that the job is to be known by, as wait(2) gives it.
    pub derived_exit_code: Option<u32>,
    /// TRES that are to be added to what was allocated, as `name=count,...`.
    pub tres: Option<String>,
}

/// A controller.
pub trait Cluster: Send + Sync + Debug {
    /// The cluster's name.
    fn name(&self) -> &str;

    /// The number that the next job will get, as far as is known; 0: not known.
    fn next_job_id(&self) -> u32 {
        0
    }

    /// Asks the controllers whether they are there.
    fn ping(&self) -> Vec<ControllerPing>;

    /// How far what it lists has changed. Cheap.
    fn stamp(&self, of: Listed) -> Answer<Stamp>;

    /// The same for somebody who has all of it until `has` (unix seconds), and wants what is newer.
    fn stamp_after(&self, of: Listed, has: u64) -> Answer<Stamp> {
        let _ = has;
        self.stamp(of)
    }

    /// Calls `each` with every job that is wanted, in the order of their numbers.
    fn jobs(&self, wanted: &JobsWanted, each: &mut dyn FnMut(Job)) -> Answer<()>;

    /// The same for somebody who may have shown jobs before, and makes only those that are new.
    fn offer_jobs(&self, wanted: &JobsWanted, each: &mut Offered<'_>) -> Answer<()> {
        self.jobs(wanted, &mut |job| each(None, &mut made(job)))
    }

    /// Calls `each` with the state of every job that is wanted. Cheap.
    fn job_states(&self, wanted: &JobsWanted, each: &mut dyn FnMut(JobState)) -> Answer<()>;

    /// Where jobs live: the job with this number, or all tasks of the array (only that task, if one is given).
    fn locate(&self, id: i64, task: Option<i64>) -> Answer<Vec<Located>>;

    /// The number of a job that lives there.
    fn number_of(&self, directory: &std::path::Path, run: i64) -> Answer<Option<i64>>;

    /// What a running job was given of each node.
    fn resources(&self, id: i64) -> Answer<Vec<NodeResourceLayout>>;

    /// All nodes.
    fn nodes(&self) -> Answer<Vec<Node>>;

    /// The node of this name.
    fn node(&self, name: &str) -> Answer<Option<Node>> {
        Ok(self.nodes()?.into_iter().find(|node| node.name.as_deref() == Some(name)))
    }

    /// All partitions.
    fn partitions(&self) -> Answer<Vec<Partition>>;

    /// All reservations.
    fn reservations(&self) -> Answer<Vec<Reservation>>;

    /// All licences.
    fn licenses(&self) -> Answer<Vec<License>>;

    /// Counters.
    fn diag(&self) -> Answer<Diag>;

    /// The configuration.
    fn conf(&self) -> Answer<SlurmConf>;

    /// Reads the configuration again.
    fn reconfigure(&self) -> Answer<()>;

    /// Changes a job. What `desc` does not name stays; `admin` is whether an administrator asks.
    fn update_job(&self, id: i64, desc: &JobDesc, admin: bool) -> Answer<()>;

    /// Sends a signal to processes of a running job.
    fn signal_job(&self, id: i64, signal: i32, reach: Reach) -> Answer<()>;

    /// Stops a job and puts it back into the queue.
    fn requeue_job(&self, id: i64, how: Requeue) -> Answer<()>;

    /// Changes the nodes that `change` names, or else those named by `names`; `user` is who asks.
    fn update_nodes(&self, names: &[String], change: &NodeUpdate, user: &str) -> Answer<()>;

    /// Adds nodes: a line as in `slurm.conf`.
    fn create_node(&self, line: &str) -> Answer<()>;

    /// Removes a node that was added.
    fn delete_node(&self, name: &str) -> Answer<()>;

    /// Makes or changes a partition.
    fn update_partition(&self, partition: &Partition) -> Answer<()>;

    /// Removes a partition.
    fn delete_partition(&self, name: &str) -> Answer<()>;

    /// Makes a reservation, or changes the one of that name. Gives its name.
    fn update_reservation(&self, desc: &ReservationDesc) -> Answer<String>;

    /// Removes a reservation.
    fn delete_reservation(&self, name: &str) -> Answer<()>;
}

/// Which records of jobs are wanted. An empty list of anything means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordsWanted {
    /// Job numbers.
    pub ids: Vec<i64>,
    /// Logins.
    pub users: Vec<String>,
    /// Not before this time (unix seconds): jobs that ended earlier are left out.
    pub since: Option<u64>,
    /// Not after this time (unix seconds): jobs that were submitted later are left out.
    pub until: Option<u64>,
}

/// An accounting database.
pub trait Accounting: Send + Sync + Debug {
    /// Calls `each` with every job record that is wanted, in the order of their numbers. (What else is asked for is filtered by
    /// who asks.)
    fn records(&self, wanted: &RecordsWanted, each: &mut dyn FnMut(JobRecord)) -> Answer<()>;

    /// Changes the record of a job.
    fn change_record(&self, id: i64, change: &RecordChange) -> Answer<()>;

    /// Accounts, users, associations and so on, as they are.
    fn books(&self) -> Answer<std::sync::Arc<Books>>;

    /// Changes them: `change` is called with the newest ones, within a transaction, and may be called again.
    fn change_books(&self, change: &mut dyn FnMut(&mut Books) -> Answer<()>) -> Answer<()>;

    /// How many requests were answered, by kind, since when (unix seconds).
    fn started(&self) -> u64;
}
