use proptest::prelude::*;

use super::*;
use crate::local::inventory::Node;
use crate::local::need::Memory;

mod reservations;

/// So many nodes with so many cores each, and one partition of all of them.
fn cluster(nodes: usize, cores: u64) -> Inventory {
    let node = |index: usize| Node { name: format!("n{index}"), cores, memory: 9, gpus: 2, ..Node::default() };
    let all = Partition { nodes: (0..nodes).collect(), default: true, ..Partition::default() };
    Inventory {
        nodes: (0..nodes).map(node).collect(),
        has_nodes: true,
        partitions: [("all".to_owned(), all)].into(),
        licences: [("x".to_owned(), 2)].into(),
        ..Inventory::default()
    }
}

fn need(cores: u64) -> Need {
    Need { cores_per_task: cores, ..Need::default() }
}

fn waiting(id: i64, cores: u64, minutes: f64) -> Waiting {
    Waiting { id, need: need(cores), limit: minutes * 60.0, partitions: vec!["all".into()], ..Waiting::default() }
}

fn running(node: usize, cores: u64, minutes_left: f64) -> Running {
    let placed = Placed { node, tasks: 1, cores, ..Placed::default() };
    Running { placement: vec![placed], ends: minutes_left * 60.0, ..Running::default() }
}

fn decided(inventory: &Inventory, running: Vec<Running>, waiting: Vec<Waiting>) -> Vec<Decision> {
    schedule(&Snapshot { now: 0.0, inventory, running, waiting })
}

fn started(inventory: &Inventory, running: Vec<Running>, waiting: Vec<Waiting>) -> Vec<i64> {
    let starts = decided(inventory, running, waiting).into_iter().filter_map(|decision| match decision {
        Decision::Start(start) => Some(start.id),
        Decision::Wait { .. } => None,
    });
    starts.collect()
}

fn reasons(decisions: &[Decision]) -> Vec<&'static str> {
    let reason = |decision: &Decision| match decision {
        Decision::Start(_) => "started",
        Decision::Wait { why, .. } => why.text(),
    };
    decisions.iter().map(reason).collect()
}

/// Where the one waiting run goes: node, tasks and cores.
fn placed(inventory: &Inventory, running: Vec<Running>, need: Need) -> Vec<(usize, u64, u64)> {
    let run = Waiting { need, ..waiting(1, 1, 9.0) };
    match decided(inventory, running, vec![run]).pop() {
        Some(Decision::Start(start)) => {
            start.placement.iter().map(|placed| (placed.node, placed.tasks, placed.cores)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn first_come_first_served() {
    let one = cluster(1, 4);
    assert_eq!(started(&one, vec![], vec![waiting(1, 2, 9.0), waiting(2, 2, 9.0), waiting(3, 1, 9.0)]), [1, 2]);
    assert_eq!(started(&one, vec![running(0, 4, 9.0)], vec![waiting(1, 1, 1.0)]), [0; 0]);
}

#[test]
fn backfill_leaves_the_first_alone() {
    let one = cluster(1, 4);
    let head = waiting(1, 4, 10.0);
    // 2 cores are free for the next 5 minutes, then the head takes all four.
    assert_eq!(started(&one, vec![running(0, 2, 5.0)], vec![head.clone(), waiting(2, 2, 5.0)]), [2]);
    assert_eq!(started(&one, vec![running(0, 2, 5.0)], vec![head, waiting(2, 2, 6.0)]), [0; 0]);
    // The head takes three; one stays spare, once.
    let head = waiting(1, 3, 10.0);
    let behind = vec![head, waiting(2, 1, 99.0), waiting(3, 1, 99.0)];
    let decisions = decided(&one, vec![running(0, 2, 5.0)], behind);
    assert_eq!(reasons(&decisions), ["Resources", "started", "Priority"]);
    assert!(matches!(&decisions[0], Decision::Wait { expected: Some(300.0), nodes, .. } if *nodes == [0]));
    assert!(matches!(&decisions[1], Decision::Start(start) if start.backfilled));
}

#[test]
fn what_can_never_run_holds_up_nobody() {
    let one = cluster(1, 2);
    let decisions = decided(&one, vec![], vec![waiting(1, 3, 1.0), waiting(2, 2, 1.0)]);
    assert_eq!(reasons(&decisions), ["BadConstraints", "started"]);
    let mut odd = waiting(1, 1, 1.0);
    odd.need.licences.insert("y".into(), 1);
    assert_eq!(started(&one, vec![], vec![odd, waiting(2, 2, 1.0)]), [2]);
}

#[test]
fn gpus_and_licences() {
    let mut one = cluster(1, 8);
    one.nodes[0].gpus = 3;
    one.licences.insert("x".into(), 1);
    let with = |id, gpus, licences: u64| {
        let mut run = waiting(id, 1, 9.0);
        run.need.gpus = if gpus > 0 { Gpus::PerRun(gpus) } else { Gpus::None };
        if licences > 0 {
            run.need.licences.insert("x".into(), licences);
        }
        run
    };
    let runs = vec![with(1, 1, 1), with(2, 0, 1), with(3, 1, 0), with(4, 1, 0), with(5, 0, 0)];
    let mut busy = running(0, 1, 9.0);
    busy.placement[0].gpus = 1;
    let decisions = decided(&one, vec![busy], runs);
    assert_eq!(reasons(&decisions), ["started", "Licenses", "started", "Priority", "started"]);
}

#[test]
fn nodes_are_chosen_by_weight_and_filled_one_after_the_other() {
    let mut four = cluster(4, 4);
    four.nodes[0].weight = 9;
    assert_eq!(placed(&four, vec![], need(2)), [(1, 1, 2)]);
    assert_eq!(placed(&four, vec![running(1, 3, 9.0)], need(2)), [(2, 1, 2)], "the first that it fits on");
    assert_eq!(placed(&four, vec![], Need { tasks: 6, ..need(1) }), [(1, 4, 4), (2, 2, 2)]);
    assert_eq!(placed(&four, vec![], Need { tasks: 16, ..need(1) }).len(), 4);
    assert_eq!(placed(&four, vec![], Need { tasks: 17, ..need(1) }), []);
}

#[test]
fn numbers_of_nodes_and_of_tasks_on_each() {
    let four = cluster(4, 4);
    let two = |need: Need| Need { min_nodes: 2, max_nodes: Some(2), ..need };
    assert_eq!(placed(&four, vec![], two(Need { tasks: 4, ..need(1) })), [(0, 3, 3), (1, 1, 1)]);
    assert_eq!(placed(&four, vec![], two(Need { tasks: 9, ..need(1) })), []);
    // Nodes are not taken one by one where that would need more than there may be.
    let busy = vec![running(0, 3, 9.0), running(1, 3, 9.0)];
    assert_eq!(placed(&four, busy, two(Need { tasks: 8, ..need(1) })), [(2, 4, 4), (3, 4, 4)]);
    let each = Need { tasks: 6, tasks_per_node: Some(2), ..need(1) };
    assert_eq!(placed(&four, vec![], each), [(0, 2, 2), (1, 2, 2), (2, 2, 2)]);
    // More nodes than tasks: each of them has a core.
    let wide = Need { min_nodes: 3, ..need(1) };
    assert_eq!(placed(&four, vec![], wide), [(0, 1, 1), (1, 0, 1), (2, 0, 1)]);
    let mut narrow = four.clone();
    narrow.partitions.get_mut("all").unwrap().max_nodes = Some(1);
    assert_eq!(placed(&narrow, vec![], Need { tasks: 5, ..need(1) }), []);
    let decisions = decided(&narrow, vec![], vec![Waiting { need: two(need(1)), ..waiting(1, 1, 9.0) }]);
    assert_eq!(reasons(&decisions), ["PartitionNodeLimit"]);
}

#[test]
fn nodes_by_name_and_by_feature() {
    let mut four = cluster(4, 4);
    four.nodes[2].features.insert("fast".into());
    four.nodes[3].features.extend(["fast".into(), "big".into()]);
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(placed(&four, vec![], Need { nodelist: list(&["n3"]), ..need(1) }), [(3, 1, 1)]);
    let both = Need { nodelist: list(&["n3", "n1"]), min_nodes: 2, tasks: 5, ..need(1) };
    assert_eq!(placed(&four, vec![], both), [(1, 4, 4), (3, 1, 1)]);
    assert_eq!(placed(&four, vec![], Need { exclude: list(&["n0", "n1"]), ..need(1) }), [(2, 1, 1)]);
    let with = |constraint: &str| Need { constraint: Some(constraint.into()), ..need(1) };
    assert_eq!(placed(&four, vec![], with("fast")), [(2, 1, 1)]);
    assert_eq!(placed(&four, vec![], with("fast&big")), [(3, 1, 1)]);
    // The same feature on all nodes: only one has each of these alone.
    four.nodes[0].features.insert("rack1".into());
    four.nodes[1].features.insert("rack2".into());
    assert_eq!(placed(&four, vec![], Need { tasks: 5, ..with("rack1|rack2") }).len(), 2);
    assert_eq!(placed(&four, vec![], Need { tasks: 5, ..with("[rack1|rack2]") }), []);
    let decisions = decided(&four, vec![running(3, 4, 9.0)], vec![Waiting { need: with("big"), ..waiting(1, 1, 9.0) }]);
    assert_eq!(reasons(&decisions), ["Resources"]);
}

#[test]
fn memory_and_gpus_of_nodes() {
    let four = cluster(4, 4);
    let of = |need: Need| placed(&four, vec![], need).into_iter().map(|(node, _, _)| node).collect::<Vec<_>>();
    let two_tasks = |memory, gpus| Need { tasks: 2, memory, gpus, ..need(1) };
    assert_eq!(of(two_tasks(Memory::PerNode(9), Gpus::None)), [0]);
    assert_eq!(of(two_tasks(Memory::PerNode(10), Gpus::None)), [0; 0]);
    assert_eq!(of(two_tasks(Memory::PerCore(5), Gpus::None)), [0, 1]);
    assert_eq!(of(two_tasks(Memory::Unsaid, Gpus::PerTask(2))), [0, 1]);
    assert_eq!(of(two_tasks(Memory::Unsaid, Gpus::PerRun(5))), [0, 1, 2]);
    assert_eq!(of(two_tasks(Memory::Unsaid, Gpus::PerNode(3))), [0; 0]);
    let mut typed = four.clone();
    typed.nodes[2].gpu_type = Some("amd".into());
    let amd = Need { gpu_type: Some("amd".into()), gpus: Gpus::PerNode(1), ..need(1) };
    assert_eq!(placed(&typed, vec![], amd), [(2, 1, 1)]);
}

#[test]
fn exclusive_runs_are_alone() {
    let two = cluster(2, 4);
    let alone = Need { exclusive: true, ..need(1) };
    assert_eq!(placed(&two, vec![running(0, 1, 9.0)], alone.clone()), [(1, 1, 4)]);
    assert_eq!(placed(&two, vec![running(0, 1, 9.0), running(1, 1, 9.0)], alone), []);
}

#[test]
fn nodes_that_are_down_or_drained_take_nothing() {
    let mut two = cluster(2, 4);
    two.nodes[0].drained = true;
    assert_eq!(placed(&two, vec![], need(1)), [(1, 1, 1)]);
    two.nodes[1].down = true;
    let decisions = decided(&two, vec![], vec![waiting(1, 1, 1.0)]);
    assert_eq!(reasons(&decisions), ["ReqNodeNotAvail"]);
}

#[test]
fn partitions_have_states_and_limits() {
    let mut two = cluster(2, 4);
    let small = Partition { nodes: vec![1], minutes: Some(5), cores: Some(2), ..Partition::default() };
    two.partitions.insert("small".into(), small);
    let run = |id, cores, minutes, names: &[&str]| Waiting {
        partitions: names.iter().map(|name| (*name).to_owned()).collect(),
        ..waiting(id, cores, minutes)
    };
    let runs = vec![run(1, 1, 6.0, &["small"]), run(2, 2, 5.0, &["small"]), run(3, 1, 5.0, &["small"])];
    let decisions = decided(&two, vec![], runs);
    assert_eq!(reasons(&decisions), ["PartitionTimeLimit", "started", "QOSGrpCpuLimit"]);
    let decisions = decided(&two, vec![], vec![run(1, 3, 9.0, &["small", "all"])]);
    assert!(matches!(&decisions[0], Decision::Start(start) if start.partition == "all"), "{decisions:?}");
    for (state, reason) in [(PartitionState::Down, "PartitionDown"), (PartitionState::Inactive, "PartitionInactive")] {
        two.partitions.get_mut("all").unwrap().state = state;
        assert_eq!(reasons(&decided(&two, vec![], vec![waiting(1, 1, 1.0)])), [reason]);
    }
    two.partitions.get_mut("all").unwrap().state = PartitionState::Drain;
    assert_eq!(started(&two, vec![], vec![waiting(1, 1, 1.0)]), [1]);
}

#[test]
fn limits_of_users_hold_up_nobody_else() {
    use crate::local::settings::Qos;
    let mut one = cluster(1, 8);
    let qos = Qos { jobs_per_user: Some(1), cores_per_user: Some(3), minutes: Some(60), ..Qos::default() };
    one.qos.insert("normal".into(), qos);
    let run = |id, owner: &str, cores, minutes| Waiting {
        owner: owner.into(),
        qos: Some("normal".into()),
        ..waiting(id, cores, minutes)
    };
    let runs = vec![
        run(1, "alice", 1, 9.0),
        run(2, "alice", 1, 9.0),
        run(3, "bob", 4, 9.0),
        run(4, "bob", 1, 61.0),
        run(5, "bob", 3, 9.0),
    ];
    let expected =
        ["started", "QOSMaxJobsPerUserLimit", "QOSMaxCpuPerUserLimit", "QOSMaxWallDurationPerJobLimit", "started"];
    assert_eq!(reasons(&decided(&one, vec![], runs)), expected);
}

/// A job of the simulation: what it asks for, how much of its time limit it really uses, and when it comes.
#[derive(Debug, Clone)]
struct Job {
    need: Need,
    limit: f64,
    takes: f64,
    comes: f64,
}

fn any_job() -> impl Strategy<Value = Job> {
    let shape = (1u64..5, 1u64..4, 1u64..3, proptest::option::of(1u64..3), 0u64..4, any::<bool>());
    (shape, 0u64..3, 0u64..3, 1u32..50, 1u32..=100, 0u32..60).prop_map(
        |((tasks, cores, min_nodes, per_node, memory, exclusive), gpus, licences, limit, used, comes)| {
            let need = Need {
                tasks: tasks.max(min_nodes),
                cores_per_task: cores,
                min_nodes,
                tasks_per_node: per_node.map(|count| count.max(tasks.max(min_nodes).div_ceil(3))),
                memory: if memory > 0 {
                    Memory::PerCore(memory.min(9 / (cores * 2).max(1)).max(1))
                } else {
                    Memory::Unsaid
                },
                gpus: if gpus > 0 { Gpus::PerNode(gpus) } else { Gpus::None },
                exclusive: exclusive && min_nodes == 1,
                licences: (licences > 0).then(|| ("x".to_owned(), licences)).into_iter().collect(),
                ..Need::default()
            };
            let limit = f64::from(limit) * 60.0;
            Job { need, limit, takes: limit * f64::from(used) / 100.0, comes: f64::from(comes) * 30.0 }
        },
    )
}

/// The nodes of the simulation.
fn site() -> Inventory {
    cluster(3, 4)
}

fn possible(jobs: Vec<Job>) -> Vec<Job> {
    let site = site();
    jobs.into_iter().filter(|job| fits_empty(&site, &site.partitions["all"], &job.need)).collect()
}

/// Nothing is given out twice.
fn assert_no_overcommit(inventory: &Inventory, running: &[Running]) -> Result<(), TestCaseError> {
    for (index, node) in inventory.nodes.iter().enumerate() {
        let on_it = || running.iter().flat_map(|run| &run.placement).filter(|placed| placed.node == index);
        let used = |of: fn(&Placed) -> u64| on_it().map(of).sum::<u64>();
        prop_assert!(used(|placed| placed.cores) <= node.cores && used(|placed| placed.memory) <= node.memory);
        prop_assert!(used(|placed| placed.gpus) <= node.gpus);
    }
    let licences: u64 = running.iter().flat_map(|run| &run.counted).map(|(_, count)| *count).sum();
    prop_assert!(licences <= inventory.licences["x"]);
    Ok(())
}

fn as_running(run: &Waiting, start: &Start, now: f64) -> Running {
    let counted = run.need.licences.iter().map(|(name, count)| (Counter::Licence(name.clone()), *count)).collect();
    let (placement, reservation) = (start.placement.clone(), start.reservation.clone());
    Running { placement, counted, ends: now + run.limit, reservation }
}

/// Lives through all jobs; gives the time at which each started, and asserts what was promised to the first in line.
fn simulate(jobs: &[Job]) -> Result<Vec<f64>, TestCaseError> {
    let inventory = site();
    let mut now = 0.0;
    let mut started: Vec<Option<(f64, Running)>> = vec![None; jobs.len()];
    let mut promise: Option<(usize, f64)> = None;
    let over = |start: f64, job: &Job, now: f64| start + job.takes <= now;
    for _ in 0..10 * jobs.len() + 10 {
        let alive = |(job, state): (&Job, &Option<(f64, Running)>)| {
            state.as_ref().filter(|(start, _)| !over(*start, job, now)).map(|(_, running)| running.clone())
        };
        let mut running: Vec<Running> = jobs.iter().zip(&started).filter_map(alive).collect();
        let waiting: Vec<Waiting> = (0..jobs.len())
            .filter(|at| started[*at].is_none() && jobs[*at].comes <= now)
            .map(|at| Waiting { need: jobs[at].need.clone(), limit: jobs[at].limit, ..waiting(at as i64, 1, 1.0) })
            .collect();
        let head = waiting.first().map(|run| run.id as usize);
        let snapshot = Snapshot { now, inventory: &inventory, running: running.clone(), waiting: waiting.clone() };
        let mut expected = now;
        for decision in schedule(&snapshot) {
            match decision {
                Decision::Start(start) => {
                    let run = waiting.iter().find(|run| run.id == start.id).unwrap();
                    let runs = as_running(run, &start, now);
                    running.push(runs.clone());
                    started[start.id as usize] = Some((now, runs));
                }
                Decision::Wait { id, expected: Some(at), .. } if Some(id as usize) == head => expected = at,
                Decision::Wait { .. } => {}
            }
        }
        assert_no_overcommit(&inventory, &running)?;
        // The first in line starts no later than it could have when it became the first, whatever came since.
        if let Some(head) = head {
            let promised = match promise {
                Some((promised, time)) if promised == head => time,
                _ => {
                    promise = Some((head, expected));
                    expected
                }
            };
            prop_assert!(now <= promised, "job {head} was promised {promised}, it is {now}");
            if started[head].is_none() {
                prop_assert!(expected <= promised, "job {head} was promised {promised}, now it is {expected}");
                prop_assert!(!running.is_empty(), "nothing runs and nothing starts");
            }
        }
        let ends =
            jobs.iter().zip(&started).filter_map(|(job, state)| state.as_ref().map(|(start, _)| start + job.takes));
        let next = ends.chain(jobs.iter().map(|job| job.comes)).filter(|time| *time > now).min_by(f64::total_cmp);
        match next {
            Some(next) => now = next,
            None => break,
        }
    }
    let starts: Option<Vec<f64>> = started.into_iter().map(|state| state.map(|(start, _)| start)).collect();
    starts.ok_or_else(|| TestCaseError::fail("a job starved"))
}

proptest! {
    #[test]
    fn never_over_commits_never_starves_never_delays_the_first(jobs in proptest::collection::vec(any_job(), 1..40)) {
        simulate(&possible(jobs))?;
    }

    #[test]
    fn decides_for_what_waits_and_only_once(jobs in proptest::collection::vec(any_job(), 1..60)) {
        let inventory = site();
        let jobs = possible(jobs);
        let waiting: Vec<Waiting> = jobs
            .iter()
            .enumerate()
            .map(|(at, job)| Waiting { need: job.need.clone(), limit: job.limit, ..waiting(at as i64, 1, 1.0) })
            .collect();
        let decisions = decided(&inventory, Vec::new(), waiting);
        let ids: Vec<i64> = decisions.iter().map(|decision| match decision {
            Decision::Start(start) => start.id,
            Decision::Wait { id, .. } => *id,
        }).collect();
        prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        if !jobs.is_empty() {
            prop_assert!(matches!(&decisions[0], Decision::Start(start) if start.id == 0 && !start.backfilled));
        }
        for decision in &decisions {
            if let Decision::Start(start) = decision {
                let need = &jobs[start.id as usize].need;
                let sum = |of: fn(&Placed) -> u64| start.placement.iter().map(of).sum::<u64>();
                prop_assert_eq!(sum(|placed| placed.tasks), need.tasks);
                prop_assert!(start.placement.len() as u64 >= need.min_nodes);
            }
        }
    }
}
