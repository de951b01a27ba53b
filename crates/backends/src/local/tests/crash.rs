//! Runners, submitters and machines that die, and several processes at once.

use super::*;

#[test]
fn a_runner_that_dies_before_its_script_is_started_again() {
    let site = Site::new();
    let local = site.attended(1);
    let job = site.job("true", &[]);
    fs::write(job.base.join("dies_early"), "").unwrap();
    job.launch(&local);
    job.ends(&local, State::Failed);
    assert_eq!(fs::read_to_string(job.base.join("early")).unwrap().lines().count(), 6);
    let Seen::Ended(_, info) = job.phase(&local) else { panic!() };
    assert_eq!(info, "lost: its runner ended 6 times before the script started");
    let job = site.job("true", &[]);
    fs::write(job.base.join("dies_early"), "").unwrap();
    job.launch(&local);
    until("an attempt", || job.base.join("early").exists());
    fs::remove_file(job.base.join("dies_early")).unwrap();
    job.ends(&local, State::Completed);
    assert_eq!(job.starts(), 1);
}

#[test]
fn a_killed_runner_is_lost_and_so_is_what_it_started() {
    let site = Site::new();
    let local = site.open(1);
    let told: Arc<Mutex<Vec<Sighting>>> = Arc::default();
    let teller = Arc::clone(&told);
    Arc::clone(&local).attend(Arc::new(move |_, sighting| teller.lock().unwrap().extend(sighting))).unwrap();
    let job = site.job("sleep 60 & echo $! > sleeper; wait", &[]);
    let pid: i32 = job.launch(&local).parse().unwrap();
    let sleeper = || fs::read_to_string(job.base.join("sleeper")).ok()?.trim().parse::<i32>().ok();
    until("the sleeper", || sleeper().is_some());
    Identity::of(pid).unwrap().signal(Signal::KILL);
    until("the news", || !told.lock().unwrap().is_empty());
    let info = format!("lost: its runner (pid {pid}) was killed");
    assert_eq!(told.lock().unwrap()[0].phase, Seen::Ended(State::Failed, info.clone()));
    assert_eq!(job.phase(&local), Seen::Ended(State::Failed, info));
    until("the sleeper's end", || is_gone(sleeper().unwrap()));
}

/// `rm status.csv; mkfifo status.csv` in a job.
#[test]
fn a_job_that_makes_its_history_a_pipe_keeps_nobody_waiting() {
    let site = Site::new();
    let local = site.attended(1);
    let job = site.job("sleep 60 & wait", &[]);
    let pid: i32 = job.launch(&local).parse().unwrap();
    until("the script", || job.starts() == 1);
    let path = job.base.join("status.csv");
    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    Identity::of(pid).unwrap().signal(Signal::KILL);
    let lost = Seen::Ended(State::Failed, "lost: the job's history is not a file any more".into());
    until("its end", || job.phase(&local) == lost);
    let next = site.job("true", &[]);
    next.launch(&local);
    next.ends(&local, State::Completed);
}

#[test]
fn a_restarted_machine() {
    let site = Site::new();
    let (keep, again) = (
        site.job("sleep 60 & wait", &[]),
        site.job("[ -e once ] || { touch once; sleep 60 & wait; }", &[("requeue", "")]),
    );
    let local = site.open(2);
    let pids: Vec<i32> = [&keep, &again].map(|job| job.launch(&local).parse().unwrap()).to_vec();
    until("both", || keep.starts() + again.starts() == 2 && again.base.join("once").exists());
    local.gate.connection().execute("UPDATE run SET boot = 'the one before'", []).unwrap();
    for pid in pids {
        crate::process::kill_session(pid);
    }
    let local = site.attended(2);
    again.ends(&local, State::Completed);
    assert_eq!(keep.phase(&local), Seen::Ended(State::Failed, "lost: the machine was restarted while it ran".into()));
    assert_eq!((keep.starts(), again.starts()), (1, 2));
}

#[test]
fn a_submitter_that_dies_before_it_confirms() {
    let site = Site::new();
    let local = site.open(1);
    let job = site.job("true", &[]);
    let native = job.submit(&local);
    drop(local);
    let local = site.attended(1);
    until("the runner's end", || job.phase(&local) == waiting("Priority"));
    assert_eq!(local.find(&job.reference()).unwrap(), Some(NativeId(native.clone())));
    job.confirm(&local, &native);
    job.ends(&local, State::Completed);
    assert_eq!(job.starts(), 1);
}

#[test]
fn a_submitter_that_dies_after_it_recorded_the_run_and_before_it_confirms() {
    let site = Site::new();
    let local = site.open(1);
    let (first, second) = (site.job("while [ ! -e go_on ]; do sleep 0.01; done", &[]), site.job("true", &[]));
    first.launch(&local);
    let native = second.submit(&local);
    fs::write(second.base.join("status.csv"), format!("1.0,1,queued,{native}\n")).unwrap();
    drop(local);
    fs::write(first.base.join("go_on"), "").unwrap();
    // Some seconds later.
    let local = site.open(1);
    local.gate.connection().execute("UPDATE run SET queued = queued - 60", []).unwrap();
    let local = site.attended(1);
    second.ends(&local, State::Completed);
    assert_eq!((first.starts(), second.starts()), (1, 1));
}

#[test]
fn a_confirmation_that_nobody_waits_for_is_noted_soon_and_at_the_end() {
    let site = Site::new();
    let local = site.attended(1);
    let unconfirmed = || {
        let connection = queue::open_for_reading(&site.settings(1).state_dir).unwrap();
        queue::unconfirmed(&connection, f64::INFINITY).unwrap().len()
    };
    let (soon, at_the_end) = (site.job("true", &[("hold", "")]), site.job("true", &[("hold", "")]));
    soon.launch(&local);
    until("the note", || unconfirmed() == 0);
    at_the_end.launch(&local);
    drop(local);
    until("the note at the end", || unconfirmed() == 0);
    let local = site.attended(1);
    for job in [&soon, &at_the_end] {
        assert_eq!(job.phase(&local), waiting("JobHeldUser"));
        local.release(&job.reference()).unwrap();
        job.ends(&local, State::Completed);
    }
}

/// Several processes use one queue at the same time (here: connections), some of them attend it, some die between submitting
/// and confirming. Every run starts exactly once, and never more at a time than there are cores.
#[test]
fn nothing_starts_twice_and_nothing_is_lost() {
    const CORES: u64 = 3;
    const THREADS: usize = 4;
    const EACH: usize = 15;
    let site = Site::new();
    let attending = [site.attended(CORES), site.attended(CORES)];
    let jobs: Vec<Vec<Job>> = (0..THREADS).map(|_| (0..EACH).map(|_| site.job("sleep 0.005", &[])).collect()).collect();
    std::thread::scope(|scope| {
        for (thread, jobs) in jobs.iter().enumerate() {
            let (site, shared) = (&site, &attending[thread % 2]);
            scope.spawn(move || {
                for (at, job) in jobs.iter().enumerate() {
                    if at % 3 == 0 {
                        // Like a command line that is killed before it confirms; somebody else takes over.
                        let native = job.submit(&site.open(CORES));
                        job.confirm(shared, &native);
                    } else {
                        job.launch(shared);
                    }
                }
            });
        }
    });
    for job in jobs.iter().flatten() {
        job.ends(&attending[0], State::Completed);
        assert_eq!(job.starts(), 1, "{}", job.jobid);
    }
    assert!(most_at_once(&site.log()) <= CORES as i32, "{}", site.log());
    assert!(Path::new(&site.settings(1).state_dir).join("local.db").exists());
}

/// Runs are canceled by one process while another confirms them: what was removed has never started, and everything ends.
#[test]
fn what_is_removed_never_starts() {
    let site = Site::new();
    let (submitting, canceling) = (site.attended(2), site.attended(2));
    let jobs: Vec<Job> = (0..40).map(|_| site.job("sleep 0.01", &[])).collect();
    let (sender, receiver) = std::sync::mpsc::channel();
    let canceled = std::thread::scope(|scope| {
        let (jobs, canceling) = (&jobs, &canceling);
        let canceled = scope.spawn(move || {
            let cancel = |at: usize| canceling.cancel(&jobs[at].reference()).unwrap();
            receiver.iter().map(|at: usize| (at, cancel(at))).collect::<Vec<_>>()
        });
        for (at, job) in jobs.iter().enumerate() {
            let native = job.submit(&submitting);
            sender.send(at).unwrap();
            job.confirm(&submitting, &native);
        }
        drop(sender);
        canceled.join().unwrap()
    });
    for (at, cancel) in canceled {
        until("its end", || matches!(jobs[at].phase(&submitting), Seen::Ended(..)));
        if cancel == Cancel::Removed {
            assert_eq!(
                (jobs[at].starts(), jobs[at].phase(&canceling)),
                (0, Seen::Ended(State::Canceled, String::new()))
            );
        }
        assert!(jobs[at].starts() <= 1);
    }
}
