//! What was asked for: JobSpec, ResourceSpec, and how a backend is configured.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ordered map from text to text. The order is kept because it becomes the order of a batch system's arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct StringMap(Vec<(String, String)>);

impl StringMap {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Sets a key; one that exists keeps its place.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some(entry) => entry.1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This map with the other's pairs on top.
    #[must_use]
    pub fn overlaid(&self, top: &Self) -> Self {
        let mut all = self.clone();
        for (key, value) in top.iter() {
            all.insert(key, value);
        }
        all
    }
}

impl FromIterator<(String, String)> for StringMap {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut map = Self::default();
        for (key, value) in pairs {
            map.insert(key, value);
        }
        map
    }
}

impl Serialize for StringMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for StringMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> serde::de::Visitor<'de> for Pairs {
            type Value = StringMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from text to text")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut access: A) -> Result<StringMap, A::Error> {
                let mut map = StringMap::default();
                while let Some((key, value)) = access.next_entry::<String, String>()? {
                    map.insert(key, value);
                }
                Ok(map)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// The resources of one run, as psik defines them. Unknown keys are ignored everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceSpec {
    /// Wall time in minutes; 0 or less stops the run at once.
    pub duration: i64,
    /// Number of nodes.
    pub node_count: Option<i64>,
    /// Total number of processes.
    pub process_count: Option<i64>,
    /// Processes on each node.
    pub processes_per_node: Option<i64>,
    /// Cores of each process.
    pub cpu_cores_per_process: i64,
    /// GPUs of each process.
    pub gpu_cores_per_process: i64,
    /// Whether the nodes are wanted exclusively (psik's default is true, so it is not taken as a wish by `local`).
    pub exclusive_node_use: bool,
}

impl Default for ResourceSpec {
    fn default() -> Self {
        Self {
            duration: 10,
            node_count: None,
            process_count: None,
            processes_per_node: None,
            cpu_cores_per_process: 1,
            gpu_cores_per_process: 0,
            exclusive_node_use: true,
        }
    }
}

impl ResourceSpec {
    /// How many processes run in total: `process_count`, otherwise `node_count` times `processes_per_node`; at least 1.
    pub fn processes(&self) -> i64 {
        self.process_count
            .unwrap_or_else(|| self.node_count.unwrap_or(1).saturating_mul(self.processes_per_node.unwrap_or(1)))
            .max(1)
    }

    /// Cores of the whole run; at least 1.
    pub fn cores(&self) -> i64 {
        self.processes().saturating_mul(self.cpu_cores_per_process.max(1))
    }

    /// GPUs of the whole run.
    pub fn gpus(&self) -> i64 {
        self.processes().saturating_mul(self.gpu_cores_per_process.max(0))
    }
}

/// What a user asked for. The fields that psik 3 has are serialized in psik 3's order: that is `spec.json`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct JobSpec {
    /// A label; `None` is shown as `None` by psik's command line and as `""` by psik_api.
    pub name: Option<String>,
    /// Where the script runs; filled in when the job is created.
    pub directory: Option<String>,
    /// The script's text.
    pub script: String,
    /// Variables set for the script, last of all, so that they override everything else.
    pub environment: StringMap,
    /// Whether the script starts with the submitter's environment (otherwise with an empty one).
    pub inherit_environment: bool,
    /// The resources of a run.
    pub resources: ResourceSpec,
    /// Name of the configured backend.
    pub backend: String,
    /// Options for the batch system, in order, for example `--constraint` = `nvme`.
    pub attributes: StringMap,
    /// URL that is told of transitions.
    pub callback: Option<String>,
    /// Extra headers of callbacks.
    pub cb_headers: StringMap,
    /// Key with which callbacks are signed.
    pub cb_secret: Option<String>,
    /// Key with which callbacks *to us* must be signed (psik 1 and 2 only). psik 3 rejects the field, so it is kept out of
    /// `spec.json` and lives in the index.
    #[serde(skip)]
    pub client_secret: Option<String>,
    /// The `backend` object of a psik 1 spec: settings that override the configured ones for this job.
    #[serde(skip)]
    pub backend_settings: Option<BackendConfig>,
}

impl JobSpec {
    /// A spec with this script and defaults everywhere else.
    pub fn new(script: impl Into<String>) -> Self {
        Self {
            name: None,
            directory: None,
            script: script.into(),
            environment: StringMap::default(),
            inherit_environment: true,
            resources: ResourceSpec::default(),
            backend: "default".into(),
            attributes: StringMap::default(),
            callback: None,
            cb_headers: StringMap::default(),
            cb_secret: None,
            client_secret: None,
            backend_settings: None,
        }
    }

    /// `spec.json` as psik 3 writes it, byte for byte: four blanks of indentation, non-ASCII literally, one final newline.
    pub fn to_spec_json(&self) -> String {
        let mut bytes = Vec::with_capacity(640 + self.script.len());
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        self.serialize(&mut serializer).expect("invariant: a spec has only text keys");
        bytes.push(b'\n');
        String::from_utf8(bytes).expect("invariant: JSON is UTF-8")
    }

    /// Whether the spec carries anything secret, in which case `spec.json` is made readable by its owner only.
    pub fn has_secret(&self) -> bool {
        self.cb_secret.is_some() || !self.cb_headers.is_empty()
    }

    /// The value of an option, whether it is written `key`, `-key` or `--key`.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().filter(|(k, _)| k.trim_start_matches('-') == key).map(|(_, v)| v).last()
    }
}

/// Secrets and the script's text stay out of logs.
impl fmt::Debug for JobSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobSpec")
            .field("name", &self.name)
            .field("directory", &self.directory)
            .field("script", &format_args!("{} bytes", self.script.len()))
            .field("resources", &self.resources)
            .field("backend", &self.backend)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

/// How one backend is configured: psik's BackendConfig.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendConfig {
    /// Name of the implementation: `local`, `slurm`, `at`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Partition or queue.
    pub queue_name: Option<String>,
    /// Account.
    pub project_name: Option<String>,
    /// Reservation.
    pub reservation_id: Option<String>,
    /// Extra options for the batch system, in order.
    pub attributes: StringMap,
}

impl Default for BackendConfig {
    fn default() -> Self {
        Self {
            kind: "local".into(),
            queue_name: None,
            project_name: None,
            reservation_id: None,
            attributes: StringMap::default(),
        }
    }
}

impl BackendConfig {
    /// The info column of a job's `new` row: the settings without defaults as compact JSON, `{}` when all are defaults,
    /// for example `{"backend":{"project_name":"prj","attributes":{"-b":"packed:rs"}}}`. It freezes the backend for the
    /// job's life (psik 3).
    pub fn to_new_info(&self) -> String {
        let mut settings = serde_json::Map::new();
        let default = Self::default();
        if self.kind != default.kind {
            settings.insert("type".into(), self.kind.clone().into());
        }
        for (key, value) in [
            ("queue_name", &self.queue_name),
            ("project_name", &self.project_name),
            ("reservation_id", &self.reservation_id),
        ] {
            if let Some(value) = value {
                settings.insert(key.into(), value.clone().into());
            }
        }
        if !self.attributes.is_empty() {
            let pairs = self.attributes.iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
            settings.insert("attributes".into(), serde_json::Value::Object(pairs));
        }
        if settings.is_empty() {
            return "{}".into();
        }
        serde_json::json!({ "backend": settings }).to_string()
    }

    /// Reads the settings back from a `new` row's info; `None` when the text is not in psik 3's form.
    pub fn from_new_info(info: &str) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_str(info).ok()?;
        let object = value.as_object()?;
        match object.get("backend") {
            None => Some(Self::default()),
            Some(backend) => crate::parse_backend_config(backend, crate::Generation::V3).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spec_json_is_what_psik_writes() {
        let mut spec = JobSpec::new("#!/bin/sh\npwd\n");
        spec.name = Some("hello".into());
        spec.directory = Some("/home/alice/t1".into());
        spec.client_secret = Some("not in the file".into());
        let expected = r##"{
    "name": "hello",
    "directory": "/home/alice/t1",
    "script": "#!/bin/sh\npwd\n",
    "environment": {},
    "inherit_environment": true,
    "resources": {
        "duration": 10,
        "node_count": null,
        "process_count": null,
        "processes_per_node": null,
        "cpu_cores_per_process": 1,
        "gpu_cores_per_process": 0,
        "exclusive_node_use": true
    },
    "backend": "default",
    "attributes": {},
    "callback": null,
    "cb_headers": {},
    "cb_secret": null
}
"##;
        assert_eq!(spec.to_spec_json(), expected);
    }

    #[test]
    fn the_new_row_freezes_the_backend() {
        let mut config = BackendConfig::default();
        assert_eq!(config.to_new_info(), "{}");
        config.project_name = Some("prj".into());
        config.attributes.insert("-b", "packed:rs");
        let info = config.to_new_info();
        assert_eq!(info, r#"{"backend":{"project_name":"prj","attributes":{"-b":"packed:rs"}}}"#);
        assert_eq!(BackendConfig::from_new_info(&info), Some(config));
        assert_eq!(BackendConfig::from_new_info("0"), None);
    }

    #[test]
    fn resources_add_up() {
        let of = |f: fn(&mut ResourceSpec)| {
            let mut resources = ResourceSpec::default();
            f(&mut resources);
            (resources.processes(), resources.cores(), resources.gpus())
        };
        assert_eq!(of(|_| ()), (1, 1, 0));
        assert_eq!(of(|r| (r.node_count, r.processes_per_node) = (Some(2), Some(4))), (8, 8, 0));
        assert_eq!(
            of(|r| (r.process_count, r.cpu_cores_per_process, r.gpu_cores_per_process) = (Some(8), 7, 1)),
            (8, 56, 8)
        );
        assert_eq!(of(|r| (r.process_count, r.cpu_cores_per_process) = (Some(-3), 0)), (1, 1, 0));
        assert_eq!(of(|r| (r.process_count, r.cpu_cores_per_process) = (Some(i64::MAX), 2)).1, i64::MAX);
    }

    #[test]
    fn overlaid_attributes_keep_their_order() {
        let base: StringMap = [("--a".into(), "1".into()), ("--b".into(), "2".into())].into_iter().collect();
        let top: StringMap = [("--b".into(), "9".into()), ("--c".into(), "3".into())].into_iter().collect();
        let pairs: Vec<_> = base.overlaid(&top).iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(pairs, ["--a=1", "--b=9", "--c=3"]);
    }
}
