//! One request under way.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::site::Site;
use jobgate_autosubmit::views::Moment;

use super::answer::refuse;
use super::body::Fields;
use super::error::{Failure, expid};
use super::query::Query;
use super::{Autosubmit, AutosubmitApp};
use crate::auth::Admission;

/// One request under way: what was asked for, and when.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) shared: AutosubmitApp,
    parameters: Vec<(String, String)>,
    asked: Uri,
    pub(super) query: Query,
    pub(super) moment: Moment,
}

impl Call {
    /// The dialect.
    pub(super) fn autosubmit(&self) -> &Autosubmit {
        &self.shared.autosubmit
    }

    /// The site that is shown.
    pub(super) fn site(&self) -> &Site {
        &self.shared.autosubmit.site
    }

    /// What was asked for, as it was written.
    pub(super) fn asked(&self) -> &str {
        self.asked.path_and_query().map_or("", PathAndQuery::as_str)
    }

    /// A part of the path, decoded.
    pub(super) fn part(&self, name: &str) -> &str {
        self.parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether a part of the path was more than one. In the original it is decoded before a route is looked for, so that there is
    /// none.
    pub(super) fn leads_elsewhere(&self) -> bool {
        self.parameters.iter().any(|(_, value)| value.contains('/'))
    }

    /// The experiment that the path names.
    pub(super) fn expid(&self) -> Result<Expid, Failure> {
        expid(self.part("expid"))
    }

    /// The experiment that the path names, if the main database knows it.
    pub(super) fn known(&self) -> Result<Expid, Failure> {
        let expid = self.expid()?;
        self.site().experiment(&expid)?;
        Ok(expid)
    }
}

/// A call with a body.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) call: Call,
    headers: HeaderMap,
    body: Bytes,
}

impl Order {
    /// The dialect.
    pub(super) fn autosubmit(&self) -> &Autosubmit {
        self.call.autosubmit()
    }

    /// Whether there is no body.
    pub(super) fn is_bare(&self) -> bool {
        self.body.is_empty()
    }

    /// The body's fields.
    pub(super) fn fields(&self) -> Result<Fields, Failure> {
        Fields::of(&self.headers, &self.body)
    }
}

impl FromRequest<AutosubmitApp> for Order {
    type Rejection = Response;

    async fn from_request(request: Request, shared: &AutosubmitApp) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let call = Call::from_request_parts(&mut parts, shared).await?;
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), shared).await;
        let body = body.map_err(IntoResponse::into_response)?;
        Ok(Self { call, headers, body })
    }
}

impl FromRequestParts<AutosubmitApp> for Call {
    /// Who is not admitted makes no call.
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, shared: &AutosubmitApp) -> Result<Self, Response> {
        Admission::admits(&parts.extensions).map_err(|error| refuse(&error))?;
        let parameters = match RawPathParams::from_request_parts(parts, shared).await {
            Ok(parameters) => parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            // what cannot be decoded names nothing
            Err(_) => Vec::new(),
        };
        let moment = Moment::new(Timestamp::now().as_second(), shared.autosubmit.zone);
        Ok(Self { shared: shared.clone(), parameters, query: Query::of(&parts.uri), asked: parts.uri.clone(), moment })
    }
}
