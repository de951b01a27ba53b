//! Jobs of a real cluster as one caller sees them.

use std::sync::Arc;

use jobgate_slurm::cluster::{Answer, Fault, Offered, Revision};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::Job;
use jobgate_slurm::rpc::{Fresh, Jobs};

use super::kept::Glimpse;
use super::marker;
use super::view::RemoteView;

impl RemoteView {
    pub(super) fn all_jobs(&self) -> Answer<&Glimpse<Jobs>> {
        let class = Arc::clone(&self.class);
        self.pinned(&self.jobs, &self.class.jobs, move |wire, credential, since| {
            Ok(match wire.read(|client| client.jobs(credential, since))? {
                Fresh::Unchanged => Fresh::Unchanged,
                Fresh::New(jobs) => {
                    let since = jobs.last_update();
                    let earlier = class.jobs.peek_any().map(|glimpse| glimpse.value);
                    Fresh::New((jobs.after(earlier), Some(since)))
                }
            })
        })
    }

    /// Calls `each` with every job as the controller has it, marks and all.
    pub(super) fn each_as_it_is(&self, each: &mut dyn FnMut(Job)) -> Answer<()> {
        let jobs = self.all_jobs()?.clone();
        self.remote.wire.with_names(|names| jobs.value.each(names, each)).map_err(Fault::from)
    }

    /// Calls `each` with a number of `ids` and what there is of it, as the controller has it. Other jobs are not looked at.
    pub(super) fn each_of_as_it_is(&self, ids: &[u32], each: &mut dyn FnMut(u32, Job)) -> Answer<()> {
        let jobs = self.all_jobs()?.clone();
        let seen = self.remote.wire.with_names(|names| {
            ids.iter().try_for_each(|id| jobs.value.each_of(*id, names, &mut |job| each(*id, job)))
        });
        seen.map_err(Fault::from)
    }

    /// What there is of a job: it, the tasks of the array or the components of the heterogeneous job with this number.
    fn one_job(&self, id: u32) -> Answer<Glimpse<Jobs>> {
        if let Some(glimpse) = self.class.jobs.peek(self.since()) {
            self.note(&glimpse);
            return Ok(glimpse);
        }
        let outcome = match self.class.single(id, self.remote.freshness) {
            None => self.all_jobs().cloned(),
            Some(kept) => self.get(&kept, move |wire, credential, _| {
                wire.read(|client| client.job(credential, id)).map(|jobs| Fresh::New((jobs, None)))
            }),
        };
        let glimpse = match outcome {
            // it may be in an older list
            Err(fault) if matches!(fault.errno, Errno::CONTROLLER_CONNECT | Errno::CONTROLLER_RECEIVE) => {
                let glimpse = self.class.jobs.peek_any().ok_or_else(|| fault.clone())?;
                Glimpse { stale: Some(fault), ..glimpse }
            }
            outcome => outcome?,
        };
        match &glimpse.stale {
            // what is not in an older list may be younger than that
            Some(fault) if !glimpse.value.has(id).map_err(Fault::from)? => Err(fault.clone()),
            _ => {
                self.note(&glimpse);
                Ok(glimpse)
            }
        }
    }

    /// Calls `each` with jobs, as Slurm's own clients of the controller's release show them.
    /// `id`: only those of this number.
    pub(super) fn show(&self, jobs: &Jobs, id: Option<i64>, each: &mut dyn FnMut(Job)) -> Answer<()> {
        let is_older = self.is_older();
        let mut each = |job| each(as_shown(job, is_older));
        let shown = self.remote.wire.with_names(|names| match id.map(u32::try_from) {
            Some(Ok(id)) => jobs.each_of(id, names, &mut each),
            Some(Err(_)) => Ok(()),
            None => jobs.each(names, &mut each),
        });
        shown.map_err(Fault::from)
    }

    /// Whether the controller's release leaves defaults out that its clients show.
    fn is_older(&self) -> bool {
        self.remote.outline().is_some_and(|outline| leaves_defaults_out(&outline.release))
    }

    /// The same; `None`: there is no such job.
    pub(super) fn one(&self, id: i64) -> Answer<Option<Glimpse<Jobs>>> {
        let Ok(id) = u32::try_from(id) else { return Ok(None) };
        match self.one_job(id) {
            Err(fault) if fault.errno == Errno::INVALID_JOB_ID => Ok(None),
            outcome => outcome.map(Some),
        }
    }

    /// Calls `each` with by what each job is known again as it is shown, and how it is made: of its record, of names, and by whether
    /// the controller leaves defaults out.
    pub(super) fn offer(&self, each: &mut Offered<'_>) -> Answer<()> {
        let (jobs, is_older) = (self.all_jobs()?.clone(), self.is_older());
        let mut each = |revision: Option<Revision>, make: &mut dyn FnMut() -> Job| {
            each(revision, &mut || {
                let mut job = as_shown(make(), is_older);
                marker::hide(&mut job);
                job
            });
        };
        let offered = self.remote.wire.with_names(|names| jobs.value.offer(names, is_older.into(), &mut each));
        offered.map_err(Fault::from)
    }
}

/// Whether a release's controller does not say where errors go if nobody has said so, as those before 25.05; its clients do.
fn leaves_defaults_out(release: &str) -> bool {
    let mut parts = release.split('.').map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < (25, 5))
}

/// A job as clients of the controller's release show it.
fn as_shown(mut job: Job, is_older: bool) -> Job {
    if is_older && job.batch_flag == Some(true) && job.standard_error_v41.as_ref().is_none_or(String::is_empty) {
        job.standard_error_v41.clone_from(&job.standard_error_old);
    }
    job
}

/// Whether a job is the one with this number, or part of the array or the heterogeneous job with it.
pub(super) fn is_of(job: &Job, id: i64) -> bool {
    let is = |number: Option<jobgate_slurm::table::Num<u32>>| {
        number.and_then(jobgate_slurm::table::Num::number).is_some_and(|number| i64::from(number) == id)
    };
    job.job_id.is_some_and(|number| i64::from(number) == id) || is(job.array_job_id) || is(job.het_job_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_that_leave_defaults_out() {
        let older = ["24.11.5", "24.05", "25.05.1", "25.11.7", "26.05.5", "", "x"].map(leaves_defaults_out);
        assert_eq!(older, [true, true, false, false, false, false, false]);
    }
}
