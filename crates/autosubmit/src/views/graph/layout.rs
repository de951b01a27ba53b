//! Levels of jobs, a layout in layers, and what Graphviz is asked and answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;

use crate::views::Relations;
use crate::views::facts::Facts;

/// Pixels between neighbours of a layer, and between layers.
const ACROSS: i64 = 320;
const DOWN: i64 = 150;

/// Pixels of an inch of Graphviz.
const INCH: i64 = 90;

/// The level of each job, from 1: from each job without parents in the order of the list depth first, children in the order of
/// their names. A child is one below the parent that reached it first; what nobody reaches is on level 0.
pub(super) fn levels(relations: &Relations) -> Vec<usize> {
    let mut levels = vec![0_usize; relations.children.len()];
    for root in (0..levels.len()).filter(|place| relations.parents[*place].is_empty()) {
        let mut stack = vec![root];
        while let Some(place) = stack.pop() {
            levels[place] += 1;
            for child in &relations.children[place] {
                if levels[*child] == 0 {
                    levels[*child] = levels[place];
                    stack.push(*child);
                }
            }
        }
    }
    levels
}

/// Each level is a row. The first is in the order of the list, each further one in the order of the mean of its parents; jobs of
/// one package stand together.
pub(super) fn layers(facts: &Facts<'_>, levels: &[usize]) -> Vec<(i64, i64)> {
    let mut rows: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, level) in levels.iter().enumerate() {
        rows.entry(*level).or_default().push(place);
    }
    // what nobody reaches stands in one place
    let mut orders = vec![1_i64; levels.len()];
    for (level, row) in rows.iter().filter(|(level, _)| **level > 0) {
        let mut row = row.clone();
        if *level > 1 {
            let center = |place: &usize| {
                let parents = &facts.relations.parents[*place];
                let sum: i64 = parents.iter().map(|parent| orders[*parent]).sum();
                if parents.is_empty() { 0.0 } else { sum as f64 / parents.len() as f64 }
            };
            let mut keyed: Vec<(f64, usize)> = row.iter().map(|place| (center(place), *place)).collect();
            keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
            row = together(facts, keyed.into_iter().map(|(_, place)| place));
        }
        for (order, place) in (1..).zip(row) {
            orders[place] = order;
        }
    }
    levels.iter().zip(orders).map(|(level, order)| (order * ACROSS, *level as i64 * DOWN)).collect()
}

/// The same order, but that all of a package follow its first.
fn together(facts: &Facts<'_>, row: impl Iterator<Item = usize>) -> Vec<usize> {
    let row: Vec<usize> = row.collect();
    let mut packages: HashMap<&str, Vec<usize>> = HashMap::new();
    for place in &row {
        if let Some(package) = facts.package(*place) {
            packages.entry(package).or_default().push(*place);
        }
    }
    let mut placed = HashSet::new();
    let mut ordered = Vec::with_capacity(row.len());
    for place in row {
        let with =
            facts.package(place).and_then(|package| packages.get(package)).cloned().unwrap_or_else(|| vec![place]);
        ordered.extend(with.into_iter().filter(|place| placed.insert(*place)));
    }
    ordered
}

/// What `dot -Tplain` is to draw: nodes and edges in the order in which they are reached.
pub fn to_dot(facts: &Facts<'_>) -> String {
    let jobs = facts.snapshot.jobs.jobs();
    let relations = &facts.relations;
    let mut seen = vec![false; jobs.len()];
    let mut body = String::new();
    let quoted = |place: usize| format!("\"{}\"", jobs[place].name.replace('\\', "\\\\").replace('"', "\\\""));
    let declare = |body: &mut String, seen: &mut Vec<bool>, place: usize| {
        if !std::mem::replace(&mut seen[place], true) {
            let color = jobs[place].status.color();
            writeln!(body, "{} [shape=box style=filled fillcolor=\"{color}\"];", quoted(place)).ok();
            return true;
        }
        false
    };
    for root in (0..jobs.len()).filter(|place| relations.parents[*place].is_empty()) {
        declare(&mut body, &mut seen, root);
        // one iterator of children for each job on the way down, so that deep graphs need no recursion
        let mut stack = vec![(root, relations.children[root].iter())];
        while let Some((parent, children)) = stack.last_mut() {
            let parent = *parent;
            let Some(child) = children.next() else {
                stack.pop();
                continue;
            };
            let new = declare(&mut body, &mut seen, *child);
            writeln!(body, "{} -> {};", quoted(parent), quoted(*child)).ok();
            if new {
                stack.push((*child, relations.children[*child].iter()));
            }
        }
    }
    format!("digraph G {{\nsubgraph Experiment {{\n{body}}}\n}}\n")
}

/// Reads what `dot -Tplain` says: lines `node NAME X Y ...` in inches, which are cut off before they become pixels.
pub fn from_plain(plain: &str) -> HashMap<String, (i64, i64)> {
    let pixels = |inches: f64| inches.trunc() as i64 * INCH;
    plain_nodes(plain).map(|(name, x, y)| (name, (pixels(x), -pixels(y)))).collect()
}

/// The nodes in what `dot -Tplain` says, in its order: names and places in inches.
pub fn plain_nodes(plain: &str) -> impl Iterator<Item = (String, f64, f64)> + '_ {
    plain.lines().filter_map(|line| {
        let rest = line.strip_prefix("node ")?;
        let (name, rest) = match rest.strip_prefix('"') {
            Some(rest) => {
                let (name, rest) = rest.split_once("\" ")?;
                (name.replace("\\\"", "\"").replace("\\\\", "\\"), rest)
            }
            None => rest.split_once(' ').map(|(name, rest)| (name.to_owned(), rest))?,
        };
        let mut numbers = rest.split(' ').map(str::parse::<f64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(x)), Some(Ok(y))) => Some((name, x, y)),
            _ => None,
        }
    })
}
