//! The controller.

use std::path::Path;
use std::time::Instant;

use jobgate_slurm::cluster::{
    Answer, Cluster, Fault, JobState, JobsWanted, Listed, Located, Reach as SignalReach, Requeue, Stamp,
};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{
    ControllerPing, Diag, Job, JobDesc, License, Node, NodeResourceLayout, NodeUpdate, Partition, Reservation,
    ReservationDesc, SlurmConf,
};
use jobgate_slurm::version::Version;

use super::super::cluster::{Reach, RunChange, RunFilter, RunPhase, RunView};
use super::super::queue;
use super::array::{is_wanted, shown};
use super::job::{self, held_by_admin};
use super::job::{resources, state};
use super::{LocalCluster, added, added_nodes, change, conf, diag, fault, node, notes, partition, touched};
use crate::process::now;

/// The release whose behaviour is shown.
const RELEASE: Version = Version::V45;

impl Cluster for LocalCluster {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn ping(&self) -> Vec<ControllerPing> {
        let began = Instant::now();
        let answer = self.local.revision();
        let up = answer.is_ok();
        vec![ControllerPing {
            hostname: Some(self.host.clone()),
            responding: Some(up),
            latency: Some(i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX)),
            primary: Some(true),
            status: Some(answer.map_or_else(|error| fault(error).errno.text(), |_| Errno::NONE.text()).to_owned()),
            pinged: Some(if up { "UP" } else { "DOWN" }.into()),
            mode: Some("primary".into()),
        }]
    }

    fn stamp(&self, of: Listed) -> Answer<Stamp> {
        let revision = self.local.revision().map_err(fault)?;
        let own = self.read(touched)?;
        let jobs = revision.runs.max(own.jobs) as u64;
        let changed = match of {
            Listed::Jobs => jobs,
            Listed::Nodes => revision.nodes.max(own.nodes) as u64,
            Listed::Partitions => revision.partitions as u64,
            Listed::Reservations => revision.reservations as u64,
            Listed::Licenses => 0,
        };
        let number = revision.number + own.number + self.board.swept_out(now());
        Ok(Stamp { number, changed, known: changed, backfill: jobs })
    }

    fn jobs(&self, wanted: &JobsWanted, each: &mut dyn FnMut(Job)) -> Answer<()> {
        let (nodes, associations, notes) = (self.node_facts()?, self.associations(), self.notes()?);
        let scene = self.scene(&nodes, &associations, &notes);
        self.with_runs(wanted, &mut |runs| {
            for job in shown(runs, wanted, |run, user| self.users.of(&run.owner).login == user) {
                each(job::job(&job, &scene));
            }
        })
    }

    fn job_states(&self, wanted: &JobsWanted, each: &mut dyn FnMut(JobState)) -> Answer<()> {
        self.with_runs(wanted, &mut |runs| {
            for run in runs.filter(|run| is_wanted(run, wanted)) {
                if wanted.user.as_deref().is_some_and(|user| self.users.of(&run.owner).login != user) {
                    continue;
                }
                let array = run.array.map(|array| (array.id, array.task));
                // Tasks that wait have no number of their own yet.
                let waits = run.phase == RunPhase::Waiting;
                let id = array.filter(|_| waits).map_or(run.id, |(id, _)| id);
                each(JobState { id, array, component: None, states: state::states(run) });
            }
        })
    }

    fn locate(&self, id: i64, task: Option<i64>) -> Answer<Vec<Located>> {
        let runs = self.by_number(id)?;
        let is_task = |run: &RunView| task.is_none_or(|task| run.array.is_some_and(|array| array.task == task));
        Ok(runs.iter().filter(|run| is_task(run)).map(|run| self.located(run)).collect())
    }

    fn number_of(&self, directory: &Path, run: i64) -> Answer<Option<i64>> {
        self.local.number_at(directory, run).map_err(fault)
    }

    fn resources(&self, id: i64) -> Answer<Vec<NodeResourceLayout>> {
        let run = self.one(id)?;
        if !matches!(run.phase, RunPhase::Running | RunPhase::Suspended) {
            return Err(Fault::new(Errno::JOB_NOT_RUNNING, format!("Unable to query JobId={id}")));
        }
        Ok(resources::layout(&run, &self.node_facts()?))
    }

    fn nodes(&self) -> Answer<Vec<Node>> {
        let machine = node::Machine::look(&self.host, now(), self.started);
        let views = self.local.nodes().map_err(fault)?;
        let mut nodes: Vec<Node> = views.iter().map(|view| node::node(view, &machine, RELEASE)).collect();
        nodes.extend(self.added()?.iter().map(|added| added::node(added, RELEASE)));
        Ok(nodes)
    }

    fn partitions(&self) -> Answer<Vec<Partition>> {
        Ok(self.local.partitions().map_err(fault)?.iter().map(partition::partition).collect())
    }

    fn reservations(&self) -> Answer<Vec<Reservation>> {
        Ok(self.local.reservations().map_err(fault)?.iter().map(partition::reservation).collect())
    }

    fn licenses(&self) -> Answer<Vec<License>> {
        Ok(self.local.licences().map_err(fault)?.iter().map(node::license).collect())
    }

    fn diag(&self) -> Answer<Diag> {
        Ok(diag::diag(&self.local.counters().map_err(fault)?, now()))
    }

    fn conf(&self) -> Answer<SlurmConf> {
        let (nodes, licences) = (self.local.nodes().map_err(fault)?, self.local.licences().map_err(fault)?);
        let state_dir = &self.local.settings.state_dir;
        Ok(conf::conf(&self.settings, state_dir, &self.host, self.users.own(), &nodes, &licences))
    }

    /// The configuration's file is read at the start only; what is remembered of users and runs is asked for anew.
    fn reconfigure(&self) -> Answer<()> {
        self.users.forget();
        self.board.forget();
        Ok(())
    }

    /// Changes this one run; whoever means a whole array asks [`Cluster::locate`] for its tasks.
    fn update_job(&self, id: i64, desc: &JobDesc, admin: bool) -> Answer<()> {
        let change = change::job(&self.one(id)?, desc, admin)?;
        if change != RunChange::default() {
            self.local.update_run(id, &change).map_err(fault)?;
        }
        // What is said now counts more than what was noted before.
        let said = change::said(desc);
        let note = self.read(|connection| notes::one(connection, id))?;
        if note.clone().without(&said) == note {
            return Ok(());
        }
        self.keep(move |connection, touched| {
            touched.jobs = now();
            let note = notes::one(connection, id)?.without(&said);
            notes::keep(connection, id, &note).map(Ok)
        })
    }

    fn signal_job(&self, id: i64, signal: i32, reach: SignalReach) -> Answer<()> {
        let reach = match reach {
            SignalReach::Steps => Reach::Steps,
            SignalReach::Script => Reach::Script,
            SignalReach::Whole => Reach::All,
        };
        self.local.signal_run(id, signal, reach).map_err(fault)
    }

    fn requeue_job(&self, id: i64, how: Requeue) -> Answer<()> {
        if how.incomplete && matches!(self.one(id)?.phase, RunPhase::Ended(jobgate_model::State::Completed, _)) {
            return Ok(());
        }
        self.local.requeue_run(id, how.hold || how.special_exit).map_err(fault)
    }

    fn update_nodes(&self, names: &[String], change: &NodeUpdate, user: &str) -> Answer<()> {
        let (names, change) = change::nodes(names, change, &self.local.nodes().map_err(fault)?)?;
        if let Some(added) = self.added()?.into_iter().find(|node| names.contains(&node.name)) {
            let text = format!("node {} was added as a name only; delete it and add it anew to change it", added.name);
            return Err(Fault::new(Errno::NOT_SUPPORTED, text));
        }
        self.local.update_nodes(&names, &change, user).map_err(fault)
    }

    fn create_node(&self, line: &str) -> Answer<()> {
        let at = now();
        let new = added::parse(line, at as u64)?;
        let inventory = self.local.inventory().map_err(fault)?;
        let fixed: Vec<String> = inventory.nodes.iter().map(|node| node.name.clone()).collect();
        self.keep(move |connection, touched| {
            let mut all = added_nodes(connection)?;
            for node in new {
                if fixed.contains(&node.name) || all.iter().any(|known| known.name == node.name) {
                    let text = format!("there is a node {} already", node.name);
                    return Ok(Err(Fault::new(Errno::INVALID_NODE_NAME, text)));
                }
                all.push(node);
            }
            if fixed.len() + all.len() > added::MOST_NODES {
                return Ok(Err(Fault::new(Errno::NODE_TABLE_FULL, "Failure to create node")));
            }
            touched.nodes = at;
            keep_added(connection, &all).map(Ok)
        })
    }

    fn delete_node(&self, name: &str) -> Answer<()> {
        if self.local.inventory().map_err(fault)?.nodes.iter().any(|node| node.name == name) {
            let text = format!("node {name} is configured; only nodes that were added can be deleted");
            return Err(Fault::new(Errno::INVALID_NODE_STATE, text));
        }
        let name = name.to_owned();
        self.keep(move |connection, touched| {
            let mut all = added_nodes(connection)?;
            let before = all.len();
            all.retain(|node| node.name != name);
            if all.len() == before {
                return Ok(Err(Fault::new(Errno::INVALID_NODE_NAME, format!("Failure to delete node {name}"))));
            }
            touched.nodes = now();
            keep_added(connection, &all).map(Ok)
        })
    }

    fn update_partition(&self, partition: &Partition) -> Answer<()> {
        let name = partition.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Fault::new(Errno::INVALID_PARTITION, "a partition needs a name"))?;
        let all = self.local.partitions().map_err(fault)?;
        let current = all.iter().find(|view| view.name == name);
        let change = change::partition(partition, current)?;
        if current.is_some() && change == super::super::cluster::PartitionChange::default() {
            return Ok(());
        }
        self.local.update_partition(name, &change).map_err(fault)
    }

    fn delete_partition(&self, name: &str) -> Answer<()> {
        self.local.delete_partition(name).map_err(fault)
    }

    fn update_reservation(&self, desc: &ReservationDesc) -> Answer<String> {
        let (name, change) = change::reservation(desc)?;
        if self.local.reservations().map_err(fault)?.iter().any(|view| view.name == name) {
            self.local.update_reservation(&name, &change).map_err(fault)?;
        } else {
            self.local.create_reservation(&name, &change).map_err(fault)?;
        }
        Ok(name)
    }

    fn delete_reservation(&self, name: &str) -> Answer<()> {
        self.local.delete_reservation(name).map_err(fault)
    }
}

fn keep_added(connection: &rusqlite::Connection, all: &[added::AddedNode]) -> rusqlite::Result<()> {
    let text = (!all.is_empty()).then(|| serde_json::to_string(all).unwrap_or_default());
    queue::set_setting(connection, added::KEY, text.as_deref())
}

impl LocalCluster {
    /// Calls `take` with the runs that are asked for, by number, and maybe more.
    fn with_runs(&self, wanted: &JobsWanted, take: &mut dyn FnMut(&mut dyn Iterator<Item = &RunView>)) -> Answer<()> {
        if !wanted.all {
            let runs = self.runs()?;
            // A few by number need not be looked for among all.
            let few = wanted
                .ids
                .as_ref()
                .is_some_and(|ids| ids.iter().all(|id| runs.get(id).is_some_and(|run| run.array.is_none())));
            match &wanted.ids {
                Some(ids) if few => {
                    let mut ids = ids.clone();
                    ids.sort_unstable();
                    ids.dedup();
                    take(&mut ids.iter().filter_map(|id| runs.get(id)).map(AsRef::as_ref));
                }
                _ => take(&mut runs.values().map(AsRef::as_ref)),
            }
            return Ok(());
        }
        match &wanted.ids {
            None => {
                let runs = self.all_runs(&RunFilter::default())?;
                take(&mut runs.iter());
            }
            Some(ids) => {
                let mut runs = std::collections::BTreeMap::new();
                for id in ids {
                    runs.extend(self.by_number(*id)?.into_iter().map(|run| (run.id, run)));
                }
                take(&mut runs.values().map(AsRef::as_ref));
            }
        }
        Ok(())
    }

    fn located(&self, run: &RunView) -> Located {
        Located {
            id: run.id,
            array: run.array.map(|array| (array.id, array.task)),
            directory: run.base.clone(),
            run: run.jobndx,
            owner: run.owner.clone(),
            user: self.users.of(&run.owner).login.clone(),
            pending: run.phase == RunPhase::Waiting,
            over: matches!(run.phase, RunPhase::Ended(..)),
            held_by_admin: held_by_admin(run),
        }
    }
}
