//! The listings of `/v3`: by text, by owner, and what runs.

use std::sync::Arc;

use jobgate_autosubmit::config::Configuration;
use jobgate_autosubmit::databases::catalogue::Experiment;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::texts::instant;
use jobgate_autosubmit::views::search::{Filter, Kind, search};
use serde::Serialize;
use serde_json::{Value, json};

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::convert::{Counts, counts};
use crate::autosubmit::model::One;

/// An experiment of a listing.
#[derive(Debug, Serialize)]
struct Item<'a> {
    id: i64,
    name: &'a str,
    user: Value,
    description: Option<&'a str>,
    hpc: Option<String>,
    status: Value,
    completed: Value,
    total: Value,
    version: String,
    wrapper: Option<String>,
    modified: Option<String>,
    #[serde(flatten)]
    counts: Counts,
}

/// `GET /v3/search/{expid}` and `GET /v3/search/{expid}/{exptype}/{onlyactive}`
pub(in crate::autosubmit) fn by_text(call: &Call) -> Answer {
    let kind = match call.part("exptype") {
        "test" => Some(Kind::Test),
        "operational" => Some(Kind::Operational),
        "experiment" => Some(Kind::Experiment),
        _ => None,
    };
    // any text means yes, as in the original
    let only_active = !call.part("onlyactive").is_empty();
    found(call, &Filter { text: Some(call.part("expid")), kind, only_active, ..Filter::default() }, Words::AsStored)
}

/// `GET /v3/searchowner/{owner}`
pub(in crate::autosubmit) fn by_owner(call: &Call) -> Answer {
    found(call, &Filter { owner: Some(call.part("owner")), ..Filter::default() }, Words::AsStored)
}

/// `GET /v3/running/`
pub(in crate::autosubmit) fn running(call: &Call) -> Answer {
    found(call, &Filter { only_active: true, ..Filter::default() }, Words::Text)
}

/// How a listing writes owners and states that are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    AsStored,
    /// As Python's `str` does
    Text,
}

impl Words {
    fn write(self, text: Option<&str>) -> Value {
        match (self, text) {
            (Self::Text, None) => json!("None"),
            (_, text) => json!(text),
        }
    }
}

fn found(call: &Call, filter: &Filter<'_>, words: Words) -> Answer {
    let (catalogue, statuses) = (call.site().catalogue()?, call.site().statuses()?);
    let status = |one: &Experiment| statuses.get(one.id);
    let items: Vec<Item<'_>> = search(&catalogue, &statuses, filter, None)
        .into_iter()
        .map(|one| item(call, one, status(one), words))
        .collect();
    json(&One("experiment", items))
}

fn item<'a>(call: &Call, experiment: &'a Experiment, status: Option<&str>, words: Words) -> Item<'a> {
    let details = experiment.details.as_ref();
    let (total, completed, counts) = match counts(call.site(), &experiment.name) {
        Some((total, completed, counts)) => (json!(total), json!(completed), counts),
        None => (json!("NA"), json!("NA"), Counts::default()),
    };
    let configured = configured(call, &experiment.name);
    let (configuration, modified) = configured.map_or((None, None), |(found, modified)| (Some(found), modified));
    // where there is no list of jobs, the database says where they run
    let hpc = match configuration.as_ref().filter(|_| modified.is_some()) {
        Some(configuration) => Some(configuration.main_platform().unwrap_or_default()),
        None => details.and_then(|details| details.hpc.clone()),
    };
    Item {
        id: experiment.id,
        name: &experiment.name,
        user: words.write(details.and_then(|details| details.user.as_deref())),
        description: experiment.description.as_deref(),
        hpc,
        status: words.write(status),
        completed,
        total,
        version: configuration.as_ref().map_or_else(|| "Unknown".to_owned(), |configuration| configuration.version()),
        wrapper: configuration.and_then(|configuration| configuration.wrapper_type()),
        modified: modified.and_then(|modified| instant(modified, call.moment.zone)),
        counts,
    }
}

/// The configuration of an experiment, and when its list of jobs was changed, if it has one.
fn configured(call: &Call, name: &str) -> Option<(Arc<Configuration>, Option<i64>)> {
    let expid = Expid::parse(name).ok()?;
    let configuration = call.site().configuration_in_place(&expid).ok()?;
    Some((configuration, call.site().jobs_modified(&expid, call.moment.zone).ok().flatten()))
}
