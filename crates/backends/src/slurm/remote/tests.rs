//! Against a controller that is a listener, and says what it is told to say.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use jobgate_model::{
    Backend as _, BackendConfig, DESCRIBED, ErrorKind, JobId, JobSpec, NativeId, Phase, RunRef, RunRequest, Submission,
};
use jobgate_slurm::cluster::JobsWanted;
use jobgate_slurm::rpc::Kind;
use jobgate_slurm::site::{Proof, Token};

use super::super::attempt::note_attempt;
use super::super::commands::merge;
use super::phases::{number_of, phase_of};
use super::*;

/// Who asked for what.
#[derive(Debug, Clone, PartialEq)]
struct Request {
    kind: Kind,
    token: String,
    /// Who is acted for.
    user: String,
}

/// A controller of 24.11.
struct Controlled {
    remote: Arc<Remote>,
    asked: Arc<Mutex<Vec<Request>>>,
    /// It reads what comes, and hangs up.
    mute: Arc<AtomicBool>,
}

type Answers = HashMap<u16, (Kind, Vec<u8>)>;

impl Controlled {
    /// Answers who is not `refused`.
    fn new(answers: Answers, refused: impl Fn(&Request) -> bool + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, mute) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<AtomicBool>::default());
        let (told, is_mute) = (Arc::clone(&asked), Arc::clone(&mute));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = request(&mut stream);
                if is_mute.load(Ordering::SeqCst) {
                    continue;
                }
                let denied = (Kind::RESULT, 1007_u32.to_be_bytes().to_vec());
                let answer = if refused(&request) { Some(&denied) } else { answers.get(&request.kind.0) };
                let (kind, body) = answer.unwrap_or_else(|| panic!("nobody said what to say to {request:?}"));
                told.lock().unwrap().push(request);
                let _ = stream.write_all(&frame(*kind, body));
            }
        });
        let remote = Remote::new(RemoteSettings {
            name: None,
            controllers: vec![Controller { name: "c".into(), host: "127.0.0.1".into(), port }],
            protocol: Some(Protocol::V24_11),
            limits: Limits { total: Duration::from_secs(20), ..Limits::default() },
            freshness: Duration::ZERO,
            key: None,
            munge: None,
            programs: SlurmPrograms::Others,
            users: BTreeMap::new(),
            ledger: None,
            database: None,
        });
        Self { remote, asked, mute }
    }

    fn site(&self) -> RemoteSite {
        RemoteSite(Arc::clone(&self.remote))
    }

    fn backend(&self) -> Described {
        Described::new(Arc::clone(&self.remote), "gate".into())
    }

    fn submit(&self, base: &Path) -> Submission {
        let mut spec = JobSpec::new("x");
        spec.attributes.insert(DESCRIBED, "v0.0.42");
        self.backend().submit(&RunRequest {
            base,
            jobid: &JobId::parse("7.000").unwrap(),
            jobndx: 1,
            spec: &spec,
            description: Some(
                br##"{"version":"v0.0.42","now":1,"request":{"script":"#!/bin/sh\n","job":{"name":"n"}}}"##,
            ),
            config: &BackendConfig::default(),
            owner: "alice",
            marker: "jobgate-7.000-0a1b2c3d-1",
            environment: None,
            array: None,
            array_limit: None,
            report: None,
        })
    }
}

fn request(stream: &mut TcpStream) -> Request {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut bytes).unwrap();
    let text = |at: usize| {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let text = String::from_utf8(bytes[at + 4..at + 4 + length].to_vec()).unwrap();
        (text.trim_end_matches('\0').to_owned(), at + 4 + length)
    };
    let (token, next) = text(20);
    Request { kind: Kind(u16::from_be_bytes([bytes[4], bytes[5]])), token, user: text(next).0 }
}

fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let head = [0x2a00_u16, 0x44, kind.0].map(u16::to_be_bytes).concat();
    [&number(16 + body.len())[..], &head, &number(body.len()), &[0; 6], body].concat()
}

fn recorded(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../slurm/src/rpc/recorded/24.11/reads");
    fs::read(root.join(name)).unwrap()
}

/// All recorded jobs as one list.
fn recorded_jobs() -> Vec<u8> {
    let (mut count, mut records) = (0, Vec::new());
    for number in [42, 43, 44, 45, 46, 47, 48, 49, 50, 52, 53] {
        let body = recorded(&format!("job-{number}.bin"));
        count += u32::from_be_bytes(body[..4].try_into().unwrap());
        records.extend_from_slice(&body[20..]);
    }
    [&count.to_be_bytes()[..], &[0; 16], &records].concat()
}

/// What an honest controller says that has these jobs; what is submitted is job 4711.
fn answers(jobs: Vec<u8>) -> Answers {
    let submitted = [4711, 0, 0, 0_u32].map(u32::to_be_bytes).concat();
    HashMap::from([
        (Kind::CONFIG.0, (Kind::CONFIG_IS, recorded("conf.bin"))),
        (Kind::STATES.0, (Kind::STATES_ARE, vec![0; 4])),
        (Kind::JOBS.0, (Kind::JOBS_ARE, jobs)),
        (Kind::SUBMIT.0, (Kind::SUBMITTED, submitted)),
    ])
}

fn nobody(_: &Request) -> bool {
    false
}

fn alice(token: &str) -> Caller {
    Caller { login: "alice".into(), proof: Proof::Token(Token::new(token)) }
}

fn run_in(base: &Path, native: Option<u32>) -> RunRef {
    RunRef {
        base: base.to_owned(),
        jobid: JobId::parse("7.000").unwrap(),
        jobndx: 1,
        owner: "alice".into(),
        marker: format!("jobgate-7.000-0a1b2c3d-{}", native.unwrap_or(1)),
        native: native.map(|number| NativeId(number.to_string())),
        since: 1.0,
        described: true,
        untold: None,
    }
}

/// The gateway has checked the token itself: the controller has never been asked about it.
#[test]
fn who_submits_is_submitted_for_with_the_token_of_the_request() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Controlled::new(answers(vec![0; 20]), nobody);
    assert!(matches!(cluster.submit(dir.path()), Submission::Refused(_)), "nobody was there");
    cluster.site().seen_by(&alice("a.b.c")).unwrap();
    let submitted = cluster.submit(dir.path());
    assert!(matches!(&submitted, Submission::Remarked(native, _) if native.0 == "4711"), "{submitted:?}");
    let last = cluster.asked.lock().unwrap().last().cloned();
    assert_eq!(last, Some(Request { kind: Kind::SUBMIT, token: "a.b.c".into(), user: String::new() }));
}

#[test]
fn a_token_that_the_controller_refuses_is_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Controlled::new(answers(vec![0; 20]), |request| request.token == "o.l.d");
    cluster.site().seen_by(&alice("o.l.d")).unwrap();
    assert!(matches!(cluster.submit(dir.path()), Submission::Refused(_)));
    assert_eq!(cluster.remote.caller_for("alice"), None);
    let seen = cluster.site().seen_by(&alice("o.l.d")).unwrap();
    assert_eq!(seen.jobs(&JobsWanted::default(), &mut |_| ()).unwrap_err().errno, Errno::AUTHENTICATION);
    assert_eq!(cluster.remote.caller_for("alice"), None, "whatever it was asked for");
}

/// Who is an administrator here, and nobody there.
#[test]
fn who_acts_for_somebody_sees_nothing_that_the_controller_does_not_show() {
    let cluster =
        Controlled::new(answers(recorded_jobs()), |request| request.token == "b.o.s" && !request.user.is_empty());
    let count = |caller: &Caller| -> Answer<usize> {
        let mut count = 0;
        cluster.site().seen_by(caller)?.jobs(&JobsWanted::default(), &mut |_| count += 1)?;
        Ok(count)
    };
    assert!(count(&alice("a.b.c")).unwrap() > 10);
    let acts = |token: &str| Caller { proof: Proof::Behalf(Token::new(token)), ..alice("") };
    assert_eq!(count(&acts("b.o.s")).unwrap_err().errno, Errno::AUTHENTICATION);
    assert_eq!(cluster.remote.caller_for("alice"), Some(alice("a.b.c")));
    // Slurm's own user is somebody there, and is asked about once
    let asked_about = |token: &str| {
        let asked = cluster.asked.lock().unwrap();
        asked.iter().filter(|request| request.kind == Kind::STATES && request.token == token).count()
    };
    assert!(count(&acts("r.o.t")).unwrap() > 10);
    assert!(count(&acts("r.o.t")).unwrap() > 10);
    assert_eq!(asked_about("r.o.t"), 1);
    // what nobody can say now is not shown from memory
    cluster.mute.store(true, Ordering::SeqCst);
    let other = Caller { login: "bob".into(), ..acts("r.o.t") };
    assert_ne!(count(&other).unwrap_err().errno, Errno::AUTHENTICATION);
}

#[test]
fn what_is_not_in_an_old_list_may_be_younger() {
    let cluster = Controlled::new(answers(recorded_jobs()), nobody);
    let seen = || cluster.site().seen_by(&alice("a.b.c")).unwrap();
    seen().jobs(&JobsWanted::default(), &mut |_| ()).unwrap();
    cluster.mute.store(true, Ordering::SeqCst);
    let view = seen();
    let mut shown = 0;
    view.job(42, &mut |_| shown += 1).unwrap();
    assert!(shown == 1 && view.age().unwrap().stale.is_some(), "{:?}", view.age());
    for _ in 0..2 {
        let fault = seen().job(4_000_000, &mut |_| shown += 1).unwrap_err();
        assert!(matches!(fault.errno, Errno::CONTROLLER_CONNECT | Errno::CONTROLLER_RECEIVE), "{fault}");
    }
}

/// Without a key nothing expires: a controller that was stopped may still find the submission.
#[test]
fn what_is_not_there_counts_when_the_controller_has_answered_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Controlled::new(answers(vec![0; 20]), nobody);
    cluster.site().seen_by(&alice("a.b.c")).unwrap();
    note_attempt(dir.path(), 1).unwrap();
    let sent = SystemTime::now() - Duration::from_secs(100);
    let noted = fs::File::options().write(true).open(dir.path().join(".submitted.1")).unwrap();
    noted.set_modified(sent).unwrap();
    let find = || cluster.backend().find(&run_in(dir.path(), None));
    assert_eq!(find().unwrap_err().kind(), ErrorKind::Timeout, "it has only just begun to answer");
    cluster.remote.wire.away.has_answered_for(Duration::from_secs(90));
    assert_eq!(find().unwrap(), None);
    cluster.mute.store(true, Ordering::SeqCst);
    assert_eq!(find().unwrap_err().kind(), ErrorKind::Unavailable);
    cluster.mute.store(false, Ordering::SeqCst);
    while cluster.remote.wire.away.why(Instant::now()).is_some() {
        std::thread::yield_now();
    }
    assert_eq!(find().unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn runs_are_seen_as_the_whole_list_shows_them() {
    let cluster = Controlled::new(answers(recorded_jobs()), nobody);
    cluster.site().seen_by(&alice("a.b.c")).unwrap();
    let mut expected = HashMap::new();
    let view = cluster.remote.view(&alice("a.b.c")).unwrap();
    view.each_as_it_is(&mut |job| merge(&mut expected, &number_of(&job).unwrap().to_string(), phase_of(&job))).unwrap();
    assert!(expected.len() > 5, "{expected:?}");
    let runs: Vec<RunRef> = (1..=100).map(|number| run_in(Path::new("/nowhere"), Some(number))).collect();
    for (run, seen) in runs.iter().zip(cluster.backend().observe(&runs).unwrap()) {
        let native = &run.native.as_ref().unwrap().0;
        assert_eq!(seen.phase, expected.get(native).cloned().unwrap_or(Phase::Absent), "{native}");
    }
}
