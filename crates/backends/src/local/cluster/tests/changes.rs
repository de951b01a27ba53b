//! Changes of runs, nodes and partitions.

use super::*;

fn options(pairs: &[(&str, &str)]) -> RunChange {
    let options = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    RunChange { options, ..RunChange::default() }
}

fn order(order: NodeOrder, reason: &str) -> NodeChange {
    let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
    NodeChange { order: Some(order), reason, ..NodeChange::default() }
}

#[test]
fn a_waiting_run_can_become_another() {
    let (site, local) = cluster();
    let job = sleeper(&site, &[("--hold", ""), ("--constraint", "fake"), ("--partition", "gpu")]);
    job.launch(&local);
    let id = job.number(&local);
    assert_eq!(job.view(&local).priority, 5, "the partition's");
    local
        .update_run(id, &options(&[("nodes", "3"), ("comment", "new"), ("constraint", ""), ("qos", "quick")]))
        .unwrap();
    local
        .update_run(
            id,
            &RunChange { minutes: Some(7), nice: Some(1), name: Some("renamed".into()), ..RunChange::default() },
        )
        .unwrap();
    let view = job.view(&local);
    assert_eq!((view.request.min_nodes, view.request.tasks, view.request.constraint.as_deref()), (3, 1, None));
    assert_eq!((view.minutes, view.nice, view.priority, view.name.as_deref()), (7, 1, 14, Some("renamed")));
    let given: Vec<(&str, &str)> = view.options.iter().filter(|(key, _)| *key != "--chdir").collect();
    let expected = [
        ("--ntasks", "1"),
        ("--requeue", ""),
        ("--hold", ""),
        ("--partition", "gpu"),
        ("--nodes", "3"),
        ("--comment", "new"),
        ("--qos", "quick"),
        ("--nice", "1"),
    ];
    assert_eq!(given, expected);
    assert_eq!(errno(local.update_run(id, &options(&[("partition", "nope")]))), Errno::INVALID_PARTITION);
    assert_eq!(errno(local.update_run(id, &RunChange { priority: Some(9), ..RunChange::default() })), Errno::HELD);
    assert_eq!(errno(local.update_run(id, &options(&[("array", "1-2")]))), Errno::NOT_SUPPORTED);
    assert_eq!(errno(local.update_run(99, &RunChange::default())), Errno::INVALID_JOB_ID);
    assert_eq!(job.view(&local).request.min_nodes, 3, "what is refused changes nothing");

    local.update_run(id, &options(&[("begin", "now+1hour"), ("dependency", "singleton")])).unwrap();
    let release = RunChange { hold: Some(HoldChange::Release), ..RunChange::default() };
    local.update_run(id, &release).unwrap();
    assert_eq!(job.view(&local).reason, "BeginTime");
    local.update_run(id, &options(&[("begin", ""), ("nodes", "1")])).unwrap();
    job.runs(&local);

    assert_eq!(errno(local.update_run(id, &options(&[("nodes", "2")]))), Errno::NOT_SUPPORTED);
    assert_eq!(errno(local.update_run(id, &options(&[("partition", "defq")]))), Errno::JOB_NOT_PENDING);
    let hold = RunChange { hold: Some(HoldChange::Hold(Hold::User)), ..RunChange::default() };
    assert_eq!(errno(local.update_run(id, &hold)), Errno::JOB_NOT_PENDING);
    local.update_run(id, &options(&[("comment", "newer"), ("time", "1:00:00")])).unwrap();
    assert_eq!((job.view(&local).minutes, job.view(&local).options.get("--comment")), (60, Some("newer")));
    local.cancel(&job.reference()).unwrap();
    job.ends(&local, State::Canceled);
    assert_eq!(errno(local.update_run(id, &options(&[("comment", "late")]))), Errno::ALREADY_DONE);
}

#[test]
fn an_administrator_holds_too() {
    let (site, local) = cluster();
    let job = sleeper(&site, &[("--begin", "now+1hour")]);
    job.launch(&local);
    let id = job.number(&local);
    local.update_run(id, &RunChange { hold: Some(HoldChange::Hold(Hold::Admin)), ..RunChange::default() }).unwrap();
    assert_eq!((job.view(&local).hold, job.view(&local).reason), (Some(Hold::Admin), "JobHeldAdmin".into()));
    local.update_run(id, &RunChange { hold: Some(HoldChange::Release), ..RunChange::default() }).unwrap();
    assert_eq!(job.view(&local).hold, None);
}

#[test]
fn requeue_puts_a_run_back() {
    let (site, local) = cluster();
    let job = sleeper(&site, &[]);
    job.launch(&local);
    job.runs(&local);
    let id = job.number(&local);
    local.requeue_run(id, false).unwrap();
    until("the second start", || job.starts() == 2 && job.view(&local).phase == RunPhase::Running);
    assert_eq!(job.view(&local).restarts, 1);
    local.requeue_run(id, true).unwrap();
    until("the hold", || job.view(&local).phase == RunPhase::Waiting);
    let view = job.view(&local);
    assert_eq!((view.hold, view.restarts, view.started, view.allocation.len()), (Some(Hold::User), 2, None, 0));
    assert_eq!(errno(local.requeue_run(id, false)), Errno::JOB_PENDING);
    local.cancel(&job.reference()).unwrap();
    assert_eq!(errno(local.requeue_run(id, false)), Errno::ALREADY_DONE);
    let stays = site.job("while [ ! -e go_on ]; do sleep 0.01; done", &[]);
    stays.launch(&local);
    stays.runs(&local);
    assert_eq!(errno(local.requeue_run(stays.number(&local), false)), Errno::DISABLED);
    std::fs::write(stays.base.join("go_on"), "").unwrap();
    stays.ends(&local, State::Completed);
}

#[test]
fn suspended_runs_keep_what_they_have() {
    let (site, local) = cluster();
    // Unlike a `sleeper` it goes on when it is told to look after its orders.
    let job = site.job("trap 'state=canceled; return' TERM; while :; do sleep 0.05; done", &[("--ntasks", "4")]);
    job.launch(&local);
    let id = job.number(&local);
    job.runs(&local);
    assert_eq!(errno(local.resume_run(id)), Errno::JOB_NOT_SUSPENDED);
    local.suspend_run(id).unwrap();
    assert_eq!(errno(local.suspend_run(id)), Errno::JOB_SUSPENDED);
    let view = job.view(&local);
    assert_eq!((view.phase, view.suspended.is_some(), view.allocation.len()), (RunPhase::Suspended, true, 1));
    assert_eq!(node(&local, "n1").state, NodeState::Allocated);
    local.resume_run(id).unwrap();
    assert_eq!(job.view(&local).phase, RunPhase::Running);
    local.cancel(&job.reference()).unwrap();
    job.ends(&local, State::Canceled);
    assert_eq!(errno(local.suspend_run(id)), Errno::ALREADY_DONE);
}

#[test]
fn nodes_are_drained_and_resumed() {
    let (site, local) = cluster();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    local.update_nodes(&names(&["n1", "n2"]), &order(NodeOrder::Drain, "broken fan"), "root").unwrap();
    let n1 = node(&local, "n1");
    assert_eq!((n1.drained, n1.reason.as_str(), n1.reason_user.as_str()), (true, "broken fan", "root"));
    assert!(n1.reason_at.is_some() && !local.is_drained().unwrap());
    let job = sleeper(&site, &[]);
    job.launch(&local);
    job.runs(&local);
    assert_eq!(job.view(&local).allocation[0].node, "n3");
    let wants = sleeper(&site, &[("--nodelist", "n2")]);
    wants.launch(&local);
    assert_eq!(wants.view(&local).reason, "ReqNodeNotAvail");
    local.update_nodes(&names(&["n2"]), &order(NodeOrder::Resume, ""), "root").unwrap();
    wants.runs(&local);
    assert_eq!((node(&local, "n2").reason, node(&local, "n2").reason_at), (String::new(), None));
    assert_eq!(
        errno(local.update_nodes(&names(&["n2"]), &order(NodeOrder::Resume, ""), "root")),
        Errno::NODE_TRANSITION
    );
    assert_eq!(
        errno(local.update_nodes(&names(&["n1", "nope"]), &order(NodeOrder::Idle, ""), "root")),
        Errno::INVALID_NODE_NAME
    );
    assert!(node(&local, "n1").drained, "all or none");
    local.update_nodes(&names(&["n1"]), &order(NodeOrder::Undrain, ""), "root").unwrap();
    assert!(!node(&local, "n1").drained);
    let change = NodeChange {
        features: Some(vec!["fake".into(), "new".into()]),
        weight: Some(7),
        gres: Some("gpu:amd:2".into()),
        extra: Some("x".into()),
        ..NodeChange::default()
    };
    local.update_nodes(&names(&["n5"]), &change, "root").unwrap();
    let n5 = node(&local, "n5");
    assert_eq!(
        (n5.weight, n5.gpus, n5.extra.as_str(), n5.features),
        (7, 2, "x", vec!["fake".to_owned(), "new".into()])
    );
    let bad = NodeChange { gres: Some("nvme:1".into()), ..NodeChange::default() };
    assert_eq!(errno(local.update_nodes(&names(&["n5"]), &bad, "root")), Errno::INVALID_GRES);
    for job in [&job, &wants] {
        local.cancel(&job.reference()).unwrap();
    }
    local.drain().unwrap();
    assert!(local.is_drained().unwrap() && local.nodes().unwrap().iter().all(|node| node.drained));
    local.resume().unwrap();
    assert!(!local.nodes().unwrap().iter().any(|node| node.drained));
}

#[test]
fn what_runs_on_a_node_that_goes_down_is_put_back_or_fails() {
    let (site, local) = cluster();
    let again = sleeper(&site, &[("--nodelist", "n2"), ("--ntasks", "2")]);
    let fails = site.job("trap 'exit 0' URG; while :; do sleep 0.05; done", &[("--ntasks", "2"), ("--nodelist", "n2")]);
    for job in [&again, &fails] {
        job.launch(&local);
        job.runs(&local);
    }
    local.update_nodes(&["n2".into()], &order(NodeOrder::Down, "no power"), "root").unwrap();
    until("the end", || matches!(fails.view(&local).phase, RunPhase::Ended(..)));
    assert_eq!(fails.view(&local).phase, RunPhase::Ended(State::Failed, "lost: node n2 is down".into()));
    until("the other to wait", || again.view(&local).phase == RunPhase::Waiting);
    assert_eq!((again.view(&local).reason.as_str(), node(&local, "n2").state), ("ReqNodeNotAvail", NodeState::Down));
    local.update_nodes(&["n2".into()], &order(NodeOrder::Resume, ""), "root").unwrap();
    until("the second start", || again.starts() == 2);
    local.cancel(&again.reference()).unwrap();
}

#[test]
fn a_node_resumes_by_itself() {
    let (_site, local) = cluster();
    let change = NodeChange { resume_after: Some(0.3), ..order(NodeOrder::Drain, "a moment") };
    local.update_nodes(&["n1".into()], &change, "root").unwrap();
    assert!(node(&local, "n1").drained && node(&local, "n1").resume_at.is_some());
    until("the node", || !node(&local, "n1").drained);
}

#[test]
fn partitions_are_made_changed_and_removed() {
    let (site, local) = cluster();
    let change = |change: PartitionChange| local.update_partition("new", &change);
    change(PartitionChange { nodes: Some("n[4-5]".into()), minutes: Some(5), ..PartitionChange::default() }).unwrap();
    let shown = || local.partitions().unwrap().into_iter().find(|one| one.name == "new");
    let new = shown().unwrap();
    assert_eq!(
        (new.nodes, new.cores, new.minutes, new.configured),
        (vec!["n4".to_owned(), "n5".into()], 8, Some(5), false)
    );
    let waits = sleeper(&site, &[("--partition", "new"), ("--time", "10")]);
    waits.launch(&local);
    assert_eq!(waits.view(&local).reason, "PartitionTimeLimit");
    assert_eq!(errno(local.delete_partition("new")), Errno::PARTITION_IN_USE);
    change(PartitionChange { minutes: Some(UNLIMITED), priority: Some(3), ..PartitionChange::default() }).unwrap();
    waits.runs(&local);
    assert_eq!((waits.view(&local).allocation[0].node.as_str(), waits.view(&local).priority), ("n4", 3));
    local.cancel(&waits.reference()).unwrap();
    waits.ends(&local, State::Canceled);
    change(PartitionChange { default: Some(true), ..PartitionChange::default() }).unwrap();
    let defaults: Vec<_> =
        local.partitions().unwrap().into_iter().filter(|one| one.default).map(|one| one.name).collect();
    assert_eq!(defaults, ["new"]);
    local.delete_partition("new").unwrap();
    assert_eq!(shown(), None);
    local.delete_partition("down").unwrap();
    assert_eq!(errno(local.delete_partition("down")), Errno::INVALID_PARTITION);
    assert_eq!(
        errno(change(PartitionChange { nodes: Some("n9".into()), ..PartitionChange::default() })),
        Errno::INVALID_NODE_NAME
    );
    let other = Local::open(settings(&site)).unwrap();
    let names: Vec<_> = other.partitions().unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["defq", "gpu", "local"], "in every process; somewhere jobs must go");
}
