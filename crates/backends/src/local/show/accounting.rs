//! The accounting database: all runs as far back as they are kept, and the books.

use std::collections::HashMap;
use std::sync::Arc;

use jobgate_slurm::books::{AssociationsWanted, Books};
use jobgate_slurm::cluster::{Accounting, Answer, Fault, JobsWanted, RecordChange, RecordsWanted};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::JobRecord;

use super::super::books::Founding;
use super::super::cluster::{RunFilter, RunView};
use super::super::gate::lock;
use super::array::shown;
use super::job::Associations;
use super::{LocalCluster, notes, record};
use crate::process::now;

impl Accounting for LocalCluster {
    fn records(&self, wanted: &RecordsWanted, each: &mut dyn FnMut(JobRecord)) -> Answer<()> {
        let runs = self.recorded(wanted)?;
        let (nodes, associations, notes) = (self.node_facts()?, self.associations(), self.notes()?);
        let scene = self.scene(&nodes, &associations, &notes);
        // One login for each owner, not one for each run.
        let mut theirs: HashMap<&str, bool> = HashMap::new();
        let mut chosen: Vec<&RunView> = Vec::with_capacity(runs.len());
        for run in &runs {
            let wants = || wanted.users.is_empty() || wanted.users.contains(&self.users.of(&run.owner).login);
            if *theirs.entry(&run.owner).or_insert_with(wants) && is_within(run, wanted) {
                chosen.push(run);
            }
        }
        for job in shown(chosen.into_iter(), &JobsWanted::default(), |_, _| true) {
            each(record::record(&job, &scene));
        }
        Ok(())
    }

    fn change_record(&self, id: i64, change: &RecordChange) -> Answer<()> {
        self.one(id)?;
        if let Some(text) = &change.tres {
            jobgate_slurm::tres::Tres::parse(text)
                .map_err(|error| Fault::new(Errno::INVALID_ARGUMENT, error.to_string()))?;
        }
        let change = change.clone();
        self.keep(move |connection, touched| {
            touched.jobs = now();
            let note = notes::one(connection, id)?.changed(&change);
            notes::keep(connection, id, &note).map(Ok)
        })
    }

    fn books(&self) -> Answer<Arc<Books>> {
        self.local.newest_books(&self.founding()).map(|(_, books)| books)
    }

    fn change_books(&self, change: &mut dyn FnMut(&mut Books) -> Answer<()>) -> Answer<()> {
        self.local.change_books(&self.founding(), change)
    }

    fn started(&self) -> u64 {
        self.started as u64
    }
}

impl LocalCluster {
    /// What the books begin with.
    fn founding(&self) -> Founding {
        Founding {
            cluster: self.settings.name.clone(),
            administrators: vec![self.settings.login.clone()],
            ..Founding::of(&self.local.settings)
        }
    }

    /// The associations' numbers. A listing does not fail for want of them.
    pub(super) fn associations(&self) -> Arc<Associations> {
        let Ok((revision, books)) = self.local.newest_books(&self.founding()) else { return Arc::default() };
        let mut known = lock(&self.associations);
        match &*known {
            Some((at, associations)) if *at == revision => Arc::clone(associations),
            _ => {
                let associations = Arc::new(Associations::of(&books.associations(&AssociationsWanted::default())));
                *known = Some((revision, Arc::clone(&associations)));
                associations
            }
        }
    }

    fn recorded(&self, wanted: &RecordsWanted) -> Answer<Vec<RunView>> {
        if wanted.ids.is_empty() {
            let ended_since = wanted.since.map(|since| since as f64);
            return self.all_runs(&RunFilter { ended_since, ..RunFilter::default() });
        }
        let mut runs: Vec<RunView> = Vec::new();
        for id in &wanted.ids {
            runs.extend(self.by_number(*id)?.into_iter().map(Arc::unwrap_or_clone));
        }
        runs.sort_by_key(|run| run.id);
        runs.dedup_by_key(|run| run.id);
        Ok(runs)
    }
}

fn is_within(run: &RunView, wanted: &RecordsWanted) -> bool {
    wanted.until.is_none_or(|until| run.queued <= until as f64)
        && wanted.since.is_none_or(|since| run.ended.is_none_or(|ended| ended >= since as f64))
}
