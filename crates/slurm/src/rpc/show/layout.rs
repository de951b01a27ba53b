//! What a running job was given of each node.

use crate::hostlist::Hostlist;
use crate::objects::{NodeGresLayout, NodeResourceLayout};
use crate::rpc::codec::{Places, Text, num32, runs_text};
use crate::rpc::records;
use crate::table::Num;

use super::{int, wide};

/// No more nodes than this are shown, and no more cores of a node.
const MOST_NODES: usize = 1 << 20;
const MOST_CORES: usize = 1 << 16;

/// What was given of a node, as the API shows it.
pub(in crate::rpc) fn layout(record: &records::Layout<'_>) -> NodeResourceLayout {
    NodeResourceLayout {
        node: Some(record.node.string().unwrap_or_default()),
        sockets_per_node: int(record.sockets),
        cores_per_socket: int(record.cores),
        mem_alloc: wide(record.memory),
        core_bitmap: record.core_places.string(),
        channel: Some(num32(record.channel)),
        gres: Some(record.gres.iter().flatten().map(gres).collect()),
    }
}

fn gres(record: &records::GresLayout<'_>) -> NodeGresLayout {
    NodeGresLayout {
        name: Some(record.name.string().unwrap_or_default()),
        kind: record.kind.string(),
        count: wide(record.count),
        index: record.places.0.map(|places| runs_text(&places.places().unwrap_or_default().runs())),
    }
}

/// The same, of what is said about the job: releases before 25.11 do not tell more. `None`: it runs nowhere.
pub(in crate::rpc) fn layout_of(record: &records::Job<'_>) -> Option<Vec<NodeResourceLayout>> {
    let given = record.allocation.0.as_deref()?;
    let there = &given.there;
    let names = there.nodes.get().and_then(|text| Hostlist::parse(&text).ok());
    let Some(names) = names.filter(|names| names.len() <= MOST_NODES) else { return Some(Vec::new()) };
    let cores_given = there.core_places.places();
    let alike = there.alike.iter().enumerate().flat_map(|(kind, count)| std::iter::repeat_n(kind, *count as usize));
    let mut first_core = 0;
    let mut shown = Vec::new();
    for ((index, name), kind) in names.names().enumerate().take(given.hosts as usize).zip(alike) {
        let of = |numbers: &[u16]| numbers.get(kind).copied().unwrap_or_default();
        let (sockets, cores) = (of(&there.sockets), of(&there.cores));
        let count = usize::from(sockets) * usize::from(cores);
        // a bitmap has a place for each core: what it has none for is not there, whatever is said about it
        if count == 0 || count > MOST_CORES || first_core + count > cores_given.room() {
            break;
        }
        let gres = record.gres_detail.get(index).copied().unwrap_or(Text::NONE);
        shown.push(NodeResourceLayout {
            node: Some(name),
            sockets_per_node: int(sockets),
            cores_per_socket: int(cores),
            mem_alloc: wide(there.memory_of.get(index).copied().unwrap_or_default()),
            core_bitmap: Some(mask(&cores_given, first_core, count)),
            channel: Some(Num::Unset),
            gres: Some(gres.get().map(|text| detailed(&text)).unwrap_or_default()),
        });
        first_core += count;
    }
    Some(shown)
}

/// Some places as a hexadecimal number whose last digit has the first four.
fn mask(places: &Places, first: usize, count: usize) -> String {
    let digit = |at: usize| {
        let bits = (0..4).filter(|bit| at * 4 + bit < count && places.has(first + at * 4 + bit)).map(|bit| 1 << bit);
        char::from_digit(bits.sum(), 16).unwrap_or('0').to_ascii_uppercase()
    };
    std::iter::once("0x".to_owned()).chain((0..count.div_ceil(4)).rev().map(|at| digit(at).to_string())).collect()
}

/// `gpu:amd:2(IDX:0-1),shard:4`: names, kinds, counts, and which devices.
fn detailed(text: &str) -> Vec<NodeGresLayout> {
    let mut depth = 0_i32;
    let parts = text.split(|letter: char| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts.filter(|part| !part.is_empty()).map(one_detailed).collect()
}

fn one_detailed(text: &str) -> NodeGresLayout {
    let (amount, places) = text.split_once('(').unwrap_or((text, ""));
    let mut parts = amount.split(':');
    let name = parts.next().unwrap_or_default();
    let (kind, count) = match (parts.next(), parts.next()) {
        (Some(kind), Some(count)) => (Some(kind), Some(count)),
        (count, _) => (None, count),
    };
    let index = places.trim_end_matches(')').strip_prefix("IDX:").filter(|index| *index != "N/A");
    NodeGresLayout {
        name: Some(name.to_owned()),
        kind: kind.map(str::to_owned),
        count: Some(count.and_then(|count| count.parse().ok()).unwrap_or_default()),
        index: index.map(str::to_owned),
    }
}
