//! Load from a pool of keep-alive connections, and what a server spent on it.

use std::fs;
use std::time::{Duration, Instant};

use crate::fixture::{Client, Gateway};

/// What a load showed.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) elapsed: Duration,
    pub(crate) median: Duration,
    pub(crate) p99: Duration,
    /// CPU time of the server (its own process, not those it started).
    pub(crate) cpu: Duration,
}

impl Figures {
    pub(crate) fn per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn show(&self) -> String {
        let each = self.cpu / u32::try_from(self.requests.max(1)).unwrap_or(u32::MAX);
        let failures = if self.failures == 0 { String::new() } else { format!(" {} FAILED", self.failures) };
        format!(
            "{:>7.0}/s p50 {} p99 {} cpu {}{failures}",
            self.per_second(),
            short(self.median),
            short(self.p99),
            short(each)
        )
    }
}

/// A duration in three digits.
pub(crate) fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds >= 1.0 => format!("{seconds:.2}s"),
        _ if seconds >= 0.01 => format!("{:.0}ms", seconds * 1e3),
        _ if seconds >= 0.001 => format!("{:.1}ms", seconds * 1e3),
        _ => format!("{:.0}us", seconds * 1e6),
    }
}

/// Lets `users` send one request after the other for a time (each at least once).
pub(crate) fn load(
    gateway: &Gateway,
    users: usize,
    time: Duration,
    request: impl Fn(&mut Client) -> bool + Send + Sync,
) -> Figures {
    let mut warm = gateway.client();
    request(&mut warm);
    let cpu = cpu_of(gateway.child.id());
    let begin = Instant::now();
    let mut all: Vec<(Duration, bool)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..users)
            .map(|_| {
                let (request, mut client) = (&request, gateway.client());
                scope.spawn(move || {
                    let mut seen = Vec::new();
                    while seen.is_empty() || begin.elapsed() < time {
                        let sent = Instant::now();
                        let good = request(&mut client);
                        seen.push((sent.elapsed(), good));
                    }
                    seen
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let elapsed = begin.elapsed();
    let cpu = cpu_of(gateway.child.id()).saturating_sub(cpu);
    all.sort_unstable();
    let at = |part: f64| all[((all.len() - 1) as f64 * part) as usize].0;
    let failures = all.iter().filter(|(_, good)| !good).count() as u64;
    Figures { requests: all.len() as u64, failures, elapsed, median: at(0.5), p99: at(0.99), cpu }
}

/// CPU time of a process so far.
pub(crate) fn cpu_of(pid: u32) -> Duration {
    ticks(&format!("/proc/{pid}/stat"), [11, 12])
}

/// CPU time of all children of this process that have been waited for.
pub(crate) fn cpu_of_children() -> Duration {
    ticks("/proc/self/stat", [13, 14])
}

fn ticks(path: &str, fields: [usize; 2]) -> Duration {
    let stat = fs::read_to_string(path).unwrap_or_default();
    // after the name in parentheses; utime is the 14th field of all
    let rest: Vec<i64> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(1).flat_map(str::parse).collect();
    let field = |at: usize| rest.get(at - 1).copied().unwrap_or_default();
    Duration::from_millis(fields.map(field).iter().sum::<i64>().unsigned_abs() * 10)
}

/// Resident memory of a process now, and the most it has had, in MiB.
pub(crate) fn memory_of(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or_default() >> 10
    };
    (value("VmRSS:"), value("VmHWM:"))
}
