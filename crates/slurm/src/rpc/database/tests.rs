//! Databases that answer as real ones did, and databases that answer with anything.

mod pauses;

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::array::JobRef;
use crate::books::{AccountsWanted, AssociationsWanted, ClustersWanted, QosWanted, UsersWanted};
use crate::cluster::Answer;
use crate::objects::{DbdJobsQuery, JobRecord};
use crate::rpc::Kind;
use crate::rpc::codec::{Reader, Text, Wire, Writer};
use crate::table::{Csv, Flags, Num, Time};

/// What is said to each kind of question: a kind and a body.
type Answers = Arc<Mutex<HashMap<Kind, (Kind, Vec<u8>)>>>;

/// Who asks whom, and what.
const LISTS: [(Kind, Kind, &str); 7] = [
    (Kind::DBD_JOBS, Kind::DBD_JOBS_ARE, "jobs"),
    (Kind::DBD_TRES, Kind::DBD_TRES_ARE, "tres"),
    (Kind::DBD_QOS, Kind::DBD_QOS_ARE, "qos"),
    (Kind::DBD_ASSOCIATIONS, Kind::DBD_ASSOCIATIONS_ARE, "associations"),
    (Kind::DBD_ACCOUNTS, Kind::DBD_ACCOUNTS_ARE, "accounts"),
    (Kind::DBD_USERS, Kind::DBD_USERS_ARE, "users"),
    (Kind::DBD_CLUSTERS, Kind::DBD_CLUSTERS_ARE, "clusters"),
];

/// The kinds and bodies of questions.
type Asked = Arc<Mutex<Vec<(u16, Vec<u8>)>>>;

/// A database that says what it is told to say, and what it was asked.
struct Told {
    answers: Answers,
    asked: Asked,
    database: Arc<Database>,
}

impl Told {
    /// It answers as one of this release did, and speaks no newer protocol.
    fn new(release: &str, speaks: Protocol) -> Self {
        let answers: HashMap<_, _> = LISTS
            .iter()
            .map(|(asked, kind, name)| (*asked, (*kind, recorded(release, name))))
            .chain([Kind::GREETING, Kind::DBD_END].map(|kind| (kind, (Kind::DBD_RESULT, result(0, kind.0, "")))))
            .collect();
        let (answers, asked) = (Arc::new(Mutex::new(answers)), Arc::default());
        let (told, noted) = (Arc::clone(&answers), Arc::clone(&asked));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (told, noted) = (Arc::clone(&told), Arc::clone(&noted));
                thread::spawn(move || talk(&mut stream.unwrap(), &told, &noted, speaks));
            }
        });
        let hosts = vec![Controller { name: "db".into(), host: "127.0.0.1".into(), port }];
        let limits = Limits { total: Duration::from_secs(20), reply: 4 << 20, ..Limits::default() };
        Self { answers, asked, database: Arc::new(Database::new(hosts, limits)) }
    }

    fn says(&self, asked: Kind, kind: Kind, body: Vec<u8>) {
        self.answers.lock().unwrap().insert(asked, (kind, body));
    }

    fn inquiry(&self) -> Inquiry {
        self.asked_with("a.b.c")
    }

    fn asked_with(&self, token: &str) -> Inquiry {
        self.database.asked_by(Credential::jwt(token).unwrap(), "testcl", Arc::new(Nobody))
    }

    /// How often something was asked.
    fn count(&self, kind: Kind) -> usize {
        self.asked.lock().unwrap().iter().filter(|(asked, _)| *asked == kind.0).count()
    }

    fn records(&self, wanted: &RecordsOf<'_>) -> Answer<(Vec<JobRecord>, Heard)> {
        let mut records = Vec::new();
        let heard = self.inquiry().records(wanted, NOW, &mut |record| records.push(record))?;
        Ok((records, heard))
    }
}

const NOW: Moment = Moment { now: 1_796_031_900, midnight: 1_795_996_800 };

/// Nobody is known but one.
#[derive(Debug)]
struct Nobody;

impl People for Nobody {
    fn login(&self, number: u32) -> Option<String> {
        (number == 2001).then(|| "alice".into())
    }

    fn group(&self, number: u32) -> Option<String> {
        (number == 2001).then(|| "people".into())
    }

    fn user_number(&self, login: &str) -> Option<u32> {
        (login == "alice").then_some(2001)
    }

    fn group_number(&self, _: &str) -> Option<u32> {
        None
    }
}

fn recorded(release: &str, name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/rpc/database/recorded").join(release);
    std::fs::read(folder.join(name).with_extension("bin")).unwrap()
}

fn result(errno: u32, about: u16, words: &str) -> Vec<u8> {
    let mut to = Writer::new(Protocol::V24_11);
    let words = if words.is_empty() { Text::NONE } else { Text::of(words) };
    records::Outcome { words, flags: 0, errno, about }.write(&mut to);
    to.into_bytes()
}

fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).ok()?;
    Some(frame)
}

fn talk(stream: &mut TcpStream, told: &Answers, noted: &Mutex<Vec<(u16, Vec<u8>)>>, speaks: Protocol) {
    while let Some(asked) = frame(stream) {
        let number = |at: usize| u16::from_be_bytes([asked[at], asked[at + 1]]);
        let kind = Kind(number(0));
        noted.lock().unwrap().push((kind.0, asked[2..].to_vec()));
        let (kind, body) = match told.lock().unwrap().get(&kind) {
            _ if kind == Kind::GREETING && number(2) > speaks.number() => {
                (Kind::DBD_RESULT, result(1005, kind.0, "Failed to unpack SLURM_PERSIST_INIT message"))
            }
            Some(answer) => answer.clone(),
            None => return,
        };
        let length = u32::try_from(body.len() + 2).unwrap().to_be_bytes();
        // who has read enough hangs up
        let _ = stream.write_all(&[&length[..], &kind.0.to_be_bytes(), &body].concat());
    }
}

#[test]
fn a_greeting_byte_by_byte() {
    let told = Told::new("24.11", Protocol::V24_11);
    told.records(&RecordsOf::All).unwrap();
    let asked = told.asked.lock().unwrap();
    let greetings: Vec<&[u8]> =
        asked.iter().filter(|(kind, _)| *kind == 6500).map(|(_, body)| body.as_slice()).collect();
    // in the newest version first, and in the older ones as long as that is not understood
    assert_eq!(greetings.len(), 3);
    let expected = b"\x2a\0\0\x03\x19\x64\0\0\0\x11\0\0\0\0\0\0\0\0\0\x66\0\0\0\x06a.b.c\0\0\0\0\0\
                     \x2a\0\0\0\0\x07testcl\0\0\x01\0\0";
    assert_eq!(greetings[2], expected);
    drop(asked);
    told.asked_with("another").tres().unwrap();
    assert_eq!(told.count(Kind::GREETING), 4, "it remembers");
}

#[test]
fn records_as_a_real_database_packs_them() {
    let told = Told::new("24.11", Protocol::V24_11);
    let (records, heard) = told.records(&RecordsOf::All).unwrap();
    assert_eq!((heard.protocol, heard.warnings), (Protocol::V24_11, Vec::new()));
    let of = |id: u32| records.iter().find(|record| record.job_id == Some(id)).unwrap();
    let first = of(1);
    assert_eq!(first.state_current, Some(Flags::of(["FAILED"])));
    assert_eq!(first.exit_code.as_ref().unwrap().return_code, Some(Num::Set(3)));
    assert_eq!((first.account.as_deref(), first.qos.as_deref()), (Some("physics"), Some("normal")));
    assert_eq!((first.user.as_deref(), first.group.as_deref()), (Some("alice"), Some("people")));
    assert_eq!(first.association.as_ref().unwrap().user.as_deref(), Some("alice"));
    let tres: Vec<_> =
        first.tres_allocated.iter().flatten().map(|one| (one.kind.as_deref().unwrap(), one.count)).collect();
    assert_eq!(tres[..2], [("cpu", Some(2)), ("node", Some(1))]);
    let steps = first.steps.as_ref().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step.step_id.as_deref().unwrap()).collect();
    assert_eq!(names, ["1.batch", "1.0", "1.1"]);
    assert_eq!(steps[1].step_name.as_deref(), Some("sleep"));
    assert!(steps[1].tres_requested_max.iter().flatten().all(|tres| tres.node.is_some()), "{:?}", steps[1]);
    assert_eq!(records.iter().filter(|record| record.array_job_id == Some(2)).count(), 3);
    assert_eq!(of(5).exit_code.as_ref().unwrap().signal_id, Some(Num::Set(9)));
    assert_eq!(of(6).hold, Some(true));
}

#[test]
fn what_is_read_is_written_again() {
    fn survives<'a, T: Wire<'a>>(bytes: &'a [u8], protocol: Protocol) {
        let mut from = Reader::new(bytes, protocol);
        let mut to = Writer::new(protocol);
        let list: Option<Vec<T>> = Wire::read(&mut from).unwrap();
        assert!(list.as_ref().is_some_and(|list| !list.is_empty()));
        list.write(&mut to);
        to.u32(from.u32().unwrap());
        from.end().unwrap();
        assert_eq!(to.into_bytes(), bytes);
    }
    for (release, protocol) in [("24.11", Protocol::V24_11), ("26.05", Protocol::V26_05)] {
        survives::<records::Job<'_>>(&recorded(release, "jobs"), protocol);
        survives::<records::Tres<'_>>(&recorded(release, "tres"), protocol);
        survives::<records::Qos<'_>>(&recorded(release, "qos"), protocol);
        survives::<records::Association<'_>>(&recorded(release, "associations"), protocol);
    }
}

#[test]
fn a_newer_database_tells_more() {
    let told = Told::new("26.05", Protocol::V26_05);
    let (records, heard) = told.records(&RecordsOf::All).unwrap();
    assert_eq!((heard.protocol, heard.warnings), (Protocol::V26_05, Vec::new()));
    let first = records.iter().find(|record| record.job_id == Some(1)).unwrap();
    assert!(first.sluid.as_deref().is_some_and(|sluid| sluid.len() == 14 && sluid.starts_with('s')), "{first:?}");
    assert_eq!(first.association.as_ref().unwrap().account.as_deref(), Some("physics"));
    let names: Vec<_> = first.steps.iter().flatten().filter_map(|step| step.step_id.clone()).collect();
    assert_eq!(names, ["1.batch", "1.0", "1.1"]);
}

/// Asks for all that can be listed; how many there are of each.
fn all_lists(told: &Told) -> Vec<Result<usize, Unanswered>> {
    let asked = told.inquiry();
    vec![
        asked.tres().map(|listed| listed.all.len()),
        asked.qos(&QosWanted::default()).map(|listed| listed.all.len()),
        asked.associations(&AssociationsWanted::default()).map(|listed| listed.all.len()),
        asked.accounts(&AccountsWanted::default()).map(|listed| listed.all.len()),
        asked.users(&UsersWanted { wckeys: true, ..UsersWanted::default() }).map(|listed| listed.all.len()),
        asked.clusters(&ClustersWanted::default()).map(|listed| listed.all.len()),
    ]
}

#[test]
fn lists_as_real_databases_pack_them() {
    for (release, protocol) in [("24.11", Protocol::V24_11), ("26.05", Protocol::V26_05)] {
        let told = Told::new(release, protocol);
        let counts: Vec<usize> = all_lists(&told).into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(counts, [12, 2, 9, 3, 5, 1], "{release}");
        let asked = told.inquiry();
        let users = asked.users(&UsersWanted::default()).unwrap().all;
        let alice = users.iter().find(|user| user.name.as_deref() == Some("alice")).unwrap();
        assert_eq!(alice.default_account.as_deref(), Some("physics"));
        let associations = asked.associations(&AssociationsWanted::default()).unwrap().all;
        let of = |user: &str| associations.iter().find(|one| one.user.as_deref() == Some(user)).unwrap();
        assert_eq!((of("alice").account.as_deref(), of("alice").id), (Some("physics"), Some(5)));
        let cluster = asked.clusters(&ClustersWanted::default()).unwrap().all.remove(0);
        assert_eq!((cluster.name.as_deref(), cluster.nodes.as_deref()), (Some("testcl"), Some("n[1-5]")));
        let normal = asked.qos(&QosWanted::default()).unwrap().all.remove(0);
        assert_eq!((normal.name.as_deref(), normal.usage_factor), (Some("normal"), Some(Num::Set(1.0))));
    }
}

#[test]
fn what_is_refused_is_said() {
    let told = Told::new("24.11", Protocol::V24_11);
    told.says(Kind::DBD_JOBS, Kind::DBD_RESULT, result(7009, 1444, "Too wide of a date range in query"));
    let fault = told.records(&RecordsOf::All).unwrap_err();
    assert_eq!((fault.errno, fault.description.as_ref()), (Errno(7009), "Too wide of a date range in query"));
    told.says(Kind::GREETING, Kind::DBD_RESULT, result(1007, 6500, "no"));
    assert_eq!(told.records(&RecordsOf::All).unwrap_err().errno, Errno::AUTHENTICATION);
    told.says(Kind::GREETING, Kind::DBD_RESULT, result(1005, 6500, "no"));
    let fault = told.records(&RecordsOf::All).unwrap_err();
    assert!(fault.errno == Errno::DB_CONNECTION && fault.description.contains("does not speak"), "{fault}");
    told.says(Kind::GREETING, Kind::DBD_JOBS_ARE, Vec::new());
    assert_eq!(told.records(&RecordsOf::All).unwrap_err().errno, Errno::DB_CONNECTION);
    // all is well, and there is nothing
    told.says(Kind::GREETING, Kind::DBD_RESULT, result(0, 6500, ""));
    told.says(Kind::DBD_JOBS, Kind::DBD_RESULT, result(0, 1444, "nothing"));
    assert_eq!(told.records(&RecordsOf::All).unwrap().0, Vec::new());
    let nobody = Arc::new(Database::new(Vec::new(), Limits::default()));
    let inquiry = nobody.asked_by(Credential::jwt("a").unwrap(), "c", Arc::new(Nobody));
    let fault = Fault::from(inquiry.records(&RecordsOf::All, NOW, &mut |_| {}).unwrap_err());
    assert_eq!(fault.errno, Errno::DB_CONNECTION);
}

#[test]
fn another_host_steps_in() {
    let told = Told::new("24.11", Protocol::V24_11);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = Controller { name: "db0".into(), host: "127.0.0.1".into(), port: closed };
    let hosts = vec![nobody, told.database.hosts()[0].clone()];
    let database = Arc::new(Database::new(hosts, Limits::default()));
    let inquiry = database.asked_by(Credential::jwt("a").unwrap(), "c", Arc::new(Nobody));
    inquiry.records(&RecordsOf::All, NOW, &mut |_| {}).unwrap();
}

/// What was asked for of jobs, as it is on the wire.
fn condition(wanted: &RecordsOf<'_>, look: impl FnOnce(&wanted::Jobs<'_>)) {
    let told = Told::new("24.11", Protocol::V24_11);
    told.records(wanted).unwrap();
    let asked = told.asked.lock().unwrap();
    let (_, body) = asked.iter().find(|(kind, _)| Kind(*kind) == Kind::DBD_JOBS).unwrap();
    let mut from = Reader::new(body, Protocol::V24_11);
    look(&wanted::Jobs::read(&mut from).unwrap());
    from.end().unwrap();
}

#[test]
fn parameters_become_conditions() {
    let csv = |text: &str| Some(Csv(text.split(',').map(str::to_owned).collect()));
    condition(&RecordsOf::All, |all| {
        assert_eq!(*all, wanted::Jobs { started: 1, ..wanted::Jobs::default() });
    });
    condition(&RecordsOf::Job(&JobRef::parse("12_3.batch").unwrap()), |job| {
        let step = &job.steps.as_ref().unwrap()[0];
        assert_eq!((step.id.job, step.task, step.id.step), (12, 3, 0xffff_fffb));
        assert_eq!((job.flags, job.since, job.until), (5, 0, 0));
        assert_eq!(job.clusters, Some(vec![Text::of("testcl")]));
    });
    // nothing is said of times: since midnight, this second included
    let query = DbdJobsQuery { users: csv("alice,7"), account: csv("physics"), ..DbdJobsQuery::default() };
    condition(&RecordsOf::Query(&query), |jobs| {
        assert_eq!((jobs.since, jobs.until), (NOW.midnight, NOW.now + 1));
        assert_eq!(jobs.users, Some(vec![Text::of("2001"), Text::of("7")]));
        assert_eq!((jobs.accounts.clone(), jobs.flags), (Some(vec![Text::of("physics")]), 5));
    });
    let query = DbdJobsQuery { state: csv("FAILED,completing"), ..DbdJobsQuery::default() };
    condition(&RecordsOf::Query(&query), |jobs| {
        assert_eq!((jobs.since, jobs.until), (NOW.now, NOW.now + 1));
        assert_eq!(jobs.states, Some(vec![Text::of("5"), Text::of("32768")]));
    });
    let query = DbdJobsQuery {
        step: csv("7_[1-2],8+1,9.3"),
        skip_steps: Some(true),
        start_time: Some(Time::at(100)),
        end_time: Some(Time::at(100)),
        cluster: csv("other"),
        ..DbdJobsQuery::default()
    };
    condition(&RecordsOf::Query(&query), |jobs| {
        const NONE: u32 = 0xffff_fffe;
        assert_eq!((jobs.since, jobs.until, jobs.flags), (100, 101, 2));
        assert_eq!(jobs.clusters, Some(vec![Text::of("other")]));
        let steps: Vec<_> =
            jobs.steps.iter().flatten().map(|one| (one.id.job, one.task, one.component, one.id.step)).collect();
        assert_eq!(steps, [(7, 1, NONE, NONE), (7, 2, NONE, NONE), (8, NONE, 1, NONE), (9, NONE, NONE, 3)]);
    });
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let told = Told::new("24.11", Protocol::V24_11);
    let csv = |text: &str| Some(Csv(text.split(',').map(str::to_owned).collect()));
    let errno = |query: DbdJobsQuery| told.records(&RecordsOf::Query(&query)).unwrap_err().errno;
    let none = DbdJobsQuery::default;
    assert_eq!(errno(DbdJobsQuery { users: csv("nobody"), ..none() }), Errno::USER_ID_UNKNOWN);
    assert_eq!(errno(DbdJobsQuery { groups: csv("nobody"), ..none() }), Errno::GROUP_ID_UNKNOWN);
    assert_eq!(errno(DbdJobsQuery { state: csv("ASLEEP"), ..none() }), Errno::DATA_INVALID_FLAG);
    assert_eq!(errno(DbdJobsQuery { step: csv("x"), ..none() }), Errno::REST_INVALID_QUERY);
    assert_eq!(errno(DbdJobsQuery { step: csv("7_[0-9999]"), ..none() }), Errno::REST_INVALID_QUERY);
    assert_eq!(errno(DbdJobsQuery { exit_code: Some("0:9".into()), ..none() }), Errno::REST_INVALID_QUERY);
    let nameless = told.database.asked_by(Credential::jwt("a").unwrap(), "", Arc::new(Nobody));
    let fault = Fault::from(nameless.records(&RecordsOf::Query(&none()), NOW, &mut |_| {}).unwrap_err());
    assert!(fault.description.contains("name of the cluster"), "{fault}");
    assert!(told.asked.lock().unwrap().is_empty(), "nobody was asked");
}

/// An answer that was spoilt.
#[derive(Debug, Clone)]
enum Spoilt {
    Cut(prop::sample::Index),
    Byte(prop::sample::Index, u8),
    Number(prop::sample::Index, u32),
    More(Vec<u8>),
    Any(Vec<u8>),
}

fn spoilt() -> impl Strategy<Value = Spoilt> {
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Spoilt::Cut),
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Spoilt::Byte(at, byte)),
        (any::<prop::sample::Index>(), any::<u32>()).prop_map(|(at, number)| Spoilt::Number(at, number)),
        any::<Vec<u8>>().prop_map(Spoilt::More),
        any::<Vec<u8>>().prop_map(Spoilt::Any),
    ]
}

impl Spoilt {
    fn of(&self, mut body: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Cut(at) => body.truncate(at.index(body.len())),
            Self::Byte(at, byte) => {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            Self::Number(at, number) => {
                let at = at.index(body.len() - 3);
                body[at..at + 4].copy_from_slice(&number.to_be_bytes());
            }
            Self::More(more) => body.extend(more),
            Self::Any(any) => body = any.clone(),
        }
        body
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_database_says_is_an_answer_or_a_fault(which in 0_usize..8, new: bool, spoilt in spoilt()) {
        let (release, protocol) = if new { ("26.05", Protocol::V26_05) } else { ("24.11", Protocol::V24_11) };
        let told = Told::new(release, protocol);
        let (asked, kind, honest) = match LISTS.get(which) {
            Some((asked, kind, name)) => (*asked, *kind, recorded(release, name)),
            None => (Kind::GREETING, Kind::DBD_RESULT, result(0, protocol.number(), "words")),
        };
        told.says(asked, kind, spoilt.of(honest));
        let _ = told.records(&RecordsOf::All);
        all_lists(&told);
    }
}

#[test]
fn a_list_without_end_is_not_waited_for() {
    let told = Told::new("24.11", Protocol::V24_11);
    // as many as fit into a number, and none of them
    told.says(Kind::DBD_JOBS, Kind::DBD_JOBS_ARE, vec![0xff, 0xff, 0xff, 0xfd]);
    let fault = told.records(&RecordsOf::All).unwrap_err();
    assert!(fault.description.contains("a list of"), "{fault}");
    // longer than what is taken
    told.says(Kind::DBD_JOBS, Kind::DBD_JOBS_ARE, vec![0; 5 << 20]);
    let fault = told.records(&RecordsOf::All).unwrap_err();
    assert!(fault.description.contains("are taken"), "{fault}");
}
