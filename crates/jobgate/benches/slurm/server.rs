//! A server that is measured: ours or the original.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::fixture::Client;
use crate::fixture::http::Address;
use crate::fixture::slurm::{Cluster, Token};
use crate::load::{Figures, cpu_of, short};
use crate::requests::{BASE, Request, submit};

/// A server, and its jobs.
#[derive(Debug)]
pub(crate) struct Server {
    ours: bool,
    address: SocketAddr,
    token: String,
    pub(crate) process: u32,
    queue: Arc<Queue>,
}

/// The jobs of a cluster.
#[derive(Debug, Default)]
struct Queue {
    jobs: AtomicUsize,
    /// The id of one of them.
    one: AtomicI64,
}

impl Server {
    pub(crate) fn ours(cluster: &Cluster) -> Self {
        let token = cluster.keys.token("alice", Token::Good);
        Self::new(true, cluster.gateway.address, token, cluster.gateway.child.id())
    }

    pub(crate) fn new(ours: bool, address: SocketAddr, token: String, process: u32) -> Self {
        Self { ours, address, token, process, queue: Arc::default() }
    }

    /// In front of the same cluster as another one.
    pub(crate) fn beside(mut self, other: &Self) -> Self {
        self.queue = Arc::clone(&other.queue);
        self
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.ours
    }

    fn client(&self) -> Client {
        let mut client = Client::new(Address::Tcp(self.address));
        client.timeout = Duration::from_secs(300);
        for (name, value) in [("x-slurm-user-name", "alice"), ("x-slurm-user-token", &self.token)] {
            client.headers.push((name.to_owned(), value.to_owned()));
        }
        client
    }

    /// Submits held jobs until there are so many.
    pub(crate) fn fill(&self, count: usize) {
        let missing = count.saturating_sub(self.queue.jobs.load(Ordering::Relaxed));
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut client = self.client();
                    while next.fetch_add(1, Ordering::Relaxed) < missing {
                        let id = submit(&mut client).unwrap();
                        self.queue.one.store(id, Ordering::Relaxed);
                    }
                });
            }
        });
        self.queue.jobs.fetch_add(missing, Ordering::Relaxed);
    }

    /// Lets so many clients send one request after the other for a time, each at least once.
    pub(crate) fn load(&self, clients: usize, time: Duration, request: &Request) -> String {
        let one = self.queue.one.load(Ordering::Relaxed);
        request.send(&mut self.client(), one);
        let cpu = cpu_of(self.process);
        let begin = Instant::now();
        let mut all: Vec<(Duration, bool)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..clients)
                .map(|_| {
                    let mut client = self.client();
                    scope.spawn(move || {
                        let mut seen = Vec::new();
                        while seen.is_empty() || begin.elapsed() < time {
                            let sent = Instant::now();
                            let good = request.send(&mut client, one);
                            seen.push((sent.elapsed(), good));
                        }
                        seen
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let elapsed = begin.elapsed();
        let cpu = cpu_of(self.process).saturating_sub(cpu);
        all.sort_unstable();
        let at = |part: f64| all[((all.len() - 1) as f64 * part) as usize].0;
        let failures = all.iter().filter(|(_, good)| !good).count() as u64;
        let figures = Figures { requests: all.len() as u64, failures, elapsed, median: at(0.5), p99: at(0.99), cpu };
        figures.show()
    }

    /// The whole list of jobs when there is one more job each time: nothing rendered before can be used again.
    pub(crate) fn changing(&self, time: Duration) -> String {
        let (mut writer, mut reader) = (self.client(), self.client());
        let begin = Instant::now();
        let (mut times, mut bytes) = (Vec::new(), 0);
        while times.len() < 3 || (begin.elapsed() < time && times.len() < 200) {
            if submit(&mut writer).is_none() {
                return "FAILED to submit".into();
            }
            let sent = Instant::now();
            match reader.get_discard(&format!("{BASE}/jobs")) {
                Ok((200, got)) => bytes = got,
                other => return format!("FAILED: {other:?}"),
            }
            times.push(sent.elapsed());
        }
        self.queue.jobs.fetch_add(times.len(), Ordering::Relaxed);
        format!("{} {:.1} MB", show(times), bytes as f64 / 1e6)
    }

    /// From the request to the first byte of the list of jobs, when nothing has changed since it was last asked for.
    pub(crate) fn first_byte(&self, time: Duration) -> String {
        let begin = Instant::now();
        let mut times = Vec::new();
        let mut buffer = vec![0; 1 << 20];
        Request::Get("/jobs").send(&mut self.client(), 0);
        while times.is_empty() || (begin.elapsed() < time && times.len() < 200) {
            let mut stream = TcpStream::connect(self.address).unwrap();
            stream.set_nodelay(true).unwrap();
            let head = format!(
                "GET {BASE}/jobs HTTP/1.1\r\nHost: localhost\r\nX-SLURM-USER-TOKEN: {}\r\nConnection: close\r\n\r\n",
                self.token
            );
            let sent = Instant::now();
            stream.write_all(head.as_bytes()).unwrap();
            let got = stream.read(&mut buffer).unwrap();
            times.push(sent.elapsed());
            if !buffer[..got].starts_with(b"HTTP/1.1 200") {
                return "FAILED".into();
            }
            while stream.read(&mut buffer).is_ok_and(|got| got > 0) {}
        }
        show(times)
    }
}

fn show(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: f64| short(times[((times.len() - 1) as f64 * part) as usize]);
    format!("          p50 {} p99 {}", at(0.5), at(0.99))
}
