//! What a job was given of each node.

use serde_json::{Map, Value, json};

use crate::hostlist::Hostlist;
use crate::objects::{JobResCore, JobResNode, JobResSocket, JobResources};
use crate::rpc::codec::{Places, num16};
use crate::rpc::{records, words};
use crate::table::Raw;

use super::{int, wide};

/// No more nodes than this are shown one by one: a list of names is short, what it stands for need not be.
const MOST_NODES: usize = 1 << 20;
/// No node has more cores.
const MOST_CORES: usize = 1 << 16;

/// What a job was given.
pub(super) fn resources(given: &records::Given<'_>) -> JobResources {
    let there = &given.there;
    let select = words::selection(there.select_type);
    let nodes = nodes(given);
    // by cores or sockets, or by CPUs
    let by_cores = if select & 0b110 == 0 { 0 } else { there.cpus };
    let by_cpus = if select & 0b1 == 0 { 0 } else { there.cpus };
    JobResources {
        select_type: Some(words::select_type(select)),
        nodes_count: int(given.hosts),
        nodes_select_type: Some(words::node_selection(there.selection)),
        nodes_list: there.nodes.string(),
        nodes_whole: Some(there.whole_nodes != 0),
        cpus: int(there.cpus),
        threads_per_core: Some(num16(there.threads_per_core)),
        nodes: there.nodes.string(),
        allocated_cores: int(by_cores),
        allocated_cpus: int(by_cpus),
        allocated_hosts: int(given.hosts),
        allocated_nodes: Some(nodes.iter().map(of_old).collect()),
        nodes_allocation: Some(nodes.into_iter().map(|node| node.shown).collect()),
    }
}

/// A node, and its cores once more for the oldest version of the API.
struct Shown {
    shown: JobResNode,
    cores: Map<String, Value>,
}

/// Nodes that are alike are described once, with how many they are; the cores of all nodes are one bitmap.
fn nodes(given: &records::Given<'_>) -> Vec<Shown> {
    let there = &given.there;
    let names = there.nodes.get().and_then(|text| Hostlist::parse(&text).ok());
    let Some(names) = names.filter(|names| names.len() <= MOST_NODES) else { return Vec::new() };
    let (given_cores, used_cores) = (there.core_places.places(), there.core_places_used.places());
    let alike = there.alike.iter().enumerate().flat_map(|(kind, count)| std::iter::repeat_n(kind, *count as usize));
    let mut first_core = 0;
    let mut shown = Vec::new();
    for ((index, name), kind) in names.names().enumerate().take(given.hosts as usize).zip(alike) {
        let of = |numbers: &[u16]| numbers.get(kind).copied().map_or(0, usize::from);
        let (sockets, cores) = (of(&there.sockets), of(&there.cores));
        // a bitmap has a place for each core: what it has none for is not there, whatever is said about it
        if cores == 0 || sockets * cores > MOST_CORES || first_core + sockets * cores > given_cores.room() {
            break;
        }
        let cores = Cores { first: first_core, sockets, each: cores, given: &given_cores, used: &used_cores };
        let used = |numbers: &[u16]| numbers.get(index).copied().unwrap_or(0);
        let memory = |amounts: &[u64]| amounts.get(index).copied().unwrap_or(0);
        let node = JobResNode {
            index: int(index as u32),
            name: Some(name),
            cpus_count: int(used(&there.cpus_of)),
            cpus_used: int(used(&there.cpus_used_of)),
            memory_used: wide(memory(&there.memory_used_of)),
            memory_allocated: wide(memory(&there.memory_of)),
            sockets: Some((0..sockets).map(|socket| cores.socket(socket)).collect()),
        };
        shown.push(Shown { shown: node, cores: cores.of_old() });
        first_core += sockets * cores.each;
    }
    shown
}

/// The cores of a node.
struct Cores<'a> {
    first: usize,
    sockets: usize,
    /// Of each socket.
    each: usize,
    given: &'a Places,
    used: &'a Places,
}

impl Cores<'_> {
    fn place(&self, socket: usize, core: usize) -> usize {
        self.first + socket * self.each + core
    }

    fn socket(&self, socket: usize) -> JobResSocket {
        let core = |core: usize| {
            let place = self.place(socket, core);
            let status = words::core(self.given.has(place), self.used.has(place));
            JobResCore { index: int(core as u32), status: Some(status) }
        };
        JobResSocket { index: int(socket as u32), cores: Some((0..self.each).map(core).collect()) }
    }

    /// Only cores that were given, by socket.
    fn of_old(&self) -> Map<String, Value> {
        let mut sockets = Map::new();
        for socket in 0..self.sockets {
            let given = (0..self.each).filter(|core| self.given.has(self.place(socket, *core)));
            let cores: Map<String, Value> = given
                .map(|core| {
                    let used = self.used.has(self.place(socket, core));
                    (core.to_string(), if used { "allocated_and_in_use" } else { "allocated" }.into())
                })
                .collect();
            if !cores.is_empty() {
                sockets.insert(socket.to_string(), json!({ "cores": cores }));
            }
        }
        sockets
    }
}

fn of_old(node: &Shown) -> Raw {
    let shown = &node.shown;
    Raw(json!({
        "sockets": node.cores,
        "nodename": shown.name,
        "cpus_used": shown.cpus_used,
        "memory_used": shown.memory_used,
        "memory_allocated": shown.memory_allocated,
    }))
}
