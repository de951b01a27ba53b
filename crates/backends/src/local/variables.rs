//! The variables by which Slurm tells a job what it was given. sbatch(1), "OUTPUT ENVIRONMENT VARIABLES".

use jobgate_model::{JobSpec, StringMap};
use jobgate_slurm::filename::Names;
use jobgate_slurm::hostlist::Hostlist;
use serde::{Deserialize, Serialize};

use super::cluster::{Share, UNLIMITED};

/// What this batch system is called as a cluster.
pub const CLUSTER: &str = "jobgate";
/// What a partition is called where none is configured.
const PARTITION: &str = "local";
/// sbatch's name for a job that has none.
const UNNAMED: &str = "sbatch";

/// What a run was given, and which one it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// Its number in the queue: Slurm's job id.
    pub run: i64,
    /// The job's name, if it was changed since the job was made.
    pub name: Option<String>,
    /// The number of the array's first task, and the task's own number in the array.
    pub array: Option<(i64, i64)>,
    /// What it has of which nodes; the script runs on the first.
    pub shares: Vec<Share>,
    /// The partition it runs in.
    pub partition: Option<String>,
    /// The account it is charged to.
    pub account: Option<String>,
    /// Its quality of service.
    pub qos: Option<String>,
    /// The reservation it runs in.
    pub reservation: Option<String>,
    /// sbatch's options, with their dashes or without.
    pub options: StringMap,
    /// When it started, unix seconds.
    pub started: i64,
    /// Its time limit in minutes; see [`UNLIMITED`].
    pub minutes: i64,
    /// How often it was put back into the queue.
    pub restarts: i64,
}

/// Where and as whom a run is executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// The machine's name.
    pub name: String,
    /// The user's login name and number.
    pub user: (String, u32),
    /// The user's group.
    pub group: (String, u32),
}

impl Host {
    /// This machine, and the user of this process. Names that `/etc/passwd` and `/etc/group` do not have are those of the
    /// variables `LOGNAME` and `USER`, or the number.
    pub fn here() -> Self {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let of_variable = || ["LOGNAME", "USER"].into_iter().find_map(|name| std::env::var(name).ok());
        let login = name_of("/etc/passwd", user).or_else(of_variable).unwrap_or_else(|| user.to_string());
        let own = name_of("/etc/group", group).unwrap_or_else(|| group.to_string());
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { name, user: (login, user), group: (own, group) }
    }
}

/// The name that has this number in a file of the form `NAME:x:NUMBER:...`.
fn name_of(path: &str, number: u32) -> Option<String> {
    let text = String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned();
    let wanted = number.to_string();
    text.lines().map(|line| line.split(':').collect::<Vec<_>>()).find_map(|fields| {
        (fields.get(2) == Some(&wanted.as_str()) && !fields[0].is_empty()).then(|| fields[0].to_owned())
    })
}

impl Allocation {
    /// What stands in the names of the run's output files.
    pub fn names(&self, spec: &JobSpec, host: &Host) -> Names {
        Names {
            job: self.run.max(0) as u64,
            array: self.array.map(|(id, task)| (id.max(0) as u64, task.max(0) as u64)),
            name: self.name(spec).to_owned(),
            user: host.user.0.clone(),
            node: self.node(host).to_owned(),
            ..Names::default()
        }
    }

    /// All variables, in no order. What does not apply is not set, as in Slurm.
    pub fn variables(&self, spec: &JobSpec, host: &Host) -> Vec<(String, String)> {
        let mut set = Set(Vec::new());
        self.identity(&mut set, spec, host);
        self.resources(&mut set, spec, host);
        set.0
    }

    fn identity(&self, set: &mut Set, spec: &JobSpec, host: &Host) {
        let run = self.run.to_string();
        set.add("SLURM_JOB_ID", &run);
        set.add("SLURM_JOBID", run);
        set.add("SLURM_JOB_NAME", self.name(spec));
        set.add("SLURM_JOB_USER", &host.user.0);
        set.add("SLURM_JOB_UID", host.user.1.to_string());
        set.add("SLURM_JOB_GROUP", &host.group.0);
        set.add("SLURM_JOB_GID", host.group.1.to_string());
        set.add("SLURM_CLUSTER_NAME", CLUSTER);
        set.add("SLURM_JOB_PARTITION", self.partition.as_deref().unwrap_or(PARTITION));
        set.add("SLURM_SUBMIT_DIR", spec.directory.as_deref().unwrap_or("/"));
        set.add("SLURM_SUBMIT_HOST", &host.name);
        set.add("SLURM_JOB_START_TIME", self.started.to_string());
        if self.minutes < UNLIMITED {
            let end = self.started.saturating_add(self.minutes.max(0).saturating_mul(60));
            set.add("SLURM_JOB_END_TIME", end.to_string());
        }
        set.maybe("SLURM_JOB_ACCOUNT", self.account.as_deref());
        set.maybe("SLURM_JOB_QOS", self.qos.as_deref());
        set.maybe("SLURM_JOB_RESERVATION", self.reservation.as_deref());
        set.maybe("SLURM_JOB_DEPENDENCY", self.option("dependency", "-d"));
        set.maybe("SLURM_JOB_LICENSES", self.option("licenses", "-L"));
        set.maybe("SLURM_JOB_COMMENT", self.option("comment", "--comment"));
        if self.restarts > 0 {
            set.add("SLURM_RESTART_COUNT", self.restarts.to_string());
        }
        if let Some((id, task)) = self.array {
            set.add("SLURM_ARRAY_JOB_ID", id.to_string());
            set.add("SLURM_ARRAY_TASK_ID", task.to_string());
        }
    }

    fn resources(&self, set: &mut Set, spec: &JobSpec, host: &Host) {
        let nodes = self.nodelist(host);
        for (name, value) in [
            ("SLURM_JOB_NODELIST", nodes.as_str()),
            ("SLURM_NODELIST", nodes.as_str()),
            ("SLURMD_NODENAME", self.node(host)),
            ("SLURM_NODEID", "0"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_PROCID", "0"),
            ("SLURM_GTIDS", "0"),
        ] {
            set.add(name, value);
        }
        let count = self.shares.len().max(1).to_string();
        set.add("SLURM_JOB_NUM_NODES", &count);
        set.add("SLURM_NNODES", count);
        let tasks: Vec<u64> = self.shares.iter().map(|share| share.tasks).collect();
        let total = tasks.iter().sum::<u64>().max(1).to_string();
        set.add("SLURM_NTASKS", &total);
        set.add("SLURM_NPROCS", total);
        set.add("SLURM_TASKS_PER_NODE", folded(&tasks));
        let cores: Vec<u64> = self.shares.iter().map(|share| share.cores).collect();
        set.add("SLURM_JOB_CPUS_PER_NODE", folded(&cores));
        set.add("SLURM_CPUS_ON_NODE", cores.first().copied().unwrap_or(1).to_string());
        let per_process = spec.resources.cpu_cores_per_process;
        let per_process = (per_process > 1).then(|| per_process.to_string());
        set.maybe("SLURM_CPUS_PER_TASK", self.option("cpus-per-task", "-c").or(per_process.as_deref()));
        set.maybe("SLURM_NTASKS_PER_NODE", self.option("ntasks-per-node", "--ntasks-per-node"));
        self.memory(set);
        self.gpus(set);
    }

    /// In megabytes, as it was asked for: for each core, or for each node.
    fn memory(&self, set: &mut Set) {
        let Some(first) = self.shares.first().filter(|share| share.memory > 0) else { return };
        if self.option("mem", "--mem").is_none() && self.option("mem-per-cpu", "--mem-per-cpu").is_some() {
            set.add("SLURM_MEM_PER_CPU", ((first.memory / first.cores.max(1)) >> 20).to_string());
        } else {
            set.add("SLURM_MEM_PER_NODE", (first.memory >> 20).to_string());
        }
    }

    fn gpus(&self, set: &mut Set) {
        for (name, long, short) in [
            ("SLURM_GPUS", "gpus", "-G"),
            ("SLURM_GPUS_PER_NODE", "gpus-per-node", "--gpus-per-node"),
            ("SLURM_GPUS_PER_TASK", "gpus-per-task", "--gpus-per-task"),
        ] {
            set.maybe(name, self.option(long, short));
        }
        let Some(first) = self.shares.first().filter(|share| !share.gpus.is_empty()) else { return };
        set.add("SLURM_GPUS_ON_NODE", first.gpus.len().to_string());
        let numbers: Vec<String> = first.gpus.iter().map(u32::to_string).collect();
        set.add("SLURM_JOB_GPUS", numbers.join(","));
    }

    fn name<'a>(&'a self, spec: &'a JobSpec) -> &'a str {
        self.name.as_deref().or(spec.name.as_deref()).filter(|name| !name.is_empty()).unwrap_or(UNNAMED)
    }

    /// The node on which the script runs.
    fn node<'a>(&'a self, host: &'a Host) -> &'a str {
        self.shares.first().map_or(&host.name, |share| &share.node)
    }

    fn nodelist(&self, host: &Host) -> String {
        let names: Vec<&str> = self.shares.iter().map(|share| share.node.as_str()).collect();
        match Hostlist::of(&names) {
            Ok(list) if !list.is_empty() => list.to_string(),
            Ok(_) => host.name.clone(),
            // Names that are no host names were configured so; they are shown as they are.
            Err(_) => names.join(","),
        }
    }

    fn option(&self, long: &str, short: &str) -> Option<&str> {
        let named = self.options.iter().filter(|(name, _)| name.trim_start_matches('-') == long);
        named.map(|(_, value)| value).last().or_else(|| self.options.get(short)).filter(|value| !value.is_empty())
    }
}

/// The variables that were set so far.
struct Set(Vec<(String, String)>);

impl Set {
    fn add(&mut self, name: &str, value: impl Into<String>) {
        // A name, a comment or a path may hold a NUL; a variable cannot.
        self.0.push((name.to_owned(), value.into().replace('\0', " ")));
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

/// Numbers with repetitions folded, as Slurm writes one for each node: `4(x2),3`.
pub(crate) fn folded(numbers: &[u64]) -> String {
    let fold = |same: &[u64]| match same.len() {
        1 => same[0].to_string(),
        count => format!("{}(x{count})", same[0]),
    };
    let text: Vec<String> = numbers.chunk_by(|a, b| a == b).map(fold).collect();
    if text.is_empty() { "1".into() } else { text.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host { name: "login".into(), user: ("alice".into(), 1001), group: ("staff".into(), 50) }
    }

    fn of(allocation: &Allocation, name: &str) -> Option<String> {
        let spec = JobSpec { directory: Some("/home/alice".into()), ..JobSpec::new("true") };
        let all = allocation.variables(&spec, &host());
        assert!(all.iter().filter(|(known, _)| known == name).count() <= 1, "{name} twice");
        all.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn share(node: &str, tasks: u64, cores: u64) -> Share {
        Share { node: node.into(), tasks, cores, memory: 2000 << 20, gpus: vec![1, 3] }
    }

    #[test]
    fn several_nodes() {
        let allocation = Allocation {
            run: 12,
            name: Some("test".into()),
            array: Some((10, 3)),
            shares: vec![share("n1", 2, 4), share("n2", 2, 4), share("n3", 1, 2)],
            options: [("--mem", "2000"), ("--gpus", "6"), ("-d", "afterok:9"), ("--comment", "")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect(),
            started: 1_000,
            minutes: 10,
            restarts: 2,
            ..Allocation::default()
        };
        for (name, value) in [
            ("SLURM_JOB_ID", "12"),
            ("SLURM_JOBID", "12"),
            ("SLURM_JOB_NAME", "test"),
            ("SLURM_JOB_USER", "alice"),
            ("SLURM_JOB_UID", "1001"),
            ("SLURM_JOB_GID", "50"),
            ("SLURM_JOB_NODELIST", "n[1-3]"),
            ("SLURM_NNODES", "3"),
            ("SLURM_NTASKS", "5"),
            ("SLURM_TASKS_PER_NODE", "2(x2),1"),
            ("SLURM_JOB_CPUS_PER_NODE", "4(x2),2"),
            ("SLURM_CPUS_ON_NODE", "4"),
            ("SLURM_MEM_PER_NODE", "2000"),
            ("SLURM_GPUS", "6"),
            ("SLURM_GPUS_ON_NODE", "2"),
            ("SLURM_JOB_GPUS", "1,3"),
            ("SLURM_JOB_DEPENDENCY", "afterok:9"),
            ("SLURM_JOB_START_TIME", "1000"),
            ("SLURM_JOB_END_TIME", "1600"),
            ("SLURM_ARRAY_JOB_ID", "10"),
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_RESTART_COUNT", "2"),
            ("SLURM_SUBMIT_DIR", "/home/alice"),
            ("SLURM_SUBMIT_HOST", "login"),
            ("SLURMD_NODENAME", "n1"),
            ("SLURM_CLUSTER_NAME", "jobgate"),
        ] {
            assert_eq!(of(&allocation, name).as_deref(), Some(value), "{name}");
        }
        for name in ["SLURM_JOB_COMMENT", "SLURM_MEM_PER_CPU", "SLURM_CPUS_PER_TASK", "SLURM_JOB_ACCOUNT", "TMPDIR"] {
            assert_eq!(of(&allocation, name), None, "{name}");
        }
        let names = allocation.names(&JobSpec::new(""), &host());
        assert_eq!(
            (names.job, names.array, names.node.as_str(), names.user.as_str()),
            (12, Some((10, 3)), "n1", "alice")
        );
    }

    #[test]
    fn next_to_nothing() {
        let allocation = Allocation { run: 1, minutes: UNLIMITED, ..Allocation::default() };
        assert_eq!(of(&allocation, "SLURM_JOB_NODELIST").as_deref(), Some("login"));
        assert_eq!(of(&allocation, "SLURM_JOB_NAME").as_deref(), Some("sbatch"));
        assert_eq!(of(&allocation, "SLURM_JOB_CPUS_PER_NODE").as_deref(), Some("1"));
        for name in ["SLURM_JOB_END_TIME", "SLURM_RESTART_COUNT", "SLURM_ARRAY_JOB_ID", "SLURM_JOB_GPUS"] {
            assert_eq!(of(&allocation, name), None, "{name}");
        }
    }

    #[test]
    fn memory_of_each_core() {
        let options = [("mem-per-cpu".to_owned(), "500".to_owned())].into_iter().collect();
        let allocation = Allocation { shares: vec![share("n1", 1, 4)], options, ..Allocation::default() };
        assert_eq!(of(&allocation, "SLURM_MEM_PER_CPU").as_deref(), Some("500"));
        assert_eq!(of(&allocation, "SLURM_MEM_PER_NODE"), None);
    }

    #[test]
    fn names_of_this_machine() {
        let host = Host::here();
        assert!(!host.name.is_empty() && !host.user.0.is_empty() && !host.group.0.is_empty());
        assert_eq!(name_of("/etc/passwd", 0).as_deref(), Some("root"));
    }
}
