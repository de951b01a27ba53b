//! Qualities of service.

use super::associate::QosChange;
use super::kept::{Kept, complete};
use super::{Books, check_name, passes, text};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::{DbdQosQuery, Qos, words};
use crate::table::{Flags, Num, Object};

/// The one that every cluster has.
pub(super) const NORMAL: &str = "normal";

/// Which QOS are wanted. An empty list of anything means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QosWanted {
    /// Names.
    pub names: Vec<String>,
    /// Numbers.
    pub ids: Vec<String>,
    /// Descriptions.
    pub descriptions: Vec<String>,
    /// Ways of preemption, all of them.
    pub preempt_modes: Vec<String>,
    /// With those that were removed.
    pub deleted: bool,
}

impl QosWanted {
    /// What a query for one QOS asks for.
    pub fn one(name: &str, deleted: bool) -> Self {
        Self { names: vec![name.to_owned()], deleted, ..Self::default() }
    }

    /// What a query for QOS asks for.
    pub fn many(query: &DbdQosQuery) -> Self {
        Self {
            names: query.name.clone().unwrap_or_default().0,
            ids: query.id.clone().unwrap_or_default().0,
            descriptions: query.description.clone().unwrap_or_default().0,
            preempt_modes: query.preempt_mode.iter().flat_map(Flags::iter).map(str::to_owned).collect(),
            deleted: query.with_deleted == Some(true) || query.include_deleted_qos == Some(true),
        }
    }
}

/// The QOS `normal` of new books.
pub(super) fn normal() -> Qos {
    Qos { name: Some(NORMAL.into()), description: Some("Normal QOS default".into()), ..fresh() }
}

/// A QOS that limits nothing.
fn fresh() -> Qos {
    let none = Some(Num::Infinite);
    Qos {
        limits_max_active_jobs_accruing: none,
        limits_max_active_jobs_count: none,
        limits_max_jobs_count: none,
        limits_max_jobs_active_jobs_per_account: none,
        limits_max_jobs_active_jobs_per_user: none,
        limits_max_jobs_per_account: none,
        limits_max_jobs_per_user: none,
        limits_max_wall_clock_per_qos: none,
        limits_max_wall_clock_per_job: none,
        limits_max_accruing_per_account: none,
        limits_max_accruing_per_user: none,
        limits_factor: Some(Num::Infinite),
        limits_min_priority_threshold: none,
        preempt_mode: Some(Flags::of(["DISABLED"])),
        preempt_exempt_time: none,
        priority: Some(Num::Set(0)),
        usage_factor: Some(Num::Set(1.0)),
        usage_threshold: Some(Num::Infinite),
        ..Qos::default()
    }
}

impl Books {
    /// The QOS that are wanted, in the order of their numbers.
    pub fn qos(&self, wanted: &QosWanted) -> Vec<Qos> {
        let shown = self.qos.values().filter(|qos| {
            let modes = qos.preempt_mode.clone().unwrap_or_default();
            (wanted.deleted || !qos.is_deleted())
                && passes(&wanted.names, text(qos.name.as_ref()))
                && passes(&wanted.ids, &qos.id.unwrap_or_default().to_string())
                && passes(&wanted.descriptions, text(qos.description.as_ref()))
                && wanted.preempt_modes.iter().all(|mode| modes.has(mode))
        });
        shown.cloned().collect()
    }

    /// The QOS of this name that is there.
    pub(super) fn qos_named(&self, name: &str) -> Option<&Qos> {
        self.qos.values().find(|qos| !qos.is_deleted() && text(qos.name.as_ref()) == name)
    }

    /// The QOS of this number that is there.
    pub(super) fn qos_numbered(&self, id: i32) -> Answer<&Qos> {
        self.qos
            .get(&id)
            .filter(|qos| !qos.is_deleted())
            .ok_or_else(|| Fault::new(Errno::INVALID_QOS, format!("there is no QOS with number {id}: make it first")))
    }

    /// Whether a name or number, as a request has it, means the QOS of this name.
    pub(super) fn is_qos(&self, asked: &str, name: &str) -> bool {
        asked == name || self.qos_named(name).and_then(|qos| qos.id).is_some_and(|id| id.to_string() == asked)
    }

    /// The name of a QOS that a request names, or gives the number of. Nothing stays nothing.
    pub(super) fn check_qos(&self, asked: &str) -> Answer<String> {
        if asked.is_empty() {
            return Ok(String::new());
        }
        let numbered = || asked.parse().ok().and_then(|id| self.qos_numbered(id).ok());
        let found = self.qos_named(asked).or_else(numbered);
        found
            .and_then(|qos| qos.name.clone())
            .ok_or_else(|| Fault::new(Errno::INVALID_QOS, format!("there is no QOS {asked:?}: make it first")))
    }

    /// A request's list of QOS.
    pub(super) fn check_qos_list(&self, list: &[String]) -> Answer<Vec<QosChange>> {
        let of = |asked: &String| {
            if let Some(name) = asked.strip_prefix('+') {
                return self.check_qos(name).map(QosChange::Add);
            }
            if let Some(name) = asked.strip_prefix('-') {
                return self.check_qos(name).map(QosChange::Remove);
            }
            self.check_qos(asked).map(QosChange::Set)
        };
        list.iter().filter(|asked| !asked.is_empty()).map(of).collect()
    }

    /// Adds a QOS under a number of its own, or under that of one of its name that was removed. Gives the number.
    pub(super) fn add_qos(&mut self, qos: Qos) -> i32 {
        let gone = self.qos.iter().find(|(_, one)| one.is_deleted() && one.name == qos.name).map(|(id, _)| *id);
        let id = gone.unwrap_or_else(|| {
            self.next.qos += 1;
            self.next.qos - 1
        });
        self.qos.insert(id, complete(&Qos { id: Some(id), ..qos }));
        id
    }

    /// Makes a QOS, or changes what is given of one that is there. One that is there may be named by its number alone; beside a
    /// name a number means nothing, so that what another cluster shows can be loaded here.
    pub fn put_qos(&mut self, given: &Qos) -> Answer<()> {
        let name = text(given.name.as_ref());
        let preempted = given.preempt_list.as_deref().map(|list| self.check_preempted(list, name)).transpose()?;
        let known = match (self.qos_named(name), given.id.filter(|id| *id > 0)) {
            (Some(qos), _) => Some(qos.clone()),
            (None, Some(id)) if name.is_empty() => Some(self.qos_numbered(id)?.clone()),
            (None, _) => None,
        };
        if known.is_none() {
            check_name("QOS", name)?;
        }
        let mut qos = known.unwrap_or_else(fresh);
        let flags = flags(qos.flags.as_ref(), given.flags.as_ref());
        qos.take_given(&Qos {
            id: None,
            name: given.name.clone().filter(|name| !name.is_empty()),
            flags: Some(flags),
            preempt_list: preempted,
            preempt_mode: given.preempt_mode.clone().filter(|modes| !modes.is_empty()),
            ..given.clone()
        });
        self.resolve_limits(&mut qos);
        match qos.id {
            Some(id) => drop(self.qos.insert(id, complete(&qos))),
            None => drop(self.add_qos(qos)),
        }
        Ok(())
    }

    fn check_preempted(&self, list: &[String], own: &str) -> Answer<Vec<String>> {
        let check = |asked: &String| if asked == own { Ok(asked.clone()) } else { self.check_qos(asked) };
        list.iter().filter(|asked| !asked.is_empty()).map(check).collect()
    }

    fn resolve_limits(&self, qos: &mut Qos) {
        for list in [
            &mut qos.limits_max_tres_total,
            &mut qos.limits_max_tres_minutes_total,
            &mut qos.limits_max_tres_minutes_per_qos,
            &mut qos.limits_max_tres_minutes_per_job,
            &mut qos.limits_max_tres_minutes_per_account,
            &mut qos.limits_max_tres_minutes_per_user,
            &mut qos.limits_max_tres_per_account,
            &mut qos.limits_max_tres_per_job,
            &mut qos.limits_max_tres_per_node,
            &mut qos.limits_max_tres_per_user,
            &mut qos.limits_min_tres_per_job,
        ] {
            *list = Some(self.resolve_tres(list.as_deref().unwrap_or_default()));
        }
    }

    /// Removes a QOS; no association and no other QOS names it any more. Gives its name, or nothing if there is no such QOS.
    pub fn delete_qos(&mut self, asked: &str) -> Answer<Vec<String>> {
        let Ok(name) = self.check_qos(asked) else { return Ok(Vec::new()) };
        let Some(id) = self.qos_named(&name).and_then(|qos| qos.id) else { return Ok(Vec::new()) };
        if let Some(qos) = self.qos.get_mut(&id) {
            qos.set_deleted(true);
        }
        let forget = |list: &mut Option<Vec<String>>| list.get_or_insert_default().retain(|one| *one != name);
        for association in self.associations.values_mut() {
            forget(&mut association.qos);
            if text(association.default_qos.as_ref()) == name {
                association.default_qos = Some(String::new());
            }
        }
        self.qos.values_mut().for_each(|qos| forget(&mut qos.preempt_list));
        for user in self.users.values_mut().filter(|user| user.default_qos == Some(id)) {
            user.default_qos = Some(0);
        }
        Ok(vec![name])
    }
}

/// The flags after a request: those that it names, or those that were there with or without them (`ADD`, `REMOVE`).
fn flags(known: Option<&Flags<words::QosFlags>>, given: Option<&Flags<words::QosFlags>>) -> Flags<words::QosFlags> {
    const NOT_ONES: [&str; 4] = ["NOT_SET", "ADD", "REMOVE", "DELETED"];
    let list = |flags: Option<&Flags<words::QosFlags>>| -> Vec<String> {
        let all = flags.into_iter().flat_map(Flags::iter);
        all.filter(|flag| !NOT_ONES.contains(flag)).map(str::to_owned).collect()
    };
    let (mut flags, named) = (list(known), list(given));
    match given {
        None => {}
        Some(given) if given.has("REMOVE") => flags.retain(|flag| !named.contains(flag)),
        Some(given) if given.has("ADD") => {
            flags.extend(named.into_iter().filter(|flag| known.is_none_or(|known| !known.has(flag))));
        }
        Some(given) if given.has("NOT_SET") && named.is_empty() => {}
        Some(_) => flags = named,
    }
    Flags::of(flags)
}
