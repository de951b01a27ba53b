//! The texts of the tree.

use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::status::JobStatus;
use crate::views::facts::Facts;

/// Marks a job that waits for none.
pub const SOURCE: &str = " <span class='badge' style='background-color:#80d4ff'>SOURCE</span>";
/// Marks a job for which none waits.
pub const TARGET: &str = " <span class='badge' style='background-color:#99ff66'>TARGET</span>";
/// Marks a job of all members.
pub const SYNC: &str = " <span class='badge' style='background-color:#0066ff; color:white'>SYNC</span>";
/// Marks what is complete.
pub const CHECK_MARK: &str = " <span class='badge' style='background-color:#4dffa6'>&#10004;</span>";

/// How many jobs of a folder are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "states")]
pub struct Counters {
    pub completed: usize,
    pub running: usize,
    pub queuing: usize,
    pub failed: usize,
    pub held: usize,
    pub total: usize,
}

impl Counters {
    /// Counts.
    pub fn of(statuses: impl Iterator<Item = JobStatus>) -> Self {
        let mut counters = Self::default();
        for status in statuses {
            counters.total += 1;
            match status {
                JobStatus::Completed => counters.completed += 1,
                JobStatus::Running => counters.running += 1,
                JobStatus::Queuing => counters.queuing += 1,
                JobStatus::Failed => counters.failed += 1,
                JobStatus::Held => counters.held += 1,
                _ => {}
            }
        }
        counters
    }

    pub(super) fn json(self, failed_first: bool) -> Value {
        let Self { completed, running, queuing, failed, held, total } = self;
        // the order of keys is the original's, for those who look at the text
        if failed_first {
            json!({"completed": completed, "failed": failed, "running": running, "queuing": queuing, "held": held, "total": total})
        } else {
            json!({"completed": completed, "running": running, "queuing": queuing, "failed": failed, "held": held, "total": total})
        }
    }
}

/// The badge of a wrapper.
pub fn wrapper_tag(package: &str) -> String {
    format!(" <span class='badge' style='background-color:#94b8b8'>Wrapped {package} </span>")
}

/// The title of a job's leaf.
pub fn leaf_title(facts: &Facts<'_>, place: usize) -> String {
    let job = &facts.snapshot.jobs.jobs()[place];
    let status = job.status;
    let mut title = format!(
        "{} <span class='badge' style='background-color: {}; color:{};'>#{}</span>",
        job.name,
        status.color(),
        status.text_color(),
        status.name()
    );
    let running = facts.times[place].text(status);
    if !running.is_empty() {
        title.push_str(" ~ ");
        title.push_str(&running);
    }
    let tags = [
        (facts.relations.children[place].is_empty() && facts.relations.unlisted(place).next().is_none(), TARGET),
        (facts.relations.parents[place].is_empty(), SOURCE),
        (job.date.is_some() && job.member.is_none(), SYNC),
    ];
    for (_, tag) in tags.into_iter().filter(|(applies, _)| *applies) {
        title.push_str(tag);
    }
    if let Some(package) = facts.package(place) {
        title.push_str(&wrapper_tag(package));
    }
    title
}

/// The title of a folder of a member or wrapper.
pub(super) fn folder_title(name: &str, counters: &Counters) -> String {
    let complete = counters.completed == counters.total;
    let color = if complete { "yellow" } else { "#ffffb3" };
    let mut title = format!(
        "{name} <span class='badge' style='background-color:{color}'> {} / {} COMPLETED</span>",
        counters.completed, counters.total
    );
    let others = [
        (counters.failed, "red", "", "FAILED"),
        (counters.running, "green", "; color:#fff", "RUNNING"),
        (counters.queuing, "pink", "", "QUEUING"),
        (counters.held, "#fa8072", "; color:#fff", "HELD"),
    ];
    add_badges(&mut title, &others);
    if complete {
        title.push_str(CHECK_MARK);
    }
    title
}

/// Adds badges of those counts that are not 0: how many, the color behind, more of the style, the word.
pub(in crate::views) fn add_badges(title: &mut String, counts: &[(usize, &str, &str, &str)]) {
    for (count, color, style, word) in counts.iter().filter(|badge| badge.0 > 0) {
        let count = count.to_string();
        title.extend([
            " <span class='badge' style='background-color:",
            color,
            style,
            "'>",
            &count,
            " ",
            word,
            "</span>",
        ]);
    }
}

/// The badge of a date whose jobs are all in the same state; empty if they are not.
pub(in crate::views) fn uniform_tag(statuses: impl Iterator<Item = JobStatus>) -> String {
    let statuses: Vec<JobStatus> = statuses.collect();
    let uniform = |wanted: JobStatus| statuses.iter().all(|status| *status == wanted);
    let kinds = [(JobStatus::Completed, "yellow"), (JobStatus::Waiting, "#aaa"), (JobStatus::Suspended, "orange")];
    let Some((status, color)) = kinds.into_iter().find(|(status, _)| uniform(*status)) else { return String::new() };
    let count = statuses.len();
    format!(" <span class='badge' style='background-color:{color}'> {count} / {count} {} </span>", status.name())
}

/// How an experiment writes its dates: to the day, to the hour or to the minute, whatever one of them needs.
pub fn date_form(dates: impl Iterator<Item = DateTime>) -> &'static str {
    let needs = |(hour, minute), date: DateTime| (hour || date.hour() > 1, minute || date.minute() > 1);
    match dates.fold((false, false), needs) {
        (_, true) => "%Y%m%d%H%M",
        (true, _) => "%Y%m%d%H",
        _ => "%Y%m%d",
    }
}

/// Templates from which clients make titles anew when counters change.
pub(super) fn reference_tags() -> impl Iterator<Item = (String, Value)> {
    [
        ("completed_tag", " <span class='badge' style='background-color:%B'> %C / %T COMPLETED</span>"),
        ("running_tag", " <span class='badge' style='background-color:green; color:#fff'>%R RUNNING</span>"),
        ("queuing_tag", " <span class='badge' style='background-color:pink'>%Q QUEUING</span>"),
        ("failed_tag", " <span class='badge' style='background-color:red'>%F FAILED</span>"),
        ("held_tag", " <span class='badge' style='background-color:#fa8072; color:#fff'>%H HELD</span>"),
        ("checkmark", CHECK_MARK),
    ]
    .into_iter()
    .map(|(name, tag)| (name.to_owned(), Value::from(tag)))
}
