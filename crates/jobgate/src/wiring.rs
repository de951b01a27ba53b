//! From the configuration to a working engine.

pub(crate) mod autosubmit;
mod clusters;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jobgate_backends::{Bookkeeping, ClusterSettings, Local, LocalCluster, LocalSettings, UserEntry};
use jobgate_engine::{CallbackPolicy, Clock, Engine, Job, JobKey, Outgoing, Place, Quotas, Setup};
use jobgate_model::{Backend, BackendConfig, Error, Established, Principal};
use jobgate_server::biscuit::Policy;
use jobgate_server::{
    AuditSettings, AuthSettings, FurtherCluster, Issuer, IssuerSettings, KeySource, LoginSettings, Logins, Names,
    Secret, Shown, SlurmKeys, SlurmSettings,
};

use crate::accounts;
use crate::cli::Options;
use crate::config::slurm::UserConfig;
use crate::config::{self, Config, Purpose};
use crate::gateway;
use crate::nowhere::{NOWHERE, Nowhere};
use crate::printer::Printer;
use clusters::Clusters;

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
        let (engine, local) = open(&config, &Clusters::open(&config)?)?;
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

/// What a server of a configuration serves.
#[derive(Debug)]
pub(crate) struct Served {
    /// The engine.
    pub(crate) engine: Arc<Engine>,
    /// What Slurm's dialect shows: a real cluster if one is configured, otherwise the embedded batch system if one of the places
    /// is its.
    pub(crate) slurm: Option<SlurmSettings>,
    /// Further real clusters.
    pub(crate) clusters: Vec<FurtherCluster>,
}

/// The engine of a configuration, and what Slurm's dialect of a server shows.
pub(crate) fn serving(config: &Config) -> anyhow::Result<Served> {
    // A server that cannot make its calls does not start; the command line does its work all the same.
    Outgoing::new(config.callbacks.reach()).check().context("invalid [callbacks]")?;
    Outgoing::new(config.auth.outgoing.reach()).check().context("invalid [auth.outgoing]")?;
    let clusters = Clusters::open(config)?;
    let (engine, local) = open(config, &clusters)?;
    if !config.slurm.enabled {
        return Ok(Served { engine, slurm: None, clusters: Vec::new() });
    }
    let slurm = clusters.main(config).or_else(|| local.map(|local| slurm(config, local)));
    Ok(Served { engine, slurm, clusters: clusters.further(config) })
}

fn users(config: &Config) -> BTreeMap<String, UserEntry> {
    let entry = |user: &UserConfig| UserEntry { uid: user.uid, gid: user.gid };
    config.slurm.users.iter().map(|(login, user)| (login.clone(), entry(user))).collect()
}

fn slurm(config: &Config, local: Arc<Local>) -> SlurmSettings {
    let slurm = &config.slurm;
    let login = accounts::login();
    let mut settings = ClusterSettings::new(&slurm.cluster, &login);
    settings.users = users(config);
    settings.min_job_age = slurm.min_job_age.as_secs();
    settings.enforce = slurm.enforce.iter().map(|what| what.as_str().to_owned()).collect();
    settings.private_jobs = slurm.private_jobs;
    let cluster = Arc::new(LocalCluster::new(local, settings));
    let local_place = config.places.iter().filter(|place| place.backend.kind == LOCAL);
    let backend = local_place.clone().find(|place| place.name == "default").or(local_place.clone().next());
    SlurmSettings {
        cluster: Shown::Embedded(Arc::clone(&cluster) as _),
        accounting: cluster,
        versions: slurm.data_parsers.clone(),
        plugins: slurm.plugins.clone(),
        backend: backend.map(|place| place.name.clone()).unwrap_or_default(),
        private_jobs: slurm.private_jobs,
        listing_cache: slurm.listing_cache,
    }
}

/// Refuses to start with keys that others can read, or with a policy that nobody can.
pub(crate) fn check_auth(config: &Config) -> anyhow::Result<()> {
    config
        .auth
        .biscuit
        .settings(&config.state_dir)
        .check()
        .map_err(anyhow::Error::msg)
        .context("cannot use biscuits")?;
    if let Some(path) = &config.auth.policy {
        Policy::read(path).with_context(|| format!("cannot use the policy {}", path.display()))?;
    }
    Ok(())
}

/// Who is who in this configuration.
pub(crate) fn names(config: &Config) -> Names {
    let users = config.slurm.users.clone();
    let of_uid = move |uid: u32| {
        let configured = users.iter().find(|(_, user)| user.uid == uid).map(|(login, _)| login.clone());
        configured.or_else(|| accounts::user(&uid.to_string()).map(|user| user.login))
    };
    Names {
        login: accounts::login(),
        administrators: config.auth.administrators.iter().chain(&config.slurm.administrators).cloned().collect(),
        of_uid: Arc::new(of_uid),
    }
}

/// Whom a server of this configuration trusts with what.
pub(crate) fn auth(config: &Config, shown: Option<&SlurmSettings>) -> anyhow::Result<AuthSettings> {
    let slurm = &config.slurm;
    let outside = Arc::new(Outgoing::new(config.auth.outgoing.reach()));
    let asks = |one: &IssuerSettings| matches!(one.keys, KeySource::Url(_));
    if !config.auth.providers.is_empty() || config.auth.issuers.iter().any(asks) {
        outside.check().context("invalid [auth.outgoing]")?;
    }
    let issuers = config.auth.issuers.iter().map(|one| Ok(Arc::new(Issuer::open(one.clone(), &outside)?)));
    let secrets = config.auth.secrets.iter().map(|one| Ok(Arc::new(Secret::open(one.clone())?)));
    Ok(AuthSettings {
        issuers: issuers.collect::<anyhow::Result<_>>()?,
        secrets: secrets.collect::<anyhow::Result<_>>()?,
        logins: logins(config, &outside)?,
        names: names(config),
        slurm_keys: SlurmKeys {
            hs256: slurm.shared_key(&config.state_dir),
            jwks: slurm.jwks.clone(),
            user_claim: slurm.user_claim.clone(),
            controller: shown.and_then(|shown| match &shown.cluster {
                Shown::Real(site) => Some(Arc::clone(site)),
                Shown::Embedded(_) => None,
            }),
        },
        named_by: config.auth.certificate.user.clone(),
        rates: config.quota.rates,
        origins: config.server.cors_origins.clone(),
        biscuit: Some(config.auth.biscuit.settings(&config.state_dir)),
        policy: config.auth.policy.clone(),
        ..AuthSettings::default()
    })
}

/// Logins of people, if somebody lets them in.
fn logins(config: &Config, outside: &Arc<Outgoing>) -> anyhow::Result<Option<Arc<Logins>>> {
    let auth = &config.auth;
    if auth.providers.is_empty() {
        return Ok(None);
    }
    let settings = LoginSettings {
        url: auth.url.clone(),
        session: auth.session,
        state_dir: config.state_dir.clone(),
        providers: auth.providers.clone(),
    };
    Ok(Some(Arc::new(Logins::open(settings, outside)?)))
}

/// What a server of this configuration records.
pub(crate) fn audit(config: &Config) -> AuditSettings {
    let audit = &config.audit;
    AuditSettings {
        file: audit.path(&config.state_dir),
        reads: audit.reads,
        on_failure: audit.on_failure,
        login: accounts::login(),
    }
}

/// The engine of a configuration and, if one of its places runs there, the embedded batch system.
fn open(config: &Config, clusters: &Clusters) -> anyhow::Result<(Arc<Engine>, Option<Arc<Local>>)> {
    let settings =
        jobgate_backends::Settings { runner: program()?, local: local_settings(config, program()?), cluster: None };
    let mut local = None;
    // what each of the places is, and in which cluster
    let mut kinds: Vec<(&str, Option<&str>)> = Vec::new();
    let mut places: Vec<Place> = Vec::with_capacity(config.places.len());
    for place in &config.places {
        let which = (place.backend.kind.as_str(), place.cluster.as_deref());
        let known = kinds.iter().position(|one| *one == which).map(|at| Arc::clone(&places[at].backend));
        let backend: Arc<dyn Backend> = match (known, which.0) {
            (Some(known), _) => known,
            (None, LOCAL) => Arc::clone(local.insert(Local::open(settings.local.clone())?)) as _,
            (None, NOWHERE) => Arc::new(Nowhere),
            (None, kind) => {
                let cluster = clusters.of(place.cluster.as_deref()).cloned();
                jobgate_backends::open(kind, &jobgate_backends::Settings { cluster, ..settings.clone() })?
            }
        };
        kinds.push(which);
        let prefix = place.prefix.clone();
        places.push(Place { name: place.name.clone(), prefix, config: place.backend.clone(), backend });
    }
    clusters.add_places(config, &settings, &mut places);
    let engine = Engine::open(Setup {
        state_dir: config.state_dir.clone(),
        places,
        callbacks: config.callbacks.clone(),
        poll_interval: config.poll_interval,
        clock: Clock::system(),
        quotas: quotas(config),
    })?;
    Ok((Arc::new(engine), local))
}

/// What owners may have. Names that are administrators whoever vouches for them are exempt.
fn quotas(config: &Config) -> Quotas {
    let administrators = config.auth.administrators.iter().chain(&config.slurm.administrators);
    Quotas { live_jobs: config.quota.live_jobs, stored: config.quota.stored, exempt: administrators.cloned().collect() }
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
    let backend =
        jobgate_backends::open("at", &jobgate_backends::Settings { runner: program()?, local, cluster: None })?;
    Ok(Arc::new(Engine::open(Setup {
        state_dir: state_dir.to_path_buf(),
        places: vec![Place { name: name.to_owned(), prefix, config: BackendConfig::default(), backend }],
        callbacks,
        poll_interval: Duration::from_secs(10),
        clock: Clock::system(),
        quotas: Quotas::default(),
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
    let settings = LocalSettings::new(config.state_dir.clone(), runner);
    let bookkeeping = Bookkeeping {
        cluster: config.slurm.cluster.clone(),
        login: accounts::login(),
        enforce: config.slurm.enforce.iter().map(|what| what.as_str().to_owned()).collect(),
    };
    config.local.apply(LocalSettings { config: config.file.clone(), bookkeeping, ..settings })
}
