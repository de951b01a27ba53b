//! The graph of an experiment.

use std::collections::HashMap;

use axum::http::StatusCode;
use jobgate_autosubmit::basis;
use jobgate_autosubmit::views::facts::Facts;
use jobgate_autosubmit::views::graph::{Grouping, Placement, from_plain, graph, to_dot};
use serde_json::json;

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::convert::{UNSUPPORTED, is_supported, snapshot};
use crate::autosubmit::error::Failure;
use crate::autosubmit::model::{Dated, Told};
use crate::autosubmit::query::one_of;

/// A graph of more jobs is not drawn by Graphviz while somebody waits.
const MOST_DRAWN: usize = 1000;
/// Nor is one of more edges, which takes it longer than jobs do.
const MOST_EDGES: usize = 10_000;
/// Graphviz may say so many bytes.
const LARGEST: u64 = 16 << 20;
/// What stands where the time of a graph would: clients do not look at it.
const TIMELESS: i64 = 10_000_000;

const LAYOUTS: [&str; 2] = ["standard", "laplacian"];
const GROUPINGS: [&str; 3] = ["none", "status", "date-member"];

/// `GET /v3/graph/{expid}/{layout}/{grouped}`
pub(in crate::autosubmit) fn show(call: &Call) -> Answer {
    let mut problems = Vec::new();
    let mut word = |name: &str, words: &[&str]| {
        let found = words.iter().position(|word| *word == call.part(name));
        if found.is_none() {
            problems.push((name.to_owned(), one_of(words)));
        }
        found
    };
    let (layout, grouped) = (word("layout", &LAYOUTS), word("grouped", &GROUPINGS));
    let (Some(layout), Some(grouped)) = (layout, grouped) else { return Err(Failure::invalid(&problems)) };
    let grouping = [Grouping::None, Grouping::Status, Grouping::DateMember][grouped];
    drawn(call, LAYOUTS[layout], grouping).or_else(|failure| {
        let empty = json!({
            "nodes": [], "edges": [], "fake_edges": [], "groups": [], "groups_data": {}, "graphviz": false, "max_children": 0,
            "max_parents": 0, "total_jobs": 0,
        });
        json(&Dated { told: Told::badly(empty, failure.message), pkl_timestamp: 0 })
    })
}

fn drawn(call: &Call, layout: &str, grouping: Grouping) -> Answer {
    let snapshot = snapshot(call)?;
    if !is_supported(&snapshot.configuration.version()) {
        return Err(Failure::new(StatusCode::OK, UNSUPPORTED));
    }
    let facts = Facts::of(&snapshot, call.moment);
    let placement = if layout == "laplacian" { Placement::Laplacian } else { standard(call, &facts) };
    match graph(&facts, &placement, grouping) {
        Ok(graph) => json(&Dated { told: Told::well(graph), pkl_timestamp: TIMELESS }),
        Err(why) => Err(Failure::new(StatusCode::OK, why.to_string())),
    }
}

/// The places that a background task has stored, those of Graphviz, or our own where there are too many jobs or no Graphviz.
fn standard(call: &Call, facts: &Facts<'_>) -> Placement {
    let jobs = facts.snapshot.jobs.jobs();
    let stored = call.site().store().drawing(&facts.snapshot.expid).unwrap_or_else(|error| {
        tracing::warn!(%error, "a stored layout is not used");
        HashMap::new()
    });
    if !jobs.is_empty() && jobs.iter().all(|job| stored.contains_key(&job.name)) {
        return Placement::Given(stored);
    }
    if jobs.len() > MOST_DRAWN || facts.snapshot.edges.len() > MOST_EDGES {
        return Placement::Layers;
    }
    let dot = to_dot(facts);
    let draw = || {
        let plain = (call.autosubmit().draw.dot)(&dot, LARGEST)?;
        Ok::<_, String>(from_plain(&String::from_utf8_lossy(&plain)))
    };
    match call.autosubmit().drawings.of(&dot, draw) {
        // nothing is drawn where every job waits for another
        Ok(places) if places.is_empty() => Placement::Layers,
        Ok(places) => Placement::Given(places),
        Err(why) => {
            tracing::info!(why, "Graphviz does not draw; the jobs stand in layers");
            basis::unfounded();
            Placement::Layers
        }
    }
}
