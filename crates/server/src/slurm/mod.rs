//! Slurm's dialect: `/slurm`, `/slurmdb`, `/util` and `/openapi`, as slurmrestd serves them, in all versions at once.
//!
//! A request passes `dispatch.rs` (credentials, method and path, content types, body), then a handler of `routes/` that asks
//! a [`Cluster`] from a blocking thread, then `answer.rs` (the frame around every answer). The objects, their versions and
//! the operations are `jobgate_slurm`'s; what differs from slurmrestd on purpose is listed in `docs/slurm.md`.

mod accounting;
mod answer;
mod body;
mod call;
mod convert;
mod dispatch;
mod documents;
mod error;
mod listing;
mod permit;
mod real;
mod routes;
mod tally;
mod turns;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use jobgate_model::Error;
use jobgate_slurm::cluster::{Accounting, Cluster};
use jobgate_slurm::operations::Plugin;
use jobgate_slurm::site::Site;
use jobgate_slurm::version::Version;

pub(crate) use dispatch::{handle, handle_one_version};
pub(crate) use turns::MOST as MOST_THREADS;

use crate::app::App;
use crate::asked::CLUSTER;
use crate::auth::SlurmKeys;
use crate::threads::Threads;

/// What the dialect needs to know.
#[derive(Debug, Clone)]
pub struct SlurmSettings {
    /// The cluster that is shown.
    pub cluster: Shown,
    /// Its accounting database.
    pub accounting: Arc<dyn Accounting>,
    /// The versions that are served, oldest first.
    pub versions: Vec<Version>,
    /// The parts that are served.
    pub plugins: Vec<Plugin>,
    /// The backend that jobs are submitted to.
    pub backend: String,
    /// Jobs are shown to their owners and to administrators only (Slurm's `PrivateData=jobs`).
    pub private_jobs: bool,
    /// Bytes of rendered listings that are kept.
    pub listing_cache: usize,
}

/// A cluster that is not at `/slurm` but at `/cluster/NAME/slurm`: the base URL of its clients is another, and all else is the same.
#[derive(Debug, Clone)]
pub struct FurtherCluster {
    /// What it is called here; letters, digits, `-` and `_`.
    pub name: String,
    /// What is shown of it.
    pub shown: SlurmSettings,
    /// The keys of its tokens, which count for it and nowhere else.
    pub keys: SlurmKeys,
}

impl FurtherCluster {
    /// Where its dialect is: `/cluster/NAME`.
    fn base(&self) -> String {
        format!("/{CLUSTER}/{}", self.name)
    }
}

/// What is shown.
#[derive(Debug, Clone)]
pub enum Shown {
    /// An embedded batch system: all see the same of it, and who may do what is decided here.
    Embedded(Arc<dyn Cluster>),
    /// A real cluster: its controller decides that, and is asked in the caller's name.
    Real(Arc<dyn Site>),
}

impl Shown {
    fn name(&self) -> &str {
        match self {
            Self::Embedded(cluster) => cluster.name(),
            Self::Real(site) => site.name(),
        }
    }

    /// The release of a real cluster's controller, if it is known.
    fn release(&self) -> Option<String> {
        match self {
            Self::Embedded(_) => None,
            Self::Real(site) => site.release(),
        }
    }
}

/// What is told about something that cannot be done for now, before it is looked at.
pub(crate) fn away(error: &Error) -> Response {
    answer::failure(StatusCode::SERVICE_UNAVAILABLE, error.message(), error.wait_secs().unwrap_or(1))
}

/// The dialect, while a server runs.
#[derive(Debug)]
pub(crate) struct Slurm {
    /// What comes before `/slurm` in its paths.
    pub(crate) base: String,
    shown: Shown,
    pub(crate) accounting: Arc<dyn Accounting>,
    versions: Vec<Version>,
    plugins: Vec<Plugin>,
    backend: String,
    private_jobs: bool,
    documents: documents::Documents,
    listings: listing::Listings,
    tally: tally::Tally,
    threads: Threads,
    turns: turns::Turns,
    zone: jiff::tz::TimeZone,
    /// When the server started, unix seconds: the configuration is as old as that.
    started: u64,
}

impl Slurm {
    /// At `/slurm`.
    pub(crate) fn new(settings: SlurmSettings) -> Self {
        Self::below(String::new(), settings)
    }

    /// At `/cluster/NAME/slurm`.
    pub(crate) fn further(cluster: FurtherCluster) -> Self {
        Self::below(cluster.base(), cluster.shown)
    }

    fn below(base: String, settings: SlurmSettings) -> Self {
        Self {
            shown: settings.cluster,
            accounting: settings.accounting,
            versions: settings.versions,
            plugins: settings.plugins,
            backend: settings.backend,
            private_jobs: settings.private_jobs,
            documents: documents::Documents::below(&base),
            base,
            listings: listing::Listings::new(settings.listing_cache),
            tally: tally::Tally::default(),
            threads: Threads::named("slurm"),
            turns: turns::Turns::default(),
            zone: jiff::tz::TimeZone::system(),
            started: u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default(),
        }
    }
}

/// The dialect with what all handlers share.
#[derive(Debug, Clone)]
pub(crate) struct SlurmApp {
    pub(crate) app: Arc<App>,
    pub(crate) slurm: Arc<Slurm>,
}
