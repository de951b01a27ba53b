//! What somebody asks of an accounting database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::books::{Books, is_association};
use super::condition::{Condition, Moment, RecordsOf, Unanswered};
use super::names::People;
use super::talk::{self, Talk};
use super::{Database, fault, records, show};
use crate::cluster::Answer;
use crate::objects::JobRecord;
use crate::rpc::error::Error;
use crate::rpc::{Credential, Kind, Protocol};

/// Somebody's questions to an accounting database, which decides itself what is for that one to see. All calls block.
#[derive(Debug)]
pub struct Inquiry {
    database: Arc<Database>,
    who: Credential,
    cluster: String,
    people: Arc<dyn People>,
}

/// What there is to say of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// In which version of the protocol it came.
    pub protocol: Protocol,
    /// What could not be shown, in Slurm's words.
    pub warnings: Vec<(&'static str, String)>,
}

impl Inquiry {
    pub(super) fn new(database: Arc<Database>, who: Credential, cluster: String, people: Arc<dyn People>) -> Self {
        Self { database, who, cluster, people }
    }

    pub(super) fn talk<T>(&self, with: &mut dyn FnMut(&Talk<'_>) -> Result<T, Error>) -> Answer<T> {
        self.database.talk(&self.who, &self.cluster, with).map_err(fault)
    }

    /// Calls `each` with every record that is wanted, in the database's order.
    pub fn records(
        &self,
        wanted: &RecordsOf<'_>,
        moment: Moment,
        each: &mut dyn FnMut(JobRecord),
    ) -> Result<Heard, Unanswered> {
        let condition = Condition::of(wanted, moment, &self.cluster, self.people.as_ref())?;
        // nothing is shown before all of it has come: what breaks off is an error
        let (reply, books, came) = self.talk(&mut |talk| {
            let reply = talk.ask(Kind::DBD_JOBS, &condition.record())?;
            let came = Instant::now();
            let mut associations = BTreeSet::new();
            let mut some = false;
            talk::each(&reply, Kind::DBD_JOBS, Kind::DBD_JOBS_ARE, &mut |job: records::Job<'_>| {
                some = true;
                associations.extend(Some(job.association).filter(|id| is_association(*id)));
            })?;
            let books = if some { Some(Books::ask(talk, &associations)?) } else { None };
            Ok((reply, books, came))
        })?;
        let mut heard = Heard { protocol: reply.protocol, warnings: Vec::new() };
        let Some(mut books) = books else { return Ok(heard) };
        let (people, protocol) = (self.people.as_ref(), reply.protocol);
        let mut renewed = Ok(());
        let show = &mut |job: records::Job<'_>| {
            let (now, said) = (moment.now, heard.warnings.len());
            let mut record = show::Jobs { books: &books, people, protocol, now }.job(&job, &mut heard.warnings);
            if !books.named.suffices(came) && renewed.is_ok() {
                renewed = self.talk(&mut |talk| talk.named_anew()).map(|named| books.named = named);
                heard.warnings.truncate(said);
                record = show::Jobs { books: &books, people, protocol, now }.job(&job, &mut heard.warnings);
            }
            each(record);
        };
        talk::each(&reply, Kind::DBD_JOBS, Kind::DBD_JOBS_ARE, show).map_err(fault)?;
        renewed?;
        Ok(heard)
    }
}
