//! Against controllers that are listeners: good ones, and bad ones.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use super::*;
use crate::objects::Job;
use crate::rpc::Names;

/// Answers every request with the same bytes, and gives the requests.
fn controller(answer: Vec<u8>) -> (Controller, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // told before it is answered: who has the answer finds it told
            if tell.send(request(&mut stream)).is_err() {
                return;
            }
            // who has read enough hangs up
            let _ = stream.write_all(&answer);
        }
    });
    (Controller { name: "c".into(), host: "127.0.0.1".into(), port }, told)
}

fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut request).unwrap();
    request
}

/// Nobody listens there.
fn nobody() -> Controller {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    Controller { name: "nobody".into(), host: "127.0.0.1".into(), port }
}

fn frame(version: u16, kind: Kind, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap();
    let mut frame = length.to_be_bytes().to_vec();
    for number in [version, 0x44, kind.0] {
        frame.extend_from_slice(&number.to_be_bytes());
    }
    frame.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&[0; 6]);
    frame.extend_from_slice(body);
    frame
}

fn result(errno: u32) -> Vec<u8> {
    frame(0x2a00, Kind::RESULT, &errno.to_be_bytes())
}

fn no_jobs() -> Vec<u8> {
    frame(0x2a00, Kind::JOBS_ARE, &[&[0; 4][..], &7_u64.to_be_bytes(), &9_u64.to_be_bytes()].concat())
}

fn client(controllers: Vec<Controller>) -> Client {
    let limits = Limits { total: Duration::from_secs(20), reply: 1 << 20, ..Limits::default() };
    Client::new(controllers, Some(Protocol::V24_11), limits)
}

fn anyone() -> Credential {
    Credential::jwt("a.b.c").unwrap()
}

fn jobs_of(answer: Vec<u8>) -> Result<Fresh<Jobs>, Error> {
    let (controller, _asked) = controller(answer);
    client(vec![controller]).jobs(&anyone(), None)
}

#[test]
fn what_is_asked_byte_by_byte() {
    let (controller, asked) = controller(no_jobs());
    let client = client(vec![controller]);
    let Fresh::New(jobs) = client.jobs(&anyone(), Some(5)).unwrap() else { panic!("nothing new") };
    assert_eq!((jobs.len(), jobs.last_update(), jobs.last_backfill(), jobs.is_empty()), (0, 7, 9, true));
    let expected = b"\x2a\0\0\0\x07\xd3\0\0\0\x0e\0\0\0\0\0\0\0\0\0\x66\0\0\0\x06a.b.c\0\0\0\0\0\
        \0\0\0\0\0\0\0\x05\0\x13\xff\xff\xff\xfe";
    assert_eq!(asked.recv().unwrap(), expected);
    client.job(&anyone(), 258).unwrap();
    assert_eq!(asked.recv().unwrap()[34..], *b"\0\0\x01\x02\0\x03");
}

#[test]
fn what_has_to_be_known_first() {
    let recorded = |release, name| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rpc/recorded").join(release);
        std::fs::read(folder.join("reads").join(name)).unwrap()
    };
    for (release, name, boot_time) in [("24.11.5", "24.11", 1_796_003_355), ("26.05.5", "26.05", 1_796_003_477)] {
        let body = recorded(name, if name == "24.11" { "conf.bin" } else { "conf-24.11.bin" });
        let (controller, asked) = controller(frame(0x2a00, Kind::CONFIG_IS, &body));
        let outline = client(vec![controller]).outline(&anyone()).unwrap();
        assert_eq!(asked.recv().unwrap()[34..], [0; 8]);
        assert_eq!((outline.cluster.as_str(), outline.release.as_str()), ("testcl", release));
        assert_eq!((outline.boot_time, outline.next_job_id, outline.min_job_age), (boot_time, 1, 300));
        assert!(!outline.private.jobs() && !outline.private.usage());
    }
}

#[test]
fn a_controller_is_spoken_to_as_its_release_can_best() {
    let spoken = |wanted| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rpc/recorded/26.05/reads");
        let body = std::fs::read(folder.join("conf-24.11.bin")).unwrap();
        let (controller, asked) = controller(frame(0x2a00, Kind::CONFIG_IS, &body));
        let client = Client::new(vec![controller], wanted, Limits::default());
        client.outline(&anyone()).unwrap();
        (u16::from_be_bytes(asked.recv().unwrap()[..2].try_into().unwrap()), client.protocol())
    };
    assert_eq!(spoken(None), (0x2a00, Protocol::V26_05));
    assert_eq!(spoken(Some(Protocol::V24_11)), (0x2a00, Protocol::V24_11));
}

#[test]
fn unchanged_is_no_error() {
    assert!(matches!(jobs_of(result(1900)), Ok(Fresh::Unchanged)));
}

#[test]
fn refusals_have_slurms_number() {
    let refused = jobs_of(result(1007)).unwrap_err();
    assert!(refused.is_authentication() && refused.is_undone());
    assert_eq!(refused.to_string(), "Protocol authentication error");
    let words = frame(0x2a00, Kind::RESULT_WITH_WORDS, b"\0\0\x07\xd2\0\0\0\x04why\0");
    let refused = jobs_of(words).unwrap_err();
    assert_eq!((refused.errno(), refused.to_string()), (Errno::ACCESS_DENIED, "why".to_owned()));
    // that all is well is no listing
    assert!(matches!(jobs_of(result(0)), Err(Error::Unexpected { answered: Kind::RESULT, .. })));
}

#[test]
fn other_versions_are_told_apart() {
    let version = |answer| match jobs_of(answer).unwrap_err() {
        Error::Version { answered, .. } => answered,
        other => panic!("{other:?}"),
    };
    assert_eq!(version(frame(0x2900, Kind::RESULT, &1007_u32.to_be_bytes())), Some(0x2900));
    assert_eq!(version(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), None);
    let closed = jobs_of(Vec::new()).unwrap_err();
    assert!(matches!(closed, Error::Closed { .. }) && !closed.is_undone(), "{closed:?}");
    assert!(closed.to_string().contains("older than Slurm 24.11"), "{closed}");
}

/// A controller that understands versions from `first` to `own`, and what it was asked: the version, and the body's length.
fn choosy(first: u16, own: u16) -> (Controller, Receiver<(u16, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = request(&mut stream);
            let version = u16::from_be_bytes([request[0], request[1]]);
            let answer = match version {
                version if version < first => b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
                version if version > own => frame(own, Kind::RESULT, &1007_u32.to_be_bytes()),
                version => frame(version, Kind::RESULT, &[0; 4]),
            };
            if tell.send((version, request[34..].to_vec())).is_err() {
                return;
            }
            let _ = stream.write_all(&answer);
        }
    });
    (Controller { name: "c".into(), host: "127.0.0.1".into(), port }, told)
}

#[test]
fn who_does_not_understand_a_version_is_told_in_another() {
    let sent = |(controller, asked): (Controller, Receiver<(u16, Vec<u8>)>), protocol| {
        let client = Client::new(vec![controller], Some(protocol), Limits::default());
        let mut outcome = client.requeue(&anyone(), "7", crate::cluster::Requeue::default());
        if outcome.is_ok() {
            // what was understood is spoken on
            outcome = client.requeue(&anyone(), "7", crate::cluster::Requeue::default());
        }
        let asked: Vec<(u16, usize)> = asked.try_iter().map(|(version, body)| (version, body.len())).collect();
        (outcome.map(|()| client.protocol()).map_err(|error| error.to_string()), asked)
    };
    // each in its own layout
    let (old, new) = (14, 30);
    let (outcome, asked) = sent(choosy(0x2b00, 0x2e00), Protocol::V24_11);
    assert_eq!((outcome, asked), (Ok(Protocol::V25_11), vec![(0x2a00, old), (0x2c00, new), (0x2c00, new)]));
    let (outcome, asked) = sent(choosy(0x2d00, 0x3000), Protocol::V24_11);
    let expected = vec![(0x2a00, old), (0x2c00, new), (0x2d00, new), (0x2d00, new)];
    assert_eq!((outcome, asked), (Ok(Protocol::V26_05), expected));
    let (outcome, asked) = sent(choosy(0x2700, 0x2a00), Protocol::V26_05);
    assert_eq!((outcome, asked), (Ok(Protocol::V24_11), vec![(0x2d00, new), (0x2a00, old), (0x2a00, old)]));
    let (outcome, asked) = sent(choosy(0x2e00, 0x3000), Protocol::V24_11);
    assert!(outcome.unwrap_err().ends_with("does not speak the protocol of Slurm 26.05: it is newer"));
    assert_eq!(asked, [(0x2a00, old), (0x2c00, new), (0x2d00, new)]);
    let (outcome, asked) = sent(choosy(0x2400, 0x2600), Protocol::V24_11);
    assert!(outcome.unwrap_err().ends_with("it answered in that of 22.05"));
    assert_eq!(asked, [(0x2a00, old)]);
}

#[test]
fn bad_answers_are_errors() {
    let of = |answer: Vec<u8>| jobs_of(answer).unwrap_err();
    assert!(matches!(of(vec![0xff; 4]), Error::Long { length: u32::MAX, .. }));
    assert!(matches!(of(vec![0]), Error::Broken { .. }));
    let whole = no_jobs();
    for end in 4..whole.len() {
        assert!(matches!(of(whole[..end].to_vec()), Error::Broken { .. }), "{end}");
    }
    let mut wrong_length = whole.clone();
    wrong_length[13] = 0xff;
    assert!(matches!(of(wrong_length), Error::Malformed { .. }));
    let states = frame(0x2a00, Kind::STATES_ARE, &[0; 4]);
    assert!(matches!(of(states), Error::Unexpected { answered: Kind::STATES_ARE, .. }));
    // what is after the frame is nobody's
    assert!(jobs_of([whole, vec![7; 100_000]].concat()).is_ok());
}

#[test]
fn jobs_that_end_too_early_or_too_late_are_errors_when_they_are_looked_at() {
    let of = |body: &[u8]| {
        let Ok(Fresh::New(jobs)) = jobs_of(frame(0x2a00, Kind::JOBS_ARE, body)) else { panic!("no jobs") };
        let mut seen: Vec<Job> = Vec::new();
        jobs.each(Names::NONE, &mut |job| seen.push(job)).map(|()| seen.len())
    };
    assert!(matches!(of(&[0; 20]), Ok(0)));
    assert!(matches!(
        of(&[0; 21]),
        Err(Error::Malformed { source: super::super::Malformed::Leftover { left: 1 }, .. })
    ));
    let many = [&[0xff; 4][..], &[0; 16]].concat();
    assert!(matches!(of(&many), Err(Error::Malformed { .. })));
}

/// All recorded jobs as one list: single ones, tasks of arrays, components of heterogeneous jobs.
fn recorded_jobs() -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rpc/recorded/24.11/reads");
    let (mut count, mut records) = (0, Vec::new());
    for number in 42..=53 {
        let Ok(body) = std::fs::read(folder.join(format!("job-{number}.bin"))) else { continue };
        count += u32::from_be_bytes(body[..4].try_into().unwrap());
        records.extend_from_slice(&body[20..]);
    }
    [&count.to_be_bytes()[..], &[0; 16], &records].concat()
}

#[test]
fn jobs_are_found_by_the_number_of_any_whole_that_they_are_of() {
    let list = || match jobs_of(frame(0x2a00, Kind::JOBS_ARE, &recorded_jobs())) {
        Ok(Fresh::New(jobs)) => jobs,
        other => panic!("{other:?}"),
    };
    let mut all: Vec<Job> = Vec::new();
    let walked = list();
    walked.each(Names::NONE, &mut |job| all.push(job)).unwrap();
    let numbers = |job: &Job| {
        let whole = |number: Option<crate::table::Num<u32>>| number.and_then(crate::table::Num::number);
        [job.job_id, whole(job.array_job_id), whole(job.het_job_id)].into_iter().flatten().filter(|number| *number != 0)
    };
    let wanted: std::collections::BTreeSet<u32> = all.iter().flat_map(numbers).collect();
    let jobs_of = |id: u32| all.iter().filter(|job| numbers(job).any(|number| number == id)).collect::<Vec<&Job>>();
    assert!(
        wanted.iter().filter(|id| jobs_of(**id).len() > 1).count() > 1,
        "arrays and heterogeneous jobs: {wanted:?}"
    );
    for id in wanted.into_iter().chain([1, 4_000_000]) {
        let expected = jobs_of(id);
        // whether the list was looked at before or not
        for jobs in [&walked, &list()] {
            let mut found = Vec::new();
            jobs.each_of(id, Names::NONE, &mut |job| found.push(job)).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{id}");
            assert_eq!(jobs.has(id).unwrap(), !expected.is_empty(), "{id}");
        }
    }
}

#[test]
fn nobody_is_waited_for_longer_than_allowed() {
    // accepted by the kernel, and never answered
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let controller = Controller { name: "c".into(), host: "127.0.0.1".into(), port };
    let limits = Limits { total: Duration::from_millis(50), ..Limits::default() };
    let client = Client::new(vec![controller], Some(Protocol::V24_11), limits);
    let late = client.states(&anyone(), &[]).unwrap_err();
    assert!(matches!(late, Error::Late { .. }) && !late.is_undone(), "{late:?}");
}

#[test]
fn a_controller_is_not_asked_by_more_at_once_than_allowed() {
    const AT_ONCE: usize = 3;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (open, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let limits = Limits { total: Duration::from_secs(20), at_once: AT_ONCE, ..Limits::default() };
    let client = Client::new(
        vec![Controller { name: "c".into(), host: "127.0.0.1".into(), port }],
        Some(Protocol::V24_11),
        limits,
    );
    let all = 4 * AT_ONCE;
    thread::scope(|scope| {
        for _ in 0..all {
            scope.spawn(|| client.jobs(&anyone(), None).unwrap());
        }
        let mut served = 0;
        while served < all {
            // nobody is answered before as many have come as may
            let mut streams: Vec<TcpStream> = (0..AT_ONCE).map(|_| listener.accept().unwrap().0).collect();
            most.fetch_max(open.fetch_add(streams.len(), Ordering::SeqCst) + streams.len(), Ordering::SeqCst);
            for stream in &mut streams {
                request(stream);
            }
            listener.set_nonblocking(true).unwrap();
            assert!(listener.accept().is_err(), "one more than allowed has come");
            listener.set_nonblocking(false).unwrap();
            for stream in &mut streams {
                open.fetch_sub(1, Ordering::SeqCst);
                stream.write_all(&no_jobs()).unwrap();
            }
            served += streams.len();
        }
    });
    assert_eq!(most.into_inner(), AT_ONCE);
}

#[test]
fn who_gets_no_turn_in_time_is_told_so() {
    let limits = Limits { total: Duration::from_millis(30), at_once: 1, ..Limits::default() };
    let (controller, asked) = controller(no_jobs());
    let client = Client::new(vec![controller], Some(Protocol::V24_11), limits);
    let turn = client.turns.take(Instant::now());
    let busy = client.jobs(&anyone(), None).unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }) && busy.is_undone() && !busy.asks_for_another(), "{busy:?}");
    assert!(busy.to_string().contains("no turn within 0.03 s"), "{busy}");
    drop(turn);
    client.jobs(&anyone(), None).unwrap();
    assert_eq!(asked.try_iter().count(), 1, "who had no turn has not asked");
}

#[test]
fn another_controller_steps_in() {
    let (good, asked) = controller(no_jobs());
    let (standby, asked_standby) = controller(result(2027));
    let client = client(vec![nobody(), standby, good]);
    client.jobs(&anyone(), None).unwrap();
    client.jobs(&anyone(), None).unwrap();
    // the second time, nobody but who answered was asked
    assert_eq!((asked_standby.try_iter().count(), asked.try_iter().count()), (1, 2));
    let pings = client.ping(&anyone());
    let up: Vec<_> = pings.iter().map(|ping| (ping.responding.unwrap(), ping.mode.clone().unwrap())).collect();
    assert_eq!(up[0], (false, "primary".to_owned()));
    assert_eq!(up[1], (false, "backup1".to_owned()));
}

#[test]
fn only_those_who_certainly_did_nothing_are_passed_over() {
    let (broken, _asked) = controller(vec![0]);
    let (good, asked) = controller(no_jobs());
    assert!(matches!(client(vec![broken, good]).jobs(&anyone(), None), Err(Error::Broken { .. })));
    assert_eq!(asked.try_iter().count(), 0);
    assert!(matches!(client(Vec::new()).jobs(&anyone(), None), Err(Error::NoController)));
    let unreachable = client(vec![nobody()]).jobs(&anyone(), None).unwrap_err();
    assert_eq!((unreachable.errno(), unreachable.is_undone()), (Errno::CONTROLLER_CONNECT, true));
}

#[test]
fn who_has_not_answered_is_not_asked_first_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let hung = Controller { port: listener.local_addr().unwrap().port(), ..nobody() };
    let (backup, asked) = controller(no_jobs());
    let limits = Limits { total: Duration::from_millis(500), ..Limits::default() };
    let client = Client::new(vec![hung, backup], Some(Protocol::V24_11), limits);
    assert!(matches!(client.jobs(&anyone(), None), Err(Error::Late { .. })), "nobody is told what another was told");
    assert_eq!(asked.try_iter().count(), 0);
    client.jobs(&anyone(), None).unwrap();
    client.jobs(&anyone(), None).unwrap();
    assert_eq!(asked.try_iter().count(), 2);
}

#[test]
fn who_stands_by_leads_back() {
    let (broken, asked) = controller(vec![0]);
    let (standby, asked_standby) = controller(result(2027));
    let client = client(vec![broken, standby]);
    for _ in 0..2 {
        assert!(matches!(client.jobs(&anyone(), None), Err(Error::Broken { .. })));
    }
    assert_eq!((asked.try_iter().count(), asked_standby.try_iter().count()), (2, 1));
}

#[test]
fn where_controllers_are() {
    let of = |text: &str| Controller::parse(text).map(|it| (it.name.clone(), it.to_string()));
    let is = |name: &str, at: &str| Some((name.to_owned(), at.to_owned()));
    assert_eq!(of("ctl"), is("ctl", "ctl:6817"));
    assert_eq!(of("ctl:7000"), is("ctl", "ctl:7000"));
    assert_eq!(of("[::1]:7000"), is("::1", "[::1]:7000"));
    assert_eq!(of("fe80::1"), is("fe80::1", "[fe80::1]:6817"));
    assert_eq!(of("ctl(10.0.0.1)"), is("ctl", "10.0.0.1:6817"));
    assert_eq!(of("ctl(10.0.0.1):7000"), is("ctl", "10.0.0.1:7000"));
    for bad in ["", "ctl:", "ctl:70000", ":7000", "[::1]7", "ctl()", "(10.0.0.1)"] {
        assert_eq!(of(bad), None, "{bad}");
    }
}
