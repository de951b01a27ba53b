//! The tree of an experiment, and what of it changes while it runs.

use jobgate_autosubmit::views::facts::Facts;
use jobgate_autosubmit::views::graph::shapes;
use jobgate_autosubmit::views::tree::{CHECK_MARK, SOURCE, SYNC, TARGET, changing, changing_in_tree, titles, tree};
use serde::Serialize;
use serde_json::{Map, Value, json};

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
struct Changes {
    pkl_file_name: &'static str,
    error: bool,
    error_message: String,
    has_changed: bool,
    pkl_content: Vec<Value>,
    pkl_timestamp: i64,
    packages: Map<String, Value>,
    #[serde(flatten)]
    tags: Option<Tags>,
}

#[derive(Debug, Serialize)]
struct Tags {
    source_tag: &'static str,
    target_tag: &'static str,
    sync_tag: &'static str,
    check_mark: &'static str,
}

fn changes(call: &Call, shown: Shown) -> Answer {
    let tags = Tags { source_tag: SOURCE, target_tag: TARGET, sync_tag: SYNC, check_mark: CHECK_MARK };
    let mut changes = Changes {
        pkl_file_name: "",
        error: false,
        error_message: String::new(),
        has_changed: true,
        pkl_content: Vec::new(),
        pkl_timestamp: 0,
        packages: Map::new(),
        tags: (shown == Shown::Tree).then_some(tags),
    };
    if let Err(failure) = fill_in(&mut changes, call, shown) {
        (changes.error, changes.error_message) = (true, failure.message);
    }
    json(&changes)
}

fn fill_in(changes: &mut Changes, call: &Call, shown: Shown) -> Result<(), Failure> {
    let snapshot = known_snapshot(call)?;
    let facts = Facts::of(&snapshot, call.moment);
    let places = 0..snapshot.jobs.len();
    let content = match shown {
        Shown::Tree => {
            let titles = titles(&facts);
            places.map(|place| changing_in_tree(&facts, place, &titles[place])).collect()
        }
        Shown::Graph => {
            let shapes = shapes(&facts);
            let item = |place| {
                let package = facts.package(place);
                let mut item = json!(changing(&facts, place));
                item["dashed"] = json!(package.is_some());
                item["shape"] = json!(package.and_then(|package| shapes.get(package)).copied().unwrap_or("dot"));
                item["package"] = json!(package);
                item
            };
            places.map(item).collect()
        }
    };
    changes.pkl_timestamp = call.site().jobs_modified(&snapshot.expid, call.moment.zone)?.unwrap_or(0);
    changes.packages = snapshot.packages.all().into_iter().map(|(name, jobs)| (name.to_owned(), json!(jobs))).collect();
    changes.pkl_content = content;
    Ok(())
}
