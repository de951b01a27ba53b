//! A server that is measured, ours or the original.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fixture::http::{Address, Body, Client};
use crate::fixture::{Home, wait_for};

/// Linux tells in hundredths of a second what children have used, whatever its own clock does.
const TICKS: u64 = 100;
/// The original takes longer than this for some answers.
const SLOW: Duration = Duration::from_secs(15);
const START: Duration = Duration::from_secs(120);

/// A server with all of its processes; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// Until it had answered for the first time.
    pub(crate) started: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start(home: &Home, data: &Path, mut command: Command, name: &str) -> Self {
        let log = home.path(&format!("{name}.log"));
        let file = fs::File::create(&log).unwrap();
        command.args(["start", "--disable-bg-tasks", "-b", "127.0.0.1:0"]).process_group(0);
        command.env("AUTOSUBMIT_CONFIGURATION", data.join(".autosubmitrc")).env("PROTECTION_LEVEL", "NONE");
        command
            .env("USER", "root")
            .env("LOGNAME", "root")
            .env("TZ", "UTC")
            .env("SECRET_KEY", "0123456789abcdef".repeat(3));
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let began = Instant::now();
        let child = command.spawn().unwrap();
        let answered = || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let (_, rest) =
                text.split_once("http://127.0.0.1:").or_else(|| text.split_once("listening on 127.0.0.1:"))?;
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let address = format!("127.0.0.1:{port}").parse().ok()?;
            Client::new(Address::Tcp(address)).request("GET", "/", &[], &Body::None).ok().map(|_| address)
        };
        // more often than a test would look: it is the time that matters
        let address = loop {
            if let Some(address) = answered() {
                break address;
            }
            assert!(began.elapsed() < START, "{name} does not answer: {}", fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_micros(500));
        };
        Self { child, address, started: began.elapsed() }
    }

    /// All processes of the server's group.
    fn processes(&self) -> Vec<u32> {
        let group = self.child.id();
        let of = |entry: fs::DirEntry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            (stat(pid)?.get(2)?.parse::<u32>().ok()? == group).then_some(pid)
        };
        fs::read_dir("/proc").unwrap().flatten().filter_map(of).collect()
    }

    /// CPU time that all threads of all of them have used, and their children that ended.
    fn used(&self) -> Used {
        let mut used = Used::default();
        for pid in self.processes() {
            let ended = stat(pid).map_or(0, |stat| (13..15).filter_map(|at| stat[at].parse::<u64>().ok()).sum());
            used.ended += Duration::from_millis(ended * 1000 / TICKS);
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            let of = |thread: PathBuf| {
                let text = fs::read_to_string(thread.join("schedstat")).ok()?;
                let nanoseconds = text.split(' ').next()?.parse().ok()?;
                Some((thread, Duration::from_nanos(nanoseconds)))
            };
            used.threads.extend(threads.filter_map(|thread| of(thread.path())));
        }
        used
    }

    /// Memory of all of them together, each shared page counted once, in MiB.
    pub(crate) fn memory(&self) -> u64 {
        let of = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with("Pss:"));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
        };
        self.processes().into_iter().map(of).sum::<u64>() / 1024
    }

    /// CPU milliseconds per request on average, one after the other, as many as there are in so long a time but at most so many.
    /// `before`: done before each of them, on nobody's account.
    pub(crate) fn measure(&self, path: &str, (time, most): (Duration, u32), before: impl Fn()) -> f64 {
        let mut client = Patient::new(self.address);
        let mut ask = || {
            before();
            client.get(path);
        };
        let (mut used, mut began, mut count) = (self.used(), Instant::now(), 1);
        ask();
        // an answer that takes so long is not asked for twice only to have been asked for before
        if began.elapsed() < SLOW {
            (used, began, count) = (self.used(), Instant::now(), 0);
        }
        while count == 0 || (count < most && began.elapsed() < time) {
            ask();
            count += 1;
        }
        self.used().since(&used).as_secs_f64() * 1000.0 / f64::from(count)
    }

    /// Until what is written now would be kept by whoever keeps what files say.
    pub(crate) fn settle(&self, path: &str) {
        let mut client = Patient::new(self.address);
        let until = Instant::now() + jobgate_autosubmit::kept::UNSETTLED * 2;
        wait_for("files to be old", START, || {
            client.get(path);
            (Instant::now() > until).then_some(())
        });
    }
}

/// CPU time, to the nanosecond of what still runs.
#[derive(Default)]
struct Used {
    threads: HashMap<PathBuf, Duration>,
    ended: Duration,
}

impl Used {
    /// What was used since then. A thread that has ended in between had had nothing to do for a while.
    fn since(&self, before: &Self) -> Duration {
        let of = |(thread, now): (&PathBuf, &Duration)| {
            now.saturating_sub(before.threads.get(thread).copied().unwrap_or_default())
        };
        self.threads.iter().map(of).sum::<Duration>() + self.ended.saturating_sub(before.ended)
    }
}

/// A client that waits for as long as it takes: the original needs minutes for some answers.
struct Patient(BufReader<TcpStream>);

impl Patient {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    fn get(&mut self, path: &str) {
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        self.0.get_mut().write_all(head.as_bytes()).unwrap();
        let (mut length, mut line) = (None, String::new());
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "{path}: the connection ended");
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse::<u64>().ok(),
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let length = length.unwrap_or_else(|| panic!("{path}: an answer without its length"));
        let read = io::copy(&mut (&mut self.0).take(length), &mut io::sink()).unwrap();
        assert_eq!(read, length, "{path}");
    }
}

/// The fields of a process's status behind its name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}
