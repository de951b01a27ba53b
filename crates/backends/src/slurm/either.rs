//! A real cluster for both kinds of jobs: psik's, by Slurm's commands, and those described in Slurm's own terms, by its controller.

use jobgate_model::{
    Backend, BackendConfig, Cancel, Error, JobSpec, NativeId, RunRef, RunRequest, Sighting, Submission,
};

use super::commands::Slurm;
use super::remote::Described;

/// Chooses for each job.
#[derive(Debug)]
pub struct Either {
    commands: Slurm,
    controller: Described,
}

impl Either {
    /// Both are the same cluster.
    pub fn new(commands: Slurm, controller: Described) -> Self {
        Self { commands, controller }
    }

    fn of(&self, described: bool) -> &dyn Backend {
        if described { &self.controller } else { &self.commands }
    }

    fn of_run(&self, run: &RunRef) -> &dyn Backend {
        self.of(run.described)
    }
}

impl Backend for Either {
    fn kind(&self) -> &'static str {
        "slurm"
    }

    fn check(&self, spec: &JobSpec, config: &BackendConfig) -> Result<(), Error> {
        self.of(Described::is_its(spec)).check(spec, config)
    }

    fn submit(&self, request: &RunRequest<'_>) -> Submission {
        self.of(Described::is_its(request.spec)).submit(request)
    }

    fn submit_while(&self, request: &RunRequest<'_>, meanwhile: &mut dyn FnMut()) -> Submission {
        self.of(Described::is_its(request.spec)).submit_while(request, meanwhile)
    }

    fn keeps_elsewhere(&self, spec: &JobSpec) -> bool {
        self.of(Described::is_its(spec)).keeps_elsewhere(spec)
    }

    fn find(&self, run: &RunRef) -> Result<Option<NativeId>, Error> {
        self.of_run(run).find(run)
    }

    fn cancel(&self, run: &RunRef) -> Result<Cancel, Error> {
        self.of_run(run).cancel(run)
    }

    fn hold(&self, run: &RunRef) -> Result<(), Error> {
        self.of_run(run).hold(run)
    }

    fn release(&self, run: &RunRef) -> Result<(), Error> {
        self.of_run(run).release(run)
    }

    fn observe(&self, runs: &[RunRef]) -> Result<Vec<Sighting>, Error> {
        let (described, others): (Vec<_>, Vec<_>) = runs.iter().cloned().partition(|run| run.described);
        let answers = [(true, described), (false, others)]
            .map(|(is, runs)| if runs.is_empty() { Ok(Vec::new()) } else { self.of(is).observe(&runs) });
        // One that does not answer keeps nobody from seeing what the other knows.
        match answers {
            [Ok(mut first), Ok(second)] => {
                first.extend(second);
                Ok(first)
            }
            [Ok(seen), Err(_)] | [Err(_), Ok(seen)] if !seen.is_empty() => Ok(seen),
            [Err(error), _] | [_, Err(error)] => Err(error),
        }
    }
}
