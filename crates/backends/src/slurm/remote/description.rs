//! What was asked for in Slurm's terms, as it is recorded.

use jobgate_model::Error;
use jobgate_slurm::objects::{JobDesc, JobSubmitRequest};
use jobgate_slurm::table::Reader;
use jobgate_slurm::version::Version;

/// What was asked for.
#[derive(Debug)]
pub(super) enum Asked {
    /// A job.
    Job(Box<JobDesc>),
    /// A heterogeneous job: what each of its components asks for.
    Components(Vec<JobDesc>),
}

impl Asked {
    /// What each asks for.
    pub(super) fn components(&mut self) -> &mut [JobDesc] {
        match self {
            Self::Job(desc) => std::slice::from_mut(desc),
            Self::Components(components) => components,
        }
    }
}

/// What a job was described as.
pub(super) fn description(bytes: &[u8]) -> Result<Asked, Error> {
    let unreadable =
        |why: String| Error::internal("the job's description in Slurm's terms is lost, or cannot be read", why);
    let mut value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
    let version = value["version"].as_str().and_then(Version::parse);
    let version = version.ok_or_else(|| unreadable("it has no version".into()))?;
    let zone = jiff::tz::TimeZone::system();
    let mut reader = Reader::new(version, value["now"].as_i64().unwrap_or_default(), &zone);
    let request: JobSubmitRequest = reader.object(value["request"].take());
    let mut asked = match (request.job, request.jobs) {
        (None, Some(jobs)) => Asked::Components(jobs),
        (job, _) => Asked::Job(Box::new(job.unwrap_or_default())),
    };
    if let Some(first) = asked.components().first_mut() {
        first.script = first.script.take().or(request.script);
    }
    match reader.problems.first() {
        Some(problem) => Err(unreadable(format!("{}: {}", problem.source, problem.description))),
        None => Ok(asked),
    }
}

#[cfg(test)]
mod tests {
    use jobgate_model::ErrorKind;
    use jobgate_slurm::table::Time;

    use super::*;

    #[test]
    fn a_description_is_read_as_the_request_was() {
        let read = |text: &str| description(text.as_bytes());
        let one = read(
            r##"{"version":"v0.0.42","now":1000,"request":{"script":"#!/bin/sh\n","job":{"name":"n","begin_time":"now+60"}}}"##,
        );
        let Asked::Job(one) = one.unwrap() else { panic!("it is one job") };
        assert_eq!((one.name.as_deref(), one.script.as_deref()), (Some("n"), Some("#!/bin/sh\n")));
        assert_eq!(one.begin_time.and_then(Time::seconds), Some(1060), "as it was meant then");
        assert_eq!(one.nodes, None, "what was not said is not said");
        let listed = read(
            r#"{"version":"v0.0.40","now":1,"request":{"jobs":[{"name":"m"},{"name":"n","script":"own"}],"script":"s"}}"#,
        );
        let Asked::Components(parts) = listed.unwrap() else { panic!("it is heterogeneous") };
        let scripts: Vec<_> = parts.iter().map(|part| (part.name.as_deref(), part.script.as_deref())).collect();
        assert_eq!(scripts, [(Some("m"), Some("s")), (Some("n"), Some("own"))]);
        for bad in ["", "{}", r#"{"version":"v0.0.99","request":{}}"#] {
            assert_eq!(read(bad).unwrap_err().kind(), ErrorKind::Internal, "{bad}");
        }
    }
}
