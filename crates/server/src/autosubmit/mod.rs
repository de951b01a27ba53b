//! Autosubmit API's dialect: what there is to know of a site's experiments, as its graphical interface asks for it.
//!
//! A request passes the gate (`auth/autosubmit.rs`), then a function of `routes/` that makes an answer of what
//! `jobgate_autosubmit` reads, on a thread of its own (`threads.rs`). All routes are in `table.rs`. What differs from the original on purpose is
//! listed in `docs/autosubmit.md`.

mod answer;
mod answers;
mod background;
mod body;
mod call;
mod convert;
mod cors;
mod documents;
mod drawings;
mod error;
mod model;
mod query;
mod routes;
mod slashes;
mod table;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::Offset;
use jobgate_autosubmit::kept::Identity;
use jobgate_autosubmit::runners::Runners;
use jobgate_autosubmit::site::Site;
use jobgate_autosubmit::workers::{Schedule, Workers};
use jobgate_autosubmit::yaml;
use serde_json::Value;

use crate::app::App;
use crate::threads::Threads;

pub(crate) use answer::refuse;
pub use background::Background;
pub(crate) use background::attend;
pub(crate) use slashes::collapsed;
pub(crate) use table::dialect;
#[cfg(test)]
pub(crate) use table::{ROUTES, method_of};

/// What a program outside says of a text or a file.
type Program<T> = Arc<dyn Fn(&T, u64) -> Result<Vec<u8>, String> + Send + Sync>;

/// Programs outside, which only backends may start.
#[derive(Clone)]
pub struct Draw {
    /// What `dot -Tplain` makes of a graph.
    pub dot: Program<str>,
    /// What a file packed by xz unpacks to, up to so many bytes.
    pub xz: Program<Path>,
}

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draw")
    }
}

/// What the dialect needs to know.
#[derive(Debug, Clone)]
pub struct AutosubmitSettings {
    /// The site that is shown.
    pub site: Arc<Site>,
    /// What local time is.
    pub zone: Offset,
    /// Bytes that answers may take that are kept.
    pub room: usize,
    /// The path below which a proxy shows us, for documents.
    pub root_path: String,
    /// Programs outside.
    pub draw: Draw,
    /// The original's YAML file: profiles of runners and more. It need not be there.
    pub api_file: PathBuf,
    /// Who drives Autosubmit.
    pub runners: Arc<Runners>,
    /// What is done in the background.
    pub background: Background,
}

/// The dialect, while a server runs.
#[derive(Debug)]
pub(crate) struct Autosubmit {
    site: Arc<Site>,
    zone: Offset,
    root_path: String,
    draw: Draw,
    runners: Arc<Runners>,
    workers: Arc<Workers>,
    schedule: Schedule,
    drawings: drawings::Drawings,
    threads: Threads,
    pub(crate) answers: answers::Answers,
    api_file: PathBuf,
    api_settings: Mutex<Option<(Identity, Arc<Value>)>>,
}

impl Autosubmit {
    pub(crate) fn new(settings: AutosubmitSettings) -> Self {
        let AutosubmitSettings { site, zone, room, root_path, draw, api_file, runners, background } = settings;
        let Background { workers, schedule } = background;
        Self {
            site,
            zone,
            root_path,
            draw,
            runners,
            workers,
            schedule,
            drawings: drawings::Drawings::default(),
            threads: Threads::named("autosubmit"),
            answers: answers::Answers::new(room),
            api_file,
            api_settings: Mutex::default(),
        }
    }

    /// What the original's YAML file says now; nothing if it is not there or cannot be read.
    fn api_settings(&self) -> Arc<Value> {
        let identity = Identity::of(&self.api_file);
        let mut kept = self.api_settings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, settings)) = kept.as_ref().filter(|(known, _)| *known == identity) {
            return Arc::clone(settings);
        }
        let settings = Arc::new(read_api_file(&self.api_file));
        *kept = Some((identity, Arc::clone(&settings)));
        settings
    }
}

/// What the original's YAML file says; nothing if it is not there or cannot be read.
pub fn read_api_file(path: &Path) -> Value {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "Autosubmit API's file cannot be read");
            }
            return Value::Null;
        }
    };
    let mut settings = yaml::parse(&text).unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "Autosubmit API's file is no YAML; nothing of it counts");
        Value::Null
    });
    yaml::with_written_points(&mut settings);
    settings
}

/// The dialect with what all handlers share.
#[derive(Debug, Clone)]
pub(crate) struct AutosubmitApp {
    pub(crate) app: Arc<App>,
    pub(crate) autosubmit: Arc<Autosubmit>,
}
