//! What is shown, beside what real controllers showed in the same situations, where their recorded answers are at hand.

mod arrays;
mod beside;
mod boards;
mod changes;
mod live;
mod many;
mod recorded_jobs;
mod recorded_objects;
mod states;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use jobgate_model::StringMap;
use jobgate_slurm::objects::Association;
use jobgate_slurm::table::{Object, Writer};
use jobgate_slurm::version::Version;
use serde_json::Value;

use super::super::cluster::{ArrayTask, Requested, RunPhase, RunView, Share};
use super::job::{Associations, NodeFacts, Nodes, Scene, Shown, job};
use super::notes::Note;
use super::users::Users;
use crate::accounts::UserEntry;

/// When the runs of these tests were submitted, unix seconds.
const THEN: f64 = 1_795_314_936.0;

/// A run that waits: one task of one core, an hour at most.
fn run(id: i64) -> RunView {
    RunView {
        id,
        revision: id.unsigned_abs(),
        marker: format!("m-{id}"),
        base: PathBuf::from(format!("/jobs/{id}.5")),
        jobid: format!("{id}.5"),
        jobndx: 1,
        native: (10_000_000 + id).to_string(),
        owner: "alice".into(),
        name: Some("t".into()),
        options: options(&[("--chdir", "/tmp"), ("--output", "")]).into(),
        request: Requested { min_nodes: 1, tasks: 1, cores_per_task: 1, cores: 1, ..Requested::default() }.into(),
        partition: "defq".into(),
        account: Some("physics".into()),
        qos: Some("normal".into()),
        reservation: None,
        allocation: Vec::new(),
        priority: 1,
        nice: 0,
        queued: THEN,
        eligible: Some(THEN),
        started: None,
        ended: None,
        begin: None,
        deadline: None,
        expected: None,
        suspended: None,
        minutes: 60,
        phase: RunPhase::Waiting,
        reason: "Priority".into(),
        dependency: String::new(),
        array: None,
        hold: None,
        requeue: true,
        restarts: 0,
        stopping: false,
        canceled: false,
        pid: None,
    }
}

/// A run that runs on one core of a node.
fn running(id: i64, node: &str) -> RunView {
    RunView {
        phase: RunPhase::Running,
        reason: "None".into(),
        started: Some(THEN),
        allocation: vec![Share { node: node.into(), tasks: 1, cores: 1, memory: 0, gpus: Vec::new() }],
        ..run(id)
    }
}

/// A task of an array of five, of which two may run at the same time.
fn task(id: i64, task: i64) -> ArrayTask {
    ArrayTask { id, task, count: 5, limit: Some(2) }
}

fn options(pairs: &[(&str, &str)]) -> StringMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Five nodes, and alice.
struct World {
    users: Users,
    nodes: Nodes,
    associations: Associations,
    notes: HashMap<i64, Note>,
}

impl World {
    fn new() -> Self {
        let alice = ("alice".to_owned(), UserEntry { uid: 2001, gid: 2001 });
        let node = |number| (format!("n{number}"), NodeFacts { cores: 4, gpu_type: Some("amd".into()) });
        Self {
            users: Users::new("gate", BTreeMap::from([alice])),
            nodes: (1..=5).map(node).collect(),
            associations: Associations::of(&[Association {
                account: Some("physics".into()),
                user: Some("alice".into()),
                id: Some(5),
                ..Association::default()
            }]),
            notes: HashMap::new(),
        }
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            cluster: "testcl",
            host: "localhost",
            users: &self.users,
            nodes: &self.nodes,
            associations: &self.associations,
            notes: &self.notes,
            now: THEN + 10.0,
        }
    }

    fn job(&self, run: &RunView, version: Version) -> Value {
        json(&job(&Shown::Run(run), &self.scene()), version)
    }
}

fn json<T: Object>(object: &T, version: Version) -> Value {
    let mut writer = Writer::new(version);
    writer.object(object);
    serde_json::from_slice(&writer.into_bytes()).unwrap()
}
