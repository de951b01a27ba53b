//! Jobs of an experiment: the list, who waits for whom, wrappers.

use jobgate_autosubmit::jobs::Job;
use jobgate_autosubmit::status::JobStatus;
use jobgate_autosubmit::views::search::job_name_fits;
use serde::Serialize;
use serde_json::{Value, json};

use axum::http::StatusCode;

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::error::Failure;
use crate::autosubmit::model::Pagination;

/// A job of the list.
#[derive(Debug, Serialize)]
struct Item<'a> {
    name: &'a str,
    status: &'static str,
    #[serde(flatten)]
    more: Option<More<'a>>,
}

/// What the list says besides, but for quick looks.
#[derive(Debug, Serialize)]
struct More<'a> {
    priority: Option<i64>,
    section: Option<&'a str>,
    date: Option<String>,
    member: Option<&'a str>,
    chunk: Option<i64>,
    split: Option<i64>,
    splits: Option<i64>,
    out_path_local: Option<&'a str>,
    err_path_local: Option<&'a str>,
    out_path_remote: Option<&'a str>,
    err_path_remote: Option<&'a str>,
}

/// `GET /v4/experiments/{expid}/jobs`
pub(in crate::autosubmit) fn list(call: &Call) -> Answer {
    let mut reading = call.query.read();
    let quick = reading.word("view", &["quick", "base"]) == Some(0);
    let status = call.query.get("status").map(JobStatus::from_name);
    if status == Some(None) {
        let mut names = JobStatus::ALL.map(JobStatus::name);
        names.sort_unstable();
        reading.refuse("status", format!("Invalid job status. Allowed values: {}", names.join(", ")));
    }
    let page = reading.number("page", Some(1), None).unwrap_or(1);
    let size = reading.number("page_size", Some(1), Some(1000));
    reading.done()?;
    let jobs = call.site().jobs(&call.known()?).map_err(|error| {
        tracing::warn!(%error, "a list of jobs cannot be read");
        Failure::from(error).told("Error while reading the job list")
    })?;
    let wanted = call.query.get("job_name");
    let passes = |job: &&Job| {
        status.flatten().is_none_or(|status| job.status == status)
            && wanted.is_none_or(|wanted| job_name_fits(&job.name, wanted))
    };
    let mut found: Vec<&Job> = jobs.jobs().iter().filter(passes).collect();
    found.sort_by_cached_key(|job| (job.name.to_lowercase(), job.name.as_str()));
    let (pagination, range) = match size {
        Some(size) => Pagination::of(page, size, found.len(), 1),
        None => (Pagination::whole(1, found.len()), 0..found.len()),
    };
    let items: Vec<Item<'_>> = found[range].iter().map(|job| item(job, quick)).collect();
    json(&List { jobs: items, pagination })
}

#[derive(Debug, Serialize)]
struct List<'a> {
    jobs: Vec<Item<'a>>,
    pagination: Pagination,
}

fn item(job: &Job, quick: bool) -> Item<'_> {
    let more = || More {
        priority: job.priority,
        section: job.section.as_deref(),
        date: job.date.map(|date| date.date().to_string()),
        member: job.member.as_deref(),
        chunk: job.chunk,
        split: job.split,
        splits: job.splits,
        out_path_local: job.local_logs.out.as_deref(),
        err_path_local: job.local_logs.err.as_deref(),
        out_path_remote: job.remote_logs.out.as_deref(),
        err_path_remote: job.remote_logs.err.as_deref(),
    };
    Item { name: &job.name, status: job.status.name(), more: (!quick).then(more) }
}

/// Which end of an edge is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Parents,
    Children,
}

/// `GET /v4/experiments/{expid}/jobs/{job_name}/parents`
pub(in crate::autosubmit) fn list_parents(call: &Call) -> Answer {
    related(call, End::Parents)
}

/// `GET /v4/experiments/{expid}/jobs/{job_name}/children`
pub(in crate::autosubmit) fn list_children(call: &Call) -> Answer {
    related(call, End::Children)
}

fn related(call: &Call, end: End) -> Answer {
    let mut reading = call.query.read();
    let with_status = reading.flag("include_status", false);
    reading.done()?;
    // an unknown experiment is an error of reading here, as in the original
    let unreadable = || Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "Error while reading the experiment structure");
    let expid = call.known().map_err(|_| unreadable())?;
    let edges = call.site().edges(&expid).map_err(|error| {
        tracing::warn!(%error, "a structure cannot be read");
        unreadable()
    })?;
    let jobs = if with_status { call.site().jobs(&expid).ok() } else { None };
    let name = call.part("job_name");
    let found = edges.iter().filter_map(|(from, to)| match end {
        End::Parents => (to == name).then_some(from),
        End::Children => (from == name).then_some(to),
    });
    let mut found: Vec<&String> = found.collect();
    if end == End::Children {
        // the order of the table's index, by which they are found
        found.sort_unstable();
    }
    let entry = |other: &String| {
        let mut entry = json!({"job_name": other});
        // without a list nothing is said of states
        if let Some(jobs) = &jobs {
            entry["status"] = json!(jobs.get(other).map(|job| job.status.name()));
        }
        entry
    };
    let entries: Vec<Value> = found.into_iter().map(entry).collect();
    match end {
        End::Parents => json(&json!({"parents": entries})),
        End::Children => json(&json!({"children": entries})),
    }
}

/// `GET /v4/experiments/{expid}/wrappers`
pub(in crate::autosubmit) fn list_wrappers(call: &Call) -> Answer {
    let packages = call.site().packages(&call.known()?)?;
    let wrappers: Vec<Value> =
        packages.all().into_iter().map(|(name, jobs)| json!({"wrapper_name": name, "job_names": jobs})).collect();
    json(&json!({"wrappers": wrappers}))
}
