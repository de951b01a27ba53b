//! What is done to both, step by step, as `writes.txt` says. Its lines:
//!
//! - `base NAME {...}`: a body, or a part of one, that others begin with: `{"=": "NAME", "-": "one of its fields", "more": 1}`
//! - `== NAME`: here begins what is done to one thing; `versions 43-45`: only in these
//! - `show PATH`: what is read after each step
//! - `WHO METHOD PATH {...}`: a step; in place of JSON `raw CONTENT/TYPE TEXT`
//! - `keep NAME PLACE`: what the answer to the step has there is called `{NAME}` from now on
//! - `differs [24.11 or 26.05] [40-42] REASON`: the answers to the step before differ there, and have to

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use jobgate_slurm::operations::find;
use serde_json::{Map, Value};

use super::SETTLES;
use super::differences::{Pairs, between};
use crate::fixture::http::{Address, Body};
use crate::fixture::{Answer, Client, Cluster, Gateway};
use crate::live_gateway::with_token;

/// What is done to one thing, and how to look at it.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    versions: RangeInclusive<u32>,
    shows: Vec<String>,
    steps: Vec<Step>,
}

/// One request. In path and body `{me}`, `{node}` and whatever was kept stand for what differs between the two sides.
#[derive(Debug)]
struct Step {
    who: String,
    method: String,
    path: String,
    /// Content type, and text.
    body: Option<(String, String)>,
    keeps: Option<(String, String)>,
    differs: Vec<Differs>,
}

/// Where answers to a step differ.
#[derive(Debug)]
struct Differs {
    release: Option<String>,
    versions: RangeInclusive<u32>,
}

/// All that is done.
pub(super) fn all() -> Vec<Scenario> {
    let mut bases = BTreeMap::new();
    let mut all: Vec<Scenario> = Vec::new();
    let lines = include_str!("writes.txt").lines().enumerate();
    for (index, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap();
        if word == "base" {
            let (name, json) = rest.split_once(' ').unwrap();
            bases.insert(name.to_owned(), object(json));
        } else if word == "==" {
            all.push(Scenario { name: rest.to_owned(), versions: 40..=45, shows: Vec::new(), steps: Vec::new() });
        } else {
            let scenario = all.last_mut().unwrap();
            match (word, scenario.steps.last_mut()) {
                ("versions", _) => scenario.versions = range(rest).unwrap(),
                ("show", _) => scenario.shows.push(rest.to_owned()),
                ("keep", Some(step)) => {
                    step.keeps = rest.split_once(' ').map(|(name, place)| (name.to_owned(), place.to_owned()));
                }
                ("differs", Some(step)) => step.differs.push(Differs::of(rest)),
                _ => scenario.steps.push(Step::of(line, &bases).unwrap_or_else(|| panic!("line {}", index + 1))),
            }
        }
    }
    all
}

fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap()
}

/// `43-45`
fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let (first, last) = text.split_once('-')?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}

impl Differs {
    fn of(text: &str) -> Self {
        let (mut release, mut versions, mut reason) = (None, 40..=45, text);
        while let Some((word, rest)) = reason.split_once(' ') {
            if let Some(range) = range(word) {
                versions = range;
            } else if word.split('.').all(|part| part.parse::<u32>().is_ok()) {
                release = Some(word.to_owned());
            } else {
                break;
            }
            reason = rest;
        }
        assert!(reason.len() > 10, "that is no reason: {text}");
        Self { release, versions }
    }
}

impl Step {
    fn of(line: &str, bases: &BTreeMap<String, Map<String, Value>>) -> Option<Self> {
        let mut words = line.splitn(4, ' ').map(str::to_owned);
        let (who, method, path) = (words.next()?, words.next()?, words.next()?);
        let body = words.next().map(|body| {
            if let Some(raw) = body.strip_prefix("raw ") {
                let (kind, text) = raw.split_once(' ').unwrap_or((raw, ""));
                return (kind.to_owned(), text.to_owned());
            }
            let json = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{line}: {error}"));
            ("application/json".to_owned(), expand(json, bases).to_string())
        });
        Some(Self { who, method, path, body, keeps: None, differs: Vec::new() })
    }
}

/// Puts in what objects begin with.
fn expand(value: Value, bases: &BTreeMap<String, Map<String, Value>>) -> Value {
    match value {
        Value::Object(mut map) => {
            let mut whole = match map.remove("=") {
                Some(name) => bases[name.as_str().unwrap()].clone(),
                None => Map::new(),
            };
            if let Some(without) = map.remove("-") {
                whole.remove(without.as_str().unwrap());
            }
            whole.extend(map.into_iter().map(|(key, value)| (key, expand(value, bases))));
            Value::Object(whole)
        }
        Value::Array(items) => items.into_iter().map(|item| expand(item, bases)).collect(),
        other => other,
    }
}

/// One of the two: how its names are, and whom to ask as whom.
#[derive(Debug)]
struct Side {
    clients: BTreeMap<&'static str, Client>,
    names: BTreeMap<String, String>,
}

impl Side {
    fn new(tokens: &[(&'static str, String)], address: &Address) -> Self {
        let of = |(user, token): &(&'static str, String)| (*user, with_token(Client::new(address.clone()), token));
        Self { clients: tokens.iter().map(of).collect(), names: BTreeMap::new() }
    }

    fn fill(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn ask(&mut self, version: u32, step: &Step) -> Answer {
        let path = self.fill(&url(&step.path, version));
        let text = step.body.as_ref().map(|(_, text)| self.fill(text));
        let body = text.as_deref().map_or(Body::None, |text| Body::Bytes(text.as_bytes()));
        let kind = step.body.as_ref().map(|(kind, _)| ("content-type", kind.as_str()));
        let client = self.clients.get_mut(step.who.as_str()).unwrap();
        client.ask(&step.method, &path, kind.as_slice(), &body)
    }

    fn read(&mut self, version: u32, path: &str) -> Answer {
        self.clients.get_mut("root").unwrap().get(&url(path, version))
    }

    fn keep(&mut self, name: &str, place: &str, answer: &Answer) {
        let value = serde_json::from_slice::<Value>(&answer.body).ok();
        let kept = value.as_ref().and_then(|value| value.pointer(&format!("/{place}"))).cloned().unwrap_or_default();
        let text = kept.as_str().map_or_else(|| kept.to_string(), str::to_owned);
        self.names.insert(name.to_owned(), text);
    }
}

/// `slurm/job/1` in a version.
fn url(path: &str, version: u32) -> String {
    let (plugin, path) = path.split_once('/').unwrap();
    format!("/{plugin}/v0.0.{version}/{path}")
}

/// A gateway and slurmrestd.
#[derive(Debug)]
pub(super) struct Sides {
    ours: Side,
    theirs: Side,
    /// Slurm's, such as `24.11.5`.
    release: String,
}

impl Sides {
    pub(super) fn new(cluster: &Cluster, gateway: &Gateway) -> Self {
        let tokens = ["alice", "bob", "carol", "mallory", "root"].map(|user| (user, cluster.token(user)));
        let ours = Side::new(&tokens, &Address::Tcp(gateway.address));
        let mut theirs = Side::new(&tokens, &Address::Tcp(cluster.slurmrestd));
        let document = theirs.clients.get_mut("root").unwrap().get("/openapi/v3").json();
        let version = document["info"]["version"].as_str().unwrap().trim_start_matches("Slurm-");
        let release = version.split('&').next().unwrap().to_owned();
        Self { ours, theirs, release }
    }

    pub(super) fn slurmrestd(&mut self) -> &mut Client {
        self.theirs.clients.get_mut("root").unwrap()
    }

    /// Does all steps on both sides; gives what is not equal. `is_served`: whether slurmrestd has an operation.
    pub(super) fn play(
        &mut self,
        scenario: &Scenario,
        version: u32,
        is_served: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        if !scenario.versions.contains(&version) {
            return wrong;
        }
        for (side, word, node) in [(&mut self.ours, "ours", "n4"), (&mut self.theirs, "them", "n5")] {
            side.names = [("me", format!("{word}{version}")), ("node", node.to_owned())]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
        }
        for (index, step) in scenario.steps.iter().enumerate() {
            let path = self.ours.fill(&url(&step.path, version));
            if find(&step.method, path.split('?').next().unwrap()).is_none() || !is_served(&step.method, &path) {
                continue;
            }
            let (a, mut b) = (self.ours.ask(version, step), self.theirs.ask(version, step));
            if step.path.ends_with("/allocate") && a.status == 200 && b.status != 200 {
                // slurmrestd gives up an allocation if something else than its beginning comes in first where it waits for that
                b = self.theirs.ask(version, step);
            }
            if let Some((name, place)) = &step.keeps {
                self.ours.keep(name, place, &a);
                self.theirs.keep(name, place, &b);
            }
            let place = format!("{} {}", step.method, step.path);
            let left = between(version, &place, &a, &b, &self.pairs());
            let differs = |one: &Differs| {
                one.versions.contains(&version)
                    && one.release.as_deref().is_none_or(|release| self.release.starts_with(release))
            };
            match (step.differs.iter().any(differs), left.is_empty()) {
                (true, true) => wrong.push(format!("step {index} {place}: is said to differ, and does not")),
                (true, false) => continue,
                (false, _) => wrong.extend(left.into_iter().map(|what| format!("step {index} {place}: {what}"))),
            }
            for show in &scenario.shows {
                let left = self.look(version, show);
                wrong.extend(left.into_iter().map(|what| format!("after step {index} {place}, {show}: {what}")));
            }
        }
        wrong
    }

    /// Looks at the object of each side: what ours shows of its own is what slurmrestd shows of that, and of its own.
    fn look(&mut self, version: u32, show: &str) -> Vec<String> {
        let (ours, theirs) = (self.ours.fill(show), self.theirs.fill(show));
        if ours.contains('{') || theirs.contains('{') {
            return Vec::new();
        }
        let pairs = self.pairs();
        let until = Instant::now() + SETTLES;
        loop {
            let theirs = self.theirs.read(version, &theirs);
            let seen = self.theirs.read(version, &ours);
            let shown = self.ours.read(version, &ours);
            let mut left = between(version, show, &shown, &seen, &Pairs::default());
            left.extend(between(version, &format!("stored {show}"), &seen, &theirs, &pairs));
            if left.is_empty() || Instant::now() > until {
                return left;
            }
        }
    }

    /// What is called differently on the two sides.
    fn pairs(&self) -> Pairs {
        let pair = |(name, ours): (&String, &String)| (ours.clone(), self.theirs.names[name].clone());
        Pairs::new(self.ours.names.iter().map(pair).collect())
    }
}
