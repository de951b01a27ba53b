//! The document of a version differs between the releases that serve it. Ours is that of the newest one; this goes back from there.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::version::Version;

/// A release of Slurm by year and month: `24.11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Follows(pub u16, pub u16);

impl Follows {
    /// Reads `24.11`, or a release in whole, `24.11.5`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split(['.', '-']);
        Some(Self(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    /// The newest release that a version of the API is known of.
    pub(super) fn newest(version: Version) -> Self {
        Self::parse(&version.release().to_string()).unwrap_or(Self(26, 5))
    }

    /// Whether this release calls the operations of a version outdated: it does so for the oldest that it serves.
    pub(super) fn outdates(self, version: Version) -> bool {
        let since = match version.number() {
            41 => Self(25, 11),
            42 => Self(26, 5),
            43 => Self(26, 11),
            44 => Self(27, 5),
            45 => Self(27, 11),
            _ => return false,
        };
        self >= since
    }

    /// Changes the newest description of a version into this release's.
    pub(super) fn apply(self, version: Version, paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>) {
        let number = version.number();
        let is_known = (41..=44).contains(&number);
        let mut field = |schema: &str, field: &str, change: &dyn Fn(&mut Map<String, Value>)| {
            let schema = schemas.get_mut(&format!("{version}_{schema}"));
            let field = schema.and_then(|schema| schema["properties"].get_mut(field)).and_then(Value::as_object_mut);
            field.map(change);
        };
        let current = |field: &mut Map<String, Value>| drop(field.shift_remove("deprecated"));
        if is_known && number > 41 && self < Self(26, 5) {
            field("update_node_msg", "reason_uid", &current);
        }
        if is_known && number < 44 && self < Self(25, 11) {
            field("stats_msg", "parts_packed", &current);
            field("stats_msg", "schedule_cycle_sum", &|field| drop(field.insert("format".into(), json!("int32"))));
        }
        if !is_known || number > 42 || self >= Self(25, 5) {
            return;
        }
        field("node", "tres_weighted", &current);
        field("job_submit_req", "script", &|field| drop(field.insert("deprecated".into(), json!(true))));
        let words = schemas.get_mut(&format!("{version}_cluster_rec_flags"));
        words.and_then(|words| words["items"].get_mut("enum")).map(with_front_ends);
        if let Some(item) = paths.get_mut(&format!("/slurm/{version}/reservation/{{reservation_name}}")) {
            item.as_object_mut().map(|item| item.shift_remove("delete"));
        }
        if let Some(item) = paths.get_mut(&format!("/slurmdb/{version}/cluster/{{cluster_name}}")) {
            for operation in ["get", "delete"] {
                let parameters = item[operation]["parameters"].as_array_mut().into_iter().flatten();
                let flags = parameters.filter(|parameter| parameter["name"] == "flags");
                flags.filter_map(|flags| flags["schema"].get_mut("enum")).for_each(with_front_ends);
            }
        }
    }
}

/// Until 25.05 a cluster could have front ends.
fn with_front_ends(words: &mut Value) {
    if let Some(words) = words.as_array_mut().filter(|words| words.iter().all(|word| word != "FRONT_END")) {
        words.insert(words.len().min(2), json!("FRONT_END"));
    }
}

impl fmt::Display for Follows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}.{:02}", self.0, self.1)
    }
}
