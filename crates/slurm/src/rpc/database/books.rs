//! What records name by numbers: trackable resources, qualities of service, associations.

use std::collections::{BTreeSet, HashMap};

use super::records;
use super::talk::{Talk, each};
use super::wanted::{Associations, DELETED, Qos, Tres};
use crate::objects::{self, AssociationShort};
use crate::rpc::Kind;
use crate::rpc::codec::{Flagged, NO_VAL, Text};
use crate::rpc::error::Error;

/// Trackable resources by their numbers, those that were removed, too.
#[derive(Debug, Default)]
pub(super) struct Resources {
    /// Kind and name, in the database's order.
    all: Vec<(u32, String, String)>,
    places: HashMap<u32, usize>,
}

impl Resources {
    pub(super) fn ask(talk: &Talk<'_>) -> Result<Self, Error> {
        let wanted = Tres { deleted: 1, ..Tres::default() };
        let reply = talk.ask(Kind::DBD_TRES, &wanted)?;
        let mut resources = Self::default();
        each(&reply, Kind::DBD_TRES, Kind::DBD_TRES_ARE, &mut |tres: records::Tres<'_>| {
            resources.places.insert(tres.id, resources.all.len());
            let text = |text: Text<'_>| text.string().unwrap_or_default();
            resources.all.push((tres.id, text(tres.kind), text(tres.name)));
        })?;
        Ok(resources)
    }

    /// An amount of one of them.
    pub(super) fn amount(&self, id: u32, count: u64) -> objects::Tres {
        let known = self.places.get(&id).map(|at| &self.all[*at]);
        objects::Tres {
            kind: Some(known.map(|(_, kind, _)| kind.clone()).unwrap_or_default()),
            name: Some(known.map(|(_, _, name)| name.clone()).unwrap_or_default()),
            id: Some(id.cast_signed()),
            count: Some(count.cast_signed()),
            node: None,
            task: None,
        }
    }

    /// The place of one of them in the database's order.
    pub(super) fn place(&self, id: u32) -> Option<usize> {
        self.places.get(&id).copied()
    }
}

/// The names of qualities of service by their numbers, those that were removed, too.
#[derive(Debug, Default)]
pub(super) struct QosNames(HashMap<u32, String>);

impl QosNames {
    pub(super) fn ask(talk: &Talk<'_>) -> Result<Self, Error> {
        let wanted = Qos { flags: DELETED as u16, ..Qos::default() };
        let reply = talk.ask(Kind::DBD_QOS, &Flagged(Some(wanted)))?;
        let mut names = HashMap::new();
        each(&reply, Kind::DBD_QOS, Kind::DBD_QOS_ARE, &mut |qos: records::Qos<'_>| {
            names.insert(qos.id, qos.name.string().unwrap_or_else(|| qos.id.to_string()));
        })?;
        Ok(Self(names))
    }

    /// The number of the one of this name.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.0.iter().find(|(_, known)| *known == name).map(|(id, _)| *id)
    }

    /// Its name; `None`: there is none with this number.
    pub(super) fn of(&self, id: u32) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
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
    pub(super) resources: Resources,
    pub(super) qos: QosNames,
    pub(super) associations: AssociationNames,
}

impl Books {
    /// Asks for what records of jobs with these associations name.
    pub(super) fn ask(talk: &Talk<'_>, associations: &BTreeSet<u32>) -> Result<Self, Error> {
        Ok(Self {
            resources: Resources::ask(talk)?,
            qos: QosNames::ask(talk)?,
            associations: AssociationNames::ask(talk, associations)?,
        })
    }
}

/// Whether a number is one of an association.
pub(super) fn is_association(id: u32) -> bool {
    id != 0 && id != NO_VAL
}
