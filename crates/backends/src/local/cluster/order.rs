//! Changing the cluster.

use jobgate_model::{Error, ErrorKind};
use jobgate_slurm::errno::Errno;
use rustix::process::Signal;

use super::{Counters, NodeChange, PartitionChange, Reach, ReservationChange, RunChange};
use crate::local::Local;
use crate::local::orders;
use crate::local::pass::{Answer, Pass};
use crate::local::queue::{self, Phase};
use crate::process::now;

impl Local {
    /// Changes a run. Most things can be changed while it waits, some while it runs, nothing afterwards.
    pub fn update_run(&self, id: i64, change: &RunChange) -> Result<(), Error> {
        let change = change.clone();
        self.order(move |pass| pass.update_run(id, &change))
    }

    /// Sends a signal (its number on this machine) to a running run's processes. To end a run, cancel it.
    pub fn signal_run(&self, id: i64, signal: i32, reach: Reach) -> Result<(), Error> {
        let signal = Signal::from_named_raw(signal).ok_or_else(|| {
            Error::invalid(format!("there is no signal {signal}")).numbered(Errno::INVALID_ARGUMENT.0)
        })?;
        let run = self
            .look_with(|connection| queue::by_id(connection, id))?
            .ok_or_else(|| Error::not_found(format!("there is no job {id}")).numbered(Errno::INVALID_JOB_ID.0))?;
        let refuse = |number: Errno, text: &str| {
            Err(Error::new(ErrorKind::Conflict, format!("job {id} {text}")).numbered(number.0))
        };
        let runner = match (run.phase, run.runner) {
            (Phase::Waiting, _) => return refuse(Errno::JOB_NOT_RUNNING, "has not started"),
            (Phase::Running, Some(runner)) if runner.is_alive() => runner,
            _ => return refuse(Errno::ALREADY_DONE, "has ended"),
        };
        if orders::signal(&runner, signal, reach) {
            return Ok(());
        }
        refuse(Errno::JOB_NOT_RUNNING, "runs no script at this moment")
    }

    /// Stops a running run and puts it back into the queue, held if wished. The script gets SIGTERM and some seconds first.
    pub fn requeue_run(&self, id: i64, hold: bool) -> Result<(), Error> {
        self.order(move |pass| pass.requeue_run(id, hold))
    }

    /// Stops a running run's processes for the time being. It keeps what it has, and the time does not count.
    pub fn suspend_run(&self, id: i64) -> Result<(), Error> {
        self.order(move |pass| pass.suspend_run(id, true))
    }

    /// Lets a suspended run go on.
    pub fn resume_run(&self, id: i64) -> Result<(), Error> {
        self.order(move |pass| pass.suspend_run(id, false))
    }

    /// Changes nodes (all or none); `user` is who wants it.
    pub fn update_nodes(&self, names: &[String], change: &NodeChange, user: &str) -> Result<(), Error> {
        let (names, change, user) = (names.to_vec(), change.clone(), user.to_owned());
        self.order(move |pass| pass.update_nodes(&names, &change, &user))
    }

    /// Changes a partition, or makes it.
    pub fn update_partition(&self, name: &str, change: &PartitionChange) -> Result<(), Error> {
        let (name, change) = (name.to_owned(), change.clone());
        self.order(move |pass| pass.update_partition(&name, &change))
    }

    /// Removes a partition; refused while runs wait or run in it.
    pub fn delete_partition(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.order(move |pass| pass.delete_partition(&name))
    }

    /// Makes a reservation.
    pub fn create_reservation(&self, name: &str, change: &ReservationChange) -> Result<(), Error> {
        let (name, change) = (name.to_owned(), change.clone());
        self.order(move |pass| pass.create_reservation(&name, &change))
    }

    /// Changes a reservation.
    pub fn update_reservation(&self, name: &str, change: &ReservationChange) -> Result<(), Error> {
        let (name, change) = (name.to_owned(), change.clone());
        self.order(move |pass| pass.update_reservation(&name, &change))
    }

    /// Removes a reservation; refused while runs are in it. Runs that asked for it wait for ever.
    pub fn delete_reservation(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        self.order(move |pass| pass.delete_reservation(&name))
    }

    /// Counts anew from now on.
    pub fn reset_counters(&self) -> Result<(), Error> {
        let counters = Counters { since: now(), ..Counters::default() };
        self.order(move |pass| {
            pass.counters = counters;
            queue::set_counters(pass.tx, &counters).map(Ok)
        })
    }

    fn order(&self, operation: impl FnOnce(&mut Pass<'_>) -> Answer<()> + Send + 'static) -> Result<(), Error> {
        self.pass(operation)?.0
    }
}
