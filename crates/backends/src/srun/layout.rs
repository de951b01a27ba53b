//! Which task runs where.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use jobgate_slurm::filename::Names;
use jobgate_slurm::hostlist::Hostlist;

use super::{SrunError, Step};
use crate::local::folded;

/// More tasks than this on one machine are a mistake.
const MOST_TASKS: u64 = 4096;

/// Why tasks cannot be laid out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// There are fewer nodes.
    #[error("{0} nodes were asked for, and the job has {1}")]
    Nodes(u64, usize),
    /// There would be none, or too many.
    #[error("{0} tasks were asked for; a step has 1 to {MOST_TASKS}")]
    Tasks(u64),
}

/// What the job has, as its variables say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Allotted {
    pub(super) id: u64,
    nodes: Vec<String>,
    tasks: u64,
    per_node: Vec<u64>,
    name: String,
    user: String,
}

impl Allotted {
    pub(super) fn of(environment: &BTreeMap<OsString, OsString>) -> Result<Self, SrunError> {
        let get = |name: &str| environment.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned());
        let need = |name: &'static str| get(name).ok_or(SrunError::Outside(name));
        let id = need("SLURM_JOB_ID")?.parse().map_err(|_| SrunError::Outside("SLURM_JOB_ID"))?;
        let list = need("SLURM_JOB_NODELIST")?;
        let nodes = Hostlist::parse(&list)
            .map_or_else(|_| list.split(',').map(str::to_owned).collect(), |list| list.names().collect::<Vec<_>>());
        if nodes.is_empty() {
            return Err(SrunError::Outside("SLURM_JOB_NODELIST"));
        }
        let tasks = get("SLURM_NTASKS").and_then(|text| text.parse().ok()).unwrap_or(nodes.len() as u64);
        let per_node = get("SLURM_TASKS_PER_NODE").map(|text| unfolded(&text)).unwrap_or_default();
        let name = get("SLURM_JOB_NAME").unwrap_or_default();
        Ok(Self { id, nodes, tasks, per_node, name, user: get("SLURM_JOB_USER").unwrap_or_default() })
    }
}

/// The reverse of [`folded`]; what cannot be read counts for nothing.
fn unfolded(text: &str) -> Vec<u64> {
    let part = |part: &str| -> Option<(u64, u64)> {
        let (number, times) = match part.split_once("(x") {
            Some((number, times)) => (number, times.strip_suffix(')')?.parse().ok()?),
            None => (part, 1),
        };
        Some((number.parse().ok()?, times))
    };
    let limit = |times: u64| times.min(MOST_TASKS) as usize;
    text.split(',').filter_map(part).flat_map(|(number, times)| std::iter::repeat_n(number, limit(times))).collect()
}

/// Tasks in blocks: the first node has the first tasks, and so on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    blocks: Vec<(String, u64)>,
}

/// The place of one task.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// The task's number.
    pub(super) rank: u64,
    pub(super) node: String,
    node_index: u64,
    local: u64,
    /// The numbers of all tasks of the node.
    beside: std::ops::Range<u64>,
}

impl Layout {
    pub(super) fn of(job: &Allotted, step: &Step) -> Result<Self, LayoutError> {
        let available = job.nodes.len();
        let nodes = step.nodes.unwrap_or(available as u64);
        if nodes == 0 || nodes > available as u64 {
            return Err(LayoutError::Nodes(nodes, available));
        }
        let of_nodes = step.tasks_per_node.map(|each| each.saturating_mul(nodes)).or(step.nodes);
        let tasks = step.tasks.or(of_nodes).unwrap_or(job.tasks);
        if tasks == 0 || tasks > MOST_TASKS {
            return Err(LayoutError::Tasks(tasks));
        }
        let nodes = nodes.min(tasks);
        let as_the_job = job.per_node.len() as u64 == nodes
            && job.per_node.iter().sum::<u64>() == tasks
            && !job.per_node.contains(&0);
        let even = |index: u64| tasks / nodes + u64::from(index < tasks % nodes);
        let counts: Vec<u64> = if as_the_job { job.per_node.clone() } else { (0..nodes).map(even).collect() };
        Ok(Self { blocks: job.nodes.iter().cloned().zip(counts).collect() })
    }

    pub(super) fn tasks(&self) -> u64 {
        self.blocks.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn places(&self) -> Vec<Place> {
        let mut first = 0;
        let mut places = Vec::new();
        for (index, (node, count)) in self.blocks.iter().enumerate() {
            let beside = first..first + count;
            places.extend(beside.clone().map(|rank| Place {
                rank,
                node: node.clone(),
                node_index: index as u64,
                local: rank - first,
                beside: beside.clone(),
            }));
            first += count;
        }
        places
    }

    /// What stands in the names of a task's files.
    pub(super) fn names(job: &Allotted, place: &Place, number: u32) -> Names {
        Names {
            job: job.id,
            name: job.name.clone(),
            user: job.user.clone(),
            node: place.node.clone(),
            step: Some(number),
            node_index: place.node_index,
            task: place.rank,
            ..Names::default()
        }
    }

    /// What a task finds beside the job's variables.
    pub(super) fn variables(
        &self,
        job: &Allotted,
        step: &Step,
        place: &Place,
        number: u32,
    ) -> Vec<(&'static str, String)> {
        let names: Vec<&str> = self.blocks.iter().map(|(node, _)| node.as_str()).collect();
        let nodelist = Hostlist::of(&names).map_or_else(|_| names.join(","), |list| list.to_string());
        let counts: Vec<u64> = self.blocks.iter().map(|(_, count)| *count).collect();
        let (tasks, number) = (self.tasks().to_string(), number.to_string());
        let beside: Vec<String> = place.beside.clone().map(|rank| rank.to_string()).collect();
        let mut all = vec![
            ("SLURM_PROCID", place.rank.to_string()),
            ("SLURM_LOCALID", place.local.to_string()),
            ("SLURM_NODEID", place.node_index.to_string()),
            ("SLURM_GTIDS", beside.join(",")),
            ("SLURMD_NODENAME", place.node.clone()),
            ("SLURM_STEP_ID", number.clone()),
            ("SLURM_STEPID", number),
            ("SLURM_NTASKS", tasks.clone()),
            ("SLURM_NPROCS", tasks.clone()),
            ("SLURM_STEP_NUM_TASKS", tasks),
            ("SLURM_STEP_NUM_NODES", self.blocks.len().to_string()),
            ("SLURM_NNODES", self.blocks.len().to_string()),
            ("SLURM_STEP_NODELIST", nodelist.clone()),
            ("SLURM_NODELIST", nodelist),
            ("SLURM_STEP_TASKS_PER_NODE", folded(&counts)),
            ("SLURM_TASKS_PER_NODE", folded(&counts)),
            ("SLURM_DISTRIBUTION", "block".to_owned()),
            ("SLURM_JOB_ID", job.id.to_string()),
        ];
        if let Some(cores) = step.cores_per_task {
            all.push(("SLURM_CPUS_PER_TASK", cores.to_string()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(nodes: &str, tasks: &str, per_node: &str) -> Allotted {
        let environment = [
            ("SLURM_JOB_ID", "7"),
            ("SLURM_JOB_NODELIST", nodes),
            ("SLURM_NTASKS", tasks),
            ("SLURM_TASKS_PER_NODE", per_node),
        ];
        Allotted::of(&environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect()).unwrap()
    }

    fn counts(job: &Allotted, step: &Step) -> Vec<u64> {
        Layout::of(job, step).unwrap().blocks.iter().map(|(_, count)| *count).collect()
    }

    #[test]
    fn folded_numbers() {
        for numbers in [vec![1], vec![2, 2, 1], vec![4, 4, 4], vec![1, 2, 1]] {
            assert_eq!(unfolded(&folded(&numbers)), numbers);
        }
        assert_eq!(unfolded("2(x,x,3(x99999999999999999999),5"), [5]);
    }

    #[test]
    fn blocks() {
        let three = job("n[1-3]", "5", "3,1(x2)");
        assert_eq!(counts(&three, &Step::default()), [3, 1, 1], "as the job was given them");
        let of =
            |tasks, nodes, tasks_per_node| counts(&three, &Step { tasks, nodes, tasks_per_node, ..Step::default() });
        assert_eq!(of(Some(7), None, None), [3, 2, 2]);
        assert_eq!(of(Some(2), None, None), [1, 1], "no more nodes than tasks");
        assert_eq!(of(None, Some(2), None), [1, 1]);
        assert_eq!(of(None, Some(2), Some(4)), [4, 4]);
        assert_eq!(of(Some(5), Some(1), None), [5]);
        let step = Step { nodes: Some(4), ..Step::default() };
        assert_eq!(Layout::of(&three, &step), Err(LayoutError::Nodes(4, 3)));
        for tasks in [0, MOST_TASKS + 1] {
            let step = Step { tasks: Some(tasks), ..Step::default() };
            assert_eq!(Layout::of(&three, &step), Err(LayoutError::Tasks(tasks)));
        }
    }

    #[test]
    fn every_task_knows_its_place() {
        let job = job("n[1-2]", "3", "2,1");
        let layout = Layout::of(&job, &Step::default()).unwrap();
        let places = layout.places();
        let short: Vec<_> = places.iter().map(|place| (place.rank, place.node.as_str(), place.local)).collect();
        assert_eq!(short, [(0, "n1", 0), (1, "n1", 1), (2, "n2", 0)]);
        let all = layout.variables(&job, &Step { cores_per_task: Some(2), ..Step::default() }, &places[2], 4);
        let get = |name: &str| all.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        assert_eq!(get("SLURM_NODEID"), Some("1"));
        assert_eq!(get("SLURM_STEP_ID"), Some("4"));
        assert_eq!(get("SLURM_STEP_NODELIST"), Some("n[1-2]"));
        assert_eq!((get("SLURM_GTIDS"), get("SLURM_CPUS_PER_TASK")), (Some("2"), Some("2")));
    }
}
