//! Reads the files of a configuration and lays them over each other.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{ConfigError, Configuration, IniFiles, Loaded, normalise, placeholders};
use crate::basis;
use crate::expid::{Expid, Places};
use crate::ini::{Ini, IniError};
use crate::kept::Sources;
use crate::logs::entries;
use crate::rc::{Backend, Environment, Rc};
use crate::reach;
use crate::yaml;

/// What a configuration depends on besides its files.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The site's configuration
    pub rc: &'a Rc,
    /// Variables that configurations may use
    pub environment: &'a Environment,
    /// Which experiment
    pub expid: &'a Expid,
    /// Where it is
    pub places: &'a Places,
    /// What the main database says about it
    pub description: Option<&'a str>,
}

/// Files that one configuration may consist of.
const MOST_FILES: usize = 500;
/// Bytes that one file may have.
const LARGEST: u64 = 16 << 20;
/// Bytes that all files may take in memory together, before they are laid over each other.
const MOST: usize = 128 << 20;

/// Resolves an experiment's configuration.
pub fn load(origin: Origin<'_>) -> Result<Loaded, ConfigError> {
    let Origin { expid, places, .. } = origin;
    let mut reader = Reader { sources: Sources::default(), size: 0, files: 0, left: MOST };
    if !reader.sources.note(&places.folder).exists() {
        return Err(ConfigError::NoExperiment(expid.to_string()));
    }
    if !reader.sources.note(&places.conf).exists() {
        return Err(ConfigError::NoFolder(format!("{expid}/conf")));
    }
    let expdef = places.conf.join(format!("expdef_{expid}.conf"));
    let configuration = if reader.sources.note(&expdef).exists() {
        Configuration::Ini(Box::new(reader.ini(origin)?))
    } else {
        Configuration::Yaml(reader.yaml(origin)?)
    };
    let tree = match &configuration {
        Configuration::Ini(_) => 0,
        Configuration::Yaml(tree) => tree.iter().map(yaml::weight_of_pair).sum(),
    };
    Ok(Loaded { configuration, sources: reader.sources, size: tree.max(reader.size * 6) })
}

struct Reader {
    sources: Sources,
    size: usize,
    files: usize,
    /// Bytes that may still be taken.
    left: usize,
}

/// A file's tree, and the custom configurations that it asks for.
struct Document {
    tree: Map<String, Value>,
    custom: Option<Value>,
}

impl Reader {
    fn text(&mut self, path: &Path) -> Result<String, ConfigError> {
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(ConfigError::TooMany(MOST_FILES));
        }
        self.sources.note(path);
        let bytes = reach::whole(path, LARGEST).map_err(|source| {
            basis::note_error(&source);
            ConfigError::Read { file: name(path), source }
        })?;
        self.size += bytes.len();
        self.take(bytes.len())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn take(&mut self, bytes: usize) -> Result<(), ConfigError> {
        self.left = self.left.checked_sub(bytes).ok_or(ConfigError::Large)?;
        Ok(())
    }

    fn ini(&mut self, origin: Origin<'_>) -> Result<IniFiles, ConfigError> {
        let mut one = |kind: &str| {
            let path = origin.places.conf.join(format!("{kind}_{}.conf", origin.expid));
            if !self.sources.note(&path).exists() {
                return Ok(Ini::default());
            }
            match Ini::parse(&self.text(&path)?) {
                // a project's file may lack sections, and then says nothing
                Err(IniError::NoSection(_) | IniError::Line(_)) if kind == "proj" => Ok(Ini::default()),
                parsed => parsed.map_err(|source| ConfigError::Ini { file: name(&path), source }),
            }
        };
        Ok(IniFiles {
            conf: one("autosubmit")?,
            exp: one("expdef")?,
            jobs: one("jobs")?,
            platforms: one("platforms")?,
            proj: one("proj")?,
        })
    }

    /// The files of a folder that is noted.
    fn yaml_files(&mut self, folder: &Path) -> Vec<PathBuf> {
        let is_yaml =
            |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        let mut files: Vec<PathBuf> = entries(folder).map(|entry| entry.path()).filter(is_yaml).collect();
        // what a symbolic link leads to may come later
        files.retain(|path| self.sources.note(path).exists() && path.is_file());
        files.sort();
        files
    }

    fn yaml(&mut self, origin: Origin<'_>) -> Result<Map<String, Value>, ConfigError> {
        let files = self.yaml_files(&origin.places.conf);
        let mut starter = Map::new();
        let mut others = Vec::new();
        let mut custom = None;
        for path in &files {
            let Some(document) = self.document(path)? else { continue };
            custom = document.custom.or(custom);
            unify(&mut starter, document.tree.clone())?;
            if !name(path).to_lowercase().contains("minimal") {
                others.push(document.tree);
            }
        }
        let expid = starter.get("DEFAULT").and_then(|defaults| defaults.get("EXPID")).cloned();
        add_surroundings(&mut starter, origin);
        placeholders::replace(&mut starter)?;
        let (before, after) = custom_paths(custom.as_ref(), &starter, origin.environment);

        let mut tree = Map::new();
        // what these files say of the project's folder is taken before any of them says where the project is
        add_surroundings(&mut tree, origin);
        let mut seen = HashSet::new();
        self.custom(&before, &mut tree, &starter, origin.environment, &mut seen)?;
        for other in others {
            unify(&mut tree, other)?;
        }
        self.custom(&after, &mut tree, &starter, origin.environment, &mut seen)?;
        normalise::fill_in(&mut tree, &starter);
        if let (Some(expid), Some(Value::Object(defaults))) = (expid, tree.get_mut("DEFAULT")) {
            defaults.insert("EXPID".to_owned(), expid);
        }
        add_surroundings(&mut tree, origin);
        self.finish(tree, origin)
    }

    /// A file's tree in its usual form. Nothing for files that are set aside.
    fn document(&mut self, path: &Path) -> Result<Option<Document>, ConfigError> {
        let text = self.text(path)?;
        let value = yaml::parse(&text).map_err(|source| ConfigError::Yaml { file: name(path), source })?;
        self.take(yaml::weight(&value))?;
        let Value::Object(mut tree) = normalise::upper(value) else { return Ok(None) };
        if tree.get("AS_MISC").and_then(Value::as_bool) == Some(true) {
            return Ok(None);
        }
        for key in ["HPCROOTDIR", "HPCLOGDIR", "HPCARCH"] {
            tree.remove(key);
        }
        normalise::sections(&mut tree, false)?;
        let custom = tree.get("DEFAULT").and_then(|defaults| defaults.get("CUSTOM_CONFIG")).cloned();
        Ok(Some(Document { tree, custom }))
    }

    /// Lays custom configurations over the tree, those that they ask for below them. Each is read at most once.
    fn custom(
        &mut self,
        paths: &[PathBuf],
        tree: &mut Map<String, Value>,
        starter: &Map<String, Value>,
        environment: &Environment,
        seen: &mut HashSet<PathBuf>,
    ) -> Result<(), ConfigError> {
        // a stack instead of recursion: how deep configurations nest is up to their authors
        let mut waiting: Vec<Step> = paths.iter().rev().cloned().map(Step::Read).collect();
        while let Some(step) = waiting.pop() {
            let path = match step {
                Step::Lay(layer) => {
                    unify(tree, layer)?;
                    continue;
                }
                Step::Read(path) => path,
            };
            self.sources.note(&path);
            if path.is_dir() {
                if seen.insert(path.clone()) {
                    waiting.extend(self.yaml_files(&path).into_iter().rev().map(Step::Read));
                }
                continue;
            }
            if !path.is_file() || !seen.insert(path.clone()) {
                continue;
            }
            let Some(mut document) = self.document(&path)? else { continue };
            if let Some(Value::Object(defaults)) = document.tree.get_mut("DEFAULT") {
                defaults.remove("CUSTOM_CONFIG");
                // which experiment it is, its own files say
                if starter.get("DEFAULT").is_some_and(|starter| starter.get("EXPID").is_some()) {
                    defaults.remove("EXPID");
                }
            }
            let (before, after) = custom_paths(document.custom.as_ref(), starter, environment);
            waiting.extend(after.into_iter().rev().map(Step::Read));
            waiting.push(Step::Lay(document.tree));
            waiting.extend(before.into_iter().rev().map(Step::Read));
        }
        Ok(())
    }

    /// Adds what does not come from the experiment's files.
    fn finish(&mut self, mut tree: Map<String, Value>, origin: Origin<'_>) -> Result<Map<String, Value>, ConfigError> {
        tree.extend(site(origin.rc));
        normalise::sections(&mut tree, true)?;
        let mut autosubmit = Map::new();
        if let Some(commit) = self.commit(&tree) {
            autosubmit.insert("WORKFLOW_COMMIT".to_owned(), Value::from(commit));
        }
        tree.insert("AUTOSUBMIT".to_owned(), Value::Object(autosubmit));
        add_platform(&mut tree, origin);
        placeholders::replace(&mut tree)?;
        Ok(tree)
    }

    /// The commit that a project's clone is at, if it is ours: git says nothing about clones of others.
    fn commit(&mut self, tree: &Map<String, Value>) -> Option<String> {
        if tree.get("PROJECT")?.get("PROJECT_TYPE")?.as_str()?.to_lowercase() != "git" {
            return None;
        }
        let folder = PathBuf::from(tree.get("PROJDIR")?.as_str()?).join(".git");
        self.sources.note(&folder);
        let owner = fs::metadata(&folder).ok()?.uid();
        if owner != fs::metadata("/proc/self").ok()?.uid() {
            return None;
        }
        let mut read = |path: PathBuf| {
            self.sources.note(&path);
            String::from_utf8(reach::whole(&path, LARGEST).ok()?).ok()
        };
        let head = read(folder.join("HEAD"))?;
        let Some(reference) = head.trim().strip_prefix("ref: ") else { return Some(head.trim().to_owned()) };
        if reference.split('/').any(|part| part == "..") || reference.starts_with('/') {
            return None;
        }
        if let Some(commit) = read(folder.join(reference)) {
            return Some(commit.trim().to_owned());
        }
        let packed = read(folder.join("packed-refs"))?;
        let line = packed.lines().find(|line| line.split_once(' ').is_some_and(|(_, name)| name == reference))?;
        line.split(' ').next().map(str::to_owned)
    }
}

enum Step {
    Read(PathBuf),
    Lay(Map<String, Value>),
}

fn unify(tree: &mut Map<String, Value>, above: Map<String, Value>) -> Result<(), ConfigError> {
    normalise::lay_over(tree, above);
    normalise::loops(tree)?;
    placeholders::replace(tree)
}

/// What to read before the files of the experiment, and what after them.
fn custom_paths(
    custom: Option<&Value>,
    known: &Map<String, Value>,
    environment: &Environment,
) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let paths = |value: Option<&Value>| {
        let text = value.and_then(Value::as_str).unwrap_or_default();
        let text = placeholders::in_text(text, known, &mut Some(placeholders::MOST)).unwrap_or_else(|| text.to_owned());
        let separator = |c: char| if text.contains(',') { c == ',' } else { c.is_whitespace() };
        let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| environment.expand(part)).filter(|path| path.is_absolute()).collect()
    };
    match custom {
        Some(Value::Object(parts)) => (paths(parts.get("PRE")), paths(parts.get("POST"))),
        other => (paths(other), Vec::new()),
    }
}

/// The environment, the experiment's folders and its description.
fn add_surroundings(tree: &mut Map<String, Value>, origin: Origin<'_>) {
    let environment = origin.environment;
    for (name, value) in &environment.variables {
        if name.starts_with("AS_ENV") {
            tree.insert(name.to_uppercase(), Value::from(value.as_str()));
        }
    }
    let user = environment.get("SUDO_USER").or_else(|| environment.get("USER"));
    tree.insert("AS_ENV_CURRENT_USER".to_owned(), user.map_or(Value::Null, Value::from));
    let destination = destination(tree);
    let folder = &origin.places.folder;
    let project = if destination.is_empty() { folder.join("proj") } else { folder.join("proj").join(destination) };
    tree.insert("ROOTDIR".to_owned(), shown(folder));
    tree.insert("PROJDIR".to_owned(), shown(&project));
    if let Value::Object(defaults) = tree.entry("DEFAULT").or_insert_with(|| Value::Object(Map::new())) {
        defaults.insert("DESCRIPTION".to_owned(), Value::from(origin.description.unwrap_or_default()));
    }
}

/// The folder of the project in the folder of projects: the one that is configured; if that is empty, what the project is called where
/// it comes from.
fn destination(tree: &Map<String, Value>) -> String {
    let said = |section: &str, option: &str| tree.get(section)?.get(option).map(super::python_text);
    let Some(destination) = said("PROJECT", "PROJECT_DESTINATION") else { return "project_files".to_owned() };
    if !destination.is_empty() {
        return destination;
    }
    let origin = match said("PROJECT", "PROJECT_TYPE").unwrap_or_default().to_lowercase().as_str() {
        "git" => said("GIT", "PROJECT_ORIGIN").map(|origin| origin.trim_end_matches(".git").to_owned()),
        "svn" => said("SVN", "PROJECT_URL"),
        "local" => said("LOCAL", "PROJECT_PATH"),
        _ => None,
    };
    origin.unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned()
}

/// The keys of the main platform, and where its jobs run.
fn add_platform(tree: &mut Map<String, Value>, origin: Origin<'_>) {
    let arch = tree.get("DEFAULT").and_then(|defaults| defaults.get("HPCARCH")).and_then(Value::as_str);
    let arch = arch.unwrap_or("LOCAL").to_uppercase();
    let platform = tree.get("PLATFORMS").and_then(|platforms| platforms.get(&arch)).and_then(Value::as_object).cloned();
    let platform = platform.unwrap_or_default();
    for (key, value) in &platform {
        tree.insert(format!("HPC{key}"), value.clone());
    }
    let part = |key: &str| {
        platform.get(key).filter(|value| !value.is_null()).map(super::python_text).filter(|text| !text.is_empty())
    };
    let project = part("SCRATCH_PROJECT_DIR").or_else(|| part("PROJECT"));
    let scratch = part("SCRATCH_DIR").zip(project).zip(part("USER"));
    let root = scratch
        .map(|((scratch, project), user)| format!("{scratch}/{project}/{user}/{}", origin.expid))
        .or_else(|| (arch == "LOCAL").then(|| origin.places.tmp.to_string_lossy().into_owned()));
    tree.insert("HPCARCH".to_owned(), Value::from(arch));
    if let Some(root) = root {
        tree.insert("HPCLOGDIR".to_owned(), Value::from(format!("{root}/LOG_{}", origin.expid)));
        tree.insert("HPCROOTDIR".to_owned(), Value::from(root));
    }
}

/// What Autosubmit adds of the site's own configuration.
fn site(rc: &Rc) -> Map<String, Value> {
    let text = |section: &str, option: &str| Value::from(rc.option(section, option).unwrap_or_default());
    let or = |section: &str, option: &str, usual: &str| {
        Value::from(rc.option(section, option).unwrap_or_else(|| usual.to_owned()))
    };
    let timeout = rc.option("config", "log_recovery_timeout").and_then(|value| value.trim().parse::<i64>().ok());
    let backend = match rc.backend {
        Backend::Sqlite => "sqlite",
        Backend::Postgres(_) => "postgres",
    };
    let all = json!({
        "ALLOWED_HOSTS": hosts(rc.option("hosts", "authorized")),
        "DENIED_HOSTS": hosts(rc.option("hosts", "forbidden")),
        "AS_TIMES_DB": "as_times.db",
        "AUTOSUBMIT_API_URL": or("autosubmitapi", "url", "http://192.168.11.91:8081"),
        "CONFIG_FILE_FOUND": rc.file.is_some(),
        "CUSTOM_PLATFORMS_PATH": text("conf", "custom_platforms"),
        "DATABASE_BACKEND": backend,
        // the original shows the URL here, and with it the database's password
        "DATABASE_CONN_URL": "",
        "DB_DIR": shown(&rc.database_folder),
        "DB_FILE": rc.database_file,
        "DB_PATH": shown(&rc.database()),
        "DEFAULT_JOBS_CONF": text("conf", "jobs"),
        "DEFAULT_OUTPUT_DIR": or("defaultstats", "path", "/esarchive/autosubmit/as_output/stats"),
        "DEFAULT_PLATFORMS_CONF": text("conf", "platforms"),
        "GLOBAL_LOG_DIR": shown(&rc.global_logs),
        "HISTORICAL_LOG_DIR": shown(&rc.history_logs),
        "JOBDATA_DIR": shown(&rc.history),
        "LOCAL_ASLOG_DIR": "ASLOGS",
        "LOCAL_PROJ_DIR": "proj",
        "LOCAL_ROOT_DIR": shown(&rc.root),
        "LOCAL_TMP_DIR": "tmp",
        "LOG_RECOVERY_TIMEOUT": timeout.unwrap_or(60),
        "MAIL_FROM": text("mail", "mail_from"),
        "SMTP_SERVER": text("mail", "smtp_server"),
        "STRUCTURES_DIR": shown(&rc.structures),
    });
    match all {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// `[command host,host ...]`: which commands may be used where.
fn hosts(text: Option<String>) -> Value {
    let text = text.unwrap_or_default();
    if text.is_empty() {
        return Value::from("");
    }
    let mut found = Map::new();
    for group in text.split(['[', ']']) {
        let mut words = group.split_whitespace();
        if let (Some(command), Some(hosts)) = (words.next(), words.next()) {
            let hosts = hosts.split(',').filter(|host| !host.is_empty()).map(Value::from).collect();
            found.insert(command.to_uppercase(), Value::Array(hosts));
        }
    }
    Value::Object(found)
}

fn shown(path: &Path) -> Value {
    Value::from(path.to_string_lossy())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
