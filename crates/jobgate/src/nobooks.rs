//! The accounting database of a real cluster that nobody has been told how to reach.

use std::sync::Arc;

use jobgate_slurm::books::Books;
use jobgate_slurm::cluster::{Accounting, Answer, Fault, RecordChange, RecordsWanted};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::JobRecord;

/// It answers everything with what is missing.
#[derive(Debug)]
pub(crate) struct NoBooks;

fn missing<T>() -> Answer<T> {
    let words = "no way to the cluster's accounting database is configured; ask the site's slurmrestd or sacct for it";
    Err(Fault::new(Errno::DB_CONNECTION, words))
}

impl Accounting for NoBooks {
    fn records(&self, _: &RecordsWanted, _: &mut dyn FnMut(JobRecord)) -> Answer<()> {
        missing()
    }

    fn change_record(&self, _: i64, _: &RecordChange) -> Answer<()> {
        missing()
    }

    fn books(&self) -> Answer<Arc<Books>> {
        missing()
    }

    fn change_books(&self, _: &mut dyn FnMut(&mut Books) -> Answer<()>) -> Answer<()> {
        missing()
    }

    fn started(&self) -> u64 {
        0
    }
}
