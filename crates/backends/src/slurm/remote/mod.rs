//! A real cluster, spoken to by its controller's own protocol. What is read is kept for a moment and shared by all who may see
//! the same; the controller is asked at most once per freshness interval, whoever wants to know. What is ordered goes to it at
//! once, in the caller's own name.

mod away;
mod classes;
mod credentials;
mod described;
mod description;
mod ends;
mod jobs;
mod kept;
mod lent;
mod marker;
mod names;
mod news;
mod orders;
mod phases;
mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jobgate_slurm::cluster::{Answer, Fault};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::jwt::SharedKey;
use jobgate_slurm::ledger::{self, Ledger, Question, Told};
use jobgate_slurm::objects::{DbdJobsQuery, JobRecord};
use jobgate_slurm::rpc::{
    Client, Controller, Credential, Database, Error, Fresh, Inquiry, Limits, Moment, Outline, People, Protocol,
    RecordsOf,
};
use jobgate_slurm::site::{Caller, Seen, Site};
use jobgate_slurm::table::Csv;

use crate::accounts::UserEntry;
use away::Away;
use classes::{Class, Classes};
use credentials::Credentials;
pub use credentials::Munge;
pub use described::Described;
use kept::Kept;
use names::NameBook;
use news::Waiting;
pub use view::RemoteView;

/// So old may be what is known of the cluster's configuration.
const LEARNED: Duration = Duration::from_secs(10);

/// So long is waited for a controller that was away to show that it is there again.
const KNOCK: Duration = Duration::from_secs(1);

/// What a real cluster is, and how it is spoken to.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// The cluster's name (`ClusterName`); `None`: the controller is asked.
    pub name: Option<String>,
    /// Its controllers, the first one first.
    pub controllers: Vec<Controller>,
    /// The version of the protocol that is spoken; `None`: the newest that the controller knows.
    pub protocol: Option<Protocol>,
    /// How long is waited for an answer, and how much is taken.
    pub limits: Limits,
    /// What was read is not asked for again within this time.
    pub freshness: Duration,
    /// The key that signs the cluster's tokens, if the site gives it: then tokens are signed for who came in otherwise.
    pub key: Option<SharedKey>,
    /// Who vouches for this process's own user where there is no key.
    pub munge: Option<Munge>,
    /// How Slurm's own programs find the cluster.
    pub programs: SlurmPrograms,
    /// Users that this machine does not know.
    pub users: BTreeMap<String, UserEntry>,
    /// Who answers for the accounting database, if the site has one.
    pub ledger: Option<Arc<dyn Ledger>>,
    /// The accounting database, for what it is asked in its own protocol.
    pub database: Option<Arc<Database>>,
}

/// How Slurm's own programs find a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlurmPrograms {
    /// As this machine is configured.
    Usual,
    /// By this configuration (`SLURM_CONF`).
    With(PathBuf),
    /// They do not: those of this machine are another cluster's.
    Others,
}

/// A real cluster.
#[derive(Debug)]
pub struct Remote {
    name: Option<String>,
    /// What has to be known of the cluster first.
    outline: Arc<Kept<Outline>>,
    /// Whether a controller that was away is there again.
    knocking: Arc<Kept<()>>,
    /// The first name that the controller has said.
    said: OnceLock<String>,
    freshness: Duration,
    wire: Arc<Wire>,
    credentials: Credentials,
    classes: Classes,
    waiting: Waiting,
    ledger: Option<Arc<dyn Ledger>>,
    database: Option<Arc<Database>>,
    pub(crate) programs: SlurmPrograms,
}

/// The way to the controller.
#[derive(Debug)]
struct Wire {
    client: Client,
    limits: Limits,
    away: Away,
    names: Arc<NameBook>,
    /// The number of what was read last.
    read: AtomicU64,
}

impl Remote {
    /// Nothing is asked yet.
    pub fn new(settings: RemoteSettings) -> Arc<Self> {
        // numbers go on where those of an earlier process have ended
        let first = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let wire = Wire {
            client: Client::new(settings.controllers, settings.protocol, settings.limits),
            limits: settings.limits,
            away: Away::default(),
            names: Arc::new(NameBook::new(settings.users)),
            read: AtomicU64::new(u64::try_from(first).unwrap_or_default()),
        };
        Arc::new(Self {
            name: settings.name,
            outline: Arc::default(),
            knocking: Arc::default(),
            said: OnceLock::new(),
            freshness: settings.freshness,
            wire: Arc::new(wire),
            credentials: Credentials::new(settings.key, settings.munge),
            classes: Classes::default(),
            waiting: Waiting::default(),
            ledger: settings.ledger,
            database: settings.database,
            programs: settings.programs,
        })
    }

    /// The cluster's name; empty as long as it is not known.
    pub fn name(&self) -> &str {
        self.name.as_deref().or(self.said.get().map(String::as_str)).unwrap_or_default()
    }

    /// Who speaks to the controller. Orders that are given here do not make older copies stale: see [`Remote::ordered_by`].
    pub fn client(&self) -> &Client {
        &self.wire.client
    }

    /// The cluster as somebody sees it, for one request. What others have read is shown only to who may see it.
    pub fn view(self: &Arc<Self>, caller: &Caller) -> Answer<RemoteView> {
        if self.credentials.is_accepted(caller) {
            return self.lent_view(caller);
        }
        let credential = self.credentials.of(caller)?;
        self.learn(&credential);
        let class = Class::apart(self.wire.number());
        Ok(RemoteView::new(Arc::clone(self), caller.login.clone(), credential, Arc::new(class)))
    }

    /// The same for somebody whom the controller has accepted.
    fn lent_view(self: &Arc<Self>, caller: &Caller) -> Answer<RemoteView> {
        let credential = self.credentials.of(caller)?;
        self.learn(&credential);
        let class = self.classes.of(&caller.login);
        Ok(RemoteView::new(Arc::clone(self), caller.login.clone(), credential, class))
    }

    /// Finds out whether all callers see the same. As long as that is not known, nobody shares anything.
    fn learn(&self, credential: &Credential) {
        let (credential, now) = (credential.clone(), Instant::now());
        let since = now.checked_sub(LEARNED).unwrap_or(now);
        let ask = move |wire: &Wire, _| Ok(Fresh::New((wire.read(|client| client.outline(&credential))?, None)));
        if let Ok(outline) = self.outline.get(&self.wire, since, ask) {
            let Outline { cluster, private, labels, .. } = outline.value.as_ref();
            let some = private.jobs() || private.nodes() || private.partitions() || private.reservations();
            self.classes.share(!some && labels.is_empty());
            self.said.get_or_init(|| cluster.clone());
        }
    }

    /// What has to be known of the cluster first, as it was last said.
    fn outline(&self) -> Option<Arc<Outline>> {
        Some(self.outline.peek_any()?.value)
    }

    /// Who can ask for somebody without its request: with a token that is signed for it, or the last one that it brought, if
    /// that has not expired.
    pub fn caller_for(&self, login: &str) -> Option<Caller> {
        self.credentials.remembered(login)
    }

    /// What accounting knows of jobs with these numbers, as far as the caller may see them: what is not in the queue may have
    /// ended. An empty list means that it knows none; a fault, that nothing is known.
    pub fn records(&self, caller: &Caller, jobs: &[i64]) -> Answer<Vec<JobRecord>> {
        let credential = self.credentials.of(caller)?;
        let Some(inquiry) = self.inquiry(&credential) else {
            return ledger::records(self.ledger()?, &credential, jobs);
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut records = Vec::new();
        let moment = Moment { now, midnight: now };
        // a question names no more jobs than can be looked for at once
        for some in jobs.chunks(1000) {
            let step = Some(Csv(some.iter().map(ToString::to_string).collect()));
            let query = DbdJobsQuery { step, skip_steps: Some(true), ..DbdJobsQuery::default() };
            inquiry.records(&RecordsOf::Query(&query), moment, &mut |record| records.push(record))?;
        }
        Ok(records)
    }

    /// The accounting database, as somebody asks it in its own protocol, if it is asked so.
    fn inquiry(&self, credential: &Credential) -> Option<Inquiry> {
        let people = Arc::clone(&self.wire.names) as Arc<dyn People>;
        Some(self.database.as_ref()?.asked_by(credential.clone(), self.name(), people))
    }

    /// Asks whoever answers for what the accounting database is not asked itself.
    fn accounting(&self, credential: &Credential, question: &Question) -> Answer<Told> {
        let told = self.ledger()?.ask(credential, question);
        if let Some(database) = self.database.as_ref().filter(|_| !question.is_read()) {
            database.changed();
        }
        told
    }

    fn ledger(&self) -> Answer<&dyn Ledger> {
        self.ledger.as_deref().ok_or_else(|| {
            if self.database.is_some() {
                let why =
                    "this is not asked of slurmdbd itself: it needs a slurmrestd (`slurmrestd` in [slurm.accounting])";
                return Fault::new(Errno::NOT_SUPPORTED, why);
            }
            let why = "no way to the accounting database is configured: `slurmdbd`, `slurmrestd` or `programs` in \
                       [slurm.accounting]";
            Fault::new(Errno::DB_CONNECTION, why)
        })
    }

    /// Asks the controller unless it is known to be away, and notes whether it was there. For orders.
    pub fn ask<T>(&self, credential: &Credential, ask: impl FnOnce(&Client) -> Result<T, Error>) -> Result<T, Asking> {
        if let Some((fault, _)) = self.wire.away.why(Instant::now()) {
            return Err(Asking::Away(fault));
        }
        if self.wire.away.is_suspect() {
            self.knock(credential).map_err(Asking::Away)?;
        }
        if self.outline().is_none() {
            // how it is best spoken to
            self.learn(credential);
        }
        let outcome = self.wire.read(ask);
        if outcome.as_ref().is_err_and(Error::is_authentication) {
            self.credentials.refuse(credential);
        }
        Ok(outcome?)
    }

    /// Looks whether the controller is there again, before an order is kept waiting by it.
    fn knock(&self, credential: &Credential) -> Answer<()> {
        let credential = credential.clone();
        let ask = move |wire: &Wire, _| match wire.read(|client| client.states(&credential, &[1])) {
            // any answer will do
            Ok(_) | Err(Error::Refused { .. }) => Ok(Fresh::New(((), None))),
            Err(error) => Err(error),
        };
        let since = Instant::now();
        let seen = self.knocking.get_within(&self.wire, since, KNOCK, ask)?;
        seen.stale.map_or(Ok(()), Err)
    }

    /// Somebody has ordered something: what was read before is too old for that one.
    pub fn ordered_by(&self, login: &str) {
        self.classes.ordered_by(login, Instant::now());
    }

    /// Somebody has changed the cluster itself: what was read before is too old for everybody.
    fn changed(&self) {
        self.classes.changed(Instant::now());
    }
}

/// Why nothing was answered.
#[derive(Debug, thiserror::Error)]
pub enum Asking {
    /// Nothing was sent: the controller has not answered others a moment ago.
    #[error("{0}")]
    Away(Fault),
    /// What came of asking.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Asking {
    /// The controller has certainly not done what it was asked for.
    pub fn is_undone(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Failed(error) => error.is_undone(),
        }
    }
}

impl From<Asking> for Fault {
    fn from(asking: Asking) -> Self {
        match asking {
            Asking::Away(fault) => fault,
            Asking::Failed(error) => away::fault_of(&error),
        }
    }
}

impl Wire {
    fn read<T>(&self, ask: impl FnOnce(&Client) -> Result<T, Error>) -> Result<T, Error> {
        let outcome = ask(&self.client);
        self.away.note(&outcome);
        outcome
    }

    /// How long somebody waits who has nothing older to show.
    fn patience(&self) -> Duration {
        self.limits.total + Duration::from_secs(1)
    }

    fn number(&self) -> u64 {
        self.read.fetch_add(1, Ordering::Relaxed)
    }
}

/// Gives [`Remote`] as what a dialect knows.
#[derive(Debug, Clone)]
pub struct RemoteSite(pub Arc<Remote>);

impl Site for RemoteSite {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn release(&self) -> Option<String> {
        Some(self.0.outline()?.release.clone()).filter(|release| !release.is_empty())
    }

    fn accepts(&self, caller: &Caller) -> Answer<()> {
        let credential = self.0.credentials.of(caller)?;
        // any answer but a refusal of who asks
        let outcome = self.0.ask(&credential, |client| client.states(&credential, &[1]));
        match outcome {
            Err(Asking::Failed(Error::Refused { errno, .. })) if errno != Errno::AUTHENTICATION => Ok(()),
            Ok(_) => Ok(()),
            Err(asking) => Err(asking.into()),
        }
        .inspect(|()| self.0.credentials.accept(caller))
    }

    fn seen_by(&self, caller: &Caller) -> Answer<Arc<dyn Seen>> {
        let credentials = &self.0.credentials;
        // who is refused here asks for itself, and is told so by the controller
        if credentials.is_accepted(caller) || self.accepts(caller).is_ok() {
            credentials.remember(caller);
        }
        Ok(Arc::new(self.0.view(caller)?))
    }
}

#[cfg(test)]
mod tests;
