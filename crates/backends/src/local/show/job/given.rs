//! What a run asked for and was given, as texts of trackable resources.

use std::fmt::Write as _;

use jobgate_slurm::hostlist::Hostlist;
use jobgate_slurm::tres::memory_text;

use super::super::super::cluster::{Requested, Share};
use super::super::options::Options;

/// Bytes in a MiB, Slurm's unit of memory.
pub(in super::super) const MIB: u64 = 1 << 20;

/// An amount of each resource. Memory is in MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Amounts {
    pub(in super::super) cpus: u64,
    pub(in super::super) memory: u64,
    pub(in super::super) nodes: u64,
    pub(in super::super) gpus: u64,
}

impl Amounts {
    /// What a run asked for.
    pub(in super::super) fn requested(request: &Requested) -> Self {
        let nodes = request.min_nodes.max(1);
        let memory = match (request.memory_per_node, request.memory_per_core) {
            (Some(bytes), _) => mib(bytes).saturating_mul(nodes),
            (None, Some(bytes)) => mib(bytes).saturating_mul(request.cores),
            (None, None) => 0,
        };
        let gpus = request
            .gpus
            .or_else(|| request.gpus_per_node.map(|gpus| gpus.saturating_mul(nodes)))
            .or_else(|| request.gpus_per_task.map(|gpus| gpus.saturating_mul(request.tasks)));
        Self { cpus: request.cores.max(1), memory, nodes, gpus: gpus.unwrap_or(0) }
    }

    /// What a run was given; nothing before it started.
    pub(in super::super) fn allocated(shares: &[Share]) -> Option<Self> {
        let sum = |each: fn(&Share) -> u64| shares.iter().map(each).sum();
        let memory = shares.iter().map(|share| mib(share.memory)).sum();
        let gpus = sum(|share| share.gpus.len() as u64);
        (!shares.is_empty()).then(|| Self { cpus: sum(|share| share.cores), memory, nodes: shares.len() as u64, gpus })
    }

    /// Slurm's text, with nodes and billing, which counts cores.
    pub(in super::super) fn text(self) -> String {
        let mut text = format!("cpu={}", self.cpus);
        self.memory_into(&mut text);
        let _ = write!(text, ",node={},billing={}", self.nodes, self.cpus);
        self.gpus_into(&mut text);
        text
    }

    /// Slurm's text for one node's resources.
    pub(in super::super) fn node_text(self) -> String {
        let mut text = format!("cpu={}", self.cpus);
        self.memory_into(&mut text);
        let _ = write!(text, ",billing={}", self.cpus);
        self.gpus_into(&mut text);
        text
    }

    /// Slurm's text for what is in use of one node; empty when nothing is.
    pub(in super::super) fn used_text(self) -> String {
        let mut text = String::new();
        if self.cpus > 0 {
            let _ = write!(text, "cpu={}", self.cpus);
            self.memory_into(&mut text);
            self.gpus_into(&mut text);
        }
        text
    }

    fn memory_into(self, text: &mut String) {
        if self.memory > 0 {
            let _ = write!(text, ",mem={}", memory_text(self.memory));
        }
    }

    fn gpus_into(self, text: &mut String) {
        if self.gpus > 0 {
            let _ = write!(text, ",gres/gpu={}", self.gpus);
        }
    }
}

/// Whole MiB, rounded up.
pub(in super::super) fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(MIB)
}

/// Node names in Slurm's bracket form.
pub(in super::super) fn hostlist<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        // A name that cannot be part of a list is shown as it is.
        many => Hostlist::of(many)
            .map_or_else(|_| many.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(","), |list| list.to_string()),
    }
}

/// Licences as they are asked for: `matlab:2`.
pub(in super::super) fn licences(request: &Requested) -> Option<String> {
    let each = request.licences.iter().map(|(name, count)| format!("{name}:{count}"));
    (!request.licences.is_empty()).then(|| each.collect::<Vec<_>>().join(","))
}

/// Numbers of GPUs in ranges: `0-1,3`.
pub(in super::super) fn ranges(numbers: &[u32]) -> String {
    numbers.iter().copied().collect::<jobgate_slurm::array::TaskSet>().to_string()
}

/// The GPUs that a run has of a node, as its details show them: `gpu:amd:2(IDX:0-1)`.
pub(in super::super) fn gres_detail(gpus: &[u32], kind: Option<&str>) -> String {
    let kind = kind.map(|kind| format!(":{kind}")).unwrap_or_default();
    format!("gpu{kind}:{}(IDX:{})", gpus.len(), ranges(gpus))
}

/// Which generic resources were asked for, for each job, node, socket and task, in Slurm's form.
pub(in super::super) fn tres_per(options: &Options<'_>, what: &str) -> Option<String> {
    let explicit = match what {
        "job" => options.get("tres-per-job"),
        "node" => options.get("tres-per-node"),
        "socket" => options.get("tres-per-socket"),
        _ => options.get("tres-per-task"),
    };
    if let Some(text) = explicit.filter(|text| !text.is_empty()) {
        return Some(text.to_owned());
    }
    let gpus =
        |option: &str| options.get(option).filter(|text| !text.is_empty()).map(|text| format!("gres/gpu:{text}"));
    match what {
        "job" => gpus("gpus"),
        "socket" => gpus("gpus-per-socket"),
        "task" => gpus("gpus-per-task"),
        _ => {
            let gres = options.get("gres").filter(|text| !text.is_empty() && *text != "none");
            let gres = gres.map(|text| text.split(',').map(classed).collect::<Vec<_>>().join(","));
            gpus("gpus-per-node").or(gres)
        }
    }
}

/// One generic resource with its class, which the API's clients write and sbatch's users do not.
fn classed(part: &str) -> String {
    let known = ["gres:", "gres/", "license:", "license/"].iter().any(|class| part.starts_with(class));
    if known { part.to_owned() } else { format!("gres/{part}") }
}

#[cfg(test)]
mod tests {
    use jobgate_slurm::tres::Tres;

    use super::*;

    #[test]
    fn texts_are_those_of_trackable_resources() {
        let all = Amounts { cpus: 4, memory: 8000, nodes: 2, gpus: 3 };
        assert_eq!(all.text(), "cpu=4,mem=8000M,node=2,billing=4,gres/gpu=3");
        assert_eq!(all.node_text(), "cpu=4,mem=8000M,billing=4,gres/gpu=3");
        assert_eq!(Amounts { cpus: 3, ..Amounts::default() }.used_text(), "cpu=3");
        assert_eq!(Amounts::default().used_text(), "");
        for text in [all.text(), all.node_text(), all.used_text()] {
            assert_eq!(Tres::parse(&text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn sums() {
        let request = Requested {
            min_nodes: 2,
            tasks: 4,
            cores: 4,
            memory_per_node: Some(100 * MIB),
            gpus_per_task: Some(1),
            ..Requested::default()
        };
        assert_eq!(Amounts::requested(&request), Amounts { cpus: 4, memory: 200, nodes: 2, gpus: 4 });
        let share = |node: &str, gpus: &[u32]| Share {
            node: node.into(),
            cores: 2,
            memory: MIB + 1,
            gpus: gpus.to_vec(),
            ..Share::default()
        };
        let shares = [share("n1", &[0, 1]), share("n2", &[3])];
        assert_eq!(Amounts::allocated(&shares), Some(Amounts { cpus: 4, memory: 4, nodes: 2, gpus: 3 }));
        assert_eq!(Amounts::allocated(&[]), None);
    }

    #[test]
    fn small_texts() {
        assert_eq!(hostlist(&["n1", "n2", "n3", "login"]), "n[1-3],login");
        assert_eq!(hostlist::<&str>(&[]), "");
        assert_eq!(gres_detail(&[0, 1, 3], Some("amd")), "gpu:amd:3(IDX:0-1,3)");
        assert_eq!(gres_detail(&[2], None), "gpu:1(IDX:2)");
        let map = [("--gpus-per-node", "amd:2"), ("--gpus", "4")].map(|(key, value)| (key.into(), value.into()));
        let map = map.into_iter().collect();
        assert_eq!(tres_per(&Options::of(&map), "node").as_deref(), Some("gres/gpu:amd:2"));
        assert_eq!(tres_per(&Options::of(&map), "job").as_deref(), Some("gres/gpu:4"));
        assert_eq!(tres_per(&Options::of(&map), "task"), None);
        let map = [("gres".to_owned(), "gpu:2,craynetwork:1".to_owned())].into_iter().collect();
        assert_eq!(tres_per(&Options::of(&map), "node").as_deref(), Some("gres/gpu:2,gres/craynetwork:1"));
        let map = [("gres".to_owned(), "gres:gpu:amd:2".to_owned())].into_iter().collect();
        assert_eq!(tres_per(&Options::of(&map), "node").as_deref(), Some("gres:gpu:amd:2"));
    }
}
