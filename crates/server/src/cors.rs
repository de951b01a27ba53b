//! Pages of other web sites that may use this gateway, where the site says so (CORS, as the Fetch standard has it).
//!
//! This is a layer of our own and not `tower-http`'s, because that one answers every OPTIONS request, also where nobody asks
//! for CORS, and because the gate must know the same list: it turns away what browsers send for other sites.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue, ORIGIN, VARY,
};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;

const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
/// What clients of our dialects send.
const HEADERS: &str = "authorization, content-type, idempotency-key, if-none-match, if-modified-since, range, \
                       x-request-id, x-slurm-user-name, x-slurm-user-token, x-csrf-token";
/// What they want to read of an answer.
const EXPOSED: &str = "content-disposition, content-range, etag, location, retry-after, x-request-id";

/// Where a page comes from: `https://gui.example`, `http://localhost:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl std::str::FromStr for Origin {
    type Err = String;

    /// Reads an origin as browsers write it: a scheme and a host, in small letters, with the port unless it is the usual one.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not an origin such as \"https://gui.example\" or \"http://localhost:8080\" (no path, no `*`)"
            )
        };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let (scheme, authority) = uri.scheme_str().zip(uri.authority().map(Authority::as_str)).ok_or_else(wrong)?;
        let usual = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(wrong()),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
        let whole = text.len() == scheme.len() + "://".len() + authority.len();
        if !whole
            || !authority.bytes().all(plain)
            || authority != authority.to_ascii_lowercase()
            || authority.ends_with(usual)
        {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The origin of the page that makes a request, if it is one of these.
pub(crate) fn allowed<'a>(origins: &[Origin], headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
    headers.get(ORIGIN).filter(|said| origins.iter().any(|origin| origin.0.as_bytes() == said.as_bytes()))
}

/// Lets pages of the configured origins see answers, and answers what browsers ask before they send a request for one.
/// Pages of all other sites get nothing, as if there were no CORS.
pub(crate) async fn cors(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let origin = allowed(app.gatekeeper.origins(), request.headers()).cloned();
    let asks_before =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &origin {
        Some(_) if asks_before => {
            let head = [
                (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
                (ACCESS_CONTROL_MAX_AGE, "600"),
            ];
            (StatusCode::NO_CONTENT, head).into_response()
        }
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if !asks_before {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for good in ["https://gui.example", "http://localhost:8080", "http://[::1]:3000", "https://a-b.example:444"] {
            assert_eq!(good.parse::<Origin>().unwrap().to_string(), good);
        }
        for bad in [
            "*",
            "null",
            "",
            "gui.example",
            "https://",
            "https://gui.example/",
            "https://gui.example/path",
            "https://GUI.example",
            "https://gui.example:443",
            "ftp://gui.example",
            "https://*.example",
            "https://user@gui.example",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
