//! One run of the past, as a tree: only from the history.
//!
//! The columns of section and member are taken for each other, as old files have them and as clients expect it: folders are named
//! for what the column `section` holds.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::DateTime;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::times::Times;
use super::tree::{CHECK_MARK, Counters, Node, add_badges, date_form};
use crate::calendar::{ChunkLength, spaced_date};
use crate::databases::history::{Run, Try};
use crate::expid::{Expid, Places};
use crate::status::JobStatus;
use crate::texts::{round, stamp};
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
    /// Its date, if it has one, and how that is written
    date: Option<(DateTime, String)>,
    status: JobStatus,
    /// When it began and when it ended, as they count: see [`times`]
    start: i64,
    finish: i64,
    /// Seconds for which it waited, with what it waited for others of its package
    queue: i64,
    /// Seconds for which it waited, without that
    waited: i64,
    /// Seconds for which it ran
    run: i64,
    title: String,
}

/// The tree of a run. `rows` are those of [`crate::databases::history::tries_of_run`].
pub fn run_tree(run: &Run, rows: &[Try], expid: &Expid, places: &Places, moment: Moment) -> RunTree {
    if rows.is_empty() {
        return RunTree { tree: Vec::new(), jobs: Vec::new(), total: 0, reference: Map::new() };
    }
    let shown = all_shown(rows, moment);
    let mut reference = Map::new();
    let mut tree = dates(&shown, expid, &mut reference);
    let elsewhere: Vec<Node> = shown.iter().filter(|one| one.folder().is_none()).map(leaf).collect();
    if !elsewhere.is_empty() {
        tree.push(Node::folder("Keys".to_owned(), "Keys".to_owned(), true, elsewhere));
    }
    let packages: BTreeSet<i64> = shown.iter().map(|one| one.row.rowtype).filter(|code| *code > 2).collect();
    tree.extend(wrappers(&shown, &packages, expid, &mut reference));
    reference.extend(tags());
    reference.insert("packages".to_owned(), json!(packages));
    reference.insert("chunk_unit".to_owned(), json!(run.chunk_unit));
    reference.insert("chunk_size".to_owned(), json!(run.chunk_size));
    let jobs = jobs(&shown, run, expid, places, moment);
    RunTree { tree, total: jobs.len(), jobs, reference }
}

fn all_shown(rows: &[Try], moment: Moment) -> Vec<Shown<'_>> {
    let mut ordered: Vec<&Try> = rows.iter().collect();
    ordered.sort_by_key(|row| row.counter);
    let form = date_form(rows.iter().filter_map(date));
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut shown: Vec<Shown<'_>> = ordered
        .into_iter()
        .map(|row| {
            let earlier = seen.entry(row.job_name.as_str()).or_default();
            let name = format!("{}{}", row.job_name, "+".repeat(*earlier));
            *earlier += 1;
            one_shown(row, name, form, moment)
        })
        .collect();
    let mut packages: HashMap<i64, Vec<&Shown<'_>>> = HashMap::new();
    for one in shown.iter().filter(|one| one.row.rowtype > 2) {
        packages.entry(one.row.rowtype).or_default().push(one);
    }
    let of = |one: &Shown<'_>| packages.get(&one.row.rowtype).map_or(one.queue, |all| waited(one, all, moment));
    let waited: Vec<i64> = shown.iter().map(of).collect();
    for (one, waited) in shown.iter_mut().zip(waited) {
        one.waited = waited;
    }
    shown
}

fn one_shown<'a>(row: &'a Try, name: String, form: &str, moment: Moment) -> Shown<'a> {
    let status = JobStatus::from_name(&row.status).unwrap_or(JobStatus::Unknown);
    let date = date(row).map(|date| (date, date.strftime(form).to_string()));
    let (start, finish) = times(row);
    let mut one = Shown { row, name, date, status, start, finish, queue: 0, waited: 0, run: 0, title: String::new() };
    one.queue = queue(&one, 0, moment);
    one.run = ran(&one, moment);
    one.title = leaf_title(&one, one.queue);
    if row.rowtype > 2 && one.folder().is_some() {
        one.title.extend([
            " <span class='badge' style='background-color:#94b8b8'>Wrapped ",
            &row.rowtype.to_string(),
            "</span>",
        ]);
    }
    one
}

impl Shown<'_> {
    /// Its date and what it calls its section, if it has both: which folder it is in.
    fn folder(&self) -> Option<(&(DateTime, String), &str)> {
        Some((self.date.as_ref()?, self.row.section.as_deref().filter(|section| !section.is_empty())?))
    }
}

fn leaf_title(one: &Shown<'_>, queue: i64) -> String {
    let times = Times { queue, run: one.run, ..Times::default() }.text(one.status);
    let (name, color) = (&one.name, one.status.color());
    format!("{name} <span class='badge' style='background-color: {color}'>#{}</span> ~ {times}", one.row.status)
}

/// When a row began and ended. One that others followed has done so at the latest when it did the thing before.
fn times(row: &Try) -> (i64, i64) {
    let known = |times: &[i64]| times.iter().copied().find(|time| *time > 0);
    if row.last {
        return (row.start, row.finish);
    }
    let start = known(&[row.start, row.submit]).unwrap_or(row.start);
    (start, known(&[row.finish, row.start, row.submit]).unwrap_or(row.finish))
}

/// How long a row waited, in a state that says so, without these seconds. One that has not begun waits until now.
fn queue(one: &Shown<'_>, without: i64, moment: Moment) -> i64 {
    use JobStatus::{Completed, Failed, Held, Prepared, Queuing, Running, Submitted};
    if !matches!(one.status, Submitted | Queuing | Running | Completed | Held | Prepared | Failed) {
        return 0;
    }
    let begun = if one.start > 0 { one.start } else { moment.now() };
    begun.saturating_sub(one.row.submit).saturating_sub(without).max(0)
}

/// How long a row ran, in a state that says so.
fn ran(one: &Shown<'_>, moment: Moment) -> i64 {
    if !matches!(one.status, JobStatus::Running | JobStatus::Completed | JobStatus::Failed) || one.start == 0 {
        return 0;
    }
    let ended = if one.finish > 0 { one.finish } else { moment.now() };
    ended.saturating_sub(one.start).max(0)
}

/// How long a row waited, without the time that the one of its package took which waited longest of those that began more than
/// 20 s before it.
fn waited(one: &Shown<'_>, package: &[&Shown<'_>], moment: Moment) -> i64 {
    let earlier = package.iter().filter(|other| other.start < one.row.start.saturating_sub(20));
    // of several the first
    let longest = earlier.rev().max_by_key(|other| other.queue);
    let took = longest.map_or(0, |other| other.queue + (other.finish - other.start).max(0));
    queue(one, took, moment)
}

fn date(row: &Try) -> Option<DateTime> {
    row.date.as_deref().and_then(|date| date.parse().ok())
}

fn leaf(one: &Shown<'_>) -> Node {
    Node::leaf(&one.title, &one.name)
}

/// Rows in the order of their chunks.
fn by_chunk<'a, 'b>(mut rows: Vec<&'a Shown<'b>>) -> Vec<&'a Shown<'b>> {
    rows.sort_by_key(|one| one.row.chunk.unwrap_or(0));
    rows
}

/// Every date has a folder for everything that any row calls its section, even if it is empty.
fn dates(shown: &[Shown<'_>], expid: &Expid, reference: &mut Map<String, Value>) -> Vec<Node> {
    let sections: BTreeSet<&str> =
        shown.iter().filter_map(|one| one.row.section.as_deref()).filter(|name| !name.is_empty()).collect();
    if sections.is_empty() {
        return Vec::new();
    }
    let dates: BTreeSet<&(DateTime, String)> = shown.iter().filter_map(|one| one.date.as_ref()).collect();
    let mut folders: HashMap<_, Vec<&Shown<'_>>> = HashMap::new();
    for one in shown {
        if let Some(folder) = one.folder() {
            folders.entry(folder).or_default().push(one);
        }
    }
    let many = dates.len() > 5;
    let mut nodes = Vec::new();
    for date in dates {
        let mut children = Vec::new();
        let mut states = Vec::new();
        for section in &sections {
            let within = by_chunk(folders.remove(&(date, *section)).unwrap_or_default());
            let key = format!("{expid}_{}_{section}", date.1);
            let counters = Counters::of(within.iter().map(|one| one.status));
            states.extend(within.iter().map(|one| one.status));
            reference.insert(key.clone(), counted(&counters));
            let leaves = within.into_iter().map(leaf).collect();
            children.push(Node::folder(folder_title(&key, &counters), key, false, leaves));
        }
        // two points of time may be written the same way, and are two folders nevertheless
        let key = format!("{expid}_{}", date.1);
        let tag = super::tree::uniform_tag(states.into_iter());
        nodes.push(Node::folder(format!("{key}{tag}"), key, !many || tag.is_empty(), children));
    }
    nodes
}

fn wrappers(
    shown: &[Shown<'_>],
    packages: &BTreeSet<i64>,
    expid: &Expid,
    reference: &mut Map<String, Value>,
) -> Option<Node> {
    let mut folders = Vec::new();
    for package in packages {
        let within = by_chunk(shown.iter().filter(|one| one.row.rowtype == *package).collect());
        let counters = Counters::of(within.iter().map(|one| one.status));
        let key = format!("Wrapper: {package}");
        reference.insert(key.clone(), counted(&counters));
        // here without what a job waited for others of its package, and without the package's badge
        let leaves = within.into_iter().map(|one| Node::leaf(&leaf_title(one, one.waited), &one.name)).collect();
        let mut title = folder_title(&key, &counters);
        if counters.completed == counters.total {
            title.push_str(CHECK_MARK);
        }
        folders.push(Node { data: counted(&counters), ..Node::folder(title, key, false, leaves) });
    }
    folders.sort_by(|one, other| one.title.cmp(&other.title));
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
    add_badges(&mut title, &others);
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

fn jobs(shown: &[Shown<'_>], run: &Run, expid: &Expid, places: &Places, moment: Moment) -> Vec<Value> {
    // a length of 0 is one
    let length = ChunkLength { size: run.chunk_size.unwrap_or(0), unit: run.chunk_unit.clone().unwrap_or_default() };
    // only where old files have it: newer ones have no such rows, and so nothing is added there
    let is_post = |one: &&Shown<'_>| {
        matches!(one.status, JobStatus::Completed | JobStatus::Running) && one.row.member.as_deref() == Some("POST")
    };
    let posts: Vec<f64> = shown.iter().filter(is_post).map(|one| one.waited as f64).collect();
    let post = if posts.is_empty() { 0.0 } else { round(posts.iter().sum::<f64>() / posts.len() as f64, 2) };
    let job = |one: &Shown<'_>| {
        let row = one.row;
        let chunked = one.status == JobStatus::Completed && row.chunk.unwrap_or(0) > 0;
        let per = |seconds: f64| (chunked && seconds > 0.0).then(|| length.years() * 86_400.0 / seconds);
        let (from, to) = chunk_dates(row, &length);
        let wrapper = (row.rowtype > 2).then_some(row.rowtype);
        let folder = one.folder().map(|(date, section)| format!("{expid}_{}_{section}", date.1));
        let parents: Vec<String> = folder.into_iter().chain(wrapper.map(|code| format!("Wrapper: {code}"))).collect();
        let path = |name: &Option<String>| {
            name.as_deref().map(|name| {
                if name == "NA" { name.to_owned() } else { places.logs.join(name).to_string_lossy().into_owned() }
            })
        };
        let or = |text: &Option<String>, usual: &str| {
            text.clone().filter(|text| !text.is_empty()).unwrap_or_else(|| usual.to_owned())
        };
        json!({
            "id": one.name, "internal_id": one.name, "label": one.name, "status": row.status, "status_code": one.status.code(),
            "status_color": one.status.color(), "platform_name": or(&row.platform, "NA"), "chunk": row.chunk.unwrap_or(0),
            "member": or(&row.section, ""), "section": or(&row.member, ""), "sync": false, "title": one.title, "date": from,
            "date_plus": to, "SYPD": per(one.run as f64), "ASYPD": per((one.waited + one.run) as f64 + post),
            "minutes_queue": one.waited, "minutes": one.run, "submit": stamp(row.submit, moment.zone),
            "start": stamp(one.start, moment.zone), "finish": stamp(one.finish, moment.zone), "queue": or(&row.qos, "debug"),
            "processors": row.ncpus, "wallclock": row.wallclock, "wrapper": wrapper, "wrapper_code": wrapper, "children": null,
            "children_list": null, "parents": null, "parent_list": null, "out": path(&row.out), "err": path(&row.err),
            "tree_parents": parents, "custom_directives": null, "rm_id": row.job_id.unwrap_or(0),
        })
    };
    shown.iter().map(job).collect()
}

/// Begin and end of a row's chunk; rows without one have chunk 0, which ends when the first begins.
fn chunk_dates(row: &Try, length: &ChunkLength) -> (String, String) {
    let dates = date(row).and_then(|date| length.dates(date, row.chunk.unwrap_or(0)));
    dates.map_or_else(Default::default, |(from, to)| (spaced_date(from), spaced_date(to)))
}
