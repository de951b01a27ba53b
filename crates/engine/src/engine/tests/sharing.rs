//! Owners and those with whom they share.

use std::collections::BTreeSet;

use jobgate_model::{Access, Role};
use proptest::prelude::*;

use super::*;

fn user(name: &str) -> Principal {
    Principal::new(name, Established::Jwt, Role::User)
}

fn new(backend: &str) -> NewJob {
    let mut spec = JobSpec::new("true");
    spec.backend = backend.to_owned();
    spec.callback = Some("http://127.0.0.1:9/token".into());
    spec.cb_secret = Some("sesame".into());
    spec.cb_headers.insert("X-Token", "sesame");
    spec.client_secret = Some("sesame".into());
    NewJob { spec, generation: Generation::V3, place: None, start: Start::No, idempotency: None, environment: None }
}

fn listed(engine: &Engine, who: &Principal) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    engine.list(who, &ListQuery::default(), &mut |row| assert!(ids.insert(row.jobid.to_owned()))).unwrap();
    ids
}

/// What comes of everything that can be done to a job, read first: `ok`, or the kind of the refusal.
fn outcomes(engine: &Engine, who: &Principal, job: &Job) -> Vec<(&'static str, Result<(), ErrorKind>)> {
    let key = job.key;
    let kind = |result: Result<(), Error>| result.map_err(|error| error.kind());
    vec![
        ("find", kind(engine.find(who, Need::Read, None, &job.jobid).map(drop))),
        ("job", kind(engine.job(who, key).map(drop))),
        ("spec", kind(engine.spec(who, key).map(drop))),
        ("history", kind(engine.history(who, key).map(drop))),
        ("poll", kind(engine.poll(who, key).map(drop))),
        ("waits_for", kind(engine.waits_for(who, key).map(drop))),
        ("shares", kind(engine.shares(who, key).map(drop))),
        ("find to write", kind(engine.find(who, Need::Write, None, &job.jobid).map(drop))),
        ("reached", kind(engine.reached(who, key, 1, Active, "", Evidence::Callback).map(drop))),
        ("deliveries", kind(engine.deliveries(who, Some(key), 9).map(drop))),
        ("start", kind(engine.start(who, key, None).map(drop))),
        ("hold", kind(engine.hold(who, key)).or_else(no_conflict)),
        ("release", kind(engine.release(who, key)).or_else(no_conflict)),
        ("cancel_run", kind(engine.cancel_run(who, key, 9)).or_else(no_conflict)),
        ("cancel", kind(engine.cancel(who, key).map(drop))),
        ("find to own", kind(engine.find(who, Need::Own, None, &job.jobid).map(drop))),
        ("share", kind(engine.share(who, key, "zoe", Access::Read))),
        ("unshare", kind(engine.unshare(who, key, "zoe"))),
        ("remove", kind(engine.remove(who, key))),
    ]
}

/// The job is not in a state for it: who asked was admitted.
fn no_conflict(kind: ErrorKind) -> Result<(), ErrorKind> {
    if kind == ErrorKind::Conflict { Ok(()) } else { Err(kind) }
}

#[test]
fn who_may_do_what() {
    use ErrorKind::{Forbidden, NotFound};
    let reads = ["find", "job", "spec", "history", "poll", "waits_for", "shares"];
    let owns = ["find to own", "share", "unshare", "remove"];
    let check = |who: &Principal, access: Option<Access>, read: Result<(), ErrorKind>, write, own| {
        let bench = Bench::new();
        let job = bench.engine.create(&user("alice"), new("default")).unwrap().job;
        if let Some(access) = access {
            bench.engine.share(&user("alice"), job.key, "bob", access).unwrap();
        }
        if who.role != Role::Stranger {
            assert_eq!(listed(&bench.engine, who).len(), usize::from(read.is_ok()), "{who:?} with {access:?}");
        }
        for (what, outcome) in outcomes(&bench.engine, who, &job) {
            let expected = match what {
                what if reads.contains(&what) => read,
                what if owns.contains(&what) => own,
                _ => write,
            };
            assert_eq!(outcome, expected, "{what} by {who:?} with {access:?}");
        }
    };
    let bob = user("bob");
    check(&bob, None, Err(NotFound), Err(NotFound), Err(NotFound));
    check(&bob, Some(Access::Read), Ok(()), Err(Forbidden), Err(Forbidden));
    check(&bob, Some(Access::Write), Ok(()), Ok(()), Err(Forbidden));
    check(&user("alice"), None, Ok(()), Ok(()), Ok(()));
    check(&Principal::new("root", Established::Jwt, Role::Administrator), None, Ok(()), Ok(()), Ok(()));
    check(
        &Principal::new("carol", Established::Jwt, Role::User),
        Some(Access::Write),
        Err(NotFound),
        Err(NotFound),
        Err(NotFound),
    );
    let elsewhere = |who: Principal| Principal { backends: Some(BTreeSet::from(["other".into()])), ..who };
    check(&elsewhere(user("alice")), None, Err(NotFound), Err(NotFound), Err(NotFound));
    check(&elsewhere(bob), Some(Access::Write), Err(NotFound), Err(NotFound), Err(NotFound));
    check(&elsewhere(me()), None, Err(NotFound), Err(NotFound), Err(NotFound));
    check(
        &Principal::address("192.0.2.1"),
        None,
        Err(ErrorKind::Unauthenticated),
        Err(ErrorKind::Unauthenticated),
        Err(ErrorKind::Unauthenticated),
    );
}

#[test]
fn who_may_only_read_is_told_so_and_sees_no_secrets() {
    let bench = Bench::new();
    let (alice, bob) = (user("alice"), user("bob"));
    let job = bench.engine.create(&alice, new("default")).unwrap().job;
    bench.engine.share(&alice, job.key, "bob", Access::Read).unwrap();
    let error = bench.engine.cancel(&bob, job.key).unwrap_err();
    let (jobid, told) = (&job.jobid, error.message());
    assert_eq!(
        told,
        format!("job {jobid} of alice was shared with you for reading only; its owner can share it for writing, too")
    );
    let spec = bench.engine.spec(&bob, job.key).unwrap();
    assert_eq!((spec.callback, spec.cb_secret, spec.client_secret), (None, None, None));
    assert!(spec.cb_headers.is_empty());
    bench.engine.share(&alice, job.key, "bob", Access::Write).unwrap();
    assert!(bench.engine.spec(&bob, job.key).unwrap().cb_secret.is_some());
}

#[test]
fn shares_are_listed_changed_and_ended() {
    let bench = Bench::new();
    let engine = &bench.engine;
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let job = engine.create(&alice, new("default")).unwrap().job;
    let key = job.key;
    engine.share(&alice, key, "bob", Access::Read).unwrap();
    engine.share(&me(), key, "carol", Access::Write).unwrap();
    engine.share(&alice, key, "bob", Access::Write).unwrap();
    let shown = |who: &Principal| -> Vec<(String, Access, String)> {
        engine.shares(who, key).unwrap().into_iter().map(|share| (share.user, share.access, share.by)).collect()
    };
    let of = |user: &str, by: &str| (user.to_owned(), Access::Write, by.to_owned());
    assert_eq!(shown(&alice), [of("bob", "alice"), of("carol", "local:psik_api")]);
    assert_eq!(shown(&bob), [of("bob", "alice")], "with whom else is the owner's business");
    for name in ["", "local:psik_api", "a b", "../x", "addr:127.0.0.1", "a\nb"] {
        assert_eq!(engine.share(&alice, key, name, Access::Read).unwrap_err().kind(), ErrorKind::Invalid, "{name:?}");
    }
    assert!(engine.share(&alice, key, "alice", Access::Read).unwrap_err().message().ends_with("is alice's own"));
    assert_eq!(engine.unshare(&bob, key, "carol").unwrap_err().kind(), ErrorKind::Forbidden);
    engine.unshare(&bob, key, "bob").unwrap();
    assert_eq!(engine.unshare(&alice, key, "bob").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(listed(engine, &bob).is_empty());
    // A job that is gone leaves no share behind for the next one.
    engine.remove(&alice, key).unwrap();
    assert!(listed(engine, &carol).is_empty());
    assert_eq!(engine.shares(&alice, key).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn listings_follow_shares_at_once_and_their_revision_tells() {
    for attended in [false, true] {
        let bench = Bench::new();
        let engine = &bench.engine;
        engine.attended.store(attended, Ordering::Release);
        let (alice, bob) = (user("alice"), user("bob"));
        let job = engine.create(&alice, new("default")).unwrap().job;
        engine.create(&alice, new("default")).unwrap();
        assert!(listed(engine, &bob).is_empty());
        let before = engine.revision().unwrap();
        engine.share(&alice, job.key, "bob", Access::Read).unwrap();
        let shared = engine.revision().unwrap();
        assert_ne!(before, shared);
        assert_eq!(listed(engine, &bob), BTreeSet::from([job.jobid.to_string()]));
        engine.unshare(&alice, job.key, "bob").unwrap();
        assert_ne!(shared, engine.revision().unwrap());
        assert!(listed(engine, &bob).is_empty());
    }
}

#[test]
fn another_process_sees_shares_too() {
    let bench = Bench::new();
    let other = open_with(bench.path(), &bench.batch, CallbackPolicy::default());
    other.attended.store(true, Ordering::Release);
    let (alice, bob) = (user("alice"), user("bob"));
    let job = bench.engine.create(&alice, new("default")).unwrap().job;
    assert!(listed(&other, &bob).is_empty());
    let before = other.revision().unwrap();
    bench.engine.share(&alice, job.key, "bob", Access::Read).unwrap();
    assert_ne!(other.revision().unwrap(), before);
    assert_eq!(listed(&other, &bob).len(), 1);
}

#[test]
fn shares_survive_a_rebuilt_index() {
    let bench = Bench::new();
    let (alice, bob) = (user("alice"), user("bob"));
    let job = bench.engine.create(&alice, new("default")).unwrap().job;
    bench.engine.share(&alice, job.key, "bob", Access::Read).unwrap();
    bench.engine.reindex().unwrap();
    assert_eq!(listed(&bench.engine, &bob).len(), 1);
    assert_eq!(bench.engine.find(&bob, Need::Read, None, &job.jobid).unwrap().owner, "alice");
}

#[test]
fn a_restricted_identity_submits_only_where_it_may() {
    let bench = Bench::new();
    let restricted = Principal { backends: Some(BTreeSet::from(["other".into()])), ..user("alice") };
    let error = bench.engine.create(&restricted, new("default")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert_eq!(error.message(), "this identity may not use the backend \"default\"; it may use: other");
    let error = bench.engine.create(&restricted, new("nowhere")).unwrap_err();
    assert!(!error.message().contains("default"), "{error}");
    // Nor does it get by its key what it may not see.
    let promised = || NewJob { idempotency: Some(Idempotency { key: "k".into(), digest: [0; 32] }), ..new("default") };
    bench.engine.create(&user("alice"), promised()).unwrap();
    assert_eq!(bench.engine.create(&restricted, promised()).unwrap_err().kind(), ErrorKind::NotFound);
}

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
const PLACES: [&str; 3] = ["a", "b", "c"];

/// Three places, of which two share a prefix.
fn three_places(dir: &Path) -> Engine {
    let bench = Bench::new();
    let place = |name: &str| Place {
        name: name.into(),
        prefix: dir.join(if name == "c" { "second" } else { "first" }),
        config: BackendConfig::default(),
        backend: bench.batch.clone(),
    };
    let places = PLACES.map(place).into();
    Engine::open(Setup { state_dir: dir.join("state"), places, ..bench.engine.setup.clone() }).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Create { owner: usize, place: usize },
    Share { job: usize, user: usize, access: Access },
    Unshare { job: usize, user: usize },
    Remove { job: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let access = prop_oneof![Just(Access::Read), Just(Access::Write)];
    let step = prop_oneof![
        3 => (0..USERS.len(), 0..PLACES.len()).prop_map(|(owner, place)| Step::Create { owner, place }),
        4 => (0..20_usize, 0..USERS.len(), access).prop_map(|(job, user, access)| Step::Share { job, user, access }),
        1 => (0..20_usize, 0..USERS.len()).prop_map(|(job, user)| Step::Unshare { job, user }),
        1 => (0..20_usize).prop_map(|job| Step::Remove { job }),
    ];
    proptest::collection::vec(step, 1..25)
}

fn take(engine: &Engine, step: &Step, jobs: &mut Vec<Job>) {
    let chosen = |jobs: &[Job], at: usize| (!jobs.is_empty()).then(|| at % jobs.len());
    match *step {
        Step::Create { owner, place } => {
            jobs.push(engine.create(&user(USERS[owner]), new(PLACES[place])).unwrap().job);
        }
        Step::Share { job, user, access } => {
            let Some(at) = chosen(jobs, job) else { return };
            let result = engine.share(&me(), jobs[at].key, USERS[user], access);
            assert_eq!(result.is_ok(), jobs[at].owner != USERS[user]);
        }
        Step::Unshare { job, user } => {
            let Some(at) = chosen(jobs, job) else { return };
            drop(engine.unshare(&me(), jobs[at].key, USERS[user]));
        }
        Step::Remove { job } => {
            let Some(at) = chosen(jobs, job) else { return };
            engine.remove(&me(), jobs.remove(at).key).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However jobs are owned, shared and restricted, with a board and without: a listing shows exactly the jobs that can be
    /// found.
    #[test]
    fn a_listing_shows_what_can_be_found(steps in steps(), backends in proptest::option::of(proptest::sample::subsequence(PLACES.to_vec(), 0..=3))) {
        let dir = tempfile::tempdir().unwrap();
        let engine = three_places(dir.path());
        let backends: Option<BTreeSet<String>> = backends.map(|all| all.into_iter().map(str::to_owned).collect());
        let mut jobs = Vec::new();
        for step in &steps {
            take(&engine, step, &mut jobs);
            for who in USERS.map(user).into_iter().chain([me()]) {
                let who = Principal { backends: backends.clone(), ..who };
                let found: BTreeSet<String> = jobs
                    .iter()
                    .filter(|job| engine.find(&who, Need::Read, None, &job.jobid).is_ok())
                    .map(|job| job.jobid.to_string())
                    .collect();
                for attended in [false, true] {
                    engine.attended.store(attended, Ordering::Release);
                    prop_assert_eq!(&listed(&engine, &who), &found, "{:?}, attended: {}", who, attended);
                }
            }
        }
    }
}
