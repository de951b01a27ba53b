//! The real slurmrestd of a real cluster.

use std::fs;

use crate::fixture::Cluster;
use crate::server::Server;

/// It, as it listens on TCP.
pub(crate) fn server(cluster: &Cluster) -> Server {
    let address = cluster.slurmrestd;
    let text = address.to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let found = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        words.next().is_some_and(|program| program.ends_with(b"slurmrestd"))
            && words.any(|word| word == text.as_bytes())
    });
    Server::new(false, address, day_token(cluster), found.unwrap())
}

/// A token that lasts as long as a benchmark.
pub(crate) fn day_token(cluster: &Cluster) -> String {
    let words = ["scontrol", "token", "username=alice", "lifespan=86400"];
    cluster.ok("root", &words).trim().trim_start_matches("SLURM_JWT=").to_owned()
}
