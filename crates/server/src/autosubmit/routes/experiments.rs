//! The list of experiments, and one of it.

use jiff::tz::Offset;
use jobgate_autosubmit::databases::catalogue::Experiment;
use jobgate_autosubmit::texts::instant;
use jobgate_autosubmit::views::search::{Filter, Kind, OrderBy, search};
use serde::Serialize;
use serde_json::json;

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::convert::{Counts, counts, modified};
use crate::autosubmit::model::Pagination;

/// So many experiments are on a page.
const PAGE: i64 = 12;

/// An experiment of the listing.
#[derive(Debug, Serialize)]
struct Item<'a> {
    id: i64,
    name: &'a str,
    user: Option<&'a str>,
    description: Option<&'a str>,
    hpc: Option<&'a str>,
    version: Option<&'a str>,
    created: Option<&'a str>,
    modified: Option<String>,
    status: &'a str,
    completed: i64,
    total: i64,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct List<'a> {
    experiments: Vec<Item<'a>>,
    pagination: Pagination,
}

/// `GET /v4/experiments`
pub(in crate::autosubmit) fn list(call: &Call) -> Answer {
    let mut reading = call.query.read();
    let only_active = reading.flag("only_active", true);
    let kind = reading.word("exp_type", &["test", "operational", "experiment"]);
    let by = reading.word("order_by", &["expid", "created", "description"]);
    let descending = reading.flag("order_desc", false);
    let page = reading.number("page", Some(1), None).unwrap_or(1);
    let size = reading.number("page_size", None, None).unwrap_or(PAGE);
    reading.done()?;
    let given = |name| call.query.get(name).filter(|text| !text.is_empty());
    let filter = Filter {
        text: given("query"),
        only_active,
        owner: given("owner"),
        kind: kind.map(|place| [Kind::Test, Kind::Operational, Kind::Experiment][place]),
        version: given("autosubmit_version"),
        hpc: given("hpc"),
    };
    let order = by.map(|place| ([OrderBy::Expid, OrderBy::Created, OrderBy::Description][place], descending));
    let (catalogue, statuses) = (call.site().catalogue()?, call.site().statuses()?);
    let found = search(&catalogue, &statuses, &filter, order);
    let (pagination, range) = match size {
        1.. => Pagination::of(page, size, found.len(), 0),
        _ => (Pagination::whole(page, found.len()), 0..found.len()),
    };
    let status = |one: &Experiment| statuses.get(one.id).unwrap_or("NOT RUNNING");
    let items: Vec<Item<'_>> = found[range].iter().map(|one| item(call, one, status(one))).collect();
    json(&List { experiments: items, pagination })
}

fn item<'a>(call: &Call, experiment: &'a Experiment, status: &'a str) -> Item<'a> {
    let details = experiment.details.as_ref();
    let (total, completed, counts) = counts(call.site(), &experiment.name).unwrap_or_default();
    Item {
        id: experiment.id,
        name: &experiment.name,
        user: details.and_then(|details| details.user.as_deref()),
        description: experiment.description.as_deref(),
        hpc: details.and_then(|details| details.hpc.as_deref()),
        version: experiment.version.as_deref(),
        created: details.and_then(|details| details.created.as_deref()),
        modified: modified(call, &experiment.name).and_then(|at| instant(at, Offset::UTC)),
        status,
        completed,
        total,
        counts,
    }
}

/// `GET /v4/experiments/{expid}`
pub(in crate::autosubmit) fn show(call: &Call) -> Answer {
    let experiment = call.site().experiment(&call.expid()?)?;
    json(&json!({
        "id": experiment.id,
        "name": experiment.name,
        "description": experiment.description,
        "autosubmit_version": experiment.version,
    }))
}
