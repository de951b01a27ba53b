//! Clusters and cloud instances.

use jobgate_slurm::books::{Books, ClustersWanted, InstancesWanted, Level};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::hostlist::Hostlist;
use jobgate_slurm::objects::{
    Cluster, ClustersRemovedResp, ClustersResp, ConfQuery, DbdDeleteClusterQuery, DbdInstanceQuery, InstancesResp,
    Node, Plain, Tres,
};
use jobgate_slurm::rpc::Inquiry;
use jobgate_slurm::table::Flags;
use jobgate_slurm::version::Version;

use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;
use super::{books, change, found, list_answer, needed, removed, require};

const DUMP: &str = "_dump_clusters";
const FAILED: &str = "slurmdb_clusters_get() failed";

/// `GET /slurmdb/V/clusters`
pub(super) fn list(call: &mut Call) -> Outcome {
    let _: ConfQuery = call.read_query("op_handler_clusters")?;
    answer(call, &ClustersWanted::default())
}

/// `GET /slurmdb/V/cluster/NAME`
pub(super) fn show(call: &mut Call) -> Outcome {
    let query: DbdDeleteClusterQuery = call.read_query("op_handler_cluster")?;
    let wanted = ClustersWanted::of(&query).named(&call.path_name());
    answer(call, &wanted)
}

fn answer(call: &mut Call, wanted: &ClustersWanted) -> Outcome {
    let (database, here) = (|inquiry: &Inquiry| inquiry.clusters(wanted), |books: &Books| books.clusters(wanted));
    let mut clusters = found(call, DUMP, FAILED, database, here)?;
    if call.real().is_none() {
        describe(call, &mut clusters, DUMP, FAILED)?;
    }
    let is_empty = clusters.is_empty();
    let answer = ClustersResp { clusters: Some(clusters), ..ClustersResp::default() };
    Ok(list_answer(call, answer, is_empty, "slurmdb_clusters_get", DUMP))
}

/// What our own cluster says of itself: its controller, its nodes and what they have.
pub(super) fn describe(call: &Call, clusters: &mut [Cluster], source: &str, words: &str) -> Result<(), Failure> {
    let own = |cluster: &&mut Cluster| cluster.name.as_deref() == Some(call.cluster().name());
    let Some(cluster) = clusters.iter_mut().find(own) else { return Ok(()) };
    let nodes = call.cluster().nodes().map_err(failed(source, words))?;
    let names = nodes.iter().filter_map(|node| node.name.clone());
    cluster.nodes = Hostlist::of(names).ok().map(|list| list.sorted().to_string());
    cluster.controller_host = call.cluster().ping().into_iter().next().and_then(|ping| ping.hostname);
    cluster.rpc_version = Some(protocol(call.version));
    if nodes.len() > 1 {
        cluster.flags = Some(Flags::of(["MULTIPLE_SLURMD"]));
    }
    cluster.tres = Some(totals(&books(call, source, words)?.tres(), &nodes));
    Ok(())
}

/// The number of the protocol that the release of a version speaks.
fn protocol(version: Version) -> i32 {
    match version.number() {
        40 => 42 << 8,
        41 => 44 << 8,
        _ => 45 << 8,
    }
}

/// How much there is of each resource.
fn totals(all: &[Tres], nodes: &[Node]) -> Vec<Tres> {
    let sum = |of: &dyn Fn(&Node) -> i64| nodes.iter().map(of).sum::<i64>();
    let total = |tres: &Tres| match (tres.kind.as_deref(), tres.name.as_deref()) {
        (Some("cpu" | "billing"), _) => sum(&|node| i64::from(node.cpus.unwrap_or_default())),
        (Some("mem"), _) => sum(&|node| node.real_memory.unwrap_or_default()),
        (Some("node"), _) => i64::try_from(nodes.len()).unwrap_or(i64::MAX),
        (Some("gres"), Some(name)) => sum(&|node| generic(node, name)),
        _ => 0,
    };
    let shown = all.iter().filter(|tres| tres.kind.as_deref() != Some("dynamic_offset"));
    shown.map(|tres| Tres { count: Some(total(tres)), ..tres.clone() }).collect()
}

/// How much of a generic resource a node has.
fn generic(node: &Node, name: &str) -> i64 {
    let amounts = node.gres.as_deref().unwrap_or_default().split(',');
    let of = |amount: &str| {
        let amount = amount.split('(').next().unwrap_or_default();
        let mut parts = amount.split(':');
        (parts.next() == Some(name)).then(|| parts.next_back().and_then(|count| count.parse().ok()).unwrap_or(1))
    };
    amounts.filter_map(of).sum()
}

/// `POST /slurmdb/V/clusters`
pub(super) fn update(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_update_clusters";
    const WORDS: &str = "slurmdb_clusters_add() failed";
    let _: ConfQuery = call.read_query("op_handler_clusters")?;
    let request: ClustersResp = call.read_body()?;
    let clusters = needed(request.clusters, "clusters")?;
    require(call, Level::Administrator, SOURCE, WORDS)?;
    change(call, SOURCE, WORDS, |books| clusters.iter().try_for_each(|one| books.put_cluster(one)))?;
    Ok(call.done())
}

/// `DELETE /slurmdb/V/cluster/NAME`
pub(super) fn delete(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_delete_cluster";
    const WORDS: &str = "slurmdb_clusters_remove failed";
    let query: DbdDeleteClusterQuery = call.read_query("op_handler_cluster")?;
    require(call, Level::Administrator, SOURCE, WORDS)?;
    let wanted = ClustersWanted::of(&query).named(&call.path_name());
    let gone = change(call, SOURCE, WORDS, |books| books.delete_clusters(&wanted))?;
    let is_empty = gone.is_empty();
    let answer = ClustersRemovedResp { deleted_clusters: Some(gone), ..ClustersRemovedResp::default() };
    Ok(removed(call, answer, is_empty, Some(("slurmdb_clusters_remove", SOURCE))))
}

/// `GET /slurmdb/V/instances` and `GET /slurmdb/V/instance`
pub(super) fn instances(call: &mut Call) -> Outcome {
    const SOURCE: &str = "_dump_instance_cond";
    let query: DbdInstanceQuery = call.read_query("op_handler_instances")?;
    let list = query.node_list.as_deref().unwrap_or_default();
    let nodes = Hostlist::parse(list)
        .map_err(|error| Failure::new(Errno::REST_INVALID_QUERY, "#/node_list/", error.to_string()))?;
    let wanted = InstancesWanted::of(&query, nodes.names().collect());
    let (database, here) = (|inquiry: &Inquiry| inquiry.instances(&query), |books: &Books| books.instances(&wanted));
    let instances = found(call, SOURCE, "slurmdb_instances_get() failed", database, here)?;
    if instances.is_empty() {
        // without the list, unlike the others
        return Ok(list_answer(call, Plain::default(), true, "slurmdb_instances_get", SOURCE));
    }
    Ok(call.answer(InstancesResp { instances: Some(instances), ..InstancesResp::default() }))
}
