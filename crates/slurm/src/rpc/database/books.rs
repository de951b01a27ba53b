//! What records name by numbers: trackable resources, qualities of service, associations.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::records;
use super::talk::{Talk, each};
use super::wanted::{Associations, DELETED, Qos, Tres};
use crate::objects::{self, AssociationShort};
use crate::rpc::Kind;
use crate::rpc::codec::{Flagged, NO_VAL, Text};
use crate::rpc::error::Error;

/// So long what was asked for is thought to be all there is, unless something is looked up that is not in it.
const LASTS: Duration = Duration::from_secs(5);

/// Trackable resources and qualities of service by their numbers, those that were removed, too. A number is given once, and what
/// it means is told to everybody alike.
#[derive(Debug)]
pub(super) struct Named {
    asked: Instant,
    /// Kinds and names, in the database's order.
    resources: Vec<(String, String)>,
    places: HashMap<u32, usize>,
    qos: HashMap<u32, String>,
    /// Something was looked up that is not in it, and may be new.
    lacks: AtomicBool,
}

impl Named {
    fn ask(talk: &Talk<'_>) -> Result<Self, Error> {
        let (asked, lacks) = (Instant::now(), AtomicBool::new(false));
        let mut named = Self { asked, resources: Vec::new(), places: HashMap::new(), qos: HashMap::new(), lacks };
        let text = |text: Text<'_>| text.string().unwrap_or_default();
        let reply = talk.ask(Kind::DBD_TRES, &Tres { deleted: 1, ..Tres::default() })?;
        each(&reply, Kind::DBD_TRES, Kind::DBD_TRES_ARE, &mut |tres: records::Tres<'_>| {
            named.places.insert(tres.id, named.resources.len());
            named.resources.push((text(tres.kind), text(tres.name)));
        })?;
        let wanted = Qos { flags: DELETED as u16, ..Qos::default() };
        let reply = talk.ask(Kind::DBD_QOS, &Flagged(Some(wanted)))?;
        each(&reply, Kind::DBD_QOS, Kind::DBD_QOS_ARE, &mut |qos: records::Qos<'_>| {
            named.qos.insert(qos.id, qos.name.string().unwrap_or_else(|| qos.id.to_string()));
        })?;
        Ok(named)
    }

    /// An amount of a resource.
    pub(super) fn amount(&self, id: u32, count: u64) -> objects::Tres {
        let (kind, name) = self.place(id).map(|at| self.resources[at].clone()).unwrap_or_default();
        objects::Tres {
            kind: Some(kind),
            name: Some(name),
            id: Some(id.cast_signed()),
            count: Some(count.cast_signed()),
            node: None,
            task: None,
        }
    }

    /// The place of a resource in the database's order.
    pub(super) fn place(&self, id: u32) -> Option<usize> {
        self.found(self.places.get(&id).copied())
    }

    /// The name of a quality of service; `None`: there is none with this number.
    pub(super) fn qos_name(&self, id: u32) -> Option<&str> {
        self.found(self.qos.get(&id).map(String::as_str))
    }

    /// The number of the quality of service of this name.
    pub(super) fn qos_number(&self, name: &str) -> Option<u32> {
        self.qos.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
    }

    fn found<T>(&self, found: Option<T>) -> Option<T> {
        if found.is_none() {
            self.lacks.store(true, Ordering::Relaxed);
        }
        found
    }

    /// Whether what came by then can be shown with it: it was asked for later, or there was nothing that is not in it.
    pub(super) fn suffices(&self, came: Instant) -> bool {
        self.asked >= came || !self.lacks.load(Ordering::Relaxed)
    }
}

/// What numbers mean, as it was asked for last.
#[derive(Debug, Default)]
pub(super) struct KeptNames(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    named: Option<Arc<Named>>,
    /// How often it was forgotten.
    forgotten: u64,
}

impl KeptNames {
    /// It, as long as nothing is known to be missing; else it is asked for.
    pub(super) fn get(&self, talk: &Talk<'_>) -> Result<Arc<Named>, Error> {
        let kept = self.lock().named.clone();
        match kept.filter(|named| named.asked.elapsed() < LASTS && !named.lacks.load(Ordering::Relaxed)) {
            Some(named) => Ok(named),
            None => self.renew(talk),
        }
    }

    /// Asks for it.
    pub(super) fn renew(&self, talk: &Talk<'_>) -> Result<Arc<Named>, Error> {
        let forgotten = self.lock().forgotten;
        let named = Arc::new(Named::ask(talk)?);
        let mut last = self.lock();
        // what was asked for before a change may be as it was before that
        if last.forgotten == forgotten {
            last.named = Some(Arc::clone(&named));
        }
        Ok(named)
    }

    /// Something was changed.
    pub(super) fn forget(&self) {
        let mut last = self.lock();
        last.named = None;
        last.forgotten += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Associations by cluster and number.
#[derive(Debug, Default)]
pub(super) struct AssociationNames(HashMap<(String, u32), AssociationShort>);

impl AssociationNames {
    /// Those with these numbers, if whoever asks may see them, those that were removed, too.
    pub(super) fn ask(talk: &Talk<'_>, ids: &BTreeSet<u32>) -> Result<Self, Error> {
        let mut names = HashMap::new();
        // a question is a part of a query of the database's, which should not get too long
        for some in ids.iter().collect::<Vec<_>>().chunks(1000) {
            let texts: Vec<String> = some.iter().map(ToString::to_string).collect();
            let wanted = Associations { flags: DELETED, ids: super::condition::any(&texts), ..Associations::default() };
            let reply = talk.ask(Kind::DBD_ASSOCIATIONS, &Flagged(Some(wanted)))?;
            let found = &mut |one: records::Association<'_>| {
                let short = super::show::association_short(&one);
                names.insert((short.cluster.clone().unwrap_or_default(), one.id), short);
            };
            each(&reply, Kind::DBD_ASSOCIATIONS, Kind::DBD_ASSOCIATIONS_ARE, found)?;
        }
        Ok(Self(names))
    }

    pub(super) fn of(&self, cluster: &str, id: u32) -> Option<&AssociationShort> {
        self.0.get(&(cluster.to_owned(), id))
    }
}

/// What is needed to show records of jobs.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) named: Arc<Named>,
    pub(super) associations: AssociationNames,
}

impl Books {
    /// Asks for what records of jobs with these associations name.
    pub(super) fn ask(talk: &Talk<'_>, associations: &BTreeSet<u32>) -> Result<Self, Error> {
        Ok(Self { named: talk.named()?, associations: AssociationNames::ask(talk, associations)? })
    }
}

/// Whether a number is one of an association.
pub(super) fn is_association(id: u32) -> bool {
    id != 0 && id != NO_VAL
}
