//! Nodes.

use jobgate_slurm::cluster::{Answer, Fault, Listed, Stamp};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::hostlist::Hostlist;
use jobgate_slurm::objects::{CreateNodeReq, JobQuery, NodeUpdate, NodesResp};
use jobgate_slurm::table::Time;
use jobgate_slurm::version::Version;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::{Failure, Followed};
use super::words::missing;

const UPDATE: &str = "_update_node";
const UPDATE_MANY: &str = "_update_nodes";

/// `GET /slurm/V/nodes`
pub(super) fn list(call: &mut Call) -> Outcome {
    query(call, None)
}

/// `GET /slurm/V/node/NAME`
pub(super) fn show(call: &mut Call) -> Outcome {
    let name = call.path_name();
    query(call, Some(&name))
}

fn query(call: &mut Call, name: Option<&str>) -> Outcome {
    let query: JobQuery = call.read_query("_dump_nodes")?;
    let failed = failed("_dump_nodes", "Unable to query nodes");
    let stamp = stamp(call, Listed::Nodes, query.update_time).map_err(&failed)?;
    if unchanged(query.update_time, stamp) {
        return Ok(Reply::not_modified());
    }
    let nodes = match name {
        None => call.cluster().nodes().map_err(failed)?,
        Some(name) => {
            let Some(node) = call.cluster().node(name).map_err(failed)? else {
                // with this number, and as a success, as slurmrestd has it: clients look at `errors`
                call.note(Errno::NONE, "_dump_nodes", format!("Failure to query node {name}"));
                return Ok(call.done());
            };
            vec![node]
        }
    };
    let last_update = Some(Time::at(stamp.known));
    Ok(call.answer(NodesResp { nodes: Some(nodes), last_update, ..NodesResp::default() }))
}

/// How far something has changed; who has what is known of it gets what is newer.
pub(super) fn stamp(call: &Call, of: Listed, since: Option<Time>) -> Answer<Stamp> {
    match since.and_then(Time::seconds) {
        Some(has) => call.cluster().stamp_after(of, has),
        None => call.cluster().stamp(of),
    }
}

/// Whether nothing has changed since a time that the client gives. What changed within that second may have done so after it
/// was told; and so may have what is known until that second.
pub(super) fn unchanged(since: Option<Time>, stamp: Stamp) -> bool {
    since.and_then(Time::seconds).is_some_and(|since| since > stamp.changed && since != stamp.known)
}

/// `POST /slurm/V/node/NAME`; the name may be a hostlist.
pub(super) fn update(call: &mut Call) -> Outcome {
    let name = call.path_name();
    let words = format!("Failure to update node {name}");
    let change: NodeUpdate = call.read_body()?;
    call.administrators_only(UPDATE, &words)?;
    let names =
        names_of(std::slice::from_ref(&name)).map_err(|_| Failure::new(Errno::INVALID_NODE_NAME, UPDATE, &*words))?;
    apply(call, &names, &change, (UPDATE, &words))
}

/// `POST /slurm/V/nodes`: the body names the nodes.
pub(super) fn update_many(call: &mut Call) -> Outcome {
    let change: NodeUpdate = call.read_body()?;
    let named = change.name.clone().unwrap_or_default();
    let words = format!("Failure to update node {}", named.join(","));
    call.administrators_only(UPDATE_MANY, &words)?;
    let names = names_of(&named).map_err(|_| Failure::new(Errno::INVALID_NODE_NAME, UPDATE_MANY, &*words))?;
    apply(call, &names, &change, (UPDATE_MANY, &words))
}

/// `said`: who says in which words that it failed.
fn apply(call: &mut Call, names: &[String], change: &NodeUpdate, said: (&str, &str)) -> Outcome {
    let user = change.reason_uid.clone().filter(|user| !user.is_empty()).unwrap_or_else(|| call.asker.login.clone());
    call.cluster().update_nodes(names, change, &user).map_err(|fault| match fault.errno {
        // release 24.11 has no number of its own for a change that cannot be
        Errno::NODE_TRANSITION if call.version == Version::V40 => {
            Failure::of(&Fault { errno: Errno::INVALID_NODE_STATE, ..fault }, said.0, said.1)
        }
        _ => Failure::of(&fault, said.0, said.1),
    })?;
    Ok(call.done())
}

/// The names in hostlists.
fn names_of(lists: &[String]) -> Result<Vec<String>, Fault> {
    let list = Hostlist::of(lists).map_err(|error| Fault::new(Errno::INVALID_NODE_NAME, error.to_string()))?;
    Ok(list.names().collect())
}

/// `DELETE /slurm/V/node/NAME`
pub(super) fn delete(call: &mut Call) -> Outcome {
    let name = call.path_name();
    let verb = if call.follows() >= Followed::V26_05 { "delete" } else { "update" };
    let words = format!("Failure to {verb} node {name}");
    call.administrators_only("op_handler_node", &words)?;
    call.cluster().delete_node(&name).map_err(failed("op_handler_node", &words))?;
    Ok(call.done())
}

/// `POST /slurm/V/new/node`
pub(super) fn create(call: &mut Call) -> Outcome {
    let request: CreateNodeReq = call.read_body()?;
    let words = "Failure to create node";
    call.administrators_only("_create_node", words)?;
    let line = request.node_conf.ok_or_else(|| missing("node_conf"))?;
    call.cluster().create_node(&line).map_err(failed("_create_node", words))?;
    Ok(call.done())
}
