//! The controller itself.

use jobgate_slurm::objects::{DiagResp, ResourceLayoutResp, SharesQuery, SharesResp};
use jobgate_slurm::site::Seen;
use jobgate_slurm::table::Csv;

use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;

/// `GET /slurm/V/diag`: the controller's own counters.
pub(super) fn diag(call: &Call, seen: &dyn Seen) -> Outcome {
    let diag = seen.diag().map_err(failed("slurm_get_statistics()", "Unable to query statistics"))?;
    Ok(call.answer(DiagResp { statistics: Some(diag), ..DiagResp::default() }))
}

/// `GET /slurm/V/shares`
pub(super) fn shares(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let query: SharesQuery = call.read_query("op_handler_shares")?;
    let names = |list: Option<Csv>| list.unwrap_or_default().0;
    let shares = seen
        .shares(&names(query.accounts), &names(query.users))
        .map_err(failed("slurm_associations_get_shares()", "Unable to query shares"))?;
    Ok(call.answer(SharesResp { shares: Some(shares), ..SharesResp::default() }))
}

/// `GET /slurm/V/resources/ID`
pub(super) fn resources(call: &mut Call, seen: &dyn Seen) -> Outcome {
    let job = super::named(call, "op_handler_resources")?;
    match seen.resources(i64::from(job.job)) {
        Ok(nodes) => Ok(call.answer(ResourceLayoutResp { nodes: Some(nodes), ..ResourceLayoutResp::default() })),
        Err(fault) => {
            let failure = Failure::of(&fault, "_handle_get", &format!("Unable to query JobId={}", job.job));
            Ok(call.refuse_in(failure, ResourceLayoutResp::default()))
        }
    }
}
