//! What several routes make of a site.

use jobgate_autosubmit::expid::{Expid, release};
use jobgate_autosubmit::site::Site;
use jobgate_autosubmit::views::Snapshot;
use serde::Serialize;

use super::call::Call;
use super::error::Failure;

/// How many jobs of an experiment's last run are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Counts {
    submitted: i64,
    queuing: i64,
    running: i64,
    failed: i64,
    suspended: i64,
}

/// Total, completed and others of an experiment's last run. Nothing if there is none that has jobs.
pub(super) fn counts(site: &Site, name: &str) -> Option<(i64, i64, Counts)> {
    let runs = site.runs(&Expid::parse(name).ok()?).ok()?;
    let run = runs.last().filter(|run| run.total > 0)?;
    let counts = Counts {
        submitted: run.submitted,
        queuing: run.queuing,
        running: run.running,
        failed: run.failed,
        suspended: run.suspended,
    };
    Some((run.total, run.completed, counts))
}

/// When an experiment's list of jobs was changed, in seconds since 1970.
pub(super) fn modified(call: &Call, name: &str) -> Option<i64> {
    call.site().jobs_modified(&Expid::parse(name).ok()?, call.moment.zone).ok()?
}

/// Everything of an experiment. `Err` says what the main database, then what the files lack.
pub(super) fn known_snapshot(call: &Call) -> Result<Snapshot, Failure> {
    Ok(Snapshot::read(call.site(), &call.known()?)?)
}

/// The same, but that it first says what the files lack.
pub(super) fn snapshot(call: &Call) -> Result<Snapshot, Failure> {
    let expid = call.expid()?;
    call.site().configuration_in_place(&expid)?;
    Ok(Snapshot::read(call.site(), &expid)?)
}

/// What is said where they do not.
pub(super) const UNSUPPORTED: &str = "Autosubmit version is not supported";

/// Whether views of trees know an experiment of this version: `int.int...`, at least 3.13.
pub(super) fn is_supported(version: &str) -> bool {
    release(version).is_some_and(|release| release >= (3, 13))
}

#[cfg(test)]
mod tests {
    use super::is_supported;

    #[test]
    fn versions_from_3_13_are_supported() {
        for yes in ["3.13.0", "3.14.0b", "4.0.1", "4.1.17.1", "4.2", "10.0", " 4 . 1"] {
            assert!(is_supported(yes), "{yes}");
        }
        for no in ["", "None", "develop", "3.12.9", "4", "x.13"] {
            assert!(!is_supported(no), "{no}");
        }
    }
}
