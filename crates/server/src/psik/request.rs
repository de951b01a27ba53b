//! What a request names: a job, query values, an idempotency key.

use std::path::PathBuf;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::Uri;
use axum::http::request::Parts;
use jobgate_engine::{Engine, Job, Need, Place};
use jobgate_model::{Error, ErrorKind, JobId, Principal};

use super::error::Fault;
use super::{Dialect, Psik};

/// The query's values. Unknown ones are ignored; of a repeated one the last counts.
#[derive(Debug, Default)]
pub(crate) struct QueryValues(Vec<(String, String)>);

impl QueryValues {
    pub(super) fn of(uri: &Uri) -> Self {
        Query::try_from_uri(uri).map_or_else(|_| Self::default(), |Query(pairs)| Self(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for QueryValues {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.uri))
    }
}

/// The job that a path names, and the prefix in which to look for it.
#[derive(Debug)]
pub(crate) struct Address {
    pub(super) jobid: JobId,
    prefix: Option<PathBuf>,
}

impl Address {
    /// `?backend=` is judged here; whether there is such a job when it is looked for.
    pub(super) fn new(psik: &Psik, jobid: JobId, query: &QueryValues) -> Result<Self, Error> {
        let prefix = match psik.dialect {
            Dialect::V1 => Some(place_of(&psik.app.engine, query.get("backend"), "Invalid backend")?.prefix.clone()),
            Dialect::V2 => None,
        };
        Ok(Self { jobid, prefix })
    }

    /// Finds the job for somebody who needs this of it.
    pub(super) fn find(&self, engine: &Engine, who: &Principal, need: Need) -> Result<Job, Error> {
        engine.find(who, need, self.prefix.as_deref(), &self.jobid).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::not_found("Job not found").because(error),
            _ => error,
        })
    }
}

impl FromRequestParts<Psik> for Address {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, psik: &Psik) -> Result<Self, Fault> {
        let params = RawPathParams::from_request_parts(parts, psik).await.ok();
        let jobid = params.as_ref().and_then(|p| p.iter().find(|(name, _)| *name == "jobid")).map(|(_, value)| value);
        // what cannot be decoded is judged as it is: /VERSION/jobs/JOBID
        let jobid = jobid.or_else(|| parts.uri.path().split('/').nth(3)).unwrap_or_default();
        Ok(Self::new(psik, parse_jobid(jobid)?, &QueryValues::of(&parts.uri))?)
    }
}

/// An id as psik_api wants it in a path: it needs its dot.
pub(super) fn parse_jobid(text: &str) -> Result<JobId, Error> {
    let invalid = || Error::invalid("Invalid jobid");
    Some(text).filter(|text| text.contains('.')).ok_or_else(invalid).and_then(JobId::parse)
}

/// The place that psik_api 1 works with: the named one, otherwise the default one.
pub(super) fn place_of<'a>(engine: &'a Engine, name: Option<&str>, unknown: &'static str) -> Result<&'a Place, Error> {
    match name {
        Some(name) => engine.place(name).ok_or_else(|| Error::not_found(unknown)),
        None => Ok(engine.default_place()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values() {
        let values = QueryValues::of(&"/jobs?a=1&b=x+y%20z&a=2&c=&%zz=%ff&d".parse().unwrap());
        assert_eq!(values.get("a"), Some("2"), "the last one counts");
        assert_eq!(values.get("b"), Some("x y z"));
        assert_eq!(values.get("c"), Some(""));
        assert_eq!(values.get("d"), Some(""));
        assert_eq!(values.get("e"), None);
    }
}
