//! One run of the past, as a tree: only from the history.
//!
//! The columns of section and member are taken for each other, as old files have them and as clients expect it: folders are named
//! for what the column `section` holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::times::{by_package, queue_in_package};
use super::tree::{CHECK_MARK, Counters, Node};
use crate::calendar::{ChunkLength, spaced_date};
use crate::databases::history::{Run, Try};
use crate::expid::{Expid, Places};
use crate::status::JobStatus;
use crate::texts::{stamp, timedelta};
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
    /// `YYYYMMDD`, if it has a date
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
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let shown: Vec<Shown<'_>> = ordered
        .into_iter()
        .map(|row| {
            let earlier = seen.entry(row.job_name.as_str()).or_default();
            let name = format!("{}{}", row.job_name, "+".repeat(*earlier));
            *earlier += 1;
            shown(row, name, moment)
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

fn shown(row: &Try, name: String, moment: Moment) -> Shown<'_> {
    let status = JobStatus::from_name(&row.status).unwrap_or(JobStatus::Unknown);
    let (queue, run) = spans(row, status, moment);
    let mut title = leaf_title(&name, status, &row.status, (queue, run));
    if row.rowtype > 2 {
        title.extend([
            " <span class='badge' style='background-color:#94b8b8'>Wrapped ",
            &row.rowtype.to_string(),
            "</span>",
        ]);
    }
    Shown { row, name, date: date(row).map(|date| date.strftime("%Y%m%d").to_string()), status, title }
}

fn leaf_title(name: &str, status: JobStatus, word: &str, (queue, run): (i64, i64)) -> String {
    let (color, queue, run) = (status.color(), timedelta(queue), timedelta(run));
    format!("{name} <span class='badge' style='background-color: {color}'>#{word}</span> ~ ( {queue} ) + {run}")
}

/// How long a row waited and ran.
fn spans(row: &Try, status: JobStatus, moment: Moment) -> (i64, i64) {
    let finish = if status == JobStatus::Running && row.finish <= 0 { moment.now() } else { row.finish };
    let span = |from: i64, to: i64| if from > 0 && to > from { to - from } else { 0 };
    (span(row.submit, row.start), span(row.start, finish))
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
        nodes.push(Node::folder(format!("{key}{tag}"), key, true, folders));
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
    let waiting = by_package(rows);
    let mut folders = Vec::new();
    for package in packages {
        let within: Vec<&Shown<'_>> = shown.iter().filter(|one| one.row.rowtype == *package).collect();
        let counters = Counters::of(within.iter().map(|one| one.status));
        let key = format!("Wrapper: {package}");
        reference.insert(key.clone(), counted(&counters));
        // here without what a job waited for others of its package, and without the package's badge
        let within_package = |one: &Shown<'_>| {
            let times = (queue_in_package(one.row, &waiting), spans(one.row, one.status, moment).1);
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
    let packages = by_package(rows);
    let length = run.chunk_length();
    // only where old files have it: newer ones have no such rows, and so nothing is added there
    let is_post = |row: &&Try| row.status == "COMPLETED" && row.member.as_deref() == Some("POST");
    let posts: Vec<f64> = rows.iter().filter(is_post).map(|row| (row.start - row.submit).max(0) as f64).collect();
    let post = if posts.is_empty() { 0.0 } else { posts.iter().sum::<f64>() / posts.len() as f64 };
    let job = |one: &Shown<'_>| {
        let row = one.row;
        let run_time = spans(row, one.status, moment).1;
        let queue = if row.rowtype > 2 { queue_in_package(row, &packages) } else { spans(row, one.status, moment).0 };
        let years = length.as_ref().map_or(0.0, ChunkLength::years);
        let fast = one.status == JobStatus::Completed && row.chunk.unwrap_or(0) > 0 && run_time > 0 && years > 0.0;
        let per = |seconds: f64| fast.then(|| years * 86_400.0 / seconds);
        let (from, to) = chunk_dates(row, length.as_ref());
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
fn chunk_dates(row: &Try, length: Option<&ChunkLength>) -> (String, String) {
    let dates = date(row).zip(length).and_then(|(date, length)| length.dates(date, row.chunk.unwrap_or(0)));
    dates.map_or_else(Default::default, |(from, to)| (spaced_date(from), spaced_date(to)))
}
