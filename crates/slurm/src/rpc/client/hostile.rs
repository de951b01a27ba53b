//! Controllers that answer with anything: what is read of it is an error or an answer, in time and in little memory.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::objects::{JobDesc, KillJobs, ReservationDesc};
use crate::rpc::Names;
use crate::rpc::records;

/// Answers each kind of request with a kind and a body of its own.
type Answers = Arc<Mutex<HashMap<u16, (Kind, Vec<u8>)>>>;

/// A controller that says what it is told to say, and a client of it.
struct Liar {
    answers: Answers,
    client: Client,
}

impl Liar {
    fn new(protocol: Protocol) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = Answers::default();
        let told = Arc::clone(&answers);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = request(&mut stream);
                let number = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
                if let Some((kind, body)) = told.lock().unwrap().get(&number(4)) {
                    // who has read enough hangs up
                    let _ = stream.write_all(&frame(number(0), *kind, body));
                }
            }
        });
        let controllers = vec![Controller { name: "c".into(), host: "127.0.0.1".into(), port }];
        let limits = Limits { total: Duration::from_secs(20), reply: 4 << 20, ..Limits::default() };
        Self { answers, client: Client::new(controllers, Some(protocol), limits) }
    }

    fn is_honest(&self, questions: &[Question]) {
        for question in questions {
            self.says(question.asked, question.kind, question.body.clone());
        }
    }

    fn says(&self, asked: Kind, kind: Kind, body: Vec<u8>) {
        self.answers.lock().unwrap().insert(asked.0, (kind, body));
    }
}

fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut request).unwrap();
    request
}

fn frame(version: u16, kind: Kind, body: &[u8]) -> Vec<u8> {
    let number = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let head = [version.to_be_bytes(), 0x44_u16.to_be_bytes(), kind.0.to_be_bytes()].concat();
    [&number(16 + body.len())[..], &head, &number(body.len()), &[0; 6], body].concat()
}

fn me() -> Credential {
    Credential::jwt("a.b.c").unwrap()
}

fn recorded(release: &str, name: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rpc/recorded");
    std::fs::read(root.join(release).join("reads").join(name)).unwrap()
}

fn fresh<T>(outcome: Result<Fresh<T>, Error>, look: impl FnOnce(T) -> Result<(), Error>) -> Result<(), Error> {
    match outcome? {
        Fresh::Unchanged => Ok(()),
        Fresh::New(new) => look(new),
    }
}

/// What is asked, what the honest answer is, and who looks at it.
struct Question {
    asked: Kind,
    kind: Kind,
    body: Vec<u8>,
    ask: fn(&Client) -> Result<(), Error>,
}

fn questions(protocol: Protocol) -> Vec<Question> {
    let (release, older) = match protocol {
        Protocol::V24_11 => ("24.11", true),
        Protocol::V25_11 => ("26.05", false),
        Protocol::V26_05 => ("26.05-own", false),
    };
    let read = |name: &str| recorded(release, name);
    let job = read(match protocol {
        Protocol::V24_11 => "job-44.bin",
        Protocol::V25_11 => "job-28.bin",
        Protocol::V26_05 => "job-112.bin",
    });
    let mut all = vec![
        Question {
            asked: Kind::JOBS,
            kind: Kind::JOBS_ARE,
            body: job,
            ask: |client| fresh(client.jobs(&me(), None), |jobs| jobs.each(Names::NONE, &mut |_| {})),
        },
        Question {
            asked: Kind::STATES,
            kind: Kind::STATES_ARE,
            body: read("states.bin"),
            ask: |client| client.states(&me(), &[])?.each(&mut |_| {}),
        },
        Question {
            asked: Kind::NODES,
            kind: Kind::NODES_ARE,
            body: read("nodes.bin"),
            ask: |client| fresh(client.nodes(&me(), None, Names::NONE), |_| Ok(())),
        },
        Question {
            asked: Kind::PARTITIONS,
            kind: Kind::PARTITIONS_ARE,
            body: read("partitions.bin"),
            ask: |client| {
                fresh(client.nodes(&me(), None, Names::NONE), |_| Ok(()))?;
                fresh(client.partitions(&me(), None), |_| Ok(()))
            },
        },
        Question {
            asked: Kind::RESERVATIONS,
            kind: Kind::RESERVATIONS_ARE,
            body: read("reservations.bin"),
            ask: |client| fresh(client.reservations(&me(), None), |_| Ok(())),
        },
        Question {
            asked: Kind::LICENSES,
            kind: Kind::LICENSES_ARE,
            body: read("licenses.bin"),
            ask: |client| fresh(client.licenses(&me(), None), |_| Ok(())),
        },
        Question {
            asked: Kind::SHARES,
            kind: Kind::SHARES_ARE,
            body: read("shares.bin"),
            ask: |client| client.shares(&me(), &[], &[]).map(drop),
        },
        Question {
            asked: Kind::STATS,
            kind: Kind::STATS_ARE,
            body: read("diag.bin"),
            ask: |client| client.diag(&me(), Names::NONE).map(drop),
        },
        Question {
            asked: Kind::CONFIG,
            kind: Kind::CONFIG_IS,
            body: read("conf-much.bin"),
            ask: |client| {
                client.outline(&me())?;
                fresh(client.conf(&me(), None), |_| Ok(()))
            },
        },
    ];
    if older {
        let job = recorded("26.05", "layout-24.11.bin");
        let one = |asked, kind, body, ask| Question { asked, kind, body, ask };
        all.push(one(Kind::JOB, Kind::JOBS_ARE, job, |client| client.resources(&me(), 100).map(drop)));
    } else {
        let ask: fn(&Client) -> Result<(), Error> = |client| client.resources(&me(), 100).map(drop);
        all.push(Question { asked: Kind::LAYOUT, kind: Kind::LAYOUT_IS, body: read("layout.bin"), ask });
    }
    all.extend(orders(protocol));
    all
}

fn orders(protocol: Protocol) -> Vec<Question> {
    use records::{Allocated, StepId, Submitted};
    let job = 7;
    let submitted =
        packed(protocol, &Submitted { job, step: StepId::job(job), message: Text::of("word"), ..Submitted::default() });
    let tasks = b"\0\0\0\x01\0\0\x07\xd2\0\0\0\x041-3\0\0\0\0\x04why\0".to_vec();
    let allocated = packed(protocol, &Allocated { job, step: StepId::job(job), ..Allocated::default() });
    // the same in all versions
    let killed = recorded("24.11", "killed.bin");
    vec![
        Question {
            asked: Kind::SUBMIT,
            kind: Kind::SUBMITTED,
            body: submitted,
            ask: |client| seventh(&client.submit(&me(), &JobDesc::default(), &mut || ())?),
        },
        Question {
            asked: Kind::ALLOCATE,
            kind: Kind::ALLOCATED,
            body: allocated,
            ask: |client| seventh(&client.allocate(&me(), &JobDesc::default())?),
        },
        Question {
            asked: Kind::UPDATE_JOB,
            kind: Kind::TASKS_ANSWER,
            body: tasks,
            ask: |client| client.update_job(&me(), 7, &JobDesc::default()),
        },
        Question {
            asked: Kind::KILL_MANY,
            kind: Kind::KILLED,
            body: killed,
            ask: |client| {
                let wanted = KillJobs { jobs: Some(vec!["7".into()]), ..KillJobs::default() };
                client.kill_many(&me(), &wanted, &|_| None).map(drop)
            },
        },
        Question {
            asked: Kind::CREATE_RESERVATION,
            kind: Kind::RESERVATION_CREATED,
            body: b"\0\0\0\x03r9\0".to_vec(),
            ask: |client| {
                let desc = ReservationDesc {
                    start_time: Some(crate::table::Time::at(1)),
                    duration: Some(crate::table::Num::Set(1)),
                    users: Some(vec!["alice".into()]),
                    node_count: Some(crate::table::Num::Set(1)),
                    ..ReservationDesc::default()
                };
                client.create_reservation(&me(), &desc).map(drop)
            },
        },
    ]
}

/// Honest controllers give this number.
fn seventh(submitted: &Submitted) -> Result<(), Error> {
    let other =
        |job_id: u32| Error::Refused { errno: crate::errno::Errno::INVALID_JOB_ID, words: Some(job_id.to_string()) };
    if submitted.job_id == 7 { Ok(()) } else { Err(other(submitted.job_id)) }
}

fn packed<'a>(protocol: Protocol, record: &impl Wire<'a>) -> Vec<u8> {
    let mut to = super::super::codec::Writer::new(protocol);
    record.write(&mut to);
    to.into_bytes()
}

/// A way to spoil an answer. Places are parts of a thousand of its length.
#[derive(Debug, Clone)]
enum Spoil {
    Cut(usize),
    Set(usize, u8),
    Number(usize, u32),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

impl Spoil {
    fn apply(&self, body: &mut Vec<u8>) {
        let length = body.len();
        let at = |place: usize| (place * length / 1000).min(length);
        match self {
            Self::Cut(place) => body.truncate(at(*place)),
            Self::Set(place, byte) => body[at(*place)..].iter_mut().take(1).for_each(|old| *old = *byte),
            Self::Number(place, number) => {
                body[at(*place)..].iter_mut().zip(number.to_be_bytes()).for_each(|(old, new)| *old = new);
            }
            Self::Insert(place, more) => drop(body.splice(at(*place)..at(*place), more.iter().copied())),
            Self::Remove(place, count) => drop(body.drain(at(*place)..(at(*place) + count).min(length))),
            Self::Repeat(place, count) => {
                let again = body[at(*place)..(at(*place) + count).min(length)].to_vec();
                body.splice(at(*place)..at(*place), again);
            }
        }
    }
}

fn spoils() -> impl Strategy<Value = Vec<Spoil>> {
    let number = prop_oneof![
        Just(0),
        Just(1),
        Just(u32::MAX),
        Just(u32::MAX - 1),
        Just(i32::MAX as u32),
        Just(0x00ff_ffff),
        0..100_000_u32,
        any::<u32>(),
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 1..40);
    let one = prop_oneof![
        1 => (0..1000_usize).prop_map(Spoil::Cut),
        4 => (0..1000_usize, any::<u8>()).prop_map(|(at, byte)| Spoil::Set(at, byte)),
        4 => (0..1000_usize, number).prop_map(|(at, number)| Spoil::Number(at, number)),
        1 => (0..1000_usize, bytes).prop_map(|(at, bytes)| Spoil::Insert(at, bytes)),
        1 => (0..1000_usize, 1..40_usize).prop_map(|(at, count)| Spoil::Remove(at, count)),
        1 => (0..1000_usize, 1..400_usize).prop_map(|(at, count)| Spoil::Repeat(at, count)),
    ];
    proptest::collection::vec(one, 1..6)
}

/// The most memory that this process has had, in bytes.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Other tests may run in this process; none needs so much.
const LITTLE: u64 = 256 << 20;

#[test]
fn honest_answers_are_read() {
    for protocol in Protocol::ALL {
        let liar = Liar::new(protocol);
        let questions = questions(protocol);
        liar.is_honest(&questions);
        for question in &questions {
            let outcome = (question.ask)(&liar.client);
            let refused = matches!(outcome, Err(Error::Refused { .. }));
            assert!(
                outcome.is_ok() || refused && question.kind == Kind::TASKS_ANSWER,
                "{}: {outcome:?}",
                question.asked
            );
        }
    }
}

#[test]
fn every_answer_that_is_cut_off_is_an_error() {
    for protocol in Protocol::ALL {
        let liar = Liar::new(protocol);
        let questions = questions(protocol);
        liar.is_honest(&questions);
        for question in &questions {
            let length = question.body.len();
            for end in (0..length).step_by((length / 60).max(1)) {
                liar.says(question.asked, question.kind, question.body[..end].to_vec());
                let outcome = (question.ask)(&liar.client);
                assert!(matches!(outcome, Err(Error::Malformed { .. })), "{} {end}: {outcome:?}", question.asked);
            }
            liar.says(question.asked, question.kind, question.body.clone());
        }
    }
}

#[test]
fn any_spoilt_answer_is_an_answer_or_an_error_in_little_memory() {
    let before = most_memory();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 150, ..ProptestConfig::default() });
    for protocol in Protocol::ALL {
        let liar = Liar::new(protocol);
        let questions = questions(protocol);
        liar.is_honest(&questions);
        for question in &questions {
            let spoilt = runner.run(&spoils(), |spoils| {
                let mut body = question.body.clone();
                for spoil in &spoils {
                    spoil.apply(&mut body);
                }
                liar.says(question.asked, question.kind, body);
                let begun = Instant::now();
                let outcome = (question.ask)(&liar.client);
                prop_assert!(
                    begun.elapsed() < Duration::from_secs(10),
                    "{} took {:?}",
                    question.asked,
                    begun.elapsed()
                );
                let expected = matches!(
                    outcome,
                    Ok(()) | Err(Error::Malformed { .. } | Error::Refused { .. } | Error::Unexpected { .. })
                );
                prop_assert!(expected, "{}: {outcome:?}", question.asked);
                Ok(())
            });
            spoilt.unwrap();
            liar.says(question.asked, question.kind, question.body.clone());
        }
    }
    let more = most_memory() - before;
    assert!(more < LITTLE, "{more} bytes");
}

/// Sends `bytes` to who connects first, and then does what `then` does with the connection.
fn teller(bytes: Vec<u8>, then: impl FnOnce(TcpStream) + Send + 'static) -> Controller {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        request(&mut stream);
        stream.write_all(&bytes).unwrap();
        then(stream);
    });
    Controller { name: "c".into(), host: "127.0.0.1".into(), port }
}

fn asked(controller: Controller, limits: Limits) -> Error {
    Client::new(vec![controller], Some(Protocol::V24_11), limits).states(&me(), &[]).unwrap_err()
}

#[test]
fn slow_answers_are_not_waited_for_forever() {
    let limits = Limits { total: Duration::from_millis(200), ..Limits::default() };
    let drop_by_drop = |mut stream: TcpStream| {
        // nobody sends anything: a read is a pause that ends when the other side hangs up
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        while stream.write_all(&[0]).is_ok() {
            let _ = stream.read(&mut [0]);
        }
    };
    let begun = Instant::now();
    let late = asked(teller(1_000_000_u32.to_be_bytes().to_vec(), drop_by_drop), limits);
    assert!(matches!(late, Error::Late { .. }), "{late:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn nothing_is_made_for_what_is_only_announced() {
    let before = most_memory();
    let limits = Limits { total: Duration::from_millis(200), ..Limits::default() };
    let announced = (limits.reply - 1).to_be_bytes().to_vec();
    let late = asked(teller(announced, |mut stream| drop(stream.read(&mut [0]))), limits);
    assert!(matches!(late, Error::Late { .. }), "{late:?}");
    let more = most_memory() - before;
    assert!(more < LITTLE, "{more} bytes");
}

#[test]
fn endless_answers_end_where_they_were_to_end() {
    let limits = Limits { reply: 1 << 20, ..Limits::default() };
    let endless = |mut stream: TcpStream| while stream.write_all(&[0; 4096]).is_ok() {};
    let error = asked(teller((1_u32 << 20).to_be_bytes().to_vec(), endless), limits);
    assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
}

mod much;
