//! Layouts of graphs, as Graphviz draws them.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;

use crate::databases::written::Drawn;
use crate::expid::release;
use crate::jobs::JobList;
use crate::views::Snapshot;
use crate::views::graph::plain_nodes;

/// Graphviz may take so long for a graph.
pub(super) const DOT_TIME: Duration = Duration::from_secs(3600);
/// `id` may take so long.
pub(super) const ID_TIME: Duration = Duration::from_secs(30);
/// Above so many jobs Graphviz is told to take less care.
const MANY: usize = 1000;
/// Pixels of an inch of Graphviz.
const INCH: f64 = 90.0;

/// Whether the layout misses jobs.
pub fn is_missing<S: BuildHasher>(jobs: &JobList, drawing: &HashMap<String, (i64, i64), S>) -> bool {
    jobs.jobs().iter().any(|job| !drawing.contains_key(&job.name))
}

/// The original draws experiments since Autosubmit 3.13 only.
pub(super) fn is_drawable(snapshot: &Snapshot) -> bool {
    release(&snapshot.configuration.version()).is_some_and(|release| release >= (3, 13))
}

/// How Graphviz is called.
pub fn arguments(jobs: usize, chunk_size: i64) -> Vec<String> {
    let mut argv = vec!["dot".to_owned()];
    if jobs > MANY {
        let iterations = format!("-Gmaxiter={}", (148 - chunk_size).max(10));
        argv.extend(["-Gnslimit=2", "-Gnslimit1=2", &iterations, "-Gsplines=none"].map(str::to_owned));
    }
    argv.push("-Tplain".to_owned());
    argv
}

/// The places in what Graphviz says, in its order. Finer than those of a graph that is drawn when it is asked for.
pub fn drawn(plain: &str) -> Vec<Drawn> {
    let place = |inches: f64, factor: f64| (inches * factor).trunc() as i64;
    plain_nodes(plain).map(|(job, x, y)| Drawn { job, x: place(x, INCH), y: place(y, -INCH) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_originals() {
        let plain = "graph 1 2 3\nnode a000_SIM 1.55 2.505 1 1 a000_SIM filled box black white\nnode \"b c\" 0.1 0 1 1 x\n\
                     edge a000_SIM b 4 1 2\nstop\n";
        let drawn: Vec<_> = drawn(plain).into_iter().map(|drawn| (drawn.job, drawn.x, drawn.y)).collect();
        assert_eq!(drawn, [("a000_SIM".to_owned(), 139, -225), ("b c".to_owned(), 9, 0)]);
    }

    #[test]
    fn large_graphs_are_drawn_with_less_care() {
        assert_eq!(arguments(1000, 4), ["dot", "-Tplain"]);
        assert_eq!(arguments(1001, 4)[3..], ["-Gmaxiter=144", "-Gsplines=none", "-Tplain"]);
        assert_eq!(arguments(5000, 400)[3], "-Gmaxiter=10");
    }
}
