//! Partitions.

use axum::http::StatusCode;
use jobgate_slurm::cluster::Listed;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{JobQuery, PartitionResp, PartitionsModReq};
use jobgate_slurm::table::Time;

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::{Failure, Followed};
use super::nodes::{stamp, unchanged};
use super::words::missing;

/// `GET /slurm/V/partitions`
pub(super) fn list(call: &mut Call) -> Outcome {
    query(call, None)
}

/// `GET /slurm/V/partition/NAME`
pub(super) fn show(call: &mut Call) -> Outcome {
    let name = call.path_name();
    query(call, Some(&name))
}

fn query(call: &mut Call, name: Option<&str>) -> Outcome {
    let query: JobQuery = call.read_query("op_handler_partitions")?;
    let failed = failed("slurm_load_partitions()", "Unable to query partitions");
    let stamp = stamp(call, Listed::Partitions, query.update_time).map_err(&failed)?;
    if unchanged(query.update_time, stamp) {
        return Ok(Reply::not_modified());
    }
    let mut partitions = call.cluster().partitions().map_err(failed)?;
    if let Some(name) = name {
        partitions.retain(|partition| partition.name.as_deref() == Some(name));
        if partitions.is_empty() {
            let words = format!("Unable to find partition {name}");
            // up to release 25.11 an error, afterwards a warning
            if call.follows() < Followed::V26_05 {
                return Err(Failure::new(Errno::REST_INVALID_QUERY, "op_handler_partition", words)
                    .with(StatusCode::UNPROCESSABLE_ENTITY));
            }
            call.warn("_partition_get", words);
            return Ok(call.done());
        }
    }
    let last_update = Some(Time::at(stamp.known));
    Ok(call.answer(PartitionResp { partitions: Some(partitions), last_update, ..PartitionResp::default() }))
}

/// `POST /slurm/V/partitions`
pub(super) fn update(call: &mut Call) -> Outcome {
    let unread = |failure: Failure| failure.unread("_partitions_mod", "Rejecting request. Failure parsing query");
    let request: PartitionsModReq = call.read_body().map_err(|failure| {
        // unlike others, with the status of what it could not read
        unread(failure).with(StatusCode::INTERNAL_SERVER_ERROR)
    })?;
    let partitions = request.partitions.ok_or_else(|| unread(missing("partitions")))?;
    let there = call.cluster().partitions().map_err(failed("slurm_load_partitions()", "Unable to query partitions"))?;
    let mut faults = Vec::new();
    for (index, partition) in partitions.iter().enumerate() {
        let Some(name) = partition.name.as_deref().filter(|name| !name.is_empty()) else {
            let words = format!("The partition description at index {index} must specify a name. Skipping");
            faults.push(Failure::new(Errno::INVALID_PARTITION, "_foreach_create_update_partition", words));
            continue;
        };
        let is_there = there.iter().any(|one| one.name.as_deref() == Some(name));
        let verb = if is_there { "update" } else { "create" };
        let source = format!("slurm_{verb}_partition");
        let words = format!("Failed to {verb} partition {name} with description at index {index}");
        call.administrators_only(&source, &words)?;
        if let Err(fault) = call.cluster().update_partition(partition) {
            faults.push(Failure::of(&fault, &source, &words));
        }
    }
    match faults.into_iter().reduce(|mut all, mut next| {
        all.problems.append(&mut next.problems);
        all
    }) {
        Some(failure) => Err(failure),
        None => Ok(call.done()),
    }
}

/// `DELETE /slurm/V/partition/NAME`
pub(super) fn delete(call: &mut Call) -> Outcome {
    let name = call.path_name();
    let words = "Unable to delete partition";
    call.administrators_only("slurm_delete_partition()", words)?;
    call.cluster().delete_partition(&name).map_err(failed("slurm_delete_partition()", words))?;
    Ok(call.done())
}
