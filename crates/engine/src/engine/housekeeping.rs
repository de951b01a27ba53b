//! Removing jobs, and the list of deliveries.

use std::path::Path;

use jobgate_model::{Error, ErrorKind, Principal};

use super::{Engine, policy};
use crate::store::shares::Visible;
use crate::store::{deliveries, jobs};
use crate::tree;
use crate::types::{Delivery, JobKey, Need, Retention, Tally};

impl Engine {
    /// Deletes a job: its tree and its rows. Refuses (`Conflict`) while a run is under way.
    pub fn remove(&self, who: &Principal, key: JobKey) -> Result<(), Error> {
        let record = self.admitted(who, Need::Own, key)?;
        let record = self.look(record)?;
        let job = record.job;
        if job.live {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("job {} is {}; cancel it before removing it", job.jobid, job.state),
            ));
        }
        let prefix = job.base.parent().unwrap_or(Path::new("/"));
        // The tree goes first: a directory without a row would be taken for somebody else's new job.
        tree::remove(prefix, &job.jobid)
            .map_err(|error| Error::internal(format!("cannot delete the directory {}", job.base.display()), error))?;
        self.store.update(move |connection| jobs::forget(connection, key))
    }

    /// Removes old jobs: the principal's own, or all if it is an administrator.
    pub fn prune(&self, who: &Principal, retention: &Retention<'_>) -> Result<Tally, Error> {
        policy::known(who)?;
        let before = self.now() - retention.older_than.as_secs_f64();
        let prefix = retention.prefix.map(|prefix| prefix.canonicalize().unwrap_or_else(|_| prefix.to_owned()));
        let prefixes: Vec<&Path> =
            self.prefixes().into_iter().filter(|one| prefix.as_deref().is_none_or(|wanted| wanted == *one)).collect();
        let old = self.store.read(|connection| jobs::older(connection, before, &prefixes))?;
        let mut tally = Tally::default();
        for record in old.into_iter().filter(|record| self.admit(who, Need::Own, record).is_ok()) {
            tally.seen += 1;
            if !retention.dry_run {
                match self.remove(who, record.job.key) {
                    Ok(()) => tally.changed += 1,
                    // Restarted, or removed by somebody else, in between.
                    Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        if !retention.dry_run {
            self.store.update(move |connection| jobs::forget_promises(connection, before))?;
        }
        Ok(tally)
    }

    /// Deliveries, newest first: of one job, or of all that are the principal's own. They show where callbacks are sent to,
    /// which is nothing for those who may only read a job.
    pub fn deliveries(&self, who: &Principal, key: Option<JobKey>, limit: u64) -> Result<Vec<Delivery>, Error> {
        let mut visible = policy::visible(who)?;
        if let Some(key) = key {
            self.admitted(who, Need::Write, key)?;
            visible = Visible::default();
        }
        self.store.read(|connection| deliveries::list(connection, key, &self.prefixes(), visible, limit))
    }

    /// Makes a delivery due at once, also one that was given up.
    pub fn retry_delivery(&self, who: &Principal, id: i64) -> Result<(), Error> {
        let unknown = || Error::not_found(format!("no delivery {id}"));
        let key = self.store.read(|connection| deliveries::job_of(connection, id))?.ok_or_else(unknown)?;
        self.admitted(who, Need::Write, key).map_err(|_| unknown())?;
        let now = self.now();
        if !self.store.update(move |connection| deliveries::retry(connection, id, now))? {
            return Err(Error::new(ErrorKind::Conflict, format!("delivery {id} was delivered already")));
        }
        self.courier.wake();
        Ok(())
    }
}
