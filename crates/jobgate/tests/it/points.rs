//! SIGKILL before the first, second, third ... write: not at chosen times but at every point where something changes on
//! disk or is told to another process. strace counts the calls and kills.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::crash::{
    SCRIPT, SETTINGS, all_ran_once, all_were_told, ended_lost_or_well, index_agrees, nothing_else_ran_twice, settle,
    settle_strangers, submit_with_key,
};
use crate::fixture::home::run;
use crate::fixture::{Client, Gateway, Home, Listener, SOON, binary, program, skip, wait_for};

/// Calls that change something outside the process.
const CHANGES: &str = "write,pwrite64,fsync,fdatasync,mkdir,mkdirat,rename,renameat,renameat2,linkat,unlink,unlinkat,\
                       ftruncate,sendto,clone3";
/// Those of them that a server does not make before it serves.
const PROMISES: &str = "fsync,fdatasync,flock,sendto";
/// What a runner does one after the other, and a server hardly.
const STEPS: &str = "setsid,memfd_create,signalfd4,pidfd_open,sendto,waitid,wait4";
/// Those that it makes in great numbers; some twenty before it serves.
const PAGES: &str = "pwrite64,write";

/// Our binary under strace, which kills it (and, with `follow`, any process that it starts) before its call number
/// `number`.
fn killed_at(home: &Home, calls: &str, number: u32, follow: bool, arguments: &[&str]) -> Command {
    let mut command = home.program(&program("strace").unwrap_or_default());
    command.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={calls}:signal=KILL:when={number}")]);
    command.args(follow.then_some("-f")).arg(binary()).args(arguments);
    command
}

/// Whether strace works here; says so if it does not.
pub(crate) fn possible() -> bool {
    let Some(strace) = program("strace") else {
        skip("strace is not installed");
        return false;
    };
    let works = run(Command::new(strace).args(["-qq", "-o", "/dev/null", "true"]).stdin(Stdio::null())).code == 0;
    if !works {
        skip("this machine allows no ptrace");
    }
    works
}

/// Runs a command that may be killed; gives its standard output, and whether it lived.
fn attempt(home: &Home, command: &mut Command) -> (String, bool) {
    let out = home.path("attempt.out");
    let status = command.stdout(File::create(&out).unwrap()).stderr(Stdio::null()).status().unwrap();
    (fs::read_to_string(&out).unwrap(), status.success())
}

/// The very first submission makes index, queue and prefix. Wherever it dies, the next one finds its way.
#[test]
fn at_every_third_change_of_the_first_submission() {
    if !possible() {
        return;
    }
    for number in (1..).step_by(3) {
        let home = Home::new();
        let file = home.spec(&json!({"script": SCRIPT}));
        let arguments = ["submit", "--newdir", "--parsable", file.to_str().unwrap()];
        let (out, lived) = attempt(&home, &mut killed_at(&home, CHANGES, number, false, &arguments));
        let next = home.submit(&json!({"script": SCRIPT}));
        let mut jobs = vec![next];
        jobs.extend(out.strip_suffix('\n').map(str::to_owned));
        settle(&home, &jobs);
        all_ran_once(&home, &jobs);
        home.ok(&["ls"]);
        nothing_else_ran_twice(&home);
        if lived {
            assert!(number > 30, "strace saw too few calls to prove anything: {number}");
            return;
        }
    }
}

/// A submission into a home that has seen others.
#[test]
fn at_every_change_of_a_submission() {
    if !possible() {
        return;
    }
    let home = Home::with_settings(SETTINGS);
    let listener = Listener::start();
    let mut jobs = vec![home.submit(&json!({"script": SCRIPT}))];
    settle(&home, &jobs);
    let file = home.spec(&json!({"script": SCRIPT, "callback": format!("{}/cb", listener.url)}));
    let arguments = ["submit", "--newdir", "--parsable", file.to_str().unwrap()];
    let mut acknowledged = Vec::new();
    for number in 1.. {
        let (out, lived) = attempt(&home, &mut killed_at(&home, CHANGES, number, false, &arguments));
        acknowledged.extend(out.strip_suffix('\n').map(str::to_owned));
        if lived {
            assert!(number > 10, "strace saw too few calls to prove anything: {number}");
            break;
        }
    }
    jobs.extend(acknowledged.iter().cloned());
    settle(&home, &jobs);
    all_ran_once(&home, &jobs);
    let gateway = Gateway::start(&home);
    index_agrees(&gateway, &home, &jobs);
    all_were_told(&home, &listener, &acknowledged);
    settle_strangers(&home);
    nothing_else_ran_twice(&home);
}

#[test]
fn at_every_promise_of_a_server_and_its_runners() {
    server_killed_at(PROMISES, 1..=30);
}

#[test]
fn at_every_step_of_a_runner() {
    server_killed_at(STEPS, (1..=12).cycle().take(36));
}

#[test]
fn at_many_pages_of_a_server_and_its_runners() {
    server_killed_at(PAGES, (19..=140).step_by(3));
}

/// Starts a server under strace, which kills it before its call number `number`; gives where it listens, unless it was killed before.
pub(crate) fn server_to_be_killed(
    home: &Home,
    calls: &str,
    number: u32,
    arguments: &[&str],
) -> (Child, Option<SocketAddr>) {
    let log = home.path("points.log");
    let file = File::create(&log).unwrap();
    let mut command = killed_at(home, calls, number, true, arguments);
    let mut server = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
    let address = wait_for("the server to listen, or to be gone", SOON, || {
        let text = fs::read_to_string(&log).unwrap();
        let said = text.lines().find_map(|line| line.strip_prefix("listening on http://"));
        match said.and_then(|address| address.parse().ok()) {
            Some(address) => Some(Some(address)),
            None => server.try_wait().unwrap().map(|_| None),
        }
    });
    (server, address)
}

/// The first thread that makes its call number n takes its process with it: the server, or one of the runners.
fn server_killed_at(calls: &str, numbers: impl Iterator<Item = u32>) {
    if !possible() {
        return;
    }
    let home = Home::with_settings(SETTINGS);
    let listener = Listener::start();
    let spec = json!({"script": SCRIPT, "callback": format!("{}/cb", listener.url)});
    let prefix = home.prefix.to_string_lossy().into_owned();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--prefix", &prefix];
    let mut jobs = vec![home.submit(&spec)];
    for number in numbers {
        let (mut server, address) = server_to_be_killed(&home, calls, number, &arguments);
        if let Some(address) = address {
            let mut gone = || server.try_wait().unwrap().is_some();
            let user = || Client::new(crate::fixture::http::Address::Tcp(address));
            let users: Vec<_> = (0..2).map(|_| submit_with_key(user(), None, spec.clone())).collect();
            jobs.extend(users.into_iter().filter_map(|user| user.join().unwrap()));
            // let it come to its end, one way or the other
            let end = std::time::Instant::now() + Duration::from_millis(400);
            while std::time::Instant::now() < end && !gone() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        home.kill_all();
        let _ = server.wait();
    }
    let gateway = Gateway::start(&home);
    assert!(jobs.len() > 20, "too few answers to prove anything: {}", jobs.len());
    settle(&home, &jobs);
    let lost = jobs.iter().filter(|jobid| ended_lost_or_well(&home, jobid)).count();
    index_agrees(&gateway, &home, &jobs);
    all_were_told(&home, &listener, &jobs);
    settle_strangers(&home);
    nothing_else_ran_twice(&home);
    eprintln!("{} acknowledged jobs, {lost} lost while they ran", jobs.len());
}
