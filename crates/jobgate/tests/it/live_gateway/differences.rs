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
    ("jobs", 40..=45, "last_sched_evaluation", "the scheduler goes on between two questions"),
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
    ("reservation/nosuch", 40..=45, "description", "ours says what there is none of"),
    ("partition/nosuch", 42..=45, "", "an error up to 25.11, and a warning in 26.05, which these versions follow"),
    ("conf", 40..=45, "", "is in v0.0.45 only, and texts for what is nowhere are our own"),
];

/// The differences between two answers that have no reason.
pub(super) fn between(version: u32, path: &str, ours: &Answer, theirs: &Answer) -> Vec<String> {
    let mut all = Vec::new();
    if ours.status != theirs.status {
        all.push(("status".to_owned(), format!("{} instead of {}", ours.status, theirs.status)));
    }
    let json = |answer: &Answer| serde_json::from_slice::<Value>(&answer.body).ok();
    match (json(ours), json(theirs)) {
        (Some(ours), Some(theirs)) => compare("", &ours, &theirs, &mut all),
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

fn compare(place: &str, ours: &Value, theirs: &Value, all: &mut Vec<(String, String)>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                match b.get(key) {
                    Some(other) => compare(&format!("{place}/{key}"), value, other, all),
                    None => all.push((format!("{place}/{key}"), "only ours has it".to_owned())),
                }
            }
            let missing = b.keys().filter(|key| !a.contains_key(*key));
            all.extend(missing.map(|key| (format!("{place}/{key}"), "only slurmrestd has it".to_owned())));
        }
        (Value::Array(a), Value::Array(b)) => {
            if a.len() != b.len() {
                all.push((place.to_owned(), format!("{} instead of {}", a.len(), b.len())));
            }
            for (a, b) in a.iter().zip(b) {
                compare(&format!("{place}/-"), a, b, all);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (a, b) if a == b => {}
        // what tests before this one have submitted by a gateway carries a mark, which ours does not show
        (Value::String(a), Value::String(b))
            if b.strip_prefix(a.as_str()).is_some_and(|rest| rest.trim_start().starts_with("jobgate-")) => {}
        (a, b) => {
            let short = |value: &Value| value.to_string().chars().take(80).collect::<String>();
            all.push((place.to_owned(), format!("{} instead of {}", short(a), short(b))));
        }
    }
}
