//! A real queue with two logical nodes behind the door, and a stand-in for the runner: it runs until a file says how to end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jobgate_model::{Backend, BackendConfig, Cancel, JobId, JobSpec, RunRef, RunRequest, Submission};
use jobgate_slurm::cluster::{Accounting, Cluster, JobState, JobsWanted, Listed, RecordChange, RecordsWanted, Requeue};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{Job, JobDesc, JobRecord, NodeUpdate, Partition, ReservationDesc};
use jobgate_slurm::table::{Flags, Num, Time};

use super::super::super::settings::NodeSettings;
use super::super::super::tests::until;
use super::super::super::{Local, LocalSettings};
use super::super::{ClusterSettings, LocalCluster};
use super::*;
use crate::process::now;

const RUNNER: &str = r#"#!/usr/bin/setsid /bin/sh
IFS= read -r ticket || exit 0
IFS= read -r go || exit 0
[ "$go" = go ] || exit 0
field() { printf '%s' "$ticket" | sed "s/.*\"$1\":\"\{0,1\}\([^\",]*\).*/\1/"; }
base=$(field base) jobndx=$(field jobndx)
cd "$base"
trap 'echo "9.0,$jobndx,canceled," >> status.csv; exit 0' TERM
echo "2.0,$jobndx,active," >> status.csv
while [ ! -e end ]; do sleep 0.02; done
echo "3.0,$jobndx,$(cat end)" >> status.csv
"#;

struct Site {
    dir: tempfile::TempDir,
    local: Arc<Local>,
    cluster: LocalCluster,
    next: u64,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runner = dir.path().join("runner.sh");
        fs::write(&runner, RUNNER).unwrap();
        fs::set_permissions(&runner, fs::Permissions::from_mode(0o755)).unwrap();
        let node = NodeSettings {
            cores: Some(2),
            memory: Some(4 << 30),
            gres: "gpu:amd:2".into(),
            features: vec!["fake".into()],
            weight: None,
        };
        let settings = LocalSettings {
            nodes: [("n[1-2]".to_owned(), node)].into(),
            licences: [("matlab".to_owned(), 10)].into(),
            ..LocalSettings::new(dir.path().join("state"), runner)
        };
        let local = Local::open(settings).unwrap();
        Arc::clone(&local).attend(Arc::new(|_, _| {})).unwrap();
        let alice = ("alice".to_owned(), UserEntry { uid: 2001, gid: 2001 });
        let settings = ClusterSettings { users: [alice].into(), ..ClusterSettings::new("testcl", "gate") };
        let cluster = LocalCluster::new(Arc::clone(&local), settings);
        Self { dir, local, cluster, next: 1 }
    }

    /// Submits a job, or the tasks of an array, as the engine does; gives its directory.
    fn submit(&mut self, options: &[(&str, &str)], tasks: &[i64]) -> PathBuf {
        let jobid = JobId::from_millis(self.next);
        self.next += 1;
        let base = self.dir.path().join(jobid.as_str());
        fs::create_dir_all(base.join("log")).unwrap();
        let mut spec = JobSpec { name: Some("t".into()), directory: Some("/tmp".into()), ..JobSpec::new("#!/bin/sh") };
        for (key, value) in options {
            spec.attributes.insert(*key, *value);
        }
        let tasks: Vec<Option<i64>> =
            if tasks.is_empty() { vec![None] } else { tasks.iter().copied().map(Some).collect() };
        for (index, task) in tasks.iter().enumerate() {
            let jobndx = index as i64 + 1;
            let marker = format!("{jobid}-{jobndx}");
            let submitted = self.local.submit(&RunRequest {
                base: &base,
                jobid: &jobid,
                jobndx,
                spec: &spec,
                description: None,
                config: &BackendConfig::default(),
                owner: "alice",
                marker: &marker,
                environment: None,
                array: task.map(|task| (task, 1)),
                array_limit: task.map(|_| 2),
                report: None,
            });
            let Submission::Accepted(native) = submitted else { panic!("{submitted:?}") };
            append(&base, &format!("1.0,{jobndx},queued,{}\n", native.0));
            self.local.confirm(&marker);
        }
        base
    }

    fn number(&self, base: &Path) -> i64 {
        self.cluster.number_of(base, 1).unwrap().unwrap()
    }

    fn jobs(&self, ids: &[i64]) -> Vec<Job> {
        let wanted = JobsWanted { ids: Some(ids.to_vec()), ..JobsWanted::default() };
        let mut jobs = Vec::new();
        self.cluster.jobs(&wanted, &mut |job| jobs.push(job)).unwrap();
        jobs
    }

    fn job(&self, id: i64) -> Job {
        self.jobs(&[id]).remove(0)
    }

    fn records(&self, wanted: &RecordsWanted) -> Vec<JobRecord> {
        let mut records = Vec::new();
        self.cluster.records(wanted, &mut |record| records.push(record)).unwrap();
        records
    }

    fn reaches(&self, id: i64, state: &str) -> Job {
        let mut job = self.job(id);
        until(&format!("job {id} to become {state}"), || {
            job = self.job(id);
            job.job_state.as_ref().unwrap().has(state)
        });
        job
    }
}

fn append(base: &Path, row: &str) {
    use std::io::Write;
    let file = fs::OpenOptions::new().append(true).create(true).open(base.join("status.csv"));
    file.unwrap().write_all(row.as_bytes()).unwrap();
}

/// Lets what runs there end with this row, which is there all at once.
fn end(base: &Path, row: &str) {
    fs::write(base.join("ending"), row).unwrap();
    fs::rename(base.join("ending"), base.join("end")).unwrap();
}

fn update(change: impl FnOnce(&mut JobDesc)) -> JobDesc {
    let mut desc = JobDesc::default();
    change(&mut desc);
    desc
}

#[test]
fn the_life_of_a_job() {
    let mut site = Site::new();
    let before = site.cluster.stamp(Listed::Jobs).unwrap();
    let base = site.submit(&[("--output", ""), ("--gpus", "1"), ("--comment", "c"), ("--account", "physics")], &[]);
    let id = site.number(&base);
    let job = site.reaches(id, "RUNNING");
    assert!(site.cluster.stamp(Listed::Jobs).unwrap().number > before.number);
    assert_eq!(job.nodes.as_deref(), Some("n1"));
    assert_eq!(job.stdout_expanded, Some(format!("/tmp/slurm-{id}.out")));
    assert_eq!(job.gres_detail.unwrap(), ["gpu:amd:1(IDX:0)"]);
    assert_eq!((job.user_id, job.user_name.as_deref()), (Some(2001), Some("alice")));
    assert_eq!((job.account.as_deref(), job.comment.as_deref()), (Some("physics"), Some("c")));
    let layout = site.cluster.resources(id).unwrap();
    assert_eq!((layout[0].core_bitmap.as_deref(), layout[0].cores_per_socket), (Some("0x1"), Some(2)));
    let nodes = site.cluster.nodes().unwrap();
    assert_eq!(nodes[0].tres_used.as_deref(), Some("cpu=1,gres/gpu=1"));
    assert!(nodes[0].state.as_ref().unwrap().has("MIXED") && nodes[1].state.as_ref().unwrap().has("IDLE"));
    let record = site.records(&RecordsWanted::default()).remove(0);
    assert_eq!(record.steps.unwrap().len(), 1);
    end(&base, "failed,3");
    let job = site.reaches(id, "FAILED");
    assert_eq!(job.exit_code.unwrap().return_code, Some(Num::Set(3)));
    assert_eq!(job.state_reason.as_deref(), Some("NonZeroExitCode"));
    assert_eq!(site.cluster.resources(id).unwrap_err().errno, Errno::JOB_NOT_RUNNING);
    assert_eq!(site.cluster.resources(999).unwrap_err().errno, Errno::INVALID_JOB_ID);
    let diag = site.cluster.diag().unwrap();
    assert_eq!((diag.jobs_submitted, diag.jobs_started, diag.jobs_failed), (Some(1), Some(1), Some(1)));
}

#[test]
fn records_are_changed_after_the_end_and_found_by_whose_and_when() {
    let mut site = Site::new();
    let base = site.submit(&[("--comment", "c")], &[]);
    let id = site.number(&base);
    end(&base, "completed,");
    site.reaches(id, "COMPLETED");
    let stamp = site.cluster.stamp(Listed::Jobs).unwrap();
    let change = RecordChange {
        comment: Some("noted".into()),
        wckey: Some("k".into()),
        derived_exit_code: Some(1024),
        tres: Some("energy=7".into()),
        ..RecordChange::default()
    };
    site.cluster.change_record(id, &change).unwrap();
    assert!(site.cluster.stamp(Listed::Jobs).unwrap().number > stamp.number);
    let record = site.records(&RecordsWanted { ids: vec![id], ..RecordsWanted::default() }).remove(0);
    assert_eq!(record.comment_job.as_deref(), Some("noted"));
    assert_eq!(record.wckey.unwrap().wckey.as_deref(), Some("k"));
    assert_eq!(record.derived_exit_code.unwrap().return_code, Some(Num::Set(4)));
    assert_eq!(record.tres_allocated.unwrap().last().unwrap().count, Some(7));
    assert_eq!(site.job(id).comment.as_deref(), Some("noted"));
    assert_eq!(site.cluster.change_record(999, &change).unwrap_err().errno, Errno::INVALID_JOB_ID);
    let wrong = RecordChange { tres: Some("what".into()), ..RecordChange::default() };
    assert_eq!(site.cluster.change_record(id, &wrong).unwrap_err().errno, Errno::INVALID_ARGUMENT);
    let count = |wanted: RecordsWanted| site.records(&wanted).len();
    assert_eq!(count(RecordsWanted { users: vec!["alice".into()], ..RecordsWanted::default() }), 1);
    assert_eq!(count(RecordsWanted { users: vec!["bob".into()], ..RecordsWanted::default() }), 0);
    assert_eq!(count(RecordsWanted { since: Some(now() as u64 + 60), ..RecordsWanted::default() }), 0);
    assert_eq!(count(RecordsWanted { until: Some(now() as u64 - 60), ..RecordsWanted::default() }), 0);
}

#[test]
fn arrays_are_shown_and_found() {
    let mut site = Site::new();
    let base = site.submit(&[("--output", ""), ("--array", "1-5%2")], &[1, 2, 3, 4, 5]);
    let array = site.number(&base);
    site.reaches(array + 1, "RUNNING");
    let jobs = site.jobs(&[array]);
    let short: Vec<_> = jobs
        .iter()
        .map(|job| (job.job_id.unwrap(), job.array_task_id, job.array_task_string.as_deref().unwrap_or_default()))
        .collect();
    let id = u32::try_from(array).unwrap();
    assert_eq!(short, [(id, None, "3-5%2"), (id, Some(Num::Set(1)), ""), (id + 1, Some(Num::Set(2)), "")]);
    assert_eq!(jobs[0].state_reason.as_deref(), Some("JobArrayTaskLimit"));
    assert_eq!(jobs[2].stdout_expanded, Some(format!("/tmp/slurm-{array}_2.out")));
    let mut states: Vec<JobState> = Vec::new();
    site.cluster.job_states(&JobsWanted::default(), &mut |state| states.push(state)).unwrap();
    let ids: Vec<_> = states.iter().map(|state| (state.id, state.array.unwrap().1, state.states[0])).collect();
    assert_eq!(ids[1..3], [(array + 1, 2, "RUNNING"), (array, 3, "PENDING")]);
    let located = |task| site.cluster.locate(array, task).unwrap();
    assert_eq!(located(None).len(), 5);
    let third = &located(Some(3))[0];
    assert_eq!((third.id, third.run, third.pending, third.user.as_str()), (array + 2, 3, true, "alice"));
    assert_eq!(site.cluster.locate(array + 2, None).unwrap().len(), 1);
    assert!(site.cluster.locate(999, None).unwrap().is_empty());
    assert_eq!(site.cluster.number_of(&base, 3).unwrap(), Some(array + 2));
    assert_eq!(site.records(&RecordsWanted::default()).len(), 3);
    end(&base, "completed,");
    for task in 0..5 {
        site.reaches(array + task, "COMPLETED");
    }
}

#[test]
fn waiting_jobs_are_held_changed_and_released() {
    let mut site = Site::new();
    let base = site.submit(&[("--hold", ""), ("--time", "60")], &[]);
    let id = site.number(&base);
    let job = site.job(id);
    assert_eq!(
        (job.state_reason.as_deref(), job.hold, job.priority),
        (Some("JobHeldUser"), Some(true), Some(Num::Set(0)))
    );
    let cluster = &site.cluster;
    let change = update(|desc| {
        desc.time_limit = Some(Num::Set(7));
        desc.name = Some("renamed".into());
        desc.comment = Some("new".into());
        desc.begin_time = Some(Time::at(now() as u64 + 3600));
    });
    cluster.update_job(id, &change, false).unwrap();
    let raise = update(|desc| desc.priority = Some(Num::Set(100)));
    assert_eq!(cluster.update_job(id, &raise, true).unwrap_err().errno, Errno::HELD);
    cluster.update_job(id, &JobDesc::default(), false).unwrap();
    let job = site.job(id);
    assert_eq!(
        (job.time_limit, job.name.as_deref(), job.comment.as_deref()),
        (Some(Num::Set(7)), Some("renamed"), Some("new"))
    );
    cluster.update_job(id, &update(|desc| desc.hold = Some(false)), false).unwrap();
    let job = site.job(id);
    assert_eq!(job.state_reason.as_deref(), Some("BeginTime"));
    assert!(job.eligible_time.unwrap().seconds().unwrap() > now() as u64 + 3000);
    cluster.update_job(id, &update(|desc| desc.priority = Some(Num::Set(0))), true).unwrap();
    assert_eq!(site.job(id).state_reason.as_deref(), Some("JobHeldAdmin"));
    let release = update(|desc| desc.hold = Some(false));
    assert_eq!(cluster.update_job(id, &release, false).unwrap_err().errno, Errno::ACCESS_DENIED);
    assert!(cluster.locate(id, None).unwrap()[0].held_by_admin);
    let nothing = update(|desc| desc.name = Some("x".into()));
    assert_eq!(cluster.update_job(999, &nothing, true).unwrap_err().errno, Errno::INVALID_JOB_ID);
    assert_eq!(
        cluster.signal_job(id, 10, jobgate_slurm::cluster::Reach::Whole).unwrap_err().errno,
        Errno::JOB_NOT_RUNNING
    );
    assert_eq!(cluster.requeue_job(999, Requeue::default()).unwrap_err().errno, Errno::INVALID_JOB_ID);
}

#[test]
fn a_cancelled_job_says_so() {
    let mut site = Site::new();
    let base = site.submit(&[], &[]);
    let id = site.number(&base);
    site.reaches(id, "RUNNING");
    let view = site.local.run(id).unwrap().unwrap();
    let run = RunRef {
        base: view.base,
        jobid: JobId::parse(&view.jobid).unwrap(),
        jobndx: view.jobndx,
        marker: view.marker,
        owner: "alice".into(),
        native: None,
        since: 0.0,
        described: false,
        untold: None,
    };
    assert!(matches!(site.local.cancel(&run).unwrap(), Cancel::Stopping));
    let job = site.reaches(id, "CANCELLED");
    assert!(job.requeue.is_some());
    until("its end", || !site.job(id).job_state.unwrap().has("COMPLETING"));
    assert_eq!(site.job(id).job_state.unwrap().iter().collect::<Vec<_>>(), ["CANCELLED"]);
}

#[test]
fn nodes_are_drained_added_and_removed() {
    let site = Site::new();
    let cluster = &site.cluster;
    let drain = NodeUpdate { state: Some(Flags::of(["DRAIN"])), reason: Some("r".into()), ..NodeUpdate::default() };
    cluster.update_nodes(&["n1".to_owned()], &drain, "root").unwrap();
    let node = &cluster.nodes().unwrap()[0];
    assert!(node.state.as_ref().unwrap().has("DRAIN"));
    assert_eq!((node.reason.as_deref(), node.reason_set_by_user.as_deref()), (Some("r"), Some("root")));
    let resume = NodeUpdate { state: Some(Flags::of(["RESUME"])), ..NodeUpdate::default() };
    cluster.update_nodes(&["n1".to_owned()], &resume, "root").unwrap();
    let again = cluster.update_nodes(&["n1".to_owned()], &resume, "root");
    assert_eq!(again.unwrap_err().errno, Errno::NODE_TRANSITION);
    let unknown = cluster.update_nodes(&["nope".to_owned()], &drain, "root");
    assert_eq!(unknown.unwrap_err().errno, Errno::INVALID_NODE_NAME);
    let stamp = cluster.stamp(Listed::Nodes).unwrap();
    cluster.create_node("NodeName=c[1-2] CPUs=8 State=CLOUD").unwrap();
    let later = cluster.stamp(Listed::Nodes).unwrap();
    assert!(later.number > stamp.number && later.changed > 0);
    let names: Vec<_> = cluster.nodes().unwrap().into_iter().filter_map(|node| node.name).collect();
    assert_eq!(names, ["n1", "n2", "c1", "c2"]);
    assert_eq!(cluster.create_node("NodeName=c2 State=FUTURE").unwrap_err().errno, Errno::INVALID_NODE_NAME);
    assert_eq!(cluster.create_node("NodeName=n1 State=FUTURE").unwrap_err().errno, Errno::INVALID_NODE_NAME);
    assert_eq!(cluster.update_nodes(&["c1".to_owned()], &drain, "root").unwrap_err().errno, Errno::NOT_SUPPORTED);
    cluster.delete_node("c1").unwrap();
    assert_eq!(cluster.delete_node("c1").unwrap_err().errno, Errno::INVALID_NODE_NAME);
    assert_eq!(cluster.delete_node("n1").unwrap_err().errno, Errno::INVALID_NODE_STATE);
    assert_eq!(cluster.nodes().unwrap().len(), 3);
}

#[test]
fn partitions_and_reservations_come_and_go() {
    let site = Site::new();
    let cluster = &site.cluster;
    let new = Partition { name: Some("newp".into()), nodes_configured: Some("n2".into()), ..Partition::default() };
    cluster.update_partition(&new).unwrap();
    let shown = cluster.partitions().unwrap();
    let newp = shown.iter().find(|partition| partition.name.as_deref() == Some("newp")).unwrap();
    assert_eq!((newp.nodes_total, newp.cpus_total), (Some(1), Some(2)));
    cluster.update_partition(newp).unwrap();
    assert_eq!(&cluster.partitions().unwrap(), &shown);
    cluster.delete_partition("newp").unwrap();
    assert_eq!(cluster.delete_partition("newp").unwrap_err().errno, Errno::INVALID_PARTITION);
    assert_eq!(cluster.update_partition(&Partition::default()).unwrap_err().errno, Errno::INVALID_PARTITION);
    let desc = ReservationDesc {
        name: Some("r".into()),
        duration: Some(Num::Set(15)),
        start_time: Some(Time::at(now() as u64 + 600)),
        node_list: Some(vec!["n2".into()]),
        users: Some(vec!["alice".into()]),
        flags: Some(Flags::of(["MAGNETIC"])),
        ..ReservationDesc::default()
    };
    assert_eq!(cluster.update_reservation(&desc).unwrap(), "r");
    let longer = ReservationDesc { name: Some("r".into()), duration: Some(Num::Set(20)), ..ReservationDesc::default() };
    cluster.update_reservation(&longer).unwrap();
    let shown = &cluster.reservations().unwrap()[0];
    let seconds = |time: Option<Time>| time.unwrap().seconds().unwrap();
    assert_eq!(seconds(shown.end_time) - seconds(shown.start_time), 1200);
    assert_eq!((shown.node_list.as_deref(), shown.users.as_deref()), (Some("n2"), Some("alice")));
    assert!(shown.flags.as_ref().unwrap().has("MAGNETIC"));
    cluster.delete_reservation("r").unwrap();
    assert_eq!(cluster.delete_reservation("r").unwrap_err().errno, Errno::INVALID_RESERVATION);
}

#[test]
fn the_rest() {
    let site = Site::new();
    assert_eq!(site.cluster.name(), "testcl");
    assert_eq!(site.cluster.ping()[0].pinged.as_deref(), Some("UP"));
    assert_eq!(site.cluster.licenses().unwrap()[0].total, Some(10));
    let conf = site.cluster.conf().unwrap();
    assert_eq!((conf.cluster_name.as_deref(), conf.gres_types), (Some("testcl"), Some(vec!["gpu".into()])));
    site.cluster.reconfigure().unwrap();
    assert!(site.cluster.started() > 0);
}

/// The times are printed, not asserted.
#[test]
#[expect(clippy::print_stderr, reason = "a measurement")]
fn ten_thousand_jobs_of_a_queue() {
    let mut site = Site::new();
    let base = site.submit(&[("--hold", ""), ("--output", ""), ("--account", "physics")], &[]);
    let first = site.number(&base);
    let copied = site.local.pass(|pass| {
        let mut statement = pass.tx.prepare("SELECT name FROM pragma_table_info('run') WHERE name NOT IN ('id', 'marker')")?;
        let columns: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let columns = columns.join(", ");
        pass.tx.execute(
            &format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
                 INSERT INTO run (marker, {columns}) SELECT 'copy-' || i, {columns} FROM n, run WHERE run.marker NOT LIKE 'copy-%'"
            ),
            [],
        )
    });
    assert_eq!(copied.unwrap().0, 9999);
    for round in ["first", "second"] {
        let began = Instant::now();
        let mut jobs = 0;
        site.cluster.jobs(&JobsWanted::default(), &mut |_| jobs += 1).unwrap();
        let all = began.elapsed();
        let began = Instant::now();
        let mut states = 0;
        site.cluster.job_states(&JobsWanted::default(), &mut |_| states += 1).unwrap();
        eprintln!("{round}: {jobs} jobs in {all:?}, {states} states in {:?}", began.elapsed());
        assert_eq!((jobs, states), (10_000, 10_000));
    }
    let began = Instant::now();
    let one = site.job(first);
    eprintln!("one job in {:?}", began.elapsed());
    assert_eq!(one.job_id.map(i64::from), Some(first));
    let began = Instant::now();
    assert_eq!(site.records(&RecordsWanted::default()).len(), 10_000);
    eprintln!("records in {:?}", began.elapsed());
}
