//! What a controller can be told to do. Each order is compared byte by byte with what Slurm's own programs send; what has no
//! such comparison is refused before anything is sent ([`Error::Unsendable`]).
//!
//! An order that fails may have been carried out: [`Error::is_undone`] says when it certainly was not.

use std::borrow::Cow;
use std::sync::PoisonError;

use super::{Client, Packed, bodies};
use crate::cluster::{Reach, Requeue};
use crate::errno::Errno;
use crate::objects::{JobDesc, KillJobs, KillJobsRespJob, NodeUpdate, Partition, ReservationDesc};
use crate::rpc::codec::{Malformed, Reader, Text, Wire};
use crate::rpc::error::Error;
use crate::rpc::{Credential, Kind, Protocol, Unsendable, records, show};

/// A job that was queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its number.
    pub job_id: u32,
    /// What Slurm has to say although it took the job, if anything: that it is held, for example.
    pub warning: Option<Errno>,
    /// Words of the site's submission plugin.
    pub message: Option<String>,
}

impl Submitted {
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let record = records::Submitted::read(from)?;
        Ok(Self::of((record.job, record.step), record.error, record.message))
    }

    fn allocated(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let record = records::Allocated::read(from)?;
        Ok(Self::of((record.job, record.step), record.error, record.message))
    }

    /// Older protocols say the job's number, newer ones a step of it.
    fn of((job, step): (u32, records::StepId), error: u32, message: Text<'_>) -> Self {
        let job_id = if job == 0 { step.job } else { job };
        let errno = Errno(error.cast_signed());
        let message = message.string().filter(|message| !message.is_empty());
        Self { job_id, warning: (errno != Errno::NONE).then_some(errno), message }
    }
}

impl Client {
    /// Queues a job. Calls `meanwhile` when it was sent, before the answer is waited for: once for each controller and version
    /// that are tried.
    pub fn submit(
        &self,
        credential: &Credential,
        desc: &JobDesc,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Submitted, Error> {
        let desc = self.settled(desc)?;
        let body = |protocol| bodies::submit(protocol, &desc);
        let reply = self.ask_while(credential, Kind::SUBMIT, body, meanwhile)?;
        reply.read(Kind::SUBMIT, Kind::SUBMITTED, Submitted::read)
    }

    /// Queues a heterogeneous job: what each of its components asks for; the first has the script. `meanwhile` is as for
    /// [`Client::submit`].
    pub fn submit_het(
        &self,
        credential: &Credential,
        components: &[JobDesc],
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Submitted, Error> {
        let components = self.all_settled(components)?;
        let body = |protocol| bodies::submit_het(protocol, &components);
        let reply = self.ask_while(credential, Kind::SUBMIT_HET, body, meanwhile)?;
        reply.read(Kind::SUBMIT_HET, Kind::SUBMITTED, Submitted::read)
    }

    /// Queues a job without a script, that only holds what it is given.
    pub fn allocate(&self, credential: &Credential, desc: &JobDesc) -> Result<Submitted, Error> {
        let desc = self.settled(desc)?;
        let reply = self.ask(credential, Kind::ALLOCATE, |protocol| bodies::allocate(protocol, &desc))?;
        reply.read(Kind::ALLOCATE, Kind::ALLOCATED, Submitted::allocated)
    }

    /// The same of a heterogeneous job; gives each of its components.
    pub fn allocate_het(&self, credential: &Credential, components: &[JobDesc]) -> Result<Vec<Submitted>, Error> {
        let components = self.all_settled(components)?;
        let body = |protocol| bodies::allocate_het(protocol, &components);
        let reply = self.ask(credential, Kind::ALLOCATE_HET, body)?;
        reply.read(Kind::ALLOCATE_HET, Kind::HET_ALLOCATED, |from| {
            let count = from.u16()?;
            (0..count).map(|_| Submitted::allocated(from)).collect()
        })
    }

    /// Changes a job. What `desc` does not name stays; `hold` holds or releases it.
    pub fn update_job(&self, credential: &Credential, id: u32, desc: &JobDesc) -> Result<(), Error> {
        let desc = self.settled(desc)?;
        self.done(credential, Kind::UPDATE_JOB, |protocol| bodies::update_job(protocol, id, &desc))
    }

    /// A description as the cluster's configuration settles it, as far as that is known.
    fn settled<'a>(&self, desc: &'a JobDesc) -> Result<Cow<'a, JobDesc>, Unsendable> {
        let governors = *self.governors.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(governors), Some(text)) = (governors, &desc.cpu_frequency) else { return Ok(Cow::Borrowed(desc)) };
        Ok(Cow::Owned(JobDesc { cpu_frequency: Some(governors.settle(text)?), ..desc.clone() }))
    }

    fn all_settled(&self, components: &[JobDesc]) -> Result<Vec<JobDesc>, Unsendable> {
        components.iter().map(|desc| self.settled(desc).map(Cow::into_owned)).collect()
    }

    /// Sends a signal to processes of a job; 9 cancels it. `job` is a number, or `array_task`.
    pub fn signal(&self, credential: &Credential, job: &str, signal: i32, reach: Reach) -> Result<(), Error> {
        self.done(credential, Kind::KILL, |protocol| bodies::kill(protocol, job, signal, reach))
    }

    /// Sends a signal to all jobs that fit; 9 cancels them, and is sent if none is named. `number_of` knows the numbers of users.
    /// Gives what came of it: for each job with the flag `VERBOSE`, or else for those for which it failed.
    pub fn kill_many(
        &self,
        credential: &Credential,
        wanted: &KillJobs,
        number_of: &dyn Fn(&str) -> Option<u32>,
    ) -> Result<Vec<KillJobsRespJob>, Error> {
        let reply = self.ask(credential, Kind::KILL_MANY, |protocol| bodies::kill_many(protocol, wanted, number_of))?;
        reply.read(Kind::KILL_MANY, Kind::KILLED, |from| {
            let killed: Vec<records::Killed<'_>> = Wire::read(from)?;
            Ok(killed.iter().map(show::killed).collect())
        })
    }

    /// Stops a job and puts it back into the queue.
    pub fn requeue(&self, credential: &Credential, job: &str, how: Requeue) -> Result<(), Error> {
        self.done(credential, Kind::REQUEUE, |protocol| bodies::requeue(protocol, job, how))
    }

    /// Suspends a job.
    pub fn suspend(&self, credential: &Credential, job: &str) -> Result<(), Error> {
        self.done(credential, Kind::SUSPEND, |protocol| bodies::suspend(protocol, job))
    }

    /// Lets a suspended job go on.
    pub fn resume(&self, credential: &Credential, job: &str) -> Result<(), Error> {
        self.done(credential, Kind::SUSPEND, |protocol| bodies::resume(protocol, job))
    }

    /// Changes the nodes that `update` names, or else those named by `names`.
    pub fn update_nodes(&self, credential: &Credential, names: &[String], update: &NodeUpdate) -> Result<(), Error> {
        self.done(credential, Kind::UPDATE_NODES, |protocol| bodies::update_nodes(protocol, names, update))
    }

    /// Adds nodes: a line as in `slurm.conf`, such as `NodeName=n9 CPUs=4 State=CLOUD`.
    pub fn create_nodes(&self, credential: &Credential, line: &str) -> Result<(), Error> {
        self.done(credential, Kind::CREATE_NODES, |protocol| bodies::create_nodes(protocol, line))
    }

    /// Removes nodes that were added: their names, with ranges.
    pub fn delete_nodes(&self, credential: &Credential, names: &str) -> Result<(), Error> {
        self.done(credential, Kind::DELETE_NODES, |protocol| bodies::delete_nodes(protocol, names))
    }

    /// Makes a partition.
    pub fn create_partition(&self, credential: &Credential, partition: &Partition) -> Result<(), Error> {
        self.done(credential, Kind::CREATE_PARTITION, |protocol| bodies::partition(protocol, partition))
    }

    /// Changes the partition of that name. What is not set stays; what only tells how a partition is is passed over, so that one
    /// that was shown can be given back.
    pub fn update_partition(&self, credential: &Credential, partition: &Partition) -> Result<(), Error> {
        self.done(credential, Kind::UPDATE_PARTITION, |protocol| bodies::partition(protocol, partition))
    }

    /// Removes a partition.
    pub fn delete_partition(&self, credential: &Credential, name: &str) -> Result<(), Error> {
        self.done(credential, Kind::DELETE_PARTITION, |protocol| bodies::delete(protocol, name))
    }

    /// Makes a reservation. Gives its name, which the controller makes up if none is given.
    pub fn create_reservation(&self, credential: &Credential, desc: &ReservationDesc) -> Result<String, Error> {
        let reply =
            self.ask(credential, Kind::CREATE_RESERVATION, |protocol| bodies::create_reservation(protocol, desc))?;
        reply.read(Kind::CREATE_RESERVATION, Kind::RESERVATION_CREATED, |from| {
            Ok(Text::read(from)?.string().unwrap_or_default())
        })
    }

    /// Changes the reservation of that name. What is not set stays.
    pub fn update_reservation(&self, credential: &Credential, desc: &ReservationDesc) -> Result<(), Error> {
        self.done(credential, Kind::UPDATE_RESERVATION, |protocol| bodies::update_reservation(protocol, desc))
    }

    /// Removes a reservation.
    pub fn delete_reservation(&self, credential: &Credential, name: &str) -> Result<(), Error> {
        self.done(credential, Kind::DELETE_RESERVATION, |protocol| bodies::delete(protocol, name))
    }

    /// Lets the controller read its configuration again.
    pub fn reconfigure(&self, credential: &Credential) -> Result<(), Error> {
        self.done(credential, Kind::RECONFIGURE, |_| Ok(Vec::new()))
    }

    /// An order whose answer is that it is done, or what came of each task of an array.
    fn done(&self, credential: &Credential, kind: Kind, body: impl Fn(Protocol) -> Packed) -> Result<(), Error> {
        let reply = self.ask(credential, kind, body)?;
        match reply.kind {
            Kind::RESULT | Kind::RESULT_WITH_WORDS => Ok(()),
            _ => reply.read(kind, Kind::TASKS_ANSWER, first_refusal)?.map_or(Ok(()), Err),
        }
    }
}

/// The first of an array's tasks that was refused something.
fn first_refusal(from: &mut Reader<'_>) -> Result<Option<Error>, Malformed> {
    let mut first = None;
    for _ in 0..from.count(12)? {
        let errno = Errno(from.u32()?.cast_signed());
        let tasks = Text::read(from)?.string().unwrap_or_default();
        let words = Text::read(from)?.string().unwrap_or_else(|| errno.text().to_owned());
        if errno != Errno::NONE && first.is_none() {
            first = Some(Error::Refused { errno, words: Some(format!("{tasks}: {words}")) });
        }
    }
    Ok(first)
}
