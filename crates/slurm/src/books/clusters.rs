//! Clusters and cloud instances.

use super::kept::{Kept, complete};
use super::{AssociationsWanted, Books, Live, ROOT, check_name, passes, text};
use crate::cluster::{Answer, Fault};
use crate::errno::Errno;
use crate::objects::{AssociationShort, Cluster, DbdDeleteClusterQuery, DbdInstanceQuery, Instance};
use crate::table::{Csv, Flags, Time};

/// Which clusters are wanted. An empty list of anything means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClustersWanted {
    /// Names.
    pub names: Vec<String>,
    /// Flags, all of them.
    pub flags: Vec<String>,
    /// Versions of the protocol.
    pub rpc_versions: Vec<String>,
    /// Federations.
    pub federations: Vec<String>,
    /// With those that were removed.
    pub deleted: bool,
}

impl ClustersWanted {
    /// What a query asks for.
    pub fn of(query: &DbdDeleteClusterQuery) -> Self {
        let list = |csv: &Option<Csv>| csv.clone().unwrap_or_default().0;
        Self {
            names: list(&query.cluster),
            flags: query.flags.iter().flat_map(Flags::iter).map(str::to_owned).collect(),
            rpc_versions: list(&query.rpc_version),
            federations: list(&query.federation),
            deleted: query.with_deleted == Some(true),
        }
    }

    /// The same of one cluster.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { names: vec![name.to_owned()], ..self }
    }
}

/// Which cloud instances are wanted. An empty list of anything means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstancesWanted {
    /// Clusters.
    pub clusters: Vec<String>,
    /// Other words.
    pub extras: Vec<String>,
    /// The provider's names.
    pub ids: Vec<String>,
    /// The provider's types.
    pub types: Vec<String>,
    /// Nodes.
    pub nodes: Vec<String>,
    /// Those that were there at this time (unix seconds) or later.
    pub since: Option<u64>,
    /// Those that were there at this time (unix seconds) or earlier.
    pub until: Option<u64>,
}

impl InstancesWanted {
    /// What a query asks for. `nodes`: its node list, as single names.
    pub fn of(query: &DbdInstanceQuery, nodes: Vec<String>) -> Self {
        let list = |csv: &Option<Csv>| csv.clone().unwrap_or_default().0;
        Self {
            clusters: list(&query.cluster),
            extras: list(&query.extra),
            ids: list(&query.instance_id),
            types: list(&query.instance_type),
            nodes,
            since: query.time_start.and_then(Time::seconds),
            until: query.time_end.and_then(Time::seconds),
        }
    }
}

impl Books {
    /// The clusters that are wanted, by name.
    pub fn clusters(&self, wanted: &ClustersWanted) -> Vec<Cluster> {
        let shown = self.clusters.values().filter(|cluster| {
            let flags = cluster.flags.clone().unwrap_or_default();
            (wanted.deleted || !cluster.is_deleted())
                && passes(&wanted.names, text(cluster.name.as_ref()))
                && wanted.flags.iter().all(|flag| flags.has(flag))
                && passes(&wanted.rpc_versions, &cluster.rpc_version.unwrap_or_default().to_string())
                // no cluster here is in a federation
                && wanted.federations.is_empty()
        });
        shown.cloned().collect()
    }

    /// Makes a cluster with its root account, whose user root is.
    pub(super) fn add_cluster(&mut self, name: &str) {
        let id = self.add_association(name, ROOT, "", "");
        self.add_association(name, ROOT, ROOT, "");
        let root = AssociationShort {
            account: Some(ROOT.into()),
            cluster: Some(name.to_owned()),
            id: Some(id),
            ..AssociationShort::default()
        };
        let cluster = Cluster { name: Some(name.to_owned()), associations_root: Some(root), ..Cluster::default() };
        self.clusters.insert(name.to_owned(), complete(&cluster));
    }

    /// Makes a cluster. One that is there stays as it is: what else there is to say of it, it says itself.
    pub fn put_cluster(&mut self, given: &Cluster) -> Answer<()> {
        let name = text(given.name.as_ref());
        check_name("cluster", name)?;
        if name.contains('.') {
            let description = format!("the name of the cluster, {name:?}, has a dot in it");
            return Err(Fault::new(Errno::BAD_NAME, description));
        }
        if self.clusters.get(name).is_none_or(Kept::is_deleted) {
            self.add_cluster(name);
        }
        Ok(())
    }

    /// From now on these are the books of a cluster with this name: ours goes by it, or another one that is there becomes ours.
    pub fn adopt(&mut self, name: &str) {
        if name == self.cluster {
            return;
        }
        let old = std::mem::replace(&mut self.cluster, name.to_owned());
        if self.clusters.get(name).is_some_and(|cluster| !cluster.is_deleted()) {
            return;
        }
        // what was removed under that name is not ours
        self.associations.retain(|_, one| text(one.cluster.as_ref()) != name);
        self.wckeys.retain(|_, one| text(one.cluster.as_ref()) != name);
        let rename = |field: &mut Option<String>| {
            if text(field.as_ref()) == old {
                *field = Some(name.to_owned());
            }
        };
        self.associations.values_mut().for_each(|one| rename(&mut one.cluster));
        self.wckeys.values_mut().for_each(|one| rename(&mut one.cluster));
        match self.clusters.remove(&old) {
            None => self.add_cluster(name),
            Some(mut cluster) => {
                cluster.name = Some(name.to_owned());
                if let Some(root) = &mut cluster.associations_root {
                    rename(&mut root.cluster);
                }
                self.clusters.insert(name.to_owned(), cluster);
            }
        }
    }

    /// Removes clusters with all of their associations and workload keys. Gives their names.
    pub fn delete_clusters(&mut self, wanted: &ClustersWanted) -> Answer<Vec<String>> {
        let wanted = ClustersWanted { deleted: false, ..wanted.clone() };
        let names: Vec<String> = self.clusters(&wanted).into_iter().filter_map(|cluster| cluster.name).collect();
        if names.contains(&self.cluster) {
            let description = format!("cluster {:?} is this one: it cannot be removed", self.cluster);
            return Err(Fault::new(Errno::ACCESS_DENIED, description));
        }
        for name in &names {
            let all = AssociationsWanted { clusters: vec![name.clone()], ..AssociationsWanted::default() };
            let tree = super::inherit::Tree::of(self);
            let ids: Vec<i32> = self.matching(&all, &tree).iter().filter_map(|one| one.id).collect();
            self.remove_associations(&ids, &Live::default())?;
            for wckey in self.wckeys.values_mut().filter(|one| text(one.cluster.as_ref()) == name) {
                wckey.set_deleted(true);
            }
            if let Some(cluster) = self.clusters.get_mut(name) {
                cluster.set_deleted(true);
            }
        }
        Ok(names)
    }

    /// The cloud instances that are wanted.
    pub fn instances(&self, wanted: &InstancesWanted) -> Vec<Instance> {
        let shown = self.instances.iter().filter(|one| {
            let time = |time: Option<i64>| time.and_then(|time| u64::try_from(time).ok()).filter(|time| *time > 0);
            passes(&wanted.clusters, text(one.cluster.as_ref()))
                && passes(&wanted.extras, text(one.extra.as_ref()))
                && passes(&wanted.ids, text(one.instance_id.as_ref()))
                && passes(&wanted.types, text(one.instance_type.as_ref()))
                && passes(&wanted.nodes, text(one.node_name.as_ref()))
                && wanted.since.is_none_or(|since| time(one.time_time_end).is_none_or(|end| end >= since))
                && wanted.until.is_none_or(|until| time(one.time_time_start).is_none_or(|start| start <= until))
        });
        shown.cloned().collect()
    }
}
