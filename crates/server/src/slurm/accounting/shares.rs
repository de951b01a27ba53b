//! Fair shares.

use jobgate_slurm::books::Usages;
use jobgate_slurm::cluster::RecordsWanted;
use jobgate_slurm::objects::{JobRecord, SharesQuery, SharesRespMsg};

use super::super::call::{Call, failed};
use super::super::error::Failure;
use super::books;

const SOURCE: &str = "slurm_associations_get_shares()";
const FAILED: &str = "Unable to query shares";
/// After so many seconds usage counts half (Slurm's `PriorityDecayHalfLife`).
const HALF_LIFE: f64 = 7.0 * 86_400.0;
/// What ended longer ago than this, in seconds, does not count.
const FORGOTTEN: i64 = 28 * 86_400;

/// The fair shares of the cluster's associations.
pub(in super::super) fn shares(call: &Call, query: &SharesQuery) -> Result<SharesRespMsg, Failure> {
    let known = books(call, SOURCE, FAILED)?;
    let mut used = Usages::default();
    let since = u64::try_from(call.now - FORGOTTEN).ok();
    let wanted = RecordsWanted { since, ..RecordsWanted::default() };
    let mut each = |record: JobRecord| count(&mut used, &record, call.now);
    call.slurm().accounting.records(&wanted, &mut each).map_err(failed(SOURCE, FAILED))?;
    Ok(known.shares(query, &used))
}

/// Adds what a job has used, as much as it still counts now.
fn count(used: &mut Usages, record: &JobRecord, now: i64) {
    let seconds = f64::from(record.time_elapsed.unwrap_or_default());
    let end = record.time_end.filter(|end| *end > 0).unwrap_or(now);
    let age = (now - end).max(0) as f64;
    let weight = seconds * (-age / HALF_LIFE).exp2();
    let (account, user) = (record.account.as_deref().unwrap_or_default(), record.user.as_deref().unwrap_or_default());
    for tres in record.tres_allocated.iter().flatten() {
        let (kind, name) = (tres.kind.as_deref().unwrap_or_default(), tres.name.as_deref().unwrap_or_default());
        let name = if name.is_empty() { kind.to_owned() } else { format!("{kind}/{name}") };
        used.add(account, user, &name, tres.count.unwrap_or_default().max(0) as f64 * weight);
    }
}
