//! What a job's section and its platform say. Empty texts, zeros and nulls count as not said.

use serde_json::Value;

use super::{Configuration, python_text};
use crate::calendar::ChunkLength;

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
    pub carbon: Option<f64>,
    /// Power usage effectiveness
    pub effectiveness: Option<f64>,
}

/// Processors with several numbers ask for whole nodes of this size.
const OLD_NODE: i64 = 36;

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
        let (size, unit) = match self {
            Self::Yaml(_) => (self.said(&["EXPERIMENT", "CHUNKSIZE"]), self.said(&["EXPERIMENT", "CHUNKSIZEUNIT"])),
            Self::Ini(files) => {
                (files.exp.get("experiment", "CHUNKSIZE"), files.exp.get("experiment", "CHUNKSIZEUNIT"))
            }
        };
        ChunkLength {
            size: size.and_then(|size| size.trim().parse().ok()).unwrap_or(1),
            unit: unit.unwrap_or_default(),
        }
    }

    /// The version of Autosubmit that the experiment is for.
    pub fn version(&self) -> Option<String> {
        match self {
            Self::Yaml(_) => self.said(&["CONFIG", "AUTOSUBMIT_VERSION"]),
            Self::Ini(files) => files.conf.get("config", "AUTOSUBMIT_VERSION"),
        }
    }

    /// Seconds between two looks of Autosubmit at its jobs.
    pub fn sleep_time(&self) -> i64 {
        let text = match self {
            Self::Yaml(_) => self.said(&["CONFIG", "SAFETYSLEEPTIME"]),
            Self::Ini(files) => files.conf.get("config", "SAFETYSLEEPTIME"),
        };
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(10)
    }

    /// Where the model comes from, and which branch of it; `NA` for projects without.
    pub fn model(&self) -> (String, String) {
        let get = |section: &str, option: &str| match self {
            Self::Yaml(_) => {
                self.yaml(&[&section.to_uppercase(), option]).filter(|value| !value.is_null()).map(python_text)
            }
            Self::Ini(files) => files.exp.get(section, option),
        };
        match get("project", "PROJECT_TYPE").unwrap_or_default().to_lowercase().as_str() {
            "git" => {
                let branch = get("git", "PROJECT_BRANCH").unwrap_or_else(|| "master".to_owned());
                (get("git", "PROJECT_ORIGIN").unwrap_or_default(), branch)
            }
            "svn" => {
                let url = get("svn", "PROJECT_URL").unwrap_or_default();
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

    /// An option of a job's section.
    fn job(&self, section: &str, option: &str) -> Option<String> {
        match self {
            Self::Yaml(_) => self.said(&["JOBS", section, option]),
            Self::Ini(files) => files.jobs.get(section, option).filter(|value| !value.trim().is_empty()),
        }
    }

    /// Whether the configuration knows a job's section.
    pub fn has_job(&self, section: &str) -> bool {
        match self {
            Self::Yaml(_) => self.yaml(&["JOBS", section]).is_some(),
            Self::Ini(files) => files.jobs.sections().any(|name| name == section),
        }
    }

    /// The platform of a section: in INI files only the one that it names itself.
    pub fn own_platform(&self, section: &str) -> String {
        match self {
            Self::Yaml(_) => self.platform(section),
            Self::Ini(_) => self.job(section, "PLATFORM").unwrap_or_default(),
        }
    }

    /// The queue that a section names itself; empty if none.
    pub fn own_queue(&self, section: &str) -> String {
        self.job(section, "QUEUE").unwrap_or_default()
    }

    /// How long a section itself says that its jobs may run; empty if it does not.
    pub fn own_wallclock(&self, section: &str) -> String {
        self.job(section, "WALLCLOCK").unwrap_or_default()
    }

    /// An option of a platform.
    fn platform_option(&self, platform: &str, option: &str) -> Option<String> {
        match self {
            Self::Yaml(_) => self.said(&["PLATFORMS", platform, option]),
            Self::Ini(files) => files.platforms.get(platform, option).filter(|value| !value.trim().is_empty()),
        }
    }

    /// The platform that a section's jobs run on.
    pub fn platform(&self, section: &str) -> String {
        let name = self.job(section, "PLATFORM").or_else(|| self.main_platform()).unwrap_or_default();
        match self {
            Self::Yaml(_) => name.to_uppercase(),
            Self::Ini(_) => name,
        }
    }

    /// What a section's jobs ask for.
    pub fn processing(&self, section: &str) -> Processing {
        let platform = self.platform(section);
        let said = |option: &str| {
            let said = |value: Option<String>| value.filter(|value| value.trim() != "0");
            said(self.job(section, option)).or_else(|| match self {
                Self::Yaml(_) => said(self.platform_option(&platform, option)),
                Self::Ini(_) => None,
            })
        };
        let number =
            |option: &str| said(option).and_then(|text| text.trim().parse::<f64>().ok()).map(|value| value as i64);
        Processing {
            processors: processors(&said("PROCESSORS").unwrap_or_else(|| "1".to_owned())),
            tasks: number("TASKS"),
            nodes: number("NODES"),
            per_node: number("PROCESSORS_PER_NODE"),
            exclusive: self.is_exclusive(section, &platform),
        }
    }

    /// Whether a section's jobs want their nodes for themselves. A text, also `true`, does not say so, and nothing in INI files does.
    fn is_exclusive(&self, section: &str, platform: &str) -> bool {
        let said = [["JOBS", section, "EXCLUSIVE"], ["PLATFORMS", platform, "EXCLUSIVE"]];
        let mut said = said.iter().filter_map(|path| self.yaml(path));
        said.find(|value| !matches!(value, Value::Null | Value::Bool(false))) == Some(&Value::Bool(true))
    }

    /// The queue of a section's jobs; the text `None` if a YAML platform has none.
    pub fn queue(&self, section: &str, wrapped: bool) -> String {
        let own = match self {
            Self::Yaml(_) if wrapped => self.said(&["WRAPPERS", "QUEUE"]),
            _ => self.job(section, "QUEUE"),
        };
        if let Some(queue) = own {
            return queue;
        }
        let platform = self.platform(section);
        let usual = match self {
            Self::Yaml(_) => "None",
            Self::Ini(_) => "",
        };
        if self.processing(section).processors == 1 {
            let serial = self.platform_option(&platform, "SERIAL_QUEUE");
            let absent = self.yaml(&["PLATFORMS", &platform, "SERIAL_QUEUE"]).is_none_or(Value::is_null);
            // a YAML platform that says nothing has the queue `None`, while an empty text stands for the usual one
            if serial.is_some() || (absent && matches!(self, Self::Yaml(_))) {
                return serial.unwrap_or_else(|| usual.to_owned());
            }
        }
        self.platform_option(&platform, "QUEUE").unwrap_or_else(|| usual.to_owned())
    }

    /// How long a section's jobs may run: `HH:MM`, or empty.
    pub fn wallclock(&self, section: &str) -> String {
        let own = self.job(section, "WALLCLOCK");
        own.or_else(|| self.platform_option(&self.platform(section), "MAX_WALLCLOCK")).unwrap_or_default()
    }

    /// What is known of the use of energy where a section's jobs run.
    pub fn platform_facts(&self, section: &str) -> PlatformFacts {
        let name = match self {
            Self::Yaml(_) => self.platform(section),
            Self::Ini(_) => self.job(section, "PLATFORM").unwrap_or_default(),
        };
        let number = |option: &str| self.platform_option(&name, option).and_then(|text| text.trim().parse().ok());
        PlatformFacts { carbon: number("CF"), effectiveness: number("PUE"), name }
    }
}

/// A number, or several separated by colons, each of which means whole nodes.
fn processors(text: &str) -> i64 {
    let text = text.trim();
    if !text.contains(':') {
        return text.parse().unwrap_or(0);
    }
    let parts = text.split(':').map(|part| part.trim().parse::<i64>().ok());
    let nodes = parts.map(|part| part.map(|part| ceiling(part, OLD_NODE).saturating_mul(OLD_NODE)));
    nodes.sum::<Option<i64>>().unwrap_or(0)
}
