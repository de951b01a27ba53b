//! Every operation of the endpoint table asked of a gateway and of the cluster's own slurmrestd, on the same cluster at the same
//! moment, in every version that both have: all that they answer is equal, or named in `differences.rs` with a reason.
//!
//! Reads are asked for the same things. Writes go to both with the names of their objects paired (`{me}` is `ours42` here and
//! `them42` there; `writes.txt`); after each, its object is read: ours through both, and theirs, as what was stored has to be equal, too.
//! On 26.05: `JOBGATE_CLUSTER_SUITE=forky cargo nextest run -p jobgate --test it live_differential::`.

mod differences;
mod scenario;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::fixture::http::Address;
use crate::fixture::{Client, Cluster};
use crate::live_gateway::{clear, fill, gateway, with_token};
use differences::Pairs;
use jobgate_slurm::operations::{OPERATIONS, find};
use scenario::Sides;

/// All that are known; a release of Slurm serves some.
const VERSIONS: [u32; 6] = [40, 41, 42, 43, 44, 45];

/// What changes between two questions is asked for again for so long.
const SETTLES: Duration = Duration::from_secs(10);

/// What can be read, without the version. `{running}` and `{held}` are jobs.
const READS: &[&str] = &[
    "slurm/jobs",
    "slurm/jobs/state",
    "slurm/nodes",
    "slurm/partitions",
    "slurm/reservations",
    "slurm/licenses",
    "slurm/shares",
    "slurm/ping",
    "slurm/diag",
    "slurm/conf",
    "slurm/job/{running}",
    "slurm/job/{held}",
    "slurm/job/65000000",
    "slurm/job/99999999",
    "slurm/job/abc",
    "slurm/resources/{running}",
    "slurm/resources/{held}",
    "slurm/resources/65000000",
    "slurm/node/n1",
    "slurm/node/nosuch",
    "slurm/partition/defq",
    "slurm/partition/nosuch",
    "slurm/reservation/nosuch",
    "slurm/jobs?flags=NONSENSE",
    "slurm/jobs?what=ever",
    "slurm/nodes?update_time=abc",
    "slurmdb/accounts/",
    "slurmdb/accounts/?description=nothing",
    "slurmdb/account/physics",
    "slurmdb/account/nosuch",
    "slurmdb/associations/",
    "slurmdb/associations/?user=alice&account=physics",
    "slurmdb/association/?user=bob&account=chem",
    "slurmdb/clusters/",
    "slurmdb/cluster/testcl",
    "slurmdb/cluster/nosuch",
    "slurmdb/qos/",
    "slurmdb/qos/normal",
    "slurmdb/qos/nosuch",
    "slurmdb/users/",
    "slurmdb/users/?with_assocs=true&with_coords=true",
    "slurmdb/user/alice?with_assocs=true",
    "slurmdb/user/nosuch",
    "slurmdb/tres/",
    "slurmdb/wckeys/",
    "slurmdb/wckey/1",
    "slurmdb/instances/",
    "slurmdb/instance/",
    "slurmdb/jobs/",
    "slurmdb/jobs/?skip_steps=true&start_time=1700000000",
    "slurmdb/jobs/?start_time=1700000000&users=alice&users=0&account=physics&partition=defq",
    "slurmdb/jobs/?state=FAILED&start_time=1700000000&end_time=4000000000",
    "slurmdb/jobs/?step={running}.batch&step={held}&show_batch_script=true",
    "slurmdb/jobs/?cpus_min=2&cpus_max=2&start_time=1700000000",
    "slurmdb/jobs/?submit_time=1700000000&node=n1",
    "slurmdb/jobs/?constraints=nothing",
    "slurmdb/jobs/?users=nosuch",
    "slurmdb/jobs/?step=1x",
    "slurmdb/jobs/?what=ever",
    "slurmdb/job/{running}",
    "slurmdb/job/{held}",
    "slurmdb/job/99999999",
    "slurmdb/diag/",
    "slurmdb/ping/",
    "slurmdb/conf",
    "slurmdb/config",
];

/// Which operations of a version slurmrestd serves, and were asked.
#[derive(Debug)]
struct Coverage {
    version: u32,
    served: BTreeSet<(String, String)>,
    asked: BTreeSet<(String, String)>,
}

impl Coverage {
    fn of(theirs: &mut Client, version: u32) -> Self {
        let document = theirs.get("/openapi/v3").json();
        let paths = document["paths"].as_object().unwrap();
        let prefix = format!("/v0.0.{version}/");
        let served = paths
            .iter()
            .filter(|(path, _)| path.contains(&prefix))
            .flat_map(|(path, item)| {
                let methods = item.as_object().unwrap().keys();
                methods.map(|method| (method.to_uppercase(), path.trim_end_matches('/').to_owned())).collect::<Vec<_>>()
            })
            .collect();
        Self { version, served, asked: BTreeSet::new() }
    }

    /// Notes that an operation is asked; false: slurmrestd does not serve it. `path` is without parameters.
    fn note(&mut self, method: &str, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        let Some(found) = find(method, path) else { panic!("{method} {path} is no operation") };
        let version = found.version.to_string();
        let served = found.operation.path.replace("{version}", &version).trim_end_matches('/').to_owned();
        let operation = (method.to_owned(), served);
        let is_served = self.served.contains(&operation);
        self.asked.insert(operation);
        is_served
    }

    /// Operations that both have and that nobody asked. A GET that requeues is an order; one that lets the controller read its
    /// configuration again would disturb all others.
    fn missing(&self, is_read: bool) -> Vec<String> {
        let version = format!("v0.0.{}", self.version);
        let is = |path: &str, last: &str| path.trim_end_matches('/').ends_with(last);
        OPERATIONS
            .iter()
            .filter(|operation| !is(operation.path, "/reconfigure"))
            .filter(|operation| (operation.method.as_str() == "GET" && !is(operation.path, "/requeue")) == is_read)
            .map(|operation| {
                let path = operation.path.replace("{version}", &version);
                (operation.method.as_str().to_owned(), path.trim_end_matches('/').to_owned())
            })
            .filter(|operation| self.served.contains(operation) && !self.asked.contains(operation))
            .map(|(method, path)| format!("{method} {path} was not asked"))
            .collect()
    }
}

/// A gateway in front of the cluster; what it does not ask the accounting database itself, the cluster's slurmrestd is asked.
fn settings(cluster: &Cluster) -> String {
    let (database, slurmrestd) = (cluster.database, cluster.slurmrestd);
    format!("freshness = \"0s\"\n\n[slurm.accounting]\nslurmdbd = [\"{database}\"]\nslurmrestd = \"{slurmrestd}\"")
}

#[test]
fn all_that_can_be_read_is_equal() {
    let Some(cluster) = Cluster::alone() else { return };
    let (gateway, _home) = gateway(&cluster, &settings(&cluster));
    let (running, held) = fill(&cluster);
    let mut wrong = Vec::new();
    let mut versions = 0;
    for user in ["alice", "root"] {
        let token = cluster.token(user);
        let mut ours = with_token(gateway.client(), &token);
        let mut theirs = with_token(Client::new(Address::Tcp(cluster.slurmrestd)), &token);
        for version in VERSIONS {
            let mut coverage = Coverage::of(&mut theirs, version);
            if coverage.served.is_empty() {
                continue;
            }
            versions += 1;
            for path in READS {
                let (plugin, path) = path.split_once('/').unwrap();
                let path = path.replace("{running}", &running.to_string()).replace("{held}", &held.to_string());
                let url = format!("/{plugin}/v0.0.{version}/{path}");
                if find("GET", url.split('?').next().unwrap()).is_none() || !coverage.note("GET", &url) {
                    continue;
                }
                let until = Instant::now() + SETTLES;
                let left = loop {
                    let (a, b) = (ours.get(&url), theirs.get(&url));
                    let left = differences::between(version, &path, &a, &b, &Pairs::default());
                    if left.is_empty() || Instant::now() > until {
                        break left;
                    }
                };
                wrong.extend(left.into_iter().map(|what| format!("{user} v0.0.{version} {path}: {what}")));
            }
            wrong.extend(coverage.missing(true));
        }
    }
    clear(&cluster);
    assert!(versions > 0, "slurmrestd serves no version that is known here");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn all_that_can_be_ordered_is_equal() {
    let Some(cluster) = Cluster::alone() else { return };
    let (gateway, _home) = gateway(&cluster, &settings(&cluster));
    // the nodes that are changed here: as equal as at first, whatever others (the client guide: a comment) left at them
    cluster.ok("root", &["scontrol", "update", "nodename=n[4-5]", "comment=", "extra=", "weight=1", "gres=gpu:amd:4"]);
    let mut sides = Sides::new(&cluster, &gateway);
    let all = scenario::all();
    let mut wrong = Vec::new();
    let mut versions = 0;
    for version in VERSIONS {
        let mut coverage = Coverage::of(sides.slurmrestd(), version);
        if coverage.served.is_empty() {
            continue;
        }
        versions += 1;
        for scenario in &all {
            let left = sides.play(scenario, version, &mut |method, path| coverage.note(method, path));
            wrong.extend(left.into_iter().map(|what| format!("v0.0.{version} {}: {what}", scenario.name)));
        }
        wrong.extend(coverage.missing(false));
    }
    clear(&cluster);
    assert!(versions > 0, "slurmrestd serves no version that is known here");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
