//! What may differ between our answer and that of slurmrestd to the same question, and why.

use serde_json::Value;

use crate::fixture::Answer;

/// Where answers may differ: a part of the path asked for (empty: any), versions, a part of the place in the answer.
///
/// Numbers that count or measure are different at each look.
const ALLOWED: &[(&str, std::ops::RangeInclusive<u32>, &str, &str)] = &[
    ("", 40..=45, "meta/client", "who asks is seen at another socket; slurmrestd says root for everybody"),
    ("ping", 40..=45, "latency", "measured"),
    ("diag", 40..=45, "statistics", "counters, of which our own questions are some"),
    ("", 40..=45, "last_update/number", "licences and others say when they were asked for"),
    ("", 40..=45, "last_backfill/number", "the same"),
    ("job", 40..=45, "last_sched_evaluation", "the scheduler goes on between two questions"),
    ("nodes", 40..=45, "cpu_load", "measured"),
    ("nodes", 40..=45, "free_mem", "measured"),
    ("node/", 40..=45, "cpu_load", "measured"),
    ("node/", 40..=45, "free_mem", "measured"),
    ("shares", 40..=41, "fairshare/level", "slurmrestd writes Infinity, which is no JSON"),
    ("job", 41..=41, "job_resources", "null or {}: as 25.11 has it, which serves this version last"),
    (
        "jobs/state",
        40..=45,
        "job_id",
        "slurmrestd 24.11 gives tasks the number of their job instead of that of their array",
    ),
    (
        "jobs",
        40..=45,
        "jobs/-/flags",
        "the scheduler marks what it has looked at without saying that jobs have changed",
    ),
    ("jobs?flags=NONSENSE", 40..=40, "", "both refuse it; slurmrestd says so thrice"),
    ("nodes?update_time=abc", 40..=45, "status", "it is the client's fault, as another bad parameter is"),
    ("reservation", 40..=44, "watts", "26.05 knows none any more, and shows an empty object instead of a number"),
    ("", 40..=45, "errors/-/description and more", "ours adds what the controller said, or what to do"),
    ("shares", 42..=45, "fairshare/level", "slurmrestd 26.05 puts 2^64 in infinity's place"),
    ("shares", 42..=45, "warnings", "and warns of that each time"),
    ("node/", 40..=45, "nodes/-/partitions", "slurmrestd takes a single node for the cluster's first one"),
    ("jobs", 40..=45, "CPU/actual_frequency", "slurmrestd shows the bits of a floating point number as a whole one"),
    ("job", 43..=45, "jobs/-/association/", "slurmrestd shows the number and the cluster in this version, and no more"),
    ("association", 40..=44, "associations/-/id", "slurmrestd before 26.05 numbers none of them"),
    ("_time=1700000000", 40..=41, "", "slurmrestd cannot read a time in these versions"),
    (
        "jobs/?skip_steps",
        40..=45,
        "stdout_expanded",
        "slurmrestd writes (null) for the node of the first step where it has none",
    ),
    ("stored slurm/node", 40..=45, "nodes/-/port", "each node has its own"),
    ("stored slurm/job", 40..=45, "cores/-/status", "whichever cores were free"),
    ("stored slurm", 44..=45, "sluid", "each job has its own"),
    (
        "stored slurm/job",
        40..=45,
        "jobs/-/group_",
        "whom root submits for keeps its own group with ours, and gets root's",
    ),
    ("stored slurmdb", 40..=45, "/-/id", "rows are numbered as they are made"),
    (
        "stored slurmdb/associations/",
        42..=42,
        "associations/-/is_default",
        "slurmdbd takes the first account's association that is made for nobody (\"user\": \"\") for nobody's default one",
    ),
];

/// What is called differently in two answers, and may be: names of objects, numbers of jobs. With any, moments may differ by as
/// long as it takes to ask both.
#[derive(Debug, Default)]
pub(super) struct Pairs(Vec<(String, String)>);

/// So far apart (seconds) is what was done to both.
const APART: f64 = 30.0;
/// Numbers above are moments (unix seconds).
const MOMENT: f64 = 1_600_000_000.0;

impl Pairs {
    /// Pairs of what ours calls it and what slurmrestd does.
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().filter(|(ours, theirs)| ours != theirs).collect())
    }

    /// Whether two objects are compared, not two answers about one.
    fn are_stored(&self) -> bool {
        !self.0.is_empty()
    }

    fn equal(&self, ours: &Value, theirs: &Value) -> bool {
        if ours == theirs {
            return true;
        }
        match (ours, theirs) {
            (Value::Number(a), Value::Number(b)) => {
                let (x, y) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
                let is_later = self.are_stored() && x > MOMENT && y > MOMENT && (x - y).abs() < APART;
                x.total_cmp(&y).is_eq() || is_later || self.0.contains(&(a.to_string(), b.to_string()))
            }
            (Value::String(a), Value::String(b)) => {
                let (a, b) = (plain(a), self.as_ours(b));
                // what a gateway has submitted carries a mark, which ours does not show
                let is_marked = |marked: &str, other: &str| {
                    marked.strip_prefix(other).is_some_and(|rest| rest.trim_start().starts_with("jobgate-"))
                };
                a == b || is_marked(&b, &a) || (self.are_stored() && is_marked(&a, &b))
            }
            _ => false,
        }
    }

    /// What slurmrestd says, with our names.
    fn as_ours(&self, text: &str) -> String {
        self.0.iter().fold(plain(text), |text, (ours, theirs)| renamed(&text, theirs, ours))
    }
}

/// A text with another name in it; a number is only one as a whole word, not at the end of a name.
fn renamed(text: &str, from: &str, to: &str) -> String {
    let goes_on = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let is_number = from.bytes().all(|byte| byte.is_ascii_digit());
    let (mut whole, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(from) {
        let end = at + from.len();
        let before = if at > 0 { rest.as_bytes().get(at - 1) } else { whole.as_bytes().last() };
        let is_part = is_number && (goes_on(before) || goes_on(rest.as_bytes().get(end)));
        whole.push_str(&rest[..at]);
        whole.push_str(if is_part { from } else { to });
        rest = &rest[end..];
    }
    whole + rest
}

/// A text without addresses of memory and the parentheses around them, without the moment at which a job was submitted whose
/// record is changed, and without how a table of parameters is called.
fn plain(text: &str) -> String {
    let before = |text: &str, what: &str| text.split_once(what).map_or(text, |(before, _)| before).to_owned();
    let text = before(&before(text, " submitted at "), " in DATA_PARSER_");
    match text.split_once("(0x").and_then(|(before, after)| Some((before, after.split_once(')')?.1))) {
        Some((before, after)) => format!("{before}{after}"),
        None => text.replace("()", ""),
    }
}

/// The differences between two answers that have no reason.
pub(super) fn between(version: u32, path: &str, ours: &Answer, theirs: &Answer, pairs: &Pairs) -> Vec<String> {
    let mut all = Vec::new();
    if ours.status != theirs.status {
        all.push(("status".to_owned(), format!("{} instead of {}", ours.status, theirs.status)));
    }
    let json = |answer: &Answer| serde_json::from_slice::<Value>(&answer.body).ok();
    match (json(ours), json(theirs)) {
        (Some(ours), Some(theirs)) => compare("", &ours, &theirs, pairs, &mut all),
        (None, None) if ours.body != theirs.body => {
            all.push(("body".to_owned(), format!("{:.80} instead of {:.80}", ours.text(), theirs.text())));
        }
        // text, or no JSON
        (ours, theirs) if ours.is_some() != theirs.is_some() && path != "shares" => {
            all.push(("body".to_owned(), "only one of them is JSON".to_owned()));
        }
        _ => {}
    }
    let allowed = |place: &str| {
        ALLOWED.iter().any(|(paths, versions, places, _)| {
            path.contains(paths) && versions.contains(&version) && place.contains(places)
        })
    };
    all.into_iter().filter(|(place, _)| !allowed(place)).map(|(place, what)| format!("{place}: {what}")).collect()
}

/// The flag of a job at which the scheduler has not looked yet: it looks at two that are alike when it does. (What a job depends on
/// is shown besides.)
const DEPENDENT: &str = "DEPENDENT";

fn has_dependent(flags: &[Value]) -> bool {
    flags.iter().any(|flag| flag == DEPENDENT)
}

fn compare(place: &str, ours: &Value, theirs: &Value, pairs: &Pairs, all: &mut Vec<(String, String)>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    Some(other) => compare(&format!("{place}/{key}"), value, other, pairs, all),
                    None => all.push((format!("{place}/{key}"), "only ours has it".to_owned())),
                }
            }
            let missing = b.keys().filter(|key| !a.contains_key(*key));
            all.extend(missing.map(|key| (format!("{place}/{key}"), "only slurmrestd has it".to_owned())));
        }
        (Value::Array(a), Value::Array(b)) if pairs.are_stored() && has_dependent(a) != has_dependent(b) => {
            let others = |list: &[Value]| list.iter().filter(|one| *one != DEPENDENT).cloned().collect();
            compare(place, &others(a), &others(b), pairs, all);
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                let last = if a.len() > b.len() { a.last() } else { b.last() };
                let last: String = last.map(Value::to_string).unwrap_or_default().chars().take(200).collect();
                all.push((place.to_owned(), format!("{} instead of {}: {last}", a.len(), b.len())));
            }
            for (a, b) in a.iter().zip(b) {
                compare(&format!("{place}/-"), a, b, pairs, all);
            }
        }
        (a, b) if pairs.equal(a, b) => {}
        // slurmrestd counts below zero where a job began before it was ready: one that was queued again
        (a, b) if place.ends_with("/time/planned/number") && *a == 0 && b.as_i64().is_some_and(|b| b < 0) => {}
        (Value::String(a), Value::String(b))
            if place.ends_with("/errors/-/description") && a.starts_with(&pairs.as_ours(b)) =>
        {
            all.push((format!("{place} and more"), format!("{a} instead of {b}")));
        }
        (a, b) => {
            let short = |value: &Value| value.to_string().chars().take(80).collect::<String>();
            all.push((place.to_owned(), format!("{} instead of {}", short(a), short(b))));
        }
    }
}
