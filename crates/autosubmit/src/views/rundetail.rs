//! One run of the past, as a tree: only from the history.
//!
//! The columns of section and member are taken for each other, as old files have them and as clients expect it: folders are named
//! for what the column `section` holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::times::Times;
use super::tree::{CHECK_MARK, Counters, Node, date_form};
use crate::calendar::{ChunkLength, spaced_date};
use crate::databases::history::{Run, Try};
use crate::expid::{Expid, Places};
use crate::status::JobStatus;
use crate::texts::stamp;
use crate::views::Moment;

/// The tree of a run, but for its errors.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "names of the answer")]
pub struct RunTree {
    pub tree: Vec<Node>,
    pub jobs: Vec<Value>,
    pub total: usize,
    pub reference: Map<String, Value>,
}

/// A row as it is shown.
struct Shown<'a> {
    row: &'a Try,
    /// The job's name, with a `+` for each earlier row of the same job
    name: String,
    /// Its date as text, if it has one
    date: Option<String>,
    status: JobStatus,
    title: String,
}

/// The tree of a run. `rows` are those of [`crate::databases::history::tries_of_run`].
pub fn run_tree(run: &Run, rows: &[Try], expid: &Expid, places: &Places, moment: Moment) -> RunTree {
    if rows.is_empty() {
        return RunTree { tree: Vec::new(), jobs: Vec::new(), total: 0, reference: Map::new() };
    }
    let mut ordered: Vec<&Try> = rows.iter().collect();
    ordered.sort_by_key(|row| row.counter);
    let form = date_form(rows.iter().filter_map(date));
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let shown: Vec<Shown<'_>> = ordered
        .into_iter()
        .map(|row| {
            let earlier = seen.entry(row.job_name.as_str()).or_default();
            let name = format!("{}{}", row.job_name, "+".repeat(*earlier));
            *earlier += 1;
            shown(row, name, form, moment)
        })
        .collect();
    let mut reference = Map::new();
    let mut tree = dates(&shown, expid, &mut reference);
    let undated: Vec<Node> = shown.iter().filter(|one| one.date.is_none()).map(leaf).collect();
    if !undated.is_empty() {
        tree.push(Node::folder("Keys".to_owned(), "Keys".to_owned(), true, undated));
    }
    let packages: BTreeSet<i64> = shown.iter().map(|one| one.row.rowtype).filter(|code| *code > 2).collect();
    tree.extend(wrappers(&shown, &packages, (rows, moment), expid, &mut reference));
    reference.extend(tags());
    reference.insert("packages".to_owned(), json!(packages));
    reference.insert("chunk_unit".to_owned(), json!(run.chunk_unit));
    reference.insert("chunk_size".to_owned(), json!(run.chunk_size));
    let jobs = jobs(&shown, rows, run, expid, places, moment);
    RunTree { tree, total: jobs.len(), jobs, reference }
}

fn shown<'a>(row: &'a Try, name: String, form: &str, moment: Moment) -> Shown<'a> {
    let status = JobStatus::from_name(&row.status).unwrap_or(JobStatus::Unknown);
    let date = date(row).map(|date| date.strftime(form).to_string());
    let mut title = leaf_title(&name, status, &row.status, spans(row, status, moment));
    if row.rowtype > 2 && date.is_some() {
        title.extend([
            " <span class='badge' style='background-color:#94b8b8'>Wrapped ",
            &row.rowtype.to_string(),
            "</span>",
        ]);
    }
    Shown { row, name, date, status, title }
}

fn leaf_title(name: &str, status: JobStatus, word: &str, (queue, run): (i64, i64)) -> String {
    let times = Times { queue, run, ..Times::default() }.text(status);
    format!("{name} <span class='badge' style='background-color: {}'>#{word}</span> ~ {times}", status.color())
}

/// How long a row waited and ran, as far as its state says that this is known.
fn spans(row: &Try, status: JobStatus, moment: Moment) -> (i64, i64) {
    use JobStatus::{Completed, Failed, Held, Prepared, Queuing, Running, Submitted};
    let span = |from: i64, to: i64| if from > 0 && to > from { to - from } else { 0 };
    let or_now = |time: i64| if time > 0 { time } else { moment.now() };
    match status {
        Completed | Failed | Running => (span(row.submit, row.start), span(row.start, or_now(row.finish))),
        Queuing | Submitted | Held | Prepared => (span(row.submit, or_now(row.start)), 0),
        _ => (0, 0),
    }
}

/// How long a row waited, without the longest time that another of its package took which began more than 20 s before it.
fn waited(one: &Shown<'_>, rows: &[Try], moment: Moment) -> i64 {
    let (row, queue) = (one.row, spans(one.row, one.status, moment).0);
    if row.rowtype <= 2 || queue == 0 {
        return queue;
    }
    let earlier = rows.iter().filter(|other| other.rowtype == row.rowtype && other.start < row.start - 20);
    let took = earlier.map(|other| {
        let end = if other.finish > 0 { other.finish } else { moment.now() };
        end - other.submit
    });
    (queue - took.max().unwrap_or(0)).max(0)
}

fn date(row: &Try) -> Option<jiff::civil::DateTime> {
    row.date.as_deref().and_then(|date| date.parse().ok())
}

fn leaf(one: &Shown<'_>) -> Node {
    Node::leaf(&one.title, &one.name)
}

/// Every date has a folder for everything that any row calls its section, even if it is empty.
fn dates(shown: &[Shown<'_>], expid: &Expid, reference: &mut Map<String, Value>) -> Vec<Node> {
    let mut by_date: BTreeMap<&str, Vec<&Shown<'_>>> = BTreeMap::new();
    for one in shown {
        if let Some(date) = &one.date {
            by_date.entry(date).or_default().push(one);
        }
    }
    let sections: BTreeSet<&str> =
        shown.iter().filter_map(|one| one.row.section.as_deref()).filter(|name| !name.is_empty()).collect();
    let many = by_date.len() > 5;
    let mut nodes = Vec::new();
    for (date, rows) in by_date {
        let mut folders = Vec::new();
        for section in &sections {
            let mut within: Vec<&&Shown<'_>> =
                rows.iter().filter(|one| one.row.section.as_deref() == Some(section)).collect();
            within.sort_by(|one, other| one.name.cmp(&other.name));
            let key = format!("{expid}_{date}_{section}");
            let counters = Counters::of(within.iter().map(|one| one.status));
            reference.insert(key.clone(), counted(&counters));
            let leaves = within.into_iter().map(|one| leaf(one)).collect();
            folders.push(Node::folder(folder_title(&key, &counters), key, false, leaves));
        }
        let key = format!("{expid}_{date}");
        let tag = super::tree::uniform_tag(rows.iter().map(|one| one.status));
        nodes.push(Node::folder(format!("{key}{tag}"), key, !many || tag.is_empty(), folders));
    }
    nodes
}

fn wrappers(
    shown: &[Shown<'_>],
    packages: &BTreeSet<i64>,
    (rows, moment): (&[Try], Moment),
    expid: &Expid,
    reference: &mut Map<String, Value>,
) -> Option<Node> {
    let mut folders = Vec::new();
    for package in packages {
        let within: Vec<&Shown<'_>> = shown.iter().filter(|one| one.row.rowtype == *package).collect();
        let counters = Counters::of(within.iter().map(|one| one.status));
        let key = format!("Wrapper: {package}");
        reference.insert(key.clone(), counted(&counters));
        // here without what a job waited for others of its package, and without the package's badge
        let within_package = |one: &Shown<'_>| {
            let times = (waited(one, rows, moment), spans(one.row, one.status, moment).1);
            Node::leaf(&leaf_title(&one.name, one.status, &one.row.status, times), &one.name)
        };
        let leaves = within.into_iter().map(within_package).collect();
        let mut title = folder_title(&key, &counters);
        if counters.completed == counters.total {
            title.push_str(CHECK_MARK);
        }
        folders.push(Node { data: counted(&counters), ..Node::folder(title, key, false, leaves) });
    }
    (!folders.is_empty()).then(|| Node::folder("Wrappers".to_owned(), format!("Wrappers_{expid}"), false, folders))
}

fn counted(counters: &Counters) -> Value {
    let Counters { completed, running, queuing, failed, total, .. } = *counters;
    json!({"completed": completed, "running": running, "queuing": queuing, "failed": failed, "total": total})
}

fn folder_title(name: &str, counters: &Counters) -> String {
    let color = if counters.completed == counters.total { "yellow" } else { "#ffffb3" };
    let mut title = format!(
        "{name} <span class='badge' style='background-color:{color}'>{} / {} COMPLETED</span>",
        counters.completed, counters.total
    );
    let others = [
        (counters.failed, "red", "", "FAILED"),
        (counters.running, "green", "; color:white", "RUNNING"),
        (counters.queuing, "pink", "", "QUEUING"),
    ];
    for (count, color, text, name) in others.into_iter().filter(|other| other.0 > 0) {
        title.extend([
            " <span class='badge' style='background-color:",
            color,
            text,
            "'>",
            &count.to_string(),
            " ",
            name,
            "</span>",
        ]);
    }
    title
}

fn tags() -> impl Iterator<Item = (String, Value)> {
    [
        ("completed_tag", " <span class='badge' style='background-color:%B'> %C / %T COMPLETED</span>"),
        ("running_tag", " <span class='badge' style='background-color:green; color:white'>%R RUNNING</span>"),
        ("queuing_tag", " <span class='badge' style='background-color:pink'>%Q QUEUING</span>"),
        ("failed_tag", " <span class='badge' style='background-color:red'>%F FAILED</span>"),
        ("check_mark", CHECK_MARK),
    ]
    .into_iter()
    .map(|(name, tag)| (name.to_owned(), Value::from(tag)))
}

fn jobs(shown: &[Shown<'_>], rows: &[Try], run: &Run, expid: &Expid, places: &Places, moment: Moment) -> Vec<Value> {
    // a length of 0 is one
    let length = ChunkLength { size: run.chunk_size.unwrap_or(0), unit: run.chunk_unit.clone().unwrap_or_default() };
    // only where old files have it: newer ones have no such rows, and so nothing is added there
    let is_post = |row: &&Try| row.status == "COMPLETED" && row.member.as_deref() == Some("POST");
    let posts: Vec<f64> = rows.iter().filter(is_post).map(|row| (row.start - row.submit).max(0) as f64).collect();
    let post = if posts.is_empty() { 0.0 } else { posts.iter().sum::<f64>() / posts.len() as f64 };
    let job = |one: &Shown<'_>| {
        let row = one.row;
        let run_time = spans(row, one.status, moment).1;
        let queue = waited(one, rows, moment);
        let chunked = one.status == JobStatus::Completed && row.chunk.unwrap_or(0) > 0;
        let per = |seconds: f64| (chunked && seconds > 0.0).then(|| length.years() * 86_400.0 / seconds);
        let (from, to) = chunk_dates(row, &length);
        let wrapper = (row.rowtype > 2).then_some(row.rowtype);
        let member =
            one.date.as_ref().map(|date| format!("{expid}_{date}_{}", row.section.as_deref().unwrap_or_default()));
        let parents: Vec<String> = member.into_iter().chain(wrapper.map(|code| format!("Wrapper: {code}"))).collect();
        let path = |name: &Option<String>| {
            name.as_deref().map(|name| {
                if name == "NA" { name.to_owned() } else { places.logs.join(name).to_string_lossy().into_owned() }
            })
        };
        json!({
            "id": one.name, "internal_id": one.name, "label": one.name, "status": row.status, "status_code": one.status.code(),
            "status_color": one.status.color(), "platform_name": row.platform, "chunk": row.chunk, "member": row.section,
            "section": row.member, "sync": false, "title": one.title, "date": from, "date_plus": to, "SYPD": per(run_time as f64),
            "ASYPD": per((queue + run_time) as f64 + post), "minutes_queue": queue, "minutes": run_time,
            "submit": stamp(row.submit, moment.zone), "start": stamp(row.start, moment.zone),
            "finish": stamp(row.finish, moment.zone), "queue": row.qos, "processors": row.ncpus, "wallclock": row.wallclock,
            "wrapper": wrapper, "wrapper_code": wrapper, "children": null, "children_list": null, "parents": null,
            "parent_list": null, "out": path(&row.out), "err": path(&row.err), "tree_parents": parents, "custom_directives": null,
            "rm_id": row.job_id,
        })
    };
    shown.iter().map(job).collect()
}

/// Begin and end of a row's chunk; rows without one have chunk 0, which ends when the first begins.
fn chunk_dates(row: &Try, length: &ChunkLength) -> (String, String) {
    let dates = date(row).and_then(|date| length.dates(date, row.chunk.unwrap_or(0)));
    dates.map_or_else(Default::default, |(from, to)| (spaced_date(from), spaced_date(to)))
}
