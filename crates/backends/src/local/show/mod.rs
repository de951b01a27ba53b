//! The embedded batch system behind the door that Slurm's dialect looks through: runs as jobs, logical nodes as nodes, the
//! queue as an accounting database. What is shown is rendered from `local/cluster`; what is to change goes there.
//!
//! A job's number is its run's. An array's number is that of its first task: its waiting tasks are shown as one job with that
//! number, and each task that has started or ended as a job of its own, the first one again with that number.

mod accounting;
mod added;
mod array;
mod board;
mod change;
mod cluster;
mod conf;
mod diag;
mod job;
mod node;
mod notes;
mod options;
mod partition;
mod record;
mod users;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use jobgate_model::{Error, ErrorKind};
use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::cluster::{RunFilter, RunView};
use super::inventory::Node;
use super::queue;
use super::{Local, Pass};
use crate::accounts::UserEntry;
use crate::process::now;
use added::AddedNode;
use board::{Board, Runs};
use job::{Associations, NodeFacts, Nodes, Scene};
use notes::Note;

use users::Users;

/// The setting that counts changes of what is kept here: notes and added nodes.
const TOUCHED: &str = "touched";

/// What there is to say about the cluster besides what is in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// The cluster's name.
    pub name: String,
    /// The login of the user that this process runs as.
    pub login: String,
    /// Users that the system does not know.
    pub users: BTreeMap<String, UserEntry>,
    /// For so many seconds a job is shown after its end (Slurm's `MinJobAge`).
    pub min_job_age: u64,
    /// What of the accounting database is enforced at submission: `associations`, `limits`, `qos`.
    pub enforce: Vec<String>,
    /// Jobs are shown to their owners and to administrators only; who asks is looked at elsewhere, this is for showing.
    pub private_jobs: bool,
    /// The numbers of array tasks are smaller than this (Slurm's `MaxArraySize`).
    pub max_array_size: u64,
}

impl ClusterSettings {
    /// A cluster of this name, for the user with this login.
    pub fn new(name: impl Into<String>, login: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            login: login.into(),
            users: BTreeMap::new(),
            min_job_age: 300,
            enforce: Vec::new(),
            private_jobs: false,
            max_array_size: 10_001,
        }
    }
}

/// The embedded batch system, shown as a cluster of Slurm's.
#[derive(Debug)]
pub struct LocalCluster {
    local: Arc<Local>,
    settings: ClusterSettings,
    /// The name of this machine.
    host: String,
    users: Users,
    board: Board,
    /// The associations of the books that were read last, and which these are.
    associations: Mutex<Option<(String, Arc<Associations>)>>,
    /// When this began, unix seconds.
    started: f64,
}

/// Changes of what is kept here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Touched {
    number: u64,
    /// When a note was made last, unix seconds.
    jobs: f64,
    /// When nodes were added or removed last, unix seconds.
    nodes: f64,
}

impl LocalCluster {
    /// Shows an embedded batch system.
    pub fn new(local: Arc<Local>, settings: ClusterSettings) -> Self {
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            users: Users::new(&settings.login, settings.users.clone()),
            board: Board::new(settings.min_job_age as f64),
            associations: Mutex::default(),
            started: now(),
            local,
            settings,
        }
    }

    /// The runs that the controller shows.
    fn runs(&self) -> Answer<Arc<Runs>> {
        let revision = self.local.revision().map_err(fault)?;
        self.board.runs(revision.number, now(), &*self.local).map_err(fault)
    }

    /// All runs, as far back as they are known, that `filter` lets pass.
    fn all_runs(&self, filter: &RunFilter) -> Answer<Vec<RunView>> {
        let mut runs = Vec::new();
        self.local.runs(filter, &mut |run| runs.push(run)).map_err(fault)?;
        Ok(runs)
    }

    /// All runs that go by a number, however long ago they ended: a run, or all tasks of an array.
    fn by_number(&self, id: i64) -> Answer<Vec<Arc<RunView>>> {
        let shown = self.runs()?;
        // Tasks of an array that ended earlier are not among those that are shown.
        if let Some(run) = shown.get(&id)
            && run.array.is_none_or(|array| array.id != id)
        {
            return Ok(vec![Arc::clone(run)]);
        }
        let tasks = self.local.tasks_of(id).map_err(fault)?;
        let found = if tasks.is_empty() { self.local.run(id).map_err(fault)?.into_iter().collect() } else { tasks };
        Ok(found.into_iter().map(Arc::new).collect())
    }

    /// The run with this number, and no other.
    fn one(&self, id: i64) -> Answer<RunView> {
        self.local
            .run(id)
            .map_err(fault)?
            .ok_or_else(|| Fault::new(Errno::INVALID_JOB_ID, format!("there is no job {id}")))
    }

    fn node_facts(&self) -> Answer<Nodes> {
        let inventory = self.local.inventory().map_err(fault)?;
        let facts = |node: &Node| NodeFacts { cores: node.cores, gpu_type: node.gpu_type.clone() };
        Ok(inventory.nodes.iter().map(|node| (node.name.clone(), facts(node))).collect())
    }

    fn scene<'a>(
        &'a self,
        nodes: &'a Nodes,
        associations: &'a Associations,
        notes: &'a HashMap<i64, Note>,
    ) -> Scene<'a> {
        let (cluster, host) = (self.settings.name.as_str(), self.host.as_str());
        Scene { cluster, host, users: &self.users, nodes, associations, notes, now: now() }
    }

    /// Reads what is kept here.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Answer<T> {
        self.local.look_with(read).map_err(fault)
    }

    /// Changes what is kept here, in one transaction. A refusal changes nothing.
    fn keep<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection, &mut Touched) -> rusqlite::Result<Answer<T>> + Send + 'static,
    ) -> Answer<T> {
        let operation = move |pass: &mut Pass<'_>| {
            let mut touched = touched(pass.tx)?;
            let answer = change(pass.tx, &mut touched)?;
            if answer.is_ok() {
                touched.number += 1;
                let text = serde_json::to_string(&touched).unwrap_or_default();
                queue::set_setting(pass.tx, TOUCHED, Some(&text))?;
            }
            Ok(answer)
        };
        self.local.pass(operation).map_err(fault)?.0
    }

    fn notes(&self) -> Answer<HashMap<i64, Note>> {
        self.read(notes::all)
    }

    fn added(&self) -> Answer<Vec<AddedNode>> {
        self.read(added_nodes)
    }
}

fn touched(connection: &Connection) -> rusqlite::Result<Touched> {
    let text = queue::setting(connection, TOUCHED)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

fn added_nodes(connection: &Connection) -> rusqlite::Result<Vec<AddedNode>> {
    let text = queue::setting(connection, added::KEY)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// A domain error in Slurm's numbers.
#[expect(clippy::needless_pass_by_value, reason = "the form that map_err calls")]
fn fault(error: Error) -> Fault {
    let errno = error.number().map_or_else(
        || match error.kind() {
            ErrorKind::Invalid | ErrorKind::TooLarge => Errno::INVALID_ARGUMENT,
            ErrorKind::Forbidden | ErrorKind::Unauthenticated => Errno::ACCESS_DENIED,
            ErrorKind::NotFound => Errno::INVALID_JOB_ID,
            ErrorKind::Conflict => Errno::NOT_ALTERABLE_NOW,
            ErrorKind::Exhausted => Errno::ACCOUNTING_POLICY,
            _ => Errno::GENERAL,
        },
        Errno,
    );
    if matches!(error.kind(), ErrorKind::Internal | ErrorKind::Unavailable) {
        tracing::error!(error = error.chain(), "the local batch system does not answer");
    }
    Fault::new(errno, error.message().to_owned())
}

#[cfg(test)]
mod tests;
