//! What a job's section and its platform say. Where Autosubmit asks for a text, a null in YAML is the text `None`; where it looks for
//! something else in the platform, empty texts, zeros and nulls count as not said.

use serde_json::Value;

use super::{Configuration, IniFiles, python_text};
use crate::calendar::ChunkLength;
use crate::ini::Ini;

/// How many processors a job needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processing {
    /// What it asks for
    pub processors: i64,
    /// Tasks per node
    pub tasks: Option<i64>,
    /// Nodes
    pub nodes: Option<i64>,
    /// Processors that each node has
    pub per_node: Option<i64>,
    /// Whether it wants its nodes for itself
    pub exclusive: bool,
}

/// What a platform says about its use of energy.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatformFacts {
    /// Its name
    pub name: String,
    /// Carbon intensity, g/kWh
    pub carbon: Factor,
    /// Power usage effectiveness
    pub effectiveness: Factor,
}

/// A number that a platform may say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Factor {
    /// It says nothing
    Unknown,
    /// It says what is no number
    Odd,
    /// This
    Known(f64),
}

impl Factor {
    /// The number; 0 where there is none.
    pub fn value(self) -> f64 {
        if let Self::Known(value) = self { value } else { 0.0 }
    }
}

/// Processors with several numbers ask for whole nodes of this size.
const OLD_NODE: f64 = 36.0;

impl Processing {
    /// The processing elements: processors of all nodes that the job occupies.
    pub fn elements(&self) -> i64 {
        let Some(per_node) = self.per_node.filter(|count| *count > 0) else { return self.processors };
        if let Some(nodes) = self.nodes.filter(|nodes| *nodes > 0) {
            return nodes.saturating_mul(per_node);
        }
        let processors = self.processors;
        let nodes = match self.tasks {
            Some(tasks) if tasks > 0 => ceiling(processors, tasks),
            _ if per_node < processors => ceiling(processors, per_node),
            _ => 1,
        };
        if !self.exclusive && nodes <= 1 && processors <= per_node {
            processors
        } else {
            nodes.saturating_mul(per_node)
        }
    }
}

fn ceiling(value: i64, by: i64) -> i64 {
    value.div_euclid(by) + i64::from(value.rem_euclid(by) != 0)
}

impl Configuration {
    /// A value at a path of the YAML tree, or an option of an INI file.
    fn yaml(&self, path: &[&str]) -> Option<&Value> {
        let Self::Yaml(tree) = self else { return None };
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(tree.get(*first)?, |value, key| value.get(key))
    }

    fn said(&self, path: &[&str]) -> Option<String> {
        let value = self.yaml(path).filter(|value| !value.is_null() && **value != Value::Bool(false))?;
        Some(python_text(value)).filter(|text| !text.is_empty())
    }

    /// The name of the main platform: in capitals in YAML, as written in INI.
    pub fn main_platform(&self) -> Option<String> {
        match self {
            Self::Yaml(_) => self.said(&["DEFAULT", "HPCARCH"]).map(|name| name.to_uppercase()),
            Self::Ini(files) => files.exp.get("experiment", "HPCARCH"),
        }
    }

    /// How long a chunk is.
    pub fn chunk_length(&self) -> ChunkLength {
        match self {
            Self::Yaml(_) => ChunkLength {
                size: self.yaml(&["EXPERIMENT", "CHUNKSIZE"]).filter(|size| is_said(size)).and_then(whole).unwrap_or(1),
                unit: self.said(&["EXPERIMENT", "CHUNKSIZEUNIT"]).unwrap_or_default(),
            },
            Self::Ini(files) => ChunkLength {
                size: files.exp.get("experiment", "CHUNKSIZE").and_then(|size| size.trim().parse().ok()).unwrap_or(1),
                unit: files.exp.get("experiment", "CHUNKSIZEUNIT").unwrap_or_default().to_lowercase(),
            },
        }
    }

    /// The version of Autosubmit that the experiment is for. INI files that do not say it are of the version `None`.
    pub fn version(&self) -> String {
        match self {
            Self::Yaml(_) => self.said(&["CONFIG", "AUTOSUBMIT_VERSION"]).unwrap_or_default(),
            Self::Ini(files) => files.conf.get("config", "AUTOSUBMIT_VERSION").unwrap_or_else(|| "None".to_owned()),
        }
    }

    /// Seconds between two looks of Autosubmit at its jobs.
    pub fn sleep_time(&self) -> i64 {
        let said = match self {
            Self::Yaml(_) => self.yaml(&["CONFIG", "SAFETYSLEEPTIME"]).and_then(whole),
            Self::Ini(files) => {
                files.conf.get("config", "SAFETYSLEEPTIME").and_then(|seconds| seconds.trim().parse().ok())
            }
        };
        said.unwrap_or(10)
    }

    /// Where the model comes from, and which branch of it; `NA` for projects without.
    pub fn model(&self) -> (String, String) {
        let get = |section: &str, option: &str| match self {
            Self::Yaml(_) => {
                let value = self.yaml(&[&section.to_uppercase(), option]);
                value.filter(|value| !value.is_null() && **value != "").map(python_text)
            }
            Self::Ini(files) => files.exp.get(section, option),
        };
        match get("project", "PROJECT_TYPE").unwrap_or_default().to_lowercase().as_str() {
            "git" => {
                let branch = get("git", "PROJECT_BRANCH").unwrap_or_else(|| "master".to_owned());
                (get("git", "PROJECT_ORIGIN").unwrap_or_default(), branch)
            }
            "svn" => {
                let usual = if matches!(self, Self::Ini(_)) { "NA" } else { "" };
                let url = get("svn", "PROJECT_URL").unwrap_or_else(|| usual.to_owned());
                (url.clone(), url)
            }
            _ => ("NA".to_owned(), "NA".to_owned()),
        }
    }

    /// The kind of the experiment's wrappers, which only INI files say in a way that is shown.
    pub fn wrapper_type(&self) -> Option<String> {
        let Self::Ini(files) = self else { return None };
        files
            .conf
            .get("wrapper", "TYPE")
            .filter(|kind| !kind.is_empty() && kind.to_lowercase() != "none")
            .map(|kind| kind.to_uppercase())
    }

    /// The commit of the workflow's project.
    pub fn workflow_commit(&self) -> Option<String> {
        self.said(&["AUTOSUBMIT", "WORKFLOW_COMMIT"])
    }

    /// A text of a section of jobs or platforms, as Python's `str` makes it of whatever is there; empty where nothing is.
    fn text(&self, kind: Kind, section: &str, option: &str) -> String {
        let text = match self {
            Self::Yaml(_) => self.yaml(&[kind.name(), section, option]).map(python_text),
            Self::Ini(files) => kind.file(files).get(section, option),
        };
        text.unwrap_or_default()
    }

    /// Whether the configuration knows a job's section.
    pub fn has_job(&self, section: &str) -> bool {
        match self {
            Self::Yaml(_) => self.yaml(&["JOBS", section]).is_some(),
            Self::Ini(files) => files.jobs.sections().any(|name| name == section),
        }
    }

    /// The platform that a section names, perhaps with an empty name; one that names none in YAML has the main one.
    pub fn own_platform(&self, section: &str) -> String {
        match self {
            Self::Yaml(_) => match self.yaml(&["JOBS", section, "PLATFORM"]) {
                None | Some(Value::Null) => self.main_platform().unwrap_or_default(),
                Some(name) => python_text(name).to_uppercase(),
            },
            Self::Ini(_) => self.text(Kind::Jobs, section, "PLATFORM"),
        }
    }

    /// The queue that a section names itself; empty if none.
    pub fn own_queue(&self, section: &str) -> String {
        self.text(Kind::Jobs, section, "QUEUE")
    }

    /// How long a section itself says that its jobs may run; empty if it does not.
    pub fn own_wallclock(&self, section: &str) -> String {
        self.text(Kind::Jobs, section, "WALLCLOCK")
    }

    /// The platform that a section's jobs run on.
    pub fn platform(&self, section: &str) -> String {
        let own = self.own_platform(section);
        if is_blank(&own) { self.main_platform().unwrap_or_default() } else { own }
    }

    /// What a section's jobs ask for.
    pub fn processing(&self, section: &str) -> Processing {
        if let Self::Ini(files) = self {
            let said = |option: &str| files.jobs.get(section, option);
            return Processing {
                processors: said("PROCESSORS").map_or(1, |text| processors(&text)),
                tasks: said("TASKS").map_or(Some(0), |text| text.trim().parse().ok()),
                nodes: None,
                per_node: None,
                exclusive: false,
            };
        }
        // a section with an empty platform asks none, though its jobs run on the main one
        let platform = self.own_platform(section);
        let said = |option: &str| {
            let mut said = [["JOBS", section, option], ["PLATFORMS", &platform, option]].into_iter();
            said.find_map(|path| self.yaml(&path).filter(|value| is_said(value)))
        };
        let number = |option: &str| said(option).and_then(whole);
        Processing {
            processors: said("PROCESSORS")
                .map_or(1, |value| whole(value).unwrap_or_else(|| processors(&python_text(value)))),
            tasks: number("TASKS"),
            nodes: number("NODES"),
            per_node: number("PROCESSORS_PER_NODE"),
            // a text, also `true`, does not say so
            exclusive: said("EXCLUSIVE") == Some(&Value::Bool(true)),
        }
    }

    /// The queue of a section's jobs, of which the first of the list is wrapped or not; the text `None` if a YAML platform has none.
    pub fn queue(&self, section: &str, wrapped: bool) -> String {
        let own = match self {
            _ if !wrapped => self.own_queue(section),
            Self::Yaml(_) => self.yaml(&["WRAPPERS", "QUEUE"]).map(python_text).unwrap_or_default(),
            Self::Ini(files) => files.conf.get("wrapper", "QUEUE").unwrap_or_default(),
        };
        let platform = self.platform(section);
        if !is_blank(&own) || platform == "None" {
            return own;
        }
        let of_platform = |option: &str| match self {
            Self::Yaml(_) => {
                self.yaml(&["PLATFORMS", &platform, option]).map_or_else(|| "None".to_owned(), python_text)
            }
            Self::Ini(_) => self.text(Kind::Platforms, &platform, option),
        };
        let serial = (self.processing(section).processors == 1).then(|| of_platform("SERIAL_QUEUE"));
        serial.filter(|queue| !is_blank(queue)).unwrap_or_else(|| of_platform("QUEUE"))
    }

    /// How long a section's jobs may run: `HH:MM`, or whatever else is said; empty if nothing is.
    pub fn wallclock(&self, section: &str) -> String {
        let own = self.own_wallclock(section);
        let platform = self.platform(section);
        if !is_blank(&own) || platform == "None" {
            return own;
        }
        self.text(Kind::Platforms, &platform, "MAX_WALLCLOCK")
    }

    /// What is known of the use of energy where a section's jobs run.
    pub fn platform_facts(&self, section: &str) -> PlatformFacts {
        let name = self.own_platform(section);
        let factor = |option: &str| {
            let unsaid = self.yaml(&["PLATFORMS", &name, option]).is_some_and(|value| !is_said(value));
            let text = self.text(Kind::Platforms, &name, option);
            match text.trim().parse() {
                _ if unsaid || text.is_empty() => Factor::Unknown,
                Ok(number) => Factor::Known(number),
                Err(_) => Factor::Odd,
            }
        };
        PlatformFacts { carbon: factor("CF"), effectiveness: factor("PUE"), name }
    }
}

/// Which sections are asked.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Jobs,
    Platforms,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Jobs => "JOBS",
            Self::Platforms => "PLATFORMS",
        }
    }

    fn file(self, files: &IniFiles) -> &Ini {
        match self {
            Self::Jobs => &files.jobs,
            Self::Platforms => &files.platforms,
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// What Python takes for true.
fn is_said(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// What Python's `int` makes of a value.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Number(number) => number.as_i64().or_else(|| Some(number.as_f64()? as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number, or several separated by colons, each of which means whole nodes.
fn processors(text: &str) -> i64 {
    let text = text.trim();
    if !text.contains(':') {
        return text.parse().unwrap_or(0);
    }
    let parts = text.split(':').map(|part| part.trim().parse::<f64>().ok());
    let nodes = parts.map(|part| part.map(|part| (part / OLD_NODE).ceil() * OLD_NODE));
    nodes.sum::<Option<f64>>().map_or(0, |sum| sum as i64)
}
