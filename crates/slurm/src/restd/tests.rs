//! A slurmrestd that a test plays.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use super::{Address, Limits, Restd};
use crate::errno::Errno;
use crate::ledger::{Ledger, Question, records};
use crate::operations::Call;
use crate::rpc::Credential;
use crate::version::Version;

const NO_PATH: &str = "HTTP/1.1 404 NOT FOUND\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno";

fn json(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Answers one connection after the other with what `answer` makes of the request; gives where it listens, and what it was asked.
fn played(answer: impl Fn(&str) -> String + Send + 'static) -> (Address, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = vec![0; 8192];
            let length = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let answer = answer(&request);
            if said.send(request).is_err() {
                return;
            }
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    (Address::Tcp("127.0.0.1".into(), port), heard)
}

fn who() -> Credential {
    Credential::jwt("a.b.c").unwrap().acting_for("alice").unwrap()
}

fn quick() -> Limits {
    Limits { total: Duration::from_millis(500), answer: 1000, ..Limits::default() }
}

#[test]
fn addresses_are_read() {
    let shown = |text: &str| Address::parse(text).map(|address| address.to_string());
    assert_eq!(shown("unix:/run/a.sock").as_deref(), Some("unix:/run/a.sock"));
    assert_eq!(shown("unix:///run/a.sock").as_deref(), Some("unix:/run/a.sock"));
    assert_eq!(shown("http://ctl:6820/").as_deref(), Some("ctl:6820"));
    assert_eq!(shown("[::1]:6820").as_deref(), Some("[::1]:6820"));
    for bad in ["", "unix:a.sock", "ctl", "https://ctl:6820", "ctl:x", "::1:6820", "a/b:1", ":1", "user@ctl:1"] {
        assert_eq!(shown(bad), None, "{bad}");
    }
}

#[test]
fn the_next_version_is_asked_for_and_remembered() {
    let (address, heard) = played(|request| {
        if request.contains("/v0.0.42/") {
            json(r#"{"users":[{"name":"bob"}],"meta":{},"errors":[],"warnings":[]}"#)
        } else {
            NO_PATH.into()
        }
    });
    let restd = Restd::new(address, Limits::default());
    let told = restd.ask(&who(), &Question::new(Call::DbdGetUsers, Version::V45)).unwrap();
    assert_eq!((told.status, told.way.to_string()), (200, "slurmrestd v0.0.42".to_owned()));
    let said: serde_json::Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(said["users"][0]["name"], "bob");
    let first: Vec<String> = heard.try_iter().collect();
    assert_eq!(first.len(), 4, "45, 44, 43 and 42");
    let request = &first[3];
    assert!(request.starts_with("GET /slurmdb/v0.0.42/users/ HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("X-SLURM-USER-TOKEN: a.b.c\r\nX-SLURM-USER-NAME: alice\r\n"), "{request}");
    restd.ask(&who(), &Question::new(Call::DbdGetUsers, Version::V45)).unwrap();
    assert_eq!(heard.try_iter().count(), 1, "the others are known to be missing");
}

#[test]
fn records_of_jobs_are_read() {
    let (address, heard) = played(|_| json(r#"{"jobs":[{"job_id":7,"state":{"current":["COMPLETED"]}}]}"#));
    let found = records(&Restd::new(address, Limits::default()), &who(), &[7, 9]).unwrap();
    assert_eq!(found[0].job_id, Some(7));
    assert!(heard.recv().unwrap().contains("/jobs/?step=7&step=9&skip_steps=true "));
}

#[test]
fn nobody_there_is_an_error_at_once() {
    let nowhere = Restd::new(Address::Unix("/no/such/socket".into()), Limits::default());
    let fault = nowhere.ask(&who(), &Question::new(Call::DbdGetUsers, Version::V45)).unwrap_err();
    assert_eq!(fault.errno, Errno::DB_CONNECTION);
    assert!(fault.description.contains("cannot reach slurmrestd at unix:/no/such/socket"), "{fault}");
}

#[test]
fn slow_long_and_strange_answers_are_errors() {
    let ask = |call, answer: &'static str| {
        let (address, _heard) = played(move |_| answer.to_owned());
        Restd::new(address, quick())
            .ask(&who(), &Question::new(call, Version::V45))
            .unwrap_err()
            .description
            .into_owned()
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1001\r\n\r\n";
    assert!(ask(Call::DbdGetUsers, head).contains("longer than 1000 bytes"));
    assert!(ask(Call::DbdGetUsers, "SSH-2.0\r\n").contains("not HTTP"));
    assert!(ask(Call::DbdGetUsers, NO_PATH).contains("no version of the API"));
    let refused =
        "HTTP/1.1 401 UNAUTHORIZED\r\nContent-Type: text/plain\r\nContent-Length: 22\r\n\r\nAuthentication failure";
    assert!(ask(Call::DbdGetUsers, refused).contains("refuses to answer (401): Authentication failure"));
    // what may have been done is said to be unknown
    let cut = ask(Call::DbdDeleteUser, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
    assert!(cut.contains("broke") && cut.contains("whether it was done is not known"), "{cut}");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp("127.0.0.1".into(), silent.local_addr().unwrap().port());
    let late = Restd::new(address, quick()).ask(&who(), &Question::new(Call::DbdGetUsers, Version::V45)).unwrap_err();
    assert!(late.description.contains("has not answered within 0.5 s"), "{late}");
}
