//! From the configuration to a working engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jobgate_backends::{Local, LocalSettings};
use jobgate_engine::{CallbackPolicy, Clock, Engine, Job, JobKey, Place, Setup};
use jobgate_model::{Backend, BackendConfig, Error, Established, Principal};

use crate::cli::Options;
use crate::config::{self, Config, LocalConfig, Purpose};
use crate::gateway;
use crate::nowhere::{NOWHERE, Nowhere};
use crate::printer::Printer;

/// So long a process without a gateway tries to deliver callbacks before it ends; what is left is delivered by the next one.
const DELIVERY_PATIENCE: Duration = Duration::from_secs(3);

/// The type of the embedded batch system in a configuration.
pub(crate) const LOCAL: &str = "local";

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Session {
    /// The configuration in effect.
    pub(crate) config: Config,
    /// The engine over it.
    pub(crate) engine: Arc<Engine>,
    /// The embedded batch system, if one of the places is its.
    local: Option<Arc<Local>>,
    /// Who asks.
    pub(crate) who: Principal,
}

impl Session {
    /// Opens the configured engine for a command.
    pub(crate) fn open(options: &Options) -> anyhow::Result<Self> {
        let config = config::load(options.config.as_deref(), Purpose::CommandLine)?;
        if options.verbose > 0
            && let Some(why) = config::why_elsewhere(&config.state_dir)
        {
            Printer::new().note(why);
        }
        let (engine, local) = open(&config)?;
        Ok(Self { config, engine, local, who: Principal::local(Established::Process) })
    }

    /// The embedded batch system.
    pub(crate) fn local(&self) -> anyhow::Result<&Local> {
        self.local
            .as_deref()
            .context("no backend of type \"local\" is configured, so there is no queue on this machine")
    }

    /// Whether the job is one of the embedded batch system's.
    pub(crate) fn is_local(&self, job: &Job) -> bool {
        self.engine.place(&job.backend).is_some_and(|place| place.backend.kind() == LOCAL)
    }

    /// The job after a look at what only a gateway sees without being asked, if none is there to see it: that a runner of this
    /// machine has died.
    pub(crate) fn looked_at(&self, job: &Job) -> Result<Job, Error> {
        if !job.live || !self.is_local(job) || gateway::tell(&self.config.state_dir, &job.base) {
            return Ok(job.clone());
        }
        self.engine.poll(&self.who, job.key)
    }

    /// Has the callbacks of a job delivered: by the gateway if one is there, otherwise here and now.
    pub(crate) fn deliver(&self, key: JobKey, base: &Path) -> anyhow::Result<()> {
        if self.engine.spec(&self.who, key)?.callback.is_none() || gateway::tell(&self.config.state_dir, base) {
            return Ok(());
        }
        runtime()?.block_on(self.engine.deliver_job(key, DELIVERY_PATIENCE))?;
        Ok(())
    }
}

/// The engine of a configuration.
pub(crate) fn engine(config: &Config) -> anyhow::Result<Arc<Engine>> {
    open(config).map(|(engine, _)| engine)
}

/// The engine of a configuration and, if one of its places runs there, the embedded batch system.
fn open(config: &Config) -> anyhow::Result<(Arc<Engine>, Option<Arc<Local>>)> {
    let settings = jobgate_backends::Settings { runner: program()?, local: local_settings(config, program()?) };
    let mut local = None;
    let mut opened: Vec<(&str, Arc<dyn Backend>)> = Vec::new();
    let mut places = Vec::with_capacity(config.places.len());
    for place in &config.places {
        let kind = place.backend.kind.as_str();
        let known = opened.iter().find(|(name, _)| *name == kind).map(|(_, backend)| Arc::clone(backend));
        let backend: Arc<dyn Backend> = match (known, kind) {
            (Some(known), _) => known,
            (None, LOCAL) => Arc::clone(local.insert(Local::open(settings.local.clone())?)) as _,
            (None, NOWHERE) => Arc::new(Nowhere),
            (None, _) => jobgate_backends::open(kind, &settings)?,
        };
        opened.push((kind, Arc::clone(&backend)));
        let prefix = place.prefix.clone();
        places.push(Place { name: place.name.clone(), prefix, config: place.backend.clone(), backend });
    }
    let engine = Engine::open(Setup {
        state_dir: config.state_dir.clone(),
        places,
        callbacks: config.callbacks.clone(),
        poll_interval: config.poll_interval,
        clock: Clock::system(),
    })?;
    Ok((Arc::new(engine), local))
}

/// An engine for the one job at `base`, whatever is configured: for those who were told a directory and no more. It reads
/// and records; it is not for starting or stopping anything.
pub(crate) fn engine_at(
    state_dir: &Path,
    base: &Path,
    name: &str,
    callbacks: CallbackPolicy,
) -> anyhow::Result<Arc<Engine>> {
    let prefix = base.parent().with_context(|| format!("{} is not a job's directory", base.display()))?.to_path_buf();
    let local = LocalSettings::new(state_dir.to_path_buf(), program()?);
    // No batch system is asked, so the one that opens fastest will do.
    let backend = jobgate_backends::open("at", &jobgate_backends::Settings { runner: program()?, local })?;
    Ok(Arc::new(Engine::open(Setup {
        state_dir: state_dir.to_path_buf(),
        places: vec![Place { name: name.to_owned(), prefix, config: BackendConfig::default(), backend }],
        callbacks,
        poll_interval: Duration::from_secs(10),
        clock: Clock::system(),
    })?))
}

/// A runtime for the few things that are asynchronous in a command.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the network runtime")
}

/// This program, as a runner's program.
fn program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot tell where this program is")
}

fn local_settings(config: &Config, runner: PathBuf) -> LocalSettings {
    let LocalConfig { cores, memory, gpus, licences, oversize, partitions } = config.local.clone();
    let settings = LocalSettings::new(config.state_dir.clone(), runner);
    LocalSettings { cores, memory, gpus, licences, oversize, partitions, config: config.file.clone(), ..settings }
}
