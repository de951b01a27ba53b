//! The cluster as a dialect sees it, over a real queue with a stand-in for the runner.

use jobgate_model::{Backend, State};
use jobgate_slurm::errno::Errno;

use super::*;
use crate::local::settings::{NodeSettings, Partition, Qos};
use crate::local::tests::{Job, Site, until};
use crate::local::{Local, LocalSettings, Submission};

mod changes;
mod reserved;

/// Five nodes of four cores, four GPUs and 4000 MB, as in many a test cluster.
fn settings(site: &Site) -> LocalSettings {
    let node = NodeSettings {
        cores: Some(4),
        memory: Some(4000 << 20),
        gres: "gpu:amd:4".into(),
        features: vec!["fake".into()],
        ..NodeSettings::default()
    };
    let defq = Partition { default: true, minutes: Some(10_080), default_minutes: Some(60), ..Partition::default() };
    let gpu = Partition { minutes: Some(1440), priority: 5, ..Partition::default() };
    let down = Partition { nodes: "n1".into(), state: PartitionState::Down, ..Partition::default() };
    LocalSettings {
        nodes: [("n[1-5]".to_owned(), node)].into(),
        licences: [("ansys".to_owned(), 4), ("matlab".to_owned(), 10)].into(),
        partitions: [("defq".to_owned(), defq), ("gpu".to_owned(), gpu), ("down".to_owned(), down)].into(),
        qos: [("quick".to_owned(), Qos { priority: 10, submit_per_user: Some(2), ..Qos::default() })].into(),
        ..site.settings(4)
    }
}

fn cluster() -> (Site, std::sync::Arc<Local>) {
    let site = Site::new();
    let local = Local::open(settings(&site)).unwrap();
    std::sync::Arc::clone(&local).attend(std::sync::Arc::new(|_, _| {})).unwrap();
    (site, local)
}

/// A job in Slurm's manner that runs until it is stopped; as its own runner it hands itself back when it is told to.
fn sleeper(site: &Site, attributes: &[(&str, &str)]) -> Job {
    let attributes = [&[("--ntasks", "1"), ("--requeue", "")], attributes].concat();
    site.job("trap 'exit 0' URG; trap 'state=canceled; return' TERM; while :; do sleep 0.05; done", &attributes)
}

impl Job {
    fn number(&self, local: &Local) -> i64 {
        local.numbers_of(self.jobid.as_str()).unwrap()[0]
    }

    fn view(&self, local: &Local) -> RunView {
        local.run(self.number(local)).unwrap().unwrap()
    }

    fn runs(&self, local: &Local) {
        until("a run", || self.view(local).phase == RunPhase::Running && self.starts() > 0);
    }
}

fn all_runs(local: &Local, filter: &RunFilter) -> (Vec<i64>, Walked) {
    let mut ids = Vec::new();
    let walked = local.runs(filter, &mut |run| ids.push(run.id)).unwrap();
    (ids, walked)
}

fn errno(result: Result<(), jobgate_model::Error>) -> Errno {
    Errno(result.expect_err("should be refused").number().expect("has a number"))
}

fn node(local: &Local, name: &str) -> NodeView {
    local.nodes().unwrap().into_iter().find(|node| node.name == name).unwrap()
}

#[test]
fn what_there_is() {
    let (_site, local) = cluster();
    let nodes = local.nodes().unwrap();
    assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["n1", "n2", "n3", "n4", "n5"]);
    let first = &nodes[0];
    assert_eq!((first.cores, first.memory, first.gpus, first.gres.as_str()), (4, 4000 << 20, 4, "gpu:amd:4"));
    assert_eq!((first.state, first.drained, &first.features[..]), (NodeState::Idle, false, &["fake".to_owned()][..]));
    assert_eq!(first.partitions, ["defq", "down", "gpu"]);
    assert_eq!(nodes[1].partitions, ["defq", "gpu"]);

    let partitions = local.partitions().unwrap();
    let shown: Vec<_> = partitions.iter().map(|one| (one.name.as_str(), one.default, one.state, one.cores)).collect();
    let (up, down) = (PartitionState::Up, PartitionState::Down);
    assert_eq!(shown, [("defq", true, up, 20), ("down", false, down, 4), ("gpu", false, up, 20)]);
    assert_eq!((partitions[0].minutes, partitions[0].default_minutes), (Some(10_080), Some(60)));
    let qos: Vec<_> = local.qos().unwrap().into_iter().map(|qos| (qos.id, qos.name)).collect();
    assert_eq!(qos, [(1, "normal".to_owned()), (2, "quick".to_owned())]);
    assert!(local.accounts().unwrap().is_empty() && local.reservations().unwrap().is_empty());
}

#[test]
fn one_machine_is_a_cluster_of_one_node() {
    let site = Site::new();
    let local = site.attended(2);
    let job = site.job("while [ ! -e go_on ]; do sleep 0.01; done", &[("partition", "whatever"), ("qos", "any")]);
    job.launch(&local);
    job.runs(&local);
    let nodes = local.nodes().unwrap();
    assert_eq!((nodes.len(), nodes[0].cores, nodes[0].used_cores, nodes[0].state), (1, 2, 1, NodeState::Mixed));
    assert!(!nodes[0].name.is_empty() && !nodes[0].name.contains('.'));
    let view = job.view(&local);
    assert_eq!((view.partition.as_str(), view.qos.as_deref()), ("local", Some("any")));
    assert_eq!(view.allocation[0].node, nodes[0].name);
    assert_eq!(local.partitions().unwrap().iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["local"]);
    std::fs::write(job.base.join("go_on"), "").unwrap();
    job.ends(&local, State::Completed);
}

#[test]
fn a_run_as_it_is_shown() {
    let (site, local) = cluster();
    let mut job = sleeper(
        &site,
        &[
            ("--nodes", "2"),
            ("--ntasks", "6"),
            ("--gres", "gpu:amd:2"),
            ("--mem", "100"),
            ("--licenses", "matlab:2"),
            ("--comment", "hi"),
        ],
    );
    job.spec.name = Some("model".into());
    job.spec.resources.duration = 60;
    job.launch(&local);
    job.runs(&local);
    let view = job.view(&local);
    let share =
        |node: &str, tasks| Share { node: node.into(), tasks, cores: tasks, memory: 100 << 20, gpus: vec![0, 1] };
    assert_eq!(view.allocation, [share("n1", 4), share("n2", 2)]);
    assert_eq!((view.request.tasks, view.request.min_nodes, view.request.gpus_per_node), (6, 2, Some(2)));
    assert_eq!((view.partition.as_str(), view.qos.as_deref(), view.minutes), ("defq", Some("normal"), 60));
    assert_eq!(
        (view.options.get("--comment"), view.name.as_deref(), view.owner.as_str()),
        (Some("hi"), Some("model"), "alice")
    );
    assert_eq!((view.reason.as_str(), view.dependency.as_str(), view.hold, view.array), ("None", "", None, None));
    assert!(
        view.requeue
            && !view.stopping
            && view.eligible.is_some()
            && view.started >= view.eligible
            && view.pid.is_some()
    );
    assert_eq!(view.jobid, job.jobid.as_str());
    assert_eq!(local.number_at(&job.base, 1).unwrap(), Some(view.id));

    let (n1, n2) = (node(&local, "n1"), node(&local, "n2"));
    assert_eq!(
        (n1.state, n1.used_cores, n1.used_memory, n1.used_gpus),
        (NodeState::Allocated, 4, 100 << 20, vec![0, 1])
    );
    assert_eq!((n2.state, n2.runs), (NodeState::Mixed, vec![view.id]));
    let matlab = local.licences().unwrap().pop().unwrap();
    assert_eq!(matlab, LicenceView { name: "matlab".into(), total: 10, used: 2, reserved: 0 });
    let ticket = |name: &str| view.options.get(name).map(str::to_owned);
    assert_eq!(ticket("--gres").as_deref(), Some("gpu:amd:2"));

    local.cancel(&job.reference()).unwrap();
    job.ends(&local, State::Canceled);
    assert_eq!(node(&local, "n1").state, NodeState::Idle);
    let counters = local.counters().unwrap();
    assert_eq!((counters.submitted, counters.started, counters.canceled, counters.running), (1, 1, 1, 0));
    assert!(counters.cycles > 0 && counters.last_cycle > 0.0);
    local.reset_counters().unwrap();
    assert_eq!(local.counters().unwrap().submitted, 0);
}

#[test]
fn the_revision_changes_with_what_is_seen() {
    let (site, local) = cluster();
    let other = Local::open(settings(&site)).unwrap();
    let first = local.revision().unwrap();
    let held = site.job("true", &[("hold", "")]);
    held.launch(&other);
    let second = local.revision().unwrap();
    assert!(second.number > first.number && second.runs > first.runs && second.partitions <= first.partitions);
    let (ids, walked) = all_runs(&local, &RunFilter::default());
    assert_eq!((ids, walked), (vec![1], Walked { number: second.number, total: 1 }));
    let news = RunFilter { changed_since: Some(walked.number), ..RunFilter::default() };
    assert_eq!(all_runs(&local, &news).0, [0; 0]);
    other.update_run(1, &RunChange { name: Some("other".into()), ..RunChange::default() }).unwrap();
    assert_eq!(all_runs(&local, &news).0, [1]);
    let third = local.revision().unwrap();
    other
        .update_nodes(&["n2".into()], &NodeChange { comment: Some("x".into()), ..NodeChange::default() }, "root")
        .unwrap();
    let fourth = local.revision().unwrap();
    assert!(fourth.number > third.number && fourth.nodes > third.nodes);
    assert_eq!(local.revision().unwrap(), fourth, "looking changes nothing");
    local.cancel(&held.reference()).unwrap();
    let live = RunFilter { live_only: true, ..RunFilter::default() };
    assert_eq!((all_runs(&local, &live).0, all_runs(&local, &RunFilter::default()).0), (vec![], vec![1]));
    let recent = RunFilter { ended_since: Some(crate::process::now() + 60.0), ..RunFilter::default() };
    assert_eq!(all_runs(&local, &recent).0, [0; 0]);
}

#[test]
fn why_runs_wait() {
    let (site, local) = cluster();
    let blocker = sleeper(&site, &[("--nodes", "5"), ("--exclusive", "")]);
    blocker.launch(&local);
    blocker.runs(&local);
    let job = |attributes: &[(&str, &str)]| {
        let job = sleeper(&site, attributes);
        job.launch(&local);
        job
    };
    let too_long = job(&[("--time", "UNLIMITED"), ("--partition", "gpu")]);
    let first = job(&[("--time", "10")]);
    let second = job(&[("--time", "10")]);
    let down = job(&[("--partition", "down")]);
    let held = job(&[("--hold", "")]);
    let after = job(&[("--dependency", &format!("afterok:{}", first.number(&local)))]);
    let later = job(&[("--begin", "now+1hour")]);
    let reason = |job: &Job| job.view(&local).reason;
    assert_eq!(reason(&too_long), "PartitionTimeLimit");
    assert_eq!((reason(&first), reason(&second)), ("Resources".into(), "Priority".into()));
    assert_eq!((reason(&down), reason(&held)), ("PartitionDown".into(), "JobHeldUser".into()));
    assert_eq!((reason(&after), reason(&later)), ("Dependency".into(), "BeginTime".into()));
    assert_eq!(after.view(&local).dependency, format!("afterok:{}(unfulfilled)", first.number(&local)));
    assert_eq!((held.view(&local).hold, later.view(&local).eligible), (Some(Hold::User), later.view(&local).begin));
    assert_eq!(down.view(&local).partition, "down");
    local.cancel(&first.reference()).unwrap();
    assert_eq!(reason(&after), "DependencyNeverSatisfied");
    assert_eq!(after.view(&local).dependency, format!("afterok:{}(failed)", first.number(&local)));
    local.cancel(&blocker.reference()).unwrap();
    second.runs(&local);
    local.cancel(&second.reference()).unwrap();
}

#[test]
fn what_is_refused_has_slurms_number() {
    let (site, local) = cluster();
    let refused = |attributes: &[(&str, &str)]| match sleeper(&site, attributes).submit_with(&local, None) {
        Submission::Refused(error) => Errno(error.number().unwrap_or(0)),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&[("--dependency", "afterok:99999999")]), Errno::DEPENDENCY);
    assert_eq!(refused(&[("--nodes", "50")]), Errno::NODE_CONFIGURATION);
    assert_eq!(refused(&[("--partition", "nope")]), Errno::INVALID_PARTITION);
    for _ in 0..2 {
        sleeper(&site, &[("--qos", "quick"), ("--hold", "")]).launch(&local);
    }
    assert_eq!(refused(&[("--qos", "quick")]), Errno::ACCOUNTING_POLICY);
    let spec = sleeper(&site, &[("--constraint", "nope")]).spec;
    let error = local.check(&spec, &jobgate_model::BackendConfig::default()).unwrap_err();
    assert_eq!(error.number(), Some(Errno::INVALID_FEATURE.0));
}

#[test]
fn arrays_have_the_number_of_their_first_task() {
    let (site, local) = cluster();
    let parent = sleeper(&site, &[("--array", "3,5,7%1")]);
    let mut tasks = Vec::new();
    for task in [3, 5, 7] {
        let mut job = sleeper(&site, &[("--array", "3,5,7%1")]);
        job.base.clone_from(&parent.base);
        job.jobid = parent.jobid.clone();
        job.array = Some((task, 1));
        job.array_limit = Some(1);
        job.launch(&local);
        tasks.push(job);
    }
    let ids = local.numbers_of(parent.jobid.as_str()).unwrap();
    let views = local.tasks_of(ids[0]).unwrap();
    let shown: Vec<_> = views.iter().map(|view| view.array.unwrap()).collect();
    let of = |task| ArrayTask { id: ids[0], task, count: 3, limit: Some(1) };
    assert_eq!(shown, [of(3), of(5), of(7)]);
    assert_eq!(views[1].reason, "JobArrayTaskLimit");
    let waits = |text: &str| {
        let job = sleeper(&site, &[("--dependency", text)]);
        job.launch(&local);
        job.view(&local).dependency
    };
    let all = ids[0];
    assert_eq!(waits(&format!("afterany:{all}")), format!("afterany:{all}_*(unfulfilled)"));
    assert_eq!(waits(&format!("afterok:{all}_5")), format!("afterok:{all}_5(unfulfilled)"));
    assert_eq!(waits(&format!("after:{all}_5+10")), format!("after:{all}_5+10(unfulfilled)"));
    for task in &tasks {
        local.cancel(&task.reference()).unwrap();
    }
}
