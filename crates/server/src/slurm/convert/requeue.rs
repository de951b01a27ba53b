//! How jobs are to be put back into the queue.

use jobgate_slurm::cluster::Requeue;
use jobgate_slurm::objects::{JobRequeueQuery, JobsRequeueQuery};

/// As the URL of a request for one job says.
pub(in crate::slurm) fn requeue_once(query: &JobRequeueQuery) -> Requeue {
    Requeue {
        hold: query.hold == Some(true),
        special_exit: query.special_exit == Some(true),
        incomplete: query.incomplete == Some(true),
    }
}

/// As the flags in the body of a request for many jobs say.
pub(in crate::slurm) fn requeue_many(request: &JobsRequeueQuery) -> Requeue {
    let has = |word: &str| {
        request.flags.as_ref().is_some_and(|flags| flags.iter().any(|flag| flag.eq_ignore_ascii_case(word)))
    };
    Requeue { hold: has("Hold"), special_exit: has("SpecialExit"), incomplete: has("Incomplete") }
}
