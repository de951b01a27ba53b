//! What is listed of an accounting database besides records of jobs: resources, qualities of service, associations, accounts, users,
//! workload keys, clusters and instances.

use super::condition::{Unanswered, any};
use super::inquiry::{Heard, Inquiry};
use super::lists::{Account, AccountsOf, Cluster, ClustersOf, Instance, InstancesOf, User, UsersOf, WcKey, WcKeysOf};
use super::records;
use super::show_lists;
use super::talk::{Talk, each};
use super::wanted::{Associations, DELETED, Qos, Tres};
use crate::books::{AccountsWanted, AssociationsWanted, ClustersWanted, Level, QosWanted, UsersWanted, WcKeysWanted};
use crate::cluster::Fault;
use crate::objects::{self, DbdInstanceQuery};
use crate::rpc::client::reply::Reply;
use crate::rpc::codec::{Flagged, NO_VAL, Text, Wire};
use crate::rpc::error::Error;
use crate::rpc::{Kind, Protocol};
use crate::table::{Csv, Time};

/// What there is, and what there is to say of it.
#[derive(Debug)]
pub struct Listed<T> {
    /// All of it, in the database's order.
    pub all: Vec<T>,
    /// In which version it came, and what could not be shown.
    pub heard: Heard,
}

/// A list, or why there is none.
type Answered<T> = Result<Listed<T>, Unanswered>;

impl Inquiry {
    /// The trackable resources; as with slurmrestd, with those that nobody may ask for.
    pub fn tres(&self) -> Answered<objects::Tres> {
        self.listed(Kind::DBD_TRES, &Tres { deleted: 1, ..Tres::default() }, |_, reply, _| {
            let mut all = Vec::new();
            each(reply, Kind::DBD_TRES, Kind::DBD_TRES_ARE, &mut |tres: records::Tres<'_>| {
                all.push(show_lists::tres(&tres));
            })?;
            Ok(all)
        })
    }

    /// The qualities of service that are wanted.
    pub fn qos(&self, wanted: &QosWanted) -> Answered<objects::Qos> {
        let modes = wanted.preempt_modes.iter().filter_map(|mode| show_lists::preempt_mode(mode));
        let condition = Qos {
            descriptions: any(&wanted.descriptions),
            flags: if wanted.deleted { DELETED as u16 } else { 0 },
            format: None,
            ids: any(&wanted.ids),
            names: any(&wanted.names),
            preempt_mode: modes.fold(0, |all, mode| all | mode),
        };
        self.listed(Kind::DBD_QOS, &Flagged(Some(condition)), |talk, reply, _| {
            talk.show(&mut |named| {
                let mut all = Vec::new();
                each(reply, Kind::DBD_QOS, Kind::DBD_QOS_ARE, &mut |qos: records::Qos<'_>| all.push(named.qos(&qos)))?;
                Ok(all)
            })
        })
    }

    /// The associations that are wanted.
    pub fn associations(&self, wanted: &AssociationsWanted) -> Answered<objects::Association> {
        let texts = AssociationTexts::of(wanted, self)?;
        self.listed(Kind::DBD_ASSOCIATIONS, &Flagged(Some(texts.condition(wanted))), |talk, reply, heard| {
            talk.show(&mut |named| {
                let mut all = Vec::new();
                heard.clear();
                let found = &mut |one: records::Association<'_>| all.push(named.association(&one, heard));
                each(reply, Kind::DBD_ASSOCIATIONS, Kind::DBD_ASSOCIATIONS_ARE, found)?;
                Ok(all)
            })
        })
    }

    /// The accounts that are wanted.
    pub fn accounts(&self, wanted: &AccountsWanted) -> Answered<objects::Account> {
        let named = Associations { accounts: any(&wanted.names), ..Associations::default() };
        let on = |bit: u32, on: bool| if on { 1 << bit } else { 0 };
        let condition = AccountsOf {
            associations: Flagged((!wanted.names.is_empty()).then_some(named)),
            descriptions: any(&wanted.descriptions),
            flags: on(0, wanted.deleted)
                | on(1, wanted.associations)
                | on(2, wanted.coordinators)
                | on(3, wanted.users_are_coordinators == Some(false))
                | on(16, wanted.users_are_coordinators == Some(true)),
            organizations: None,
        };
        self.listed(Kind::DBD_ACCOUNTS, &condition, |_, reply, _| {
            let mut all = Vec::new();
            each(reply, Kind::DBD_ACCOUNTS, Kind::DBD_ACCOUNTS_ARE, &mut |account: Account<'_>| {
                all.push(show_lists::account(&account));
            })?;
            Ok(all)
        })
    }

    /// The users that are wanted.
    pub fn users(&self, wanted: &UsersWanted) -> Answered<objects::User> {
        let named = Associations { users: any(&wanted.names), ..Associations::default() };
        let condition = UsersOf {
            level: match wanted.level {
                None => 0,
                Some(Level::None) => 1,
                Some(Level::Operator) => 2,
                Some(Level::Administrator) => 3,
            },
            associations: Flagged((!wanted.names.is_empty()).then_some(named)),
            default_accounts: any(&wanted.default_accounts),
            default_wckeys: any(&wanted.default_wckeys),
            with_associations: wanted.associations.into(),
            with_coordinators: wanted.coordinators.into(),
            with_deleted: wanted.deleted.into(),
            with_wckeys: wanted.wckeys.into(),
        };
        self.listed(Kind::DBD_USERS, &condition, |talk, reply, _| {
            let mut all = Vec::new();
            if talk.protocol() >= Protocol::V25_11 {
                let found = &mut |user: Flagged<User<'_>>| all.push(show_lists::user(&user.0.unwrap_or_default()));
                each(reply, Kind::DBD_USERS, Kind::DBD_USERS_ARE, found)?;
            } else {
                let found = &mut |user: User<'_>| all.push(show_lists::user(&user));
                each(reply, Kind::DBD_USERS, Kind::DBD_USERS_ARE, found)?;
            }
            Ok(all)
        })
    }

    /// The workload keys that are wanted.
    pub fn wckeys(&self, wanted: &WcKeysWanted) -> Answered<objects::WcKey> {
        let condition = WcKeysOf {
            clusters: any(&wanted.clusters),
            ids: any(&wanted.ids),
            names: any(&wanted.names),
            only_defaults: wanted.only_defaults.into(),
            users: any(&wanted.users),
            with_deleted: wanted.deleted.into(),
            ..WcKeysOf::default()
        };
        self.listed(Kind::DBD_WCKEYS, &condition, |_, reply, _| {
            let mut all = Vec::new();
            let found = &mut |key: WcKey<'_>| all.push(show_lists::wckey(&key));
            each(reply, Kind::DBD_WCKEYS, Kind::DBD_WCKEYS_ARE, found)?;
            Ok(all)
        })
    }

    /// The clusters that are wanted, by their names.
    pub fn clusters(&self, wanted: &ClustersWanted) -> Answered<objects::Cluster> {
        let condition = ClustersOf { names: any(&wanted.names), flags: NO_VAL, ..ClustersOf::default() };
        self.listed(Kind::DBD_CLUSTERS, &condition, |talk, reply, _| {
            talk.show(&mut |named| {
                let mut all = Vec::new();
                let found = &mut |one: Flagged<Cluster<'_>>| all.push(named.cluster(&one.0.unwrap_or_default()));
                each(reply, Kind::DBD_CLUSTERS, Kind::DBD_CLUSTERS_ARE, found)?;
                Ok(all)
            })
        })
    }

    /// The instances that a query means.
    pub fn instances(&self, query: &DbdInstanceQuery) -> Answered<objects::Instance> {
        let list = |csv: &Option<Csv>| csv.clone().unwrap_or_default().0;
        let [clusters, extras, ids, kinds] =
            [&query.cluster, &query.extra, &query.instance_id, &query.instance_type].map(list);
        let seconds = |time: Option<Time>| time.and_then(Time::seconds).unwrap_or(0);
        let nodes = query.node_list.as_deref().filter(|text| !text.is_empty());
        let condition = InstancesOf {
            clusters: any(&clusters),
            extras: any(&extras),
            format: None,
            ids: any(&ids),
            kinds: any(&kinds),
            nodes: nodes.map_or(Text::NONE, Text::of),
            until: seconds(query.time_end),
            since: seconds(query.time_start),
        };
        self.listed(Kind::DBD_INSTANCES, &condition, |_, reply, _| {
            let mut all = Vec::new();
            each(reply, Kind::DBD_INSTANCES, Kind::DBD_INSTANCES_ARE, &mut |one: Instance<'_>| {
                all.push(show_lists::instance(&one));
            })?;
            Ok(all)
        })
    }

    fn listed<'c, T>(
        &self,
        asked: Kind,
        condition: &impl Wire<'c>,
        show: impl Fn(&Talk<'_>, &Reply, &mut Vec<(&'static str, String)>) -> Result<Vec<T>, Error>,
    ) -> Answered<T> {
        let listed = self.talk(&mut |talk| {
            let reply = talk.ask(asked, condition)?;
            let mut warnings = Vec::new();
            let all = show(talk, &reply, &mut warnings)?;
            Ok(Listed { all, heard: Heard { protocol: talk.protocol(), warnings } })
        })?;
        Ok(listed)
    }

    /// Qualities of service by number, where they are named.
    fn qos_numbers(&self, names: &[String]) -> Result<Vec<String>, Fault> {
        if names.iter().all(|name| name.parse::<u32>().is_ok()) {
            return Ok(names.to_vec());
        }
        let known = self.talk(&mut |talk| talk.named_anew())?;
        Ok(names.iter().map(|name| known.qos_number(name).map_or_else(|| name.clone(), |id| id.to_string())).collect())
    }
}

/// Texts of a condition of associations that are not those of the question.
struct AssociationTexts {
    qos: Vec<String>,
    default_qos: Vec<String>,
}

impl AssociationTexts {
    fn of(wanted: &AssociationsWanted, inquiry: &Inquiry) -> Result<Self, Fault> {
        let number = |names: &[String]| inquiry.qos_numbers(names);
        Ok(Self { qos: number(&wanted.qos)?, default_qos: number(&wanted.default_qos)? })
    }

    fn condition<'a>(&'a self, wanted: &'a AssociationsWanted) -> Associations<'a> {
        let on = |bit: u32, on: bool| if on { 1 << bit } else { 0 };
        Associations {
            accounts: any(&wanted.accounts),
            clusters: any(&wanted.clusters),
            default_qos: any(&self.default_qos),
            flags: on(0, wanted.deleted)
                | on(2, wanted.only_defaults)
                | on(3, wanted.own_qos)
                | on(4, wanted.sub_accounts)
                | on(5, wanted.without_parents)
                | on(6, wanted.without_inherited),
            format: None,
            ids: any(&wanted.ids),
            partitions: any(&wanted.partitions),
            parents: any(&wanted.parents),
            qos: any(&self.qos),
            until: 0,
            since: 0,
            users: any(&wanted.users),
        }
    }
}
