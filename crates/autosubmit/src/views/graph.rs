//! The graph of an experiment: nodes with places, edges, groups.

mod groups;
mod laplacian;
mod layout;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::facts::{Facts, JobFacts};

pub use groups::Grouping;
pub use layout::{from_plain, plain_nodes, to_dot};

/// Where the nodes stand.
#[derive(Debug, Clone)]
pub enum Placement {
    /// These coordinates, by job, as Graphviz or the cache of a background task has them. Jobs that are missing stand at 0, 0.
    Given(HashMap<String, (i64, i64)>),
    /// In layers by their level, in the order of the mean of their parents
    Layers,
    /// By the eigenvectors of the graph's Laplacian
    Laplacian,
}

/// Why there is no graph.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// There are no dates, or no members.
    #[error(
        "This experiment doesn't admit grouping by date and member because there are {dates} dates and {members} members."
    )]
    NoGroups {
        /// How many dates there are
        dates: usize,
        /// How many members there are
        members: usize,
    },
    /// A group of a date and a member would be empty. The blanks are the original's.
    #[error(
        "You have configured date {date} and member {member} in your experiment but there are no jobs that use these settings. \
         \x20         Review your configuration, something might be wrong."
    )]
    EmptyGroup {
        /// The date
        date: String,
        /// The member
        member: String,
    },
    /// The Laplacian says nothing without edges.
    #[error("float division by zero")]
    NoEdges,
}

/// A job in the graph.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct GraphNode<'a> {
    #[serde(flatten)]
    pub facts: JobFacts<'a>,
    pub package: Option<&'a str>,
    pub level: usize,
    pub dashed: bool,
    pub shape: &'static str,
    pub x: i64,
    pub y: i64,
}

/// An edge, from a job to one that waits for it.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Edge<'a> {
    pub id: String,
    pub from: &'a str,
    pub to: &'a str,
    pub is_wrapper: bool,
    pub dashed: bool,
}

/// The whole answer but for its errors and its time.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct Graph<'a> {
    pub nodes: Vec<GraphNode<'a>>,
    pub edges: Vec<Edge<'a>>,
    pub packages: BTreeMap<&'a str, Vec<&'a str>>,
    pub fake_edges: [(); 0],
    pub groups: Vec<String>,
    pub groups_data: Map<String, Value>,
    pub graphviz: bool,
    pub max_children: usize,
    pub max_parents: usize,
    pub chunk_unit: String,
    pub chunk_size: i64,
    pub total_jobs: usize,
}

/// Draws an experiment.
pub fn graph<'a>(facts: &'a Facts<'a>, placement: &Placement, grouping: Grouping) -> Result<Graph<'a>, GraphError> {
    let snapshot = facts.snapshot;
    let jobs = snapshot.jobs.jobs();
    let levels = layout::levels(&facts.relations);
    let places: Vec<(i64, i64)> = match placement {
        Placement::Given(given) => jobs.iter().map(|job| given.get(&job.name).copied().unwrap_or_default()).collect(),
        Placement::Layers => layout::layers(facts, &levels),
        Placement::Laplacian => laplacian::places(facts).ok_or(GraphError::NoEdges)?,
    };
    let (groups, groups_data) = groups::groups(facts, &places, grouping)?;
    let shapes = shapes(facts);
    let node = |place: usize| {
        let (x, y) = places[place];
        let package = facts.package(place);
        let shape = package.and_then(|package| shapes.get(package)).copied().unwrap_or("dot");
        GraphNode { facts: facts.job(place), package, level: levels[place], dashed: package.is_some(), shape, x, y }
    };
    Ok(Graph {
        nodes: (0..jobs.len()).map(node).collect(),
        edges: edges(facts),
        packages: snapshot.packages.all().into_iter().collect(),
        fake_edges: [],
        groups,
        groups_data,
        graphviz: matches!(placement, Placement::Given(_)),
        max_children: facts.relations.children.iter().map(Vec::len).max().unwrap_or(0),
        max_parents: facts.relations.parents.iter().map(Vec::len).max().unwrap_or(0),
        chunk_unit: facts.chunk_length.unit.clone(),
        chunk_size: facts.chunk_length.size,
        total_jobs: jobs.len(),
    })
}

fn edges<'a>(facts: &'a Facts<'a>) -> Vec<Edge<'a>> {
    let jobs = facts.snapshot.jobs.jobs();
    let mut edges = Vec::new();
    for (from, children) in facts.relations.children.iter().enumerate() {
        for to in children {
            let package = facts.package(from);
            let (from, to_name) = (jobs[from].name.as_str(), jobs[*to].name.as_str());
            let is_wrapper = package.is_some() && package == facts.package(*to);
            edges.push(Edge { id: format!("{from}-{to_name}"), from, to: to_name, is_wrapper, dashed: false });
        }
    }
    edges
}

/// The shape of each package: packages are counted by the rows of their jobs, and the last row decides.
pub fn shapes<'a>(facts: &'a Facts<'_>) -> HashMap<&'a str, &'static str> {
    let rows = facts.snapshot.packages.jobs().enumerate();
    rows.map(|(row, (_, package))| (package, if row % 2 == 0 { "square" } else { "hexagon" })).collect()
}
