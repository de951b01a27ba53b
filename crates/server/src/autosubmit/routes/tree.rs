//! The tree of an experiment, and what of it changes while it runs.

use jobgate_autosubmit::views::facts::Facts;
use jobgate_autosubmit::views::graph::shapes;
use jobgate_autosubmit::views::tree::{
    CHECK_MARK, Changing, ChangingInTree, SOURCE, SYNC, TARGET, changing, changing_in_tree, titles, tree,
};
use serde::{Serialize, Serializer};

use axum::http::StatusCode;

use crate::autosubmit::answer::{Answer, json, json_dated};
use crate::autosubmit::call::Call;
use crate::autosubmit::convert::{UNSUPPORTED, is_supported, known_snapshot};
use crate::autosubmit::error::Failure;
use crate::autosubmit::model::{Dated, Told, no_tree};

/// `GET /v3/tree/{expid}`
pub(in crate::autosubmit) fn show(call: &Call) -> Answer {
    let snapshot = known_snapshot(call).and_then(|snapshot| {
        if is_supported(&snapshot.configuration.version()) {
            return Ok(snapshot);
        }
        Err(Failure::new(StatusCode::OK, UNSUPPORTED))
    });
    let snapshot = match snapshot {
        Ok(snapshot) => snapshot,
        Err(failure) => return json(&Dated { told: Told::badly(no_tree(), failure.message), pkl_timestamp: 0 }),
    };
    let facts = Facts::of(&snapshot, call.moment);
    let titles = titles(&facts);
    json_dated(&Told::well(tree(&facts, &titles)))
}

/// `GET /v3/pklinfo/{expid}/{timeStamp}`
pub(in crate::autosubmit) fn show_changes(call: &Call) -> Answer {
    changes(call, Shown::Graph)
}

/// `GET /v3/pkltreeinfo/{expid}/{timeStamp}`
pub(in crate::autosubmit) fn show_changes_in_tree(call: &Call) -> Answer {
    changes(call, Shown::Tree)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Graph,
    Tree,
}

/// What open views ask for again and again.
#[derive(Debug, Serialize)]
struct Changes<'a> {
    pkl_file_name: &'static str,
    error: bool,
    error_message: String,
    has_changed: bool,
    pkl_content: Content<'a>,
    pkl_timestamp: i64,
    #[serde(serialize_with = "in_order")]
    packages: Vec<(&'a str, Vec<&'a str>)>,
    #[serde(flatten)]
    tags: Option<Tags>,
}

/// What has changed of each job.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Graph(Vec<ChangingInGraph<'a>>),
    Tree(Vec<ChangingInTree<'a>>),
}

/// What changes of a job, with what graphs show besides.
#[derive(Debug, Serialize)]
struct ChangingInGraph<'a> {
    #[serde(flatten)]
    changing: Changing<'a>,
    dashed: bool,
    shape: &'static str,
    package: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Tags {
    source_tag: &'static str,
    target_tag: &'static str,
    sync_tag: &'static str,
    check_mark: &'static str,
}

fn in_order<S: Serializer>(packages: &[(&str, Vec<&str>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(packages.iter().map(|(name, jobs)| (name, jobs)))
}

impl Changes<'_> {
    /// That nothing is known.
    fn none(shown: Shown) -> Self {
        let tags = Tags { source_tag: SOURCE, target_tag: TARGET, sync_tag: SYNC, check_mark: CHECK_MARK };
        Self {
            pkl_file_name: "",
            error: false,
            error_message: String::new(),
            has_changed: true,
            pkl_content: Content::Tree(Vec::new()),
            pkl_timestamp: 0,
            packages: Vec::new(),
            tags: (shown == Shown::Tree).then_some(tags),
        }
    }
}

fn changes(call: &Call, shown: Shown) -> Answer {
    changed(call, shown).unwrap_or_else(|failure| {
        json(&Changes { error: true, error_message: failure.message, ..Changes::none(shown) })
    })
}

fn changed(call: &Call, shown: Shown) -> Result<Answer, Failure> {
    let snapshot = known_snapshot(call)?;
    let facts = Facts::of(&snapshot, call.moment);
    let places = 0..snapshot.jobs.len();
    let titles = if shown == Shown::Tree { titles(&facts) } else { Vec::new() };
    let pkl_content = match shown {
        Shown::Tree => Content::Tree(places.map(|place| changing_in_tree(&facts, place, &titles[place])).collect()),
        Shown::Graph => {
            let shapes = shapes(&facts);
            let item = |place| {
                let package = facts.package(place);
                let shape = package.and_then(|package| shapes.get(package)).copied().unwrap_or("dot");
                ChangingInGraph { changing: changing(&facts, place), dashed: package.is_some(), shape, package }
            };
            Content::Graph(places.map(item).collect())
        }
    };
    let pkl_timestamp = call.site().jobs_modified(&snapshot.expid, call.moment.zone)?.unwrap_or(0);
    Ok(json(&Changes { pkl_content, pkl_timestamp, packages: snapshot.packages.all(), ..Changes::none(shown) }))
}
