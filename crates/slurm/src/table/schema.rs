//! Schemas for the OpenAPI document.

use serde_json::{Map, Value, json};

use super::{Field, Object};
use crate::version::Version;

/// Lists whose schema has a description of its own, and up to v0.0.42 one of its items.
const DESCRIBED_LISTS: [&str; 7] = [
    "stats_msg_rpcs_by_type",
    "stats_msg_rpcs_by_user",
    "stats_msg_rpcs_queue",
    "stats_msg_rpcs_dump",
    "job_res_nodes",
    "kill_jobs_resp_msg",
    "qos_string_id_list",
];
/// Schemas of v0.0.40 that are outdated as a whole.
const OUTDATED: [&str; 3] = ["ext_sensors_data", "power_mgmt_data", "power_flags"];
/// Objects that v0.0.40 inlines.
const INLINE_IN_40: [&str; 3] = ["stats_msg_rpc_type", "stats_msg_rpc_user", "rollup_stats_v40"];

/// The schemas that a document collects while it is made.
#[derive(Debug)]
pub struct Schemas {
    version: Version,
    /// v0.0.41 refers to its schemas instead of inlining them (slurmrestd's `+prefer_refs`).
    refers: bool,
    all: Map<String, Value>,
}

impl Schemas {
    /// None yet.
    pub fn new(version: Version) -> Self {
        Self { version, refers: false, all: Map::new() }
    }

    /// None yet; each is going to be referred to where it is used.
    pub fn by_reference(version: Version) -> Self {
        Self { refers: true, ..Self::new(version) }
    }

    /// The version of the API.
    pub fn version(&self) -> Version {
        self.version
    }

    /// All that were collected, by name.
    pub fn into_map(self) -> Map<String, Value> {
        self.all
    }

    /// The schema of an object.
    pub fn object<T: Object>(&mut self) -> Value {
        self.named(T::NAME, Self::table::<T>)
    }

    /// The schema of an object that stands at the top of a request or answer.
    pub fn top<T: Object>(&mut self) -> Value {
        self.reference(T::NAME, Self::table::<T>)
    }

    /// A schema under a name. v0.0.41 inlines everything but what is at the top.
    pub(crate) fn named(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        match self.version.number() {
            40 if INLINE_IN_40.contains(&name) => {
                let mut schema = make(self);
                schema["description"] = json!(sentence(name));
                if let Some(schema) = schema.as_object_mut() {
                    schema.remove("required");
                }
                schema
            }
            41 if name != "job_desc_msg" && !self.refers => make(self),
            _ => self.reference(name, make),
        }
    }

    /// A vocabulary has a name of its own only in v0.0.40 and v0.0.42, and in v0.0.41 if that is wanted.
    pub(super) fn words(&mut self, name: &str, words: &[&'static str]) -> Value {
        let list = json!({ "type": "array", "items": { "enum": words, "type": "string" } });
        let named = matches!(self.version.number(), 40 | 42) || self.version.number() == 41 && self.refers;
        if named && !name.is_empty() { self.reference(name, |_| list) } else { list }
    }

    fn reference(&mut self, name: &str, make: impl FnOnce(&mut Self) -> Value) -> Value {
        let name = format!("{}_{name}", self.version);
        let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
        if !self.all.contains_key(&name) {
            // its place, should it refer to itself
            self.all.insert(name.clone(), Value::Null);
            let schema = make(self);
            self.all.insert(name, schema);
        }
        reference
    }

    fn table<T: Object>(&mut self) -> Value {
        let mut required = Vec::new();
        let mut properties = Map::new();
        let version = self.version;
        for field in T::FIELDS.iter().filter(|field| field.shown.has(version) && !field.undocumented) {
            if field.required.has(version) {
                required.push((field.rank, field.path));
            }
            let schema = self.property(field);
            put(&mut properties, field.path, schema);
        }
        required.sort_by_key(|(rank, _)| *rank);
        let required: Vec<&str> = required.into_iter().map(|(_, path)| path).collect();
        json!({ "type": "object", "properties": properties, "required": required })
    }

    fn property<T: Object>(&mut self, field: &Field<T>) -> Value {
        let mut schema = match field.named {
            Some(name) => self.named(name, |all| {
                let mut list = (field.schema)(all);
                if DESCRIBED_LISTS.contains(&name) || name == "rollup_stats" {
                    list["description"] = json!(sentence(name));
                }
                if DESCRIBED_LISTS.contains(&name)
                    && all.version.number() < 43
                    && !list["items"].as_object().is_none_or(Map::is_empty)
                {
                    list["items"]["description"] = json!(sentence(name));
                }
                if OUTDATED.contains(&name) {
                    list["description"] = json!(sentence(name));
                    list["deprecated"] = json!(true);
                }
                list
            }),
            None => (field.schema)(self),
        };
        if !field.undescribed.has(self.version) {
            schema["description"] = json!(sentence(field.path));
        }
        if field.deprecated.has(self.version) {
            schema["deprecated"] = json!(true);
        }
        schema
    }
}

/// Puts a property where its path says.
fn put(properties: &mut Map<String, Value>, path: &str, schema: Value) {
    let Some((folder, rest)) = path.split_once('/') else {
        properties.insert(path.to_owned(), schema);
        return;
    };
    let inner = properties.entry(folder).or_insert_with(|| json!({ "type": "object", "properties": {} }));
    if let Some(Value::Object(inner)) = inner.get_mut("properties") {
        put(inner, rest, schema);
    }
}

/// A description made of a name: the documents of Slurm have their own texts, ours says what the name says.
pub(crate) fn sentence(path: &str) -> String {
    let words = path.replace(['/', '_'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
