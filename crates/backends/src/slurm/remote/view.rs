//! A real cluster as one caller sees it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jobgate_slurm::cluster::{
    Answer, Cluster, Fault, JobState, JobsWanted, Listed, Located, Offered, Reach, Requeue, Stamp, made,
};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::ledger::{Question, Told};
use jobgate_slurm::objects::{
    ControllerPing, Diag, Job, JobDesc, KillJobs, KillJobsRespJob, License, Node, NodeResourceLayout, NodeUpdate,
    Partition, Reservation, ReservationDesc, SharesRespMsg, SlurmConf, SlurmConfMeta,
};
use jobgate_slurm::rpc::{Client, Credential, Error, Fresh, Inquiry, Jobs, Listing, Names, Submitted};
use jobgate_slurm::site::{Age, Seen};

use super::away::down;
use super::classes::Class;
use super::jobs::is_of;
use super::kept::{Asked, Glimpse, Kept};
use super::news::stamp;
use super::{Remote, Wire, marker};

/// A real cluster as one caller sees it, for one request.
#[derive(Debug)]
pub struct RemoteView {
    pub(super) remote: Arc<Remote>,
    pub(super) login: String,
    pub(super) credential: Credential,
    pub(super) class: Arc<Class>,
    /// What was asked for earlier is too old.
    pub(super) first: Instant,
    /// The same since somebody has waited for news.
    pub(super) later: OnceLock<Instant>,
    pub(super) jobs: OnceLock<Glimpse<Jobs>>,
    nodes: OnceLock<Glimpse<Listing<Node>>>,
    partitions: OnceLock<Glimpse<Listing<Partition>>>,
    reservations: OnceLock<Glimpse<Listing<Reservation>>>,
    licenses: OnceLock<Glimpse<Listing<License>>>,
    /// When the oldest thing was asked for that was read, and why it is not younger.
    oldest: Mutex<Option<(Instant, Option<Fault>)>>,
}

/// Asks for a list, of which only changes are asked for the next time.
fn list<T>(outcome: Result<Fresh<Listing<T>>, Error>) -> Asked<Listing<T>> {
    outcome.map(|fresh| match fresh {
        Fresh::Unchanged => Fresh::Unchanged,
        Fresh::New(listing) => {
            let since = listing.last_update;
            Fresh::New((listing, Some(since)))
        }
    })
}

impl Wire {
    /// Calls `with` with what is known of names.
    pub(super) fn with_names<T>(&self, with: impl FnOnce(Names<'_>) -> T) -> T {
        let (user, group) = (|uid| self.names.user(uid), |gid| self.names.group(gid));
        with(Names { user: &user, group: &group })
    }
}

impl RemoteView {
    pub(super) fn new(remote: Arc<Remote>, login: String, credential: Credential, class: Arc<Class>) -> Self {
        let now = Instant::now();
        let fresh = now.checked_sub(remote.freshness).unwrap_or(now);
        let since = remote.classes.last_order(&login).map_or(fresh, |ordered| ordered.max(fresh));
        Self {
            remote,
            login,
            credential,
            class,
            first: since,
            later: OnceLock::new(),
            jobs: OnceLock::new(),
            nodes: OnceLock::new(),
            partitions: OnceLock::new(),
            reservations: OnceLock::new(),
            licenses: OnceLock::new(),
            oldest: Mutex::default(),
        }
    }

    /// The login of whose view it is.
    pub fn login(&self) -> &str {
        &self.login
    }

    /// A thing of the class, asked for with the caller's credential if need be.
    pub(super) fn get<T: Send + Sync + 'static>(
        &self,
        kept: &Arc<Kept<T>>,
        ask: impl FnOnce(&Wire, &Credential, Option<u64>) -> Asked<T> + Send + 'static,
    ) -> Answer<Glimpse<T>> {
        let credential = self.credential.clone();
        let outcome = kept.get(&self.remote.wire, self.since(), move |wire, since| ask(wire, &credential, since));
        if outcome.as_ref().is_err_and(|fault| fault.errno == Errno::AUTHENTICATION) {
            self.remote.credentials.refuse(&self.credential);
        }
        let glimpse = outcome?;
        self.note(&glimpse);
        Ok(glimpse)
    }

    /// The same, which stays the same for the rest of this view.
    pub(super) fn pinned<'a, T: Send + Sync + 'static>(
        &self,
        place: &'a OnceLock<Glimpse<T>>,
        kept: &Arc<Kept<T>>,
        ask: impl FnOnce(&Wire, &Credential, Option<u64>) -> Asked<T> + Send + 'static,
    ) -> Answer<&'a Glimpse<T>> {
        if let Some(glimpse) = place.get() {
            return Ok(glimpse);
        }
        let glimpse = self.get(kept, ask)?;
        Ok(place.get_or_init(|| glimpse))
    }

    pub(super) fn note<T>(&self, glimpse: &Glimpse<T>) {
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        if oldest.as_ref().is_none_or(|(asked, _)| glimpse.asked < *asked) {
            *oldest = Some((glimpse.asked, glimpse.stale.clone()));
        }
    }

    fn node_list(&self) -> Answer<&Glimpse<Listing<Node>>> {
        self.pinned(&self.nodes, &self.class.nodes, |wire, credential, since| {
            list(wire.with_names(|names| wire.read(|client| client.nodes(credential, since, names))))
        })
    }

    fn partition_list(&self) -> Answer<&Glimpse<Listing<Partition>>> {
        self.pinned(&self.partitions, &self.class.partitions, |wire, credential, since| {
            list(wire.read(|client| client.partitions(credential, since)))
        })
    }

    fn reservation_list(&self) -> Answer<&Glimpse<Listing<Reservation>>> {
        self.pinned(&self.reservations, &self.class.reservations, |wire, credential, since| {
            list(wire.read(|client| client.reservations(credential, since)))
        })
    }

    fn license_list(&self) -> Answer<&Glimpse<Listing<License>>> {
        self.pinned(&self.licenses, &self.class.licenses, |wire, credential, since| {
            list(wire.read(|client| client.licenses(credential, since)))
        })
    }
}

impl Cluster for RemoteView {
    fn name(&self) -> &str {
        self.remote.name()
    }

    fn next_job_id(&self) -> u32 {
        self.remote.outline().map_or(0, |outline| outline.next_job_id)
    }

    fn ping(&self) -> Vec<ControllerPing> {
        let wire = &self.remote.wire;
        let credential = self.credential.clone();
        let asked = self.class.pings.get(wire, self.since(), move |wire, _| {
            let pings = wire.client.ping(&credential);
            Ok(Fresh::New((pings, None)))
        });
        match asked {
            Ok(glimpse) if glimpse.stale.is_none() => glimpse.value.as_ref().clone(),
            _ => wire.client.controllers().iter().enumerate().map(|(place, one)| down(place, &one.name)).collect(),
        }
    }

    fn stamp(&self, of: Listed) -> Answer<Stamp> {
        Ok(match of {
            Listed::Jobs => {
                let jobs = self.all_jobs()?;
                let (changed, backfill) = (jobs.value.last_update(), jobs.value.last_backfill());
                Stamp { number: jobs.number, changed, known: changed, backfill }
            }
            Listed::Nodes => stamp(self.node_list()?),
            Listed::Partitions => stamp(self.partition_list()?),
            Listed::Reservations => stamp(self.reservation_list()?),
            Listed::Licenses => stamp(self.license_list()?),
        })
    }

    fn stamp_after(&self, of: Listed, has: u64) -> Answer<Stamp> {
        self.wait_for_news(of, has);
        self.stamp(of)
    }

    fn jobs(&self, wanted: &JobsWanted, each: &mut dyn FnMut(Job)) -> Answer<()> {
        let is_wanted = |job: &Job| {
            wanted.user.as_ref().is_none_or(|user| job.user_name.as_ref() == Some(user))
                && wanted.ids.as_ref().is_none_or(|ids| ids.iter().any(|id| is_of(job, *id)))
        };
        let (jobs, id) = match wanted.ids.as_deref() {
            Some([id]) => match self.one(*id)? {
                Some(jobs) => (jobs, Some(*id)),
                None => return Ok(()),
            },
            _ => (self.all_jobs()?.clone(), None),
        };
        let mut each = |mut job: Job| {
            if is_wanted(&job) {
                marker::hide(&mut job);
                each(job);
            }
        };
        self.show(&jobs.value, id, &mut each)
    }

    fn offer_jobs(&self, wanted: &JobsWanted, each: &mut Offered<'_>) -> Answer<()> {
        if *wanted == JobsWanted::default() {
            return self.offer(each);
        }
        self.jobs(wanted, &mut |job| each(None, &mut made(job)))
    }

    fn job_states(&self, wanted: &JobsWanted, each: &mut dyn FnMut(JobState)) -> Answer<()> {
        let states = self.get(&self.class.states, |wire, credential, _| {
            wire.read(|client| client.states(credential, &[])).map(|states| Fresh::New((states, None)))
        })?;
        let is_wanted = |state: &JobState| {
            let is = |id: &i64| *id == state.id || state.array.is_some_and(|(array, _)| array == *id);
            wanted.ids.as_ref().is_none_or(|ids| ids.iter().any(is))
        };
        let mut each = |state: JobState| {
            if is_wanted(&state) {
                each(state);
            }
        };
        states.value.each(&mut each).map_err(Fault::from)
    }

    fn locate(&self, _: i64, _: Option<i64>) -> Answer<Vec<Located>> {
        missing("where a real cluster's jobs live")
    }

    fn number_of(&self, _: &std::path::Path, _: i64) -> Answer<Option<i64>> {
        missing("where a real cluster's jobs live")
    }

    fn resources(&self, id: i64) -> Answer<Vec<NodeResourceLayout>> {
        let id = u32::try_from(id).map_err(|_| Fault::new(Errno::INVALID_JOB_ID, ""))?;
        let asked = self.remote.ask(&self.credential, |client| client.resources(&self.credential, id));
        asked.map_err(Fault::from)
    }

    fn nodes(&self) -> Answer<Vec<Node>> {
        Ok(self.node_list()?.value.items.clone())
    }

    fn node(&self, name: &str) -> Answer<Option<Node>> {
        let nodes = self.node_list()?;
        Ok(nodes.value.items.iter().find(|node| node.name.as_deref() == Some(name)).cloned())
    }

    fn partitions(&self) -> Answer<Vec<Partition>> {
        Ok(self.partition_list()?.value.items.clone())
    }

    fn reservations(&self) -> Answer<Vec<Reservation>> {
        Ok(self.reservation_list()?.value.items.clone())
    }

    fn licenses(&self) -> Answer<Vec<License>> {
        Ok(self.license_list()?.value.items.clone())
    }

    fn diag(&self) -> Answer<Diag> {
        let diag = self.get(&self.class.diag, |wire, credential, _| {
            let diag = wire.with_names(|names| wire.read(|client| client.diag(credential, names)))?;
            Ok(Fresh::New((diag, None)))
        })?;
        Ok(diag.value.as_ref().clone())
    }

    fn conf(&self) -> Answer<SlurmConf> {
        Ok(self.configuration()?.0)
    }

    fn reconfigure(&self) -> Answer<()> {
        self.change(Client::reconfigure)
    }

    fn update_job(&self, id: i64, desc: &JobDesc, _: bool) -> Answer<()> {
        let id = u32::try_from(id).map_err(|_| Fault::new(Errno::INVALID_JOB_ID, ""))?;
        let mut desc = desc.clone();
        self.remote.wire.names.settle(&mut desc)?;
        self.order(|client, credential| client.update_job(credential, id, &desc))
    }

    fn signal_job(&self, id: i64, signal: i32, reach: Reach) -> Answer<()> {
        self.signal(&id.to_string(), signal, reach)
    }

    fn requeue_job(&self, id: i64, how: Requeue) -> Answer<()> {
        self.requeue(&id.to_string(), how)
    }

    fn update_nodes(&self, names: &[String], change: &NodeUpdate, _: &str) -> Answer<()> {
        self.change(|client, credential| client.update_nodes(credential, names, change))
    }

    fn create_node(&self, line: &str) -> Answer<()> {
        self.change(|client, credential| client.create_nodes(credential, line))
    }

    fn delete_node(&self, name: &str) -> Answer<()> {
        self.change(|client, credential| client.delete_nodes(credential, name))
    }

    fn update_partition(&self, partition: &Partition) -> Answer<()> {
        // what holds for partitions that are made later is there already, under this name
        let is_default = partition.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("default"));
        let is_there = is_default || self.partition_list()?.value.items.iter().any(|one| one.name == partition.name);
        self.change(|client, credential| {
            let order = if is_there { Client::update_partition } else { Client::create_partition };
            order(client, credential, partition)
        })
    }

    fn delete_partition(&self, name: &str) -> Answer<()> {
        self.change(|client, credential| client.delete_partition(credential, name))
    }

    fn update_reservation(&self, desc: &ReservationDesc) -> Answer<String> {
        let named = self.reservation_list()?.value.items.iter().find(|one| one.name == desc.name);
        match named.and_then(|one| one.name.clone()) {
            Some(name) => {
                self.change(|client, credential| client.update_reservation(credential, desc))?;
                Ok(name)
            }
            None => self.change(|client, credential| client.create_reservation(credential, desc)),
        }
    }

    fn delete_reservation(&self, name: &str) -> Answer<()> {
        self.change(|client, credential| client.delete_reservation(credential, name))
    }
}

impl Seen for RemoteView {
    fn class(&self) -> &str {
        &self.class.name
    }

    fn age(&self) -> Option<Age> {
        let oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, stale) = oldest.as_ref()?;
        Some(Age { age: Duration::from_secs(asked.elapsed().as_secs()), stale: stale.clone() })
    }

    fn job(&self, id: i64, each: &mut dyn FnMut(Job)) -> Answer<Stamp> {
        let Some(jobs) = self.one(id)? else { return Ok(Stamp::default()) };
        let mut each = |mut job: Job| {
            if is_of(&job, id) {
                marker::hide(&mut job);
                each(job);
            }
        };
        self.show(&jobs.value, Some(id), &mut each)?;
        let (changed, backfill) = (jobs.value.last_update(), jobs.value.last_backfill());
        Ok(Stamp { number: jobs.number, changed, known: changed, backfill })
    }

    fn accounting(&self, question: &Question) -> Answer<Told> {
        self.remote.accounting(&self.credential, question)
    }

    fn database(&self) -> Option<Inquiry> {
        self.remote.inquiry(&self.credential)
    }

    fn allocate(&self, desc: &JobDesc) -> Answer<Submitted> {
        self.order(|client, credential| client.allocate(credential, desc))
    }

    fn allocate_het(&self, components: &[JobDesc]) -> Answer<Vec<Submitted>> {
        self.order(|client, credential| client.allocate_het(credential, components))
    }

    fn signal_many(&self, wanted: &KillJobs) -> Answer<Vec<KillJobsRespJob>> {
        let number_of = |login: &str| self.remote.wire.names.number(login);
        self.order(|client, credential| client.kill_many(credential, wanted, &number_of))
    }

    fn signal(&self, job: &str, signal: i32, reach: Reach) -> Answer<()> {
        self.order(|client, credential| client.signal(credential, job, signal, reach))
    }

    fn requeue(&self, job: &str, how: Requeue) -> Answer<()> {
        self.order(|client, credential| client.requeue(credential, job, how))
    }

    fn configuration(&self) -> Answer<(SlurmConf, SlurmConfMeta)> {
        let conf = self.get(&self.class.conf, |wire, credential, _| {
            Ok(match wire.read(|client| client.conf(credential, None))? {
                Fresh::Unchanged => Fresh::Unchanged,
                Fresh::New(conf) => Fresh::New((conf, None)),
            })
        })?;
        Ok(conf.value.as_ref().clone())
    }

    fn shares(&self, accounts: &[String], users: &[String]) -> Answer<SharesRespMsg> {
        self.remote
            .ask(&self.credential, |client| client.shares(&self.credential, accounts, users))
            .map_err(Fault::from)
    }
}

/// What is not spoken of with a controller.
fn missing<T>(what: &str) -> Answer<T> {
    Err(Fault::new(Errno::NOT_SUPPORTED, format!("{what}: not yet spoken of with a real cluster's controller")))
}
