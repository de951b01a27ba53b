//! Real clusters: the one of `[slurm.controller]`, and those of `[slurm.clusters]`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use jobgate_backends::{AccountingPrograms, Munge, Remote, RemoteSettings, RemoteSite, SlurmPrograms, open_described};
use jobgate_engine::Place;
use jobgate_model::BackendConfig;
use jobgate_server::{FurtherCluster, Shown, SlurmKeys, SlurmSettings, shared_key};
use jobgate_slurm::ledger::Ledger;
use jobgate_slurm::restd::Restd;
use jobgate_slurm::rpc::{Database, Limits};

use super::users;
use crate::accounts;
use crate::config::slurm::{AccountingConfig, ControllerConfig, Other};
use crate::config::{Config, PlaceConfig};
use crate::nobooks::NoBooks;

/// The type of backends that are in a cluster, and the place of the main cluster's jobs where none is configured for it.
const SLURM: &str = "slurm";

/// The real clusters of a configuration.
#[derive(Debug)]
pub(super) struct Clusters {
    /// That of `[slurm.controller]`.
    main: Option<Arc<Remote>>,
    /// Those of `[slurm.clusters]`, by the names that they have here.
    further: BTreeMap<String, Arc<Remote>>,
}

impl Clusters {
    /// Nothing is asked of them yet.
    pub(super) fn open(config: &Config) -> anyhow::Result<Self> {
        let slurm = &config.slurm;
        let main = slurm.controller.as_ref().map(|controller| {
            let (name, key) = (Some(&slurm.cluster).filter(|name| !name.is_empty()), slurm.jwt_key.as_deref());
            let settings = settings(config, "slurm", controller, key, slurm.accounting.as_ref(), SlurmPrograms::Usual)?;
            anyhow::Ok(Remote::new(RemoteSettings { name: name.cloned(), ..settings }))
        });
        let further = slurm.clusters.iter().map(|(name, one)| {
            let (at, key) = (format!("slurm.clusters.{name}"), one.jwt_key.as_deref());
            let settings = settings(config, &at, &one.controller, key, one.accounting.as_ref(), SlurmPrograms::Others)?;
            anyhow::Ok((name.clone(), Remote::new(RemoteSettings { name: one.cluster.clone(), ..settings })))
        });
        Ok(Self { main: main.transpose()?, further: further.collect::<anyhow::Result<_>>()? })
    }

    /// That of `[slurm.clusters]` with this name, or the main one.
    pub(super) fn of(&self, name: Option<&str>) -> Option<&Arc<Remote>> {
        name.map_or(self.main.as_ref(), |name| self.further.get(name))
    }

    /// Jobs of Slurm's dialect need a place. Where none is configured, psik's jobs are not let in, since they would run as our own
    /// user.
    pub(super) fn add_places(&self, config: &Config, settings: &jobgate_backends::Settings, places: &mut Vec<Place>) {
        let Some(prefix) = places.first().map(|first| first.prefix.clone()) else { return };
        let main = self.main.iter().map(|cluster| (None, SLURM, cluster));
        let further = self.further.iter().map(|(name, cluster)| (Some(name.as_str()), name.as_str(), cluster));
        for (which, name, cluster) in main.chain(further) {
            if place_in(config, which).is_none() {
                let backend = open_described(Arc::clone(cluster), settings);
                let config = BackendConfig { kind: SLURM.into(), ..BackendConfig::default() };
                places.push(Place { name: name.to_owned(), prefix: prefix.clone(), config, backend });
            }
        }
    }

    /// The main one behind the dialect.
    pub(super) fn main(&self, config: &Config) -> Option<SlurmSettings> {
        self.main.as_ref().map(|cluster| shown(config, cluster, None))
    }

    /// The others.
    pub(super) fn further(&self, config: &Config) -> Vec<FurtherCluster> {
        let one = |(name, cluster): (&String, &Arc<Remote>)| {
            let keys = &config.slurm.clusters[name];
            FurtherCluster {
                name: name.clone(),
                shown: shown(config, cluster, Some(name)),
                keys: SlurmKeys {
                    hs256: keys.jwt_key.clone(),
                    jwks: keys.jwks.clone(),
                    user_claim: keys.user_claim.clone(),
                    controller: Some(Arc::new(RemoteSite(Arc::clone(cluster)))),
                },
            }
        };
        self.further.iter().map(one).collect()
    }
}

/// The first configured place in a cluster.
fn place_in<'a>(config: &'a Config, cluster: Option<&str>) -> Option<&'a PlaceConfig> {
    let mut places = config.places.iter().filter(|place| place.backend.kind == SLURM);
    places.find(|place| place.cluster.as_deref() == cluster)
}

fn settings(
    config: &Config,
    at: &str,
    controller: &ControllerConfig,
    jwt_key: Option<&Path>,
    accounting: Option<&AccountingConfig>,
    otherwise: SlurmPrograms,
) -> anyhow::Result<RemoteSettings> {
    let key = jwt_key.map(shared_key).transpose().map_err(anyhow::Error::msg);
    let munge = |socket: &std::path::PathBuf| Munge { socket: socket.clone(), login: accounts::login() };
    Ok(RemoteSettings {
        name: None,
        controllers: controller.controllers(),
        protocol: controller.protocol,
        limits: controller.limits,
        freshness: controller.freshness,
        key: key.with_context(|| format!("{at}.jwt_key"))?,
        munge: controller.munge.as_ref().map(munge),
        programs: controller.conf.clone().map_or(otherwise, SlurmPrograms::With),
        users: users(config),
        ledger: accounting.and_then(|accounting| ledger(accounting, controller)),
        database: accounting.and_then(database),
    })
}

/// Who answers for a cluster's accounting database where that is not asked itself.
fn ledger(accounting: &AccountingConfig, controller: &ControllerConfig) -> Option<Arc<dyn Ledger>> {
    Some(match accounting.other.as_ref()? {
        Other::Restd(address) => Arc::new(Restd::new(address.clone(), accounting.limits)),
        Other::Programs(dir) => Arc::new(AccountingPrograms::new(dir.clone(), controller.conf.clone())),
    })
}

/// A cluster's accounting database, if it is asked itself.
fn database(accounting: &AccountingConfig) -> Option<Arc<Database>> {
    let hosts = accounting.hosts();
    let limits = accounting.limits;
    let reply = u32::try_from(limits.answer).unwrap_or(u32::MAX);
    let limits = Limits { connect: limits.connect, total: limits.total, reply, at_once: limits.at_once };
    (!hosts.is_empty()).then(|| Arc::new(Database::new(hosts, limits)))
}

/// A cluster behind the dialect.
fn shown(config: &Config, cluster: &Arc<Remote>, name: Option<&str>) -> SlurmSettings {
    let slurm = &config.slurm;
    let otherwise = name.unwrap_or(SLURM);
    SlurmSettings {
        cluster: Shown::Real(Arc::new(RemoteSite(Arc::clone(cluster)))),
        accounting: Arc::new(NoBooks),
        versions: slurm.data_parsers.clone(),
        plugins: slurm.plugins.clone(),
        backend: place_in(config, name).map_or(otherwise, |place| &place.name).to_owned(),
        private_jobs: false,
        listing_cache: slurm.listing_cache,
    }
}
