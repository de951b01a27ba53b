//! What Graphviz has drawn, kept: a layout depends on nothing but the jobs' names and who waits for whom.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};

/// Where the jobs stand.
pub(super) type Places = HashMap<String, (i64, i64)>;

/// So many layouts are kept, of at most a thousand jobs each.
const KEPT: usize = 64;

/// Layouts, the one that was asked for last at the end.
#[derive(Default)]
pub(super) struct Drawings(Mutex<VecDeque<([u8; 32], Places)>>);

impl Drawings {
    /// The layout of a graph in Graphviz's language; `draw` makes it where it is not known.
    pub(super) fn of<E>(&self, graph: &str, draw: impl FnOnce() -> Result<Places, E>) -> Result<Places, E> {
        let key = key(graph);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().position(|(known, _)| *known == key).and_then(|place| kept.remove(place)) {
            let places = known.1.clone();
            kept.push_back(known);
            return Ok(places);
        }
        drop(kept);
        let places = draw()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((key, places.clone()));
        Ok(places)
    }
}

impl fmt::Debug for Drawings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Drawings")
    }
}

/// Nodes and edges without their colours, which change while jobs run.
fn key(graph: &str) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for line in graph.lines() {
        context.update(line.split(" fillcolor=").next().unwrap_or_default().as_bytes());
        context.update(b"\n");
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_matter_and_edges_do() {
        let drawings = Drawings::default();
        let mut drawn = 0;
        let mut of = |graph: &str| {
            let places = drawings.of(graph, || {
                drawn += 1;
                Ok::<_, ()>(Places::from([("a".into(), (drawn, 0))]))
            });
            places.unwrap()["a"].0
        };
        assert_eq!(of("\"a\" [shape=box fillcolor=\"red\"];"), 1);
        assert_eq!(of("\"a\" [shape=box fillcolor=\"green\"];"), 1);
        assert_eq!(of("\"a\" [shape=box fillcolor=\"red\"];\n\"a\" -> \"b\";"), 2);
        for number in 0..KEPT as i64 {
            assert_eq!(of(&number.to_string()), 3 + number);
        }
        assert_eq!(of("\"a\" [shape=box fillcolor=\"red\"];"), 3 + KEPT as i64, "it was the oldest");
        assert_eq!(drawings.of("new", || Err::<Places, _>("no")), Err("no"));
    }
}
