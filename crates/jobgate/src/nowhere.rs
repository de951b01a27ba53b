//! A place where nothing can run: psik accepts a configuration without any backend, lists its jobs and fails to run them.

use jobgate_model::{
    Backend, BackendConfig, Cancel, Error, ErrorKind, JobSpec, NativeId, RunRef, RunRequest, Sighting, Submission,
};

/// The type under which it stands in a configuration.
pub(crate) const NOWHERE: &str = "none";

/// The place where nothing can run.
#[derive(Debug)]
pub(crate) struct Nowhere;

fn refused() -> Error {
    Error::new(
        ErrorKind::Refused,
        "the configuration has no backend to run anything: name one in \"backends\", for example {\"default\": {\"type\": \"local\"}}",
    )
}

impl Backend for Nowhere {
    fn kind(&self) -> &'static str {
        NOWHERE
    }

    fn check(&self, _: &JobSpec, _: &BackendConfig) -> Result<(), Error> {
        // As in psik, the job is made, and what fails is its run.
        Ok(())
    }

    fn submit(&self, _: &RunRequest<'_>) -> Submission {
        Submission::Refused(refused())
    }

    fn find(&self, _: &RunRef) -> Result<Option<NativeId>, Error> {
        Ok(None)
    }

    fn cancel(&self, _: &RunRef) -> Result<Cancel, Error> {
        Ok(Cancel::Absent)
    }

    fn hold(&self, _: &RunRef) -> Result<(), Error> {
        Err(refused())
    }

    fn release(&self, _: &RunRef) -> Result<(), Error> {
        Err(refused())
    }

    fn observe(&self, _: &[RunRef]) -> Result<Vec<Sighting>, Error> {
        Ok(Vec::new())
    }
}
