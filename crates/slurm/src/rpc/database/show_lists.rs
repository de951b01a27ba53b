//! Accounts, users, associations and so on as the objects of the API.

use super::books::Named;
use super::lists::{Account, Cluster, Coordinator, Instance, User, WcKey};
use super::records::{self, Accounting};
use super::show::{amounts, association_short, qos_name};
use crate::objects::{self, AssociationShort, Tres};
use crate::rpc::codec::{Text, num32, real};
use crate::rpc::show::{int, wide};
use crate::rpc::words;

impl Named {
    fn tres(&self, text: Text<'_>) -> Vec<Tres> {
        amounts(self, text)
    }

    /// A quality of service.
    pub(super) fn qos(&self, one: &records::Qos<'_>) -> objects::Qos {
        let preempted = one.preempted.places();
        let list = preempted.iter().filter_map(|id| self.qos_name(u32::try_from(id).ok()?)).map(str::to_owned);
        objects::Qos {
            description: one.description.string(),
            flags: Some(words::database::qos_flags(one.flags)),
            id: int(one.id),
            limits_grace_time: int(one.grace),
            limits_max_active_jobs_accruing: Some(num32(one.group_accruing)),
            limits_max_active_jobs_count: Some(num32(one.group_jobs)),
            limits_max_jobs_count: Some(num32(one.group_submitted)),
            limits_max_jobs_active_jobs_per_account: Some(num32(one.jobs_per_account)),
            limits_max_jobs_active_jobs_per_user: Some(num32(one.jobs_per_user)),
            limits_max_jobs_per_account: Some(num32(one.submitted_per_account)),
            limits_max_jobs_per_user: Some(num32(one.submitted_per_user)),
            limits_max_tres_total: Some(self.tres(one.group_tres)),
            limits_max_tres_minutes_total: Some(self.tres(one.group_minutes)),
            limits_max_tres_minutes_per_qos: Some(self.tres(one.group_running_minutes)),
            limits_max_tres_minutes_per_job: Some(self.tres(one.minutes_per_job)),
            limits_max_tres_minutes_per_account: Some(self.tres(one.running_minutes_per_account)),
            limits_max_tres_minutes_per_user: Some(self.tres(one.running_minutes_per_user)),
            limits_max_tres_per_account: Some(self.tres(one.tres_per_account)),
            limits_max_tres_per_job: Some(self.tres(one.tres_per_job)),
            limits_max_tres_per_node: Some(self.tres(one.tres_per_node)),
            limits_max_tres_per_user: Some(self.tres(one.tres_per_user)),
            limits_max_wall_clock_per_qos: Some(num32(one.group_wall)),
            limits_max_wall_clock_per_job: Some(num32(one.wall_per_job)),
            limits_max_accruing_per_account: Some(num32(one.accruing_per_account)),
            limits_max_accruing_per_user: Some(num32(one.accruing_per_user)),
            limits_factor: Some(real(one.limit_factor)),
            limits_min_priority_threshold: Some(num32(one.least_priority)),
            limits_min_tres_per_job: Some(self.tres(one.least_tres_per_job)),
            name: one.name.string(),
            preempt_list: Some(list.collect()),
            preempt_mode: Some(words::database::preempt_modes(one.preempt_mode)),
            preempt_exempt_time: Some(num32(one.exempt)),
            priority: Some(num32(one.priority)),
            usage_factor: Some(real(one.usage_factor)),
            usage_threshold: Some(real(one.usage_threshold)),
        }
    }

    /// An association.
    pub(super) fn association(
        &self,
        one: &records::Association<'_>,
        warnings: &mut Vec<(&'static str, String)>,
    ) -> objects::Association {
        let names = one.qos.iter().flatten().filter_map(|text| {
            let text = text.get()?;
            let id: u32 = text.trim_start_matches(['+', '-', '=', ',']).parse().ok()?;
            self.qos_name(id).map(str::to_owned)
        });
        objects::Association {
            accounting: Some(accounting(one.accounting.as_deref().unwrap_or_default())),
            account: one.account.string(),
            cluster: one.cluster.string(),
            comment: one.comment.string(),
            default_qos: Some(qos_name(self, one.default_qos, warnings)),
            flags: Some(words::database::association_flags(one.flags)),
            max_jobs_per_count: Some(num32(one.group_jobs)),
            max_jobs_per_accruing: Some(num32(one.group_accruing)),
            max_jobs_per_submitted: Some(num32(one.group_submitted)),
            max_jobs_per_wall_clock: Some(num32(one.wall_per_job)),
            max_jobs_active: Some(num32(one.jobs)),
            max_jobs_accruing: Some(num32(one.accruing)),
            max_jobs_total: Some(num32(one.submitted)),
            max_tres_total: Some(self.tres(one.group_tres)),
            max_tres_group_minutes: Some(self.tres(one.group_minutes)),
            max_tres_group_active: Some(self.tres(one.group_running_minutes)),
            max_tres_minutes_total: Some(self.tres(one.running_minutes)),
            max_tres_minutes_per_job: Some(self.tres(one.minutes_per_job)),
            max_tres_per_job: Some(self.tres(one.tres_per_job)),
            max_tres_per_node: Some(self.tres(one.tres_per_node)),
            max_per_account_wall_clock: Some(num32(one.group_wall)),
            id: int(one.id),
            id_old: Some(association_short(one)),
            is_default: Some(one.is_default != 0),
            lineage: one.lineage.string(),
            min_priority_threshold: Some(num32(one.least_priority)),
            parent_account: one.parent.string(),
            partition: one.partition.string(),
            priority: Some(num32(one.priority)),
            qos: Some(names.collect()),
            shares_raw: int(one.shares),
            user: one.user.string(),
        }
    }

    /// A cluster.
    pub(super) fn cluster(&self, cluster: &Cluster<'_>) -> objects::Cluster {
        objects::Cluster {
            controller_host: cluster.host.string(),
            controller_port: int(cluster.port),
            flags: Some(words::database::cluster_flags(cluster.flags)),
            name: cluster.name.string(),
            nodes: cluster.nodes.string(),
            associations_root: Some(association_short(&cluster.root)),
            rpc_version: int(cluster.protocol),
            tres: Some(self.tres(cluster.tres)),
            select_plugin: Some(String::new()),
        }
    }
}

/// A user.
pub(super) fn user(user: &User<'_>) -> objects::User {
    objects::User {
        administrator_level: Some(words::database::level(user.level)),
        associations: Some(shorts(user.associations.as_deref())),
        coordinators: Some(coordinators(user.coordinators.as_deref())),
        default_qos: int(user.default_qos),
        default_account: user.default_account.string(),
        default_wckey: user.default_wckey.string(),
        flags: Some(words::database::user_flags(user.flags)),
        name: user.name.string(),
        old_name: user.old_name.string(),
        wckeys: Some(user.wckeys.iter().flatten().map(wckey).collect()),
    }
}

/// A workload key.
pub(super) fn wckey(key: &WcKey<'_>) -> objects::WcKey {
    objects::WcKey {
        accounting: Some(accounting(key.accounting.as_deref().unwrap_or_default())),
        cluster: key.cluster.string(),
        id: int(key.id),
        name: key.name.string(),
        user: key.user.string(),
        flags: Some(words::database::wckey_flags(key.flags)),
    }
}

/// A trackable resource.
pub(super) fn tres(one: &records::Tres<'_>) -> Tres {
    Tres {
        kind: one.kind.string(),
        name: one.name.string(),
        id: int(one.id),
        count: Some(one.count.cast_signed()),
        ..Tres::default()
    }
}

/// An account.
pub(super) fn account(account: &Account<'_>) -> objects::Account {
    objects::Account {
        associations: Some(shorts(account.associations.as_deref())),
        coordinators: Some(coordinators(account.coordinators.as_deref())),
        description: account.description.string(),
        name: account.name.string(),
        organization: account.organization.string(),
        flags: Some(words::database::account_flags(account.flags)),
    }
}

/// An instance in a cloud.
pub(super) fn instance(one: &Instance<'_>) -> objects::Instance {
    objects::Instance {
        cluster: one.cluster.string(),
        extra: one.extra.string(),
        instance_id: one.id.string(),
        instance_type: one.kind.string(),
        node_name: one.node.string(),
        time_time_end: wide(one.end),
        time_time_start: wide(one.start),
    }
}

/// The number of a way of preemption.
pub(super) fn preempt_mode(word: &str) -> Option<u16> {
    words::database::PREEMPT_MODES.iter().find(|(_, known)| *known == word).map(|(bit, _)| 1 << bit)
}

fn shorts(all: Option<&[records::Association<'_>]>) -> Vec<AssociationShort> {
    all.unwrap_or_default().iter().map(association_short).collect()
}

fn coordinators(all: Option<&[Coordinator<'_>]>) -> Vec<objects::Coordinator> {
    let one = |one: &Coordinator<'_>| objects::Coordinator { name: one.name.string(), direct: Some(one.direct != 0) };
    all.unwrap_or_default().iter().map(one).collect()
}

fn accounting(all: &[Accounting<'_>]) -> Vec<objects::Accounting> {
    let one = |one: &Accounting<'_>| objects::Accounting {
        allocated_seconds: wide(one.allocated),
        id: int(one.id),
        id_alt: int(one.id_alt),
        start: wide(one.start),
        tres: Some(tres(&one.tres)),
    };
    all.iter().map(one).collect()
}
