//! Calls to others over HTTP: callbacks to those who asked for them, and questions to identity providers. No redirect is
//! followed, an answer has a size and a time limit, and no error text holds a URL, which may hold a secret.

mod client;
mod guard;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use jobgate_model::{Error, ErrorKind};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use self::client::Clients;

/// What calls may do, and as whom they are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// One call, with its answer, may take so long.
    pub timeout: Duration,
    /// Which addresses may be called.
    pub targets: Targets,
    /// The setting that `targets` comes from, as a refusal names it: `[callbacks] targets`.
    pub setting: &'static str,
    /// A PEM file with certificates of authorities that are trusted besides the system's.
    pub roots: Option<PathBuf>,
    /// What is presented to servers that ask who calls.
    pub identity: Option<ClientIdentity>,
}

/// Which addresses may be called; judged after name resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// Any address (the default of callbacks in local mode, where the caller could reach them anyway).
    Any,
    /// Public addresses only: loopback, private, link-local and other special ranges are refused.
    Public,
}

/// A client certificate. Both files are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate and what stands between it and its authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM; refused if others can read it.
    pub key: PathBuf,
}

/// A client for calls to others. Cheap to keep: it loads certificates when it is first used.
#[derive(Debug)]
pub struct Outgoing {
    clients: Clients,
}

/// What was answered, whatever the status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status, for example 200.
    pub status: u16,
    /// All of the body.
    pub body: Vec<u8>,
    headers: HeaderMap,
}

impl Answer {
    /// Whether the status is one of 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 1 << 20;

impl Outgoing {
    /// One with these permissions. Nothing is read yet.
    pub fn new(reach: Reach) -> Self {
        Self { clients: Clients::new(reach) }
    }

    /// Reads the files that are configured, if any, so that what is wrong with them is known before the first call.
    pub fn check(&self) -> Result<(), Error> {
        if !self.clients.has_files() {
            return Ok(());
        }
        self.clients.tls().map(drop).map_err(Error::invalid)
    }

    /// Gets a URL. `headers` may hold secrets. A failure is `Unavailable` and names the host and the cause; a URL that cannot
    /// be called is `Invalid`; any status is an answer.
    pub async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, Error> {
        self.ask(Method::GET, url, headers, None, Vec::new()).await
    }

    /// Posts a form (`application/x-www-form-urlencoded`), as OAuth's token endpoints want it.
    pub async fn post_form(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask(Method::POST, url, headers, Some("application/x-www-form-urlencoded"), form.into_bytes()).await
    }

    /// Posts JSON.
    pub async fn post_json(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: &serde_json::Value,
    ) -> Result<Answer, Error> {
        self.ask(Method::POST, url, headers, Some("application/json"), body.to_string().into_bytes()).await
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        extra: &[(&str, &str)],
        kind: Option<&'static str>,
        body: Vec<u8>,
    ) -> Result<Answer, Error> {
        let url = Url::parse(url).map_err(|error| Error::invalid(format!("not a URL: {error}")))?;
        let origin = url.origin().ascii_serialization();
        let mut headers = sensitive(extra.iter().copied()).map_err(Error::invalid)?;
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let failed = |why: String| Error::new(ErrorKind::Unavailable, format!("{origin}: {why}"));
        let mut response = self.send(method, url, headers, body).await.map_err(&failed)?;
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| failed(client::describe(&error)))? {
            if body.len() + part.len() > LARGEST_ANSWER {
                return Err(failed(format!("the answer is larger than {LARGEST_ANSWER} bytes")));
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status: response.status().as_u16(), body, headers: std::mem::take(response.headers_mut()) })
    }

    /// One request and the head of its answer. The text of a failure does not name the URL.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<reqwest::Response, String> {
        let client = self.clients.client(&url)?;
        client.request(method, url).headers(headers).body(body).send().await.map_err(|error| client::describe(&error))
    }
}

/// Headers whose values are shown in no log.
pub(crate) fn sensitive<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::try_from(name).map_err(|_| format!("{name:?} is not a header's name"))?;
        let mut value = HeaderValue::try_from(value).map_err(|_| format!("the value of {name} cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}
