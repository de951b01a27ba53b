use proptest::prelude::*;

use super::*;

fn need(cores: u64, memory: u64) -> Need {
    Need { cores, memory, ..Need::default() }
}

fn waiting(id: i64, cores: u64, minutes: f64) -> Waiting {
    Waiting { id, need: need(cores, 0), limit: minutes * 60.0 }
}

fn running(cores: u64, minutes_left: f64) -> Running {
    Running { need: need(cores, 0), ends: minutes_left * 60.0, gpus: Vec::new() }
}

fn started(total: &Need, running: Vec<Running>, waiting: Vec<Waiting>) -> Vec<i64> {
    schedule(&Snapshot { now: 0.0, total, running, waiting }).into_iter().map(|decision| decision.id).collect()
}

#[test]
fn first_come_first_served() {
    let total = need(4, 0);
    assert_eq!(started(&total, vec![], vec![waiting(1, 2, 9.0), waiting(2, 2, 9.0), waiting(3, 1, 9.0)]), [1, 2]);
    assert_eq!(started(&total, vec![running(4, 9.0)], vec![waiting(1, 1, 1.0)]), [0; 0]);
}

#[test]
fn backfill_leaves_the_first_alone() {
    let total = need(4, 0);
    let head = waiting(1, 4, 10.0);
    // 2 cores are free for the next 5 minutes, then the head takes all four.
    assert_eq!(started(&total, vec![running(2, 5.0)], vec![head.clone(), waiting(2, 2, 5.0)]), [2]);
    assert_eq!(started(&total, vec![running(2, 5.0)], vec![head, waiting(2, 2, 6.0)]), [0; 0]);
    // The head takes three; one stays spare, once.
    let head = waiting(1, 3, 10.0);
    let behind = vec![head, waiting(2, 1, 99.0), waiting(3, 1, 99.0)];
    assert_eq!(started(&total, vec![running(2, 5.0)], behind), [2]);
}

#[test]
fn what_can_never_run_holds_up_nobody() {
    assert_eq!(started(&need(2, 0), vec![], vec![waiting(1, 3, 1.0), waiting(2, 2, 1.0)]), [2]);
    let mut odd = waiting(1, 1, 1.0);
    odd.need.counters.insert("licence:x".into(), 1);
    assert_eq!(started(&need(2, 0), vec![], vec![odd, waiting(2, 2, 1.0)]), [2]);
}

#[test]
fn gpus_and_licences() {
    let mut total = need(8, 0);
    total.gpus = 3;
    total.counters.insert("licence:x".into(), 1);
    let with = |id, gpus, licences: u64| {
        let mut run = waiting(id, 1, 9.0);
        run.need.gpus = gpus;
        if licences > 0 {
            run.need.counters.insert("licence:x".into(), licences);
        }
        run
    };
    let runs = vec![with(1, 1, 1), with(2, 0, 1), with(3, 1, 0), with(4, 0, 0)];
    let busy = Running { gpus: vec![1], need: Need { cores: 1, gpus: 1, ..Need::default() }, ends: 9.0 };
    let decisions = schedule(&Snapshot { now: 0.0, total: &total, running: vec![busy], waiting: runs });
    let given: Vec<(i64, Vec<u32>)> = decisions.into_iter().map(|decision| (decision.id, decision.gpus)).collect();
    assert_eq!(given, [(1, vec![0]), (3, vec![2]), (4, vec![])]);
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
    (1u64..6, 0u64..10, 0u64..3, 0u64..3, 1u32..50, 1u32..=100, 0u32..60).prop_map(
        |(cores, memory, gpus, licences, limit, used, comes)| {
            let counters = if licences > 0 { [("licence:x".to_owned(), licences)].into() } else { BTreeMap::new() };
            let limit = f64::from(limit) * 60.0;
            Job {
                need: Need { cores, memory, gpus, counters },
                limit,
                takes: limit * f64::from(used) / 100.0,
                comes: f64::from(comes) * 30.0,
            }
        },
    )
}

fn machine() -> Need {
    Need { cores: 5, memory: 9, gpus: 2, counters: [("licence:x".to_owned(), 2)].into() }
}

/// Lives through all jobs; gives the time at which each started, and the promises made to the first in line.
fn simulate(jobs: &[Job]) -> Result<Vec<f64>, TestCaseError> {
    let total = machine();
    let mut now = 0.0;
    let mut starts: Vec<Option<f64>> = vec![None; jobs.len()];
    let mut promise: Option<(usize, f64)> = None;
    let over = |start: Option<f64>, job: &Job, now: f64| start.is_some_and(|start| start + job.takes <= now);
    for _ in 0..10 * jobs.len() + 10 {
        let mut running = Vec::new();
        for (job, start) in jobs.iter().zip(&starts) {
            if let Some(start) = start.filter(|_| !over(*start, job, now)) {
                running.push(Running { need: job.need.clone(), ends: start + job.limit, gpus: Vec::new() });
            }
        }
        let waiting: Vec<Waiting> = (0..jobs.len())
            .filter(|at| starts[*at].is_none() && jobs[*at].comes <= now)
            .map(|at| Waiting { id: at as i64, need: jobs[at].need.clone(), limit: jobs[at].limit })
            .collect();
        let head = waiting.first().map(|run| run.id as usize);
        for decision in schedule(&Snapshot { now, total: &total, running: running.clone(), waiting: waiting.clone() }) {
            let at = decision.id as usize;
            starts[at] = Some(now);
            running.push(Running { need: jobs[at].need.clone(), ends: now + jobs[at].limit, gpus: decision.gpus });
        }
        // Never over-committed.
        let used = |of: fn(&Need) -> u64| running.iter().map(|run| of(&run.need)).sum::<u64>();
        prop_assert!(used(|need| need.cores) <= total.cores && used(|need| need.memory) <= total.memory);
        prop_assert!(used(|need| need.gpus) <= total.gpus);
        prop_assert!(used(|need| need.counters.get("licence:x").copied().unwrap_or(0)) <= 2);
        // The first in line starts no later than it could have when it became the first, whatever came since.
        if let Some(head) = head {
            let promised = match promise {
                Some((promised, time)) if promised == head => time,
                _ => {
                    let reservation = Reservation::make(&jobs[head].need, &Free::of(&total, &running), &running, now);
                    let time = if starts[head].is_some() { now } else { reservation.at };
                    promise = Some((head, time));
                    time
                }
            };
            prop_assert!(now <= promised, "job {head} was promised {promised}, it is {now}");
            if starts[head].is_none() {
                prop_assert!(!running.is_empty(), "nothing runs and nothing starts");
            }
        }
        let ends = jobs.iter().zip(&starts).filter_map(|(job, start)| start.map(|start| start + job.takes));
        let next = ends.chain(jobs.iter().map(|job| job.comes)).filter(|time| *time > now).min_by(f64::total_cmp);
        match next {
            Some(next) => now = next,
            None => break,
        }
    }
    let starts: Option<Vec<f64>> = starts.into_iter().collect();
    starts.ok_or_else(|| TestCaseError::fail("a job starved"))
}

proptest! {
    #[test]
    fn never_over_commits_never_starves_never_delays_the_first(jobs in proptest::collection::vec(any_job(), 1..40)) {
        simulate(&jobs)?;
    }

    #[test]
    fn decides_for_what_waits_and_only_once(jobs in proptest::collection::vec(any_job(), 1..60)) {
        let total = machine();
        let waiting: Vec<Waiting> = jobs
            .iter()
            .enumerate()
            .map(|(at, job)| Waiting { id: at as i64, need: job.need.clone(), limit: job.limit })
            .collect();
        let decisions = schedule(&Snapshot { now: 0.0, total: &total, running: Vec::new(), waiting });
        prop_assert!(decisions.windows(2).all(|pair| pair[0].id < pair[1].id));
        prop_assert_eq!(decisions.first().map(|decision| decision.id), Some(0));
        let mut gpus: Vec<u32> = decisions.iter().flat_map(|decision| decision.gpus.clone()).collect();
        let given = gpus.len();
        gpus.sort_unstable();
        gpus.dedup();
        prop_assert_eq!(gpus.len(), given);
    }
}
