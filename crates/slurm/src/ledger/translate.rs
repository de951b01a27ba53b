//! The same question in another version of the API, and its answer back.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Question, UTC, Way};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::operations::{Method, Operation};
use crate::table::{Reader, Writer};
use crate::version::Version;

/// An answer, in the version of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// HTTP's status.
    pub status: u16,
    /// JSON; nothing if the status is 304.
    pub body: Vec<u8>,
    /// Who said it, and in which version.
    pub way: Way,
}

/// A question as it is put in one version.
#[derive(Debug, Clone)]
pub struct Put {
    /// GET, POST or DELETE.
    pub method: Method,
    /// The path and the parameters, as they stand in a request.
    pub target: String,
    /// JSON.
    pub body: Option<Vec<u8>>,
    operation: &'static Operation,
    asked: Version,
    version: Version,
    /// What that version does not know.
    unknown: Vec<String>,
}

/// Parameters that were called otherwise up to a version: that version, the old name, the new one.
const RENAMED: [(u8, &str, &str); 11] = [
    (40, "with_assocs", "WithAssociations"),
    (40, "with_coords", "WithCoordinators"),
    (40, "with_deleted", "DELETED"),
    (41, "with_deleted", "Include deleted associations"),
    (41, "with_deleted", "Include deleted QOS"),
    (41, "with_usage", "Include usage"),
    (41, "only_defaults", "Filter to only defaults"),
    (41, "with_raw_qos", "Include the raw QOS or delta_qos"),
    (41, "with_sub_accts", "Include sub acct information"),
    (41, "without_parent_info", "Exclude parent id/name"),
    (41, "without_parent_limits", "Exclude limits from parents"),
];

impl Question {
    /// Puts it in a version. `None`: that version has no such operation. A fault: what is asked cannot be read.
    pub fn put(&self, version: Version) -> Option<Answer<Put>> {
        let operation = self.operation(version)?;
        Some(self.put_as(operation, version))
    }

    fn put_as(&self, operation: &'static Operation, version: Version) -> Answer<Put> {
        let mut unknown = Vec::new();
        let mut target = String::new();
        for part in operation.path.split('/').skip(1) {
            let part = match part {
                "{version}" => &version.to_string(),
                open if open.starts_with('{') => &self.name,
                other => other,
            };
            target.extend(["/", part]);
        }
        let mut separator = '?';
        for (name, value) in &self.query {
            let Some(name) = self.parameter(name, operation, version) else {
                unknown.push(format!("the parameter \"{name}\""));
                continue;
            };
            target.push(separator);
            separator = '&';
            encode(&name, &mut target);
            target.push('=');
            encode(value, &mut target);
        }
        let body = match (&self.body, operation.copy_body) {
            (Value::Null, _) => None,
            (body, _) if version == self.version => Some(body.to_string().into_bytes()),
            (_, None) => None,
            (body, Some(copy)) => {
                let mut reader = Reader::new(self.version, 0, &UTC);
                let mut writer = Writer::of_request(version);
                copy(body.clone(), &mut reader, &mut writer);
                if let Some(problem) = reader.problems.into_iter().next() {
                    return Err(Fault::new(problem.errno, format!("{}: {}", problem.source, problem.description)));
                }
                unknown.extend(
                    reader.warnings.into_iter().map(|warning| format!("{}: {}", warning.source, warning.description)),
                );
                unknown.extend(writer.left_out().iter().map(|path| format!("the field \"{path}\"")));
                Some(writer.into_bytes())
            }
        };
        Ok(Put { method: operation.method, target, body, operation, asked: self.version, version, unknown })
    }

    /// What a parameter is called in another version; `None`: that one has none of this meaning. What our own version does not
    /// know either is passed on, so that whoever answers can say so.
    fn parameter(&self, name: &str, operation: &Operation, version: Version) -> Option<String> {
        let names = (operation.names)(version);
        let plain = name.strip_suffix("[]").unwrap_or(name);
        let own = self.operation(self.version).map(|own| (own.names)(self.version)).unwrap_or_default();
        if version == self.version || names.contains(&plain) || !own.contains(&plain) {
            return Some(name.to_owned());
        }
        RENAMED.iter().find_map(|(_, old, new)| {
            let other = if plain == *old { new } else { Some(old).filter(|_| plain == *new)? };
            names.contains(other).then(|| (*other).to_owned())
        })
    }
}

impl Put {
    /// Reads what was answered to it; `by`: who has answered.
    pub fn told(&self, by: &'static str, status: u16, body: Vec<u8>) -> Answer<Told> {
        let way = Way { by, version: self.version };
        if self.version == self.asked || body.is_empty() {
            return Ok(Told { status, body, way });
        }
        let unreadable =
            |why: String| Fault::new(Errno::DB_CONNECTION, format!("the answer of {way} cannot be read: {why}"));
        let mut answer: Value = serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
        let Value::Object(map) = &mut answer else { return Err(unreadable("it is no object".into())) };
        self.frame(map);
        // An error has nothing but its frame in most versions, and an empty list would say that something was looked for.
        let said: Option<Vec<String>> = (status >= 400).then(|| map.keys().cloned().collect());
        let numbers = association_numbers(map, self.version, self.asked);
        let mut reader = Reader::new(self.version, 0, &UTC);
        let mut writer = Writer::with_capacity(self.asked, body.len());
        (self.operation.copy_answer)(answer, &mut reader, &mut writer);
        let mut body = writer.into_bytes();
        if said.is_some() || !numbers.is_empty() {
            let mut whole: Value = serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
            for (one, number) in whole["associations"].as_array_mut().into_iter().flatten().zip(numbers) {
                one["id"] = number;
            }
            if let (Some(map), Some(said)) = (whole.as_object_mut(), said) {
                map.retain(|key, _| said.contains(key));
            }
            body = whole.to_string().into_bytes();
        }
        Ok(Told { status, body, way })
    }

    /// Says in the frame which version the answer is in, and what of the question was left out.
    fn frame(&self, answer: &mut Map<String, Value>) {
        if let Some(parser) = answer.get_mut("meta").and_then(|meta| meta["plugin"].get_mut("data_parser")) {
            *parser = json!(format!("data_parser/{}", self.asked));
        }
        let warnings = answer.entry("warnings").or_insert_with(|| json!([]));
        let Value::Array(warnings) = warnings else { return };
        for unknown in &self.unknown {
            let description = format!("Ignoring {unknown}: the site's accounting is asked in {}", self.version);
            warnings.push(json!({ "description": description, "source": "data_parser" }));
        }
    }
}

/// The numbers of associations in the shape of the other side of v0.0.41; none, if both versions are on one side. (What was
/// rolled up has another shape, too; v0.0.40 is shown none of it.)
fn association_numbers(said: &Map<String, Value>, from: Version, to: Version) -> Vec<Value> {
    let (was, is) = (from.number() <= 40, to.number() <= 40);
    if was == is {
        return Vec::new();
    }
    let all = said.get("associations").and_then(Value::as_array).into_iter().flatten();
    let number = |one: &Value| match &one["id"] {
        Value::Object(id) if was => id.get("id").cloned().unwrap_or(json!(0)),
        id => {
            let text = |key: &str| one[key].as_str().unwrap_or_default();
            let [account, cluster, partition, user] = ["account", "cluster", "partition", "user"].map(text);
            json!({ "account": account, "cluster": cluster, "partition": partition, "user": user, "id": id })
        }
    };
    all.map(number).collect()
}

/// As it stands in a URL.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}
