//! Recorded requests, and how they are made to fit another cluster at another time: job ids, times, tokens.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::fixture::Answer;
use crate::fixture::slurm::{Keys, Token};

/// A recorded request and its answer.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Value,
    pub(super) answer: Value,
}

impl Case {
    /// The headers of a case, with a token of ours.
    pub(super) fn headers(&self, keys: &Keys) -> Vec<(String, String)> {
        let token = || {
            let named = self.headers.iter().find(|(name, _)| name == "X-SLURM-USER-NAME");
            let named = named.map_or("alice", |(_, user)| user.as_str());
            let (user, kind) = token_of(&self.name, named);
            keys.token(user, kind)
        };
        let value = |value: &str| match value.find("<jwt of ") {
            Some(at) => format!("{}{}", &value[..at], token()),
            None => value.to_owned(),
        };
        self.headers.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }
}

/// The cases of a folder, in the order in which they were sent.
pub(super) fn load(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|path| case(&document(&fs::read_to_string(path).unwrap()))).collect()
}

/// A recorded document; older releases write numbers that JSON does not have.
fn document(text: &str) -> Value {
    let text = text.replace(": Infinity", ": 0.0").replace(": NaN", ": 0.0");
    serde_json::from_str(&text).unwrap()
}

fn case(recorded: &Value) -> Case {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let request = &recorded["request"];
    let headers = request["headers"].as_object().unwrap();
    Case {
        name: text(&recorded["name"]),
        method: text(&request["method"]),
        path: text(&request["path"]),
        headers: headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        body: request["body"].clone(),
        answer: recorded["response"].clone(),
    }
}

/// The statuses of one server, by case.
pub(super) fn statuses(table: &Path, column: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(table).unwrap();
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let mut rows = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let at = head.iter().position(|name| *name == column).unwrap();
    rows.filter(|row| !row[at].is_empty() && !row[at].starts_with('-'))
        .map(|row| (row[0].to_owned(), row[at].to_owned()))
        .collect()
}

/// A replay under way.
#[derive(Debug)]
pub(super) struct Replay {
    /// Recorded job ids and ours.
    jobs: BTreeMap<u64, u64>,
    /// Added to recorded times.
    shift: i64,
    /// Where jobs work instead of `/tmp`, in which others may be at work, too.
    directory: String,
}

/// The times of the recordings.
const RECORDED: std::ops::Range<i64> = 1_795_312_000..1_795_320_000;
/// The members of bodies that hold job ids.
const WITH_JOB_IDS: [&str; 4] = ["dependency", "jobs", "job_id", "job_id_list"];

impl Replay {
    /// That begins now.
    pub(super) fn new(cases: &[Case], now: i64, directory: &Path) -> Self {
        // a thousand seconds before the recording
        let old = cases.iter().find(|case| case.name == "jobs-update-time-old");
        let before: i64 = old.and_then(|case| case.path.rsplit('=').next()?.parse().ok()).unwrap();
        let directory = directory.to_string_lossy().into_owned();
        Self { jobs: BTreeMap::new(), shift: now - (before + 1000), directory }
    }

    /// Our path of a case.
    pub(super) fn path(&self, case: &Case) -> String {
        let (head, rest) = case.path.split_at(case.path.match_indices('/').nth(2).map_or(0, |(at, _)| at));
        let with_ids = rest.starts_with("/job") || rest.starts_with("/resources/");
        // an escaped comma separates as a plain one does
        let parts: Vec<String> = rest.split("%2C").map(|part| self.numbers(part, with_ids)).collect();
        format!("{head}{}", parts.join("%2C"))
    }

    pub(super) fn body(&self, case: &Case) -> Option<Vec<u8>> {
        match &case.body {
            Value::Null => None,
            Value::String(text) => {
                let here = format!("current_working_directory: {}", self.directory);
                Some(text.replace("current_working_directory: /tmp", &here).into_bytes())
            }
            other => {
                let mut body = other.clone();
                self.adapt(&mut body, false);
                Some(body.to_string().into_bytes())
            }
        }
    }

    fn adapt(&self, value: &mut Value, ids: bool) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if key == "current_working_directory" && value == "/tmp" {
                        *value = self.directory.as_str().into();
                    }
                    self.adapt(value, WITH_JOB_IDS.contains(&key.as_str()));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.adapt(item, ids)),
            Value::String(text) if ids => *text = self.numbers(text, true),
            Value::Number(number) => {
                let moved: Option<i64> =
                    number.as_i64().and_then(|_| self.numbers(&number.to_string(), ids).parse().ok());
                if let Some(moved) = moved {
                    *number = moved.into();
                }
            }
            _ => {}
        }
    }

    /// A text with our times instead of the recorded ones and, where there can be some, our job ids.
    fn numbers(&self, text: &str, ids: bool) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at(start);
            let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
            let (digits, after) = from.split_at(end);
            out.push_str(before);
            // not the number of a node or of an array's task
            let own = !before.ends_with(|c: char| c.is_alphanumeric() || "_-".contains(c));
            out.push_str(&if own { self.number(digits, ids) } else { digits.to_owned() });
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn number(&self, digits: &str, ids: bool) -> String {
        let Ok(number) = digits.parse::<i64>() else { return digits.to_owned() };
        if RECORDED.contains(&number) {
            return (number + self.shift).to_string();
        }
        let ours = u64::try_from(number).ok().filter(|_| ids).and_then(|id| self.jobs.get(&id));
        ours.map_or_else(|| digits.to_owned(), u64::to_string)
    }

    /// Remembers which job of ours a recorded one is.
    pub(super) fn learn(&mut self, case: &Case, answer: &Answer) {
        let ours: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if let (Some(theirs), Some(ours)) = (case.answer["json"]["job_id"].as_u64(), ours["job_id"].as_u64()) {
            self.jobs.insert(theirs, ours);
        }
    }
}

/// Whose token of what kind a case has: its name says so.
fn token_of<'a>(case: &str, named: &'a str) -> (&'a str, Token) {
    let case = case.trim_end_matches("-ping").trim_end_matches("-jobs");
    match case {
        "auth-expired" | "db-expired" => (named, Token::Expired),
        "auth-wrongkey" => (named, Token::WrongKey),
        "auth-alg-none" => (named, Token::NoAlgorithm),
        "auth-noexp" => (named, Token::NoExpiry),
        "auth-noclaim" => (named, Token::NoClaim),
        "auth-username-claim" => (named, Token::UserName),
        "auth-rs256" => (named, Token::Rs256),
        "auth-rs256-nokid" => (named, Token::Rs256NoKid),
        "auth-rs256-badkid" => (named, Token::Rs256BadKid),
        "auth-other-user" => ("alice", Token::Good),
        "auth-root-as-alice" => ("root", Token::Good),
        "auth-slurm-as-alice" => ("slurm", Token::Good),
        _ => (named, Token::Good),
    }
}
