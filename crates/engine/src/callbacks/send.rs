//! One POST, as psik sends it.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::hmac;
use jobgate_model::StringMap;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::guard;
use crate::types::Targets;

/// The HTTP clients, made when they are first needed: most jobs have no callback, and loading root certificates is slow.
#[derive(Debug)]
pub(super) struct Clients {
    timeout: Duration,
    targets: Targets,
    plain: OnceLock<Result<reqwest::Client, String>>,
    tls: OnceLock<Result<reqwest::Client, String>>,
}

impl Clients {
    pub(super) fn new(timeout: Duration, targets: Targets) -> Self {
        Self { timeout, targets, plain: OnceLock::new(), tls: OnceLock::new() }
    }

    /// Posts a body. Any 2xx answer is success (psik knows only 200, but a receiver that says 202 or 204 has it, too).
    /// The texts say what was answered, or what went wrong.
    pub(super) async fn post(
        &self,
        url: &str,
        extra: &StringMap,
        secret: Option<&str>,
        body: &str,
    ) -> Result<String, String> {
        let url = url::Url::parse(url).map_err(|error| format!("not a URL: {error}"))?;
        if self.targets == Targets::Public {
            guard::check_host(&url)?;
        }
        let client = match url.scheme() {
            "http" => self.plain.get_or_init(|| self.build(false)),
            "https" => self.tls.get_or_init(|| self.build(true)),
            other => return Err(format!("cannot call a {other} URL, only http and https")),
        };
        let headers = headers(extra, secret, body)?;
        let request = client.as_ref().map_err(Clone::clone)?.post(url).headers(headers).body(body.to_owned());
        let response = request.send().await.map_err(|error| describe(&error))?;
        let status = response.status();
        if status.is_success() {
            Ok(status.as_str().to_owned())
        } else {
            Err(format!("the receiver answered {status}"))
        }
    }

    fn build(&self, tls: bool) -> Result<reqwest::Client, String> {
        // An error means that there is a provider already.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .timeout(self.timeout)
            .connect_timeout(self.timeout.min(Duration::from_secs(10)))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("jobgate/", env!("CARGO_PKG_VERSION")));
        if !tls {
            builder = builder.tls_certs_only([]);
        }
        if self.targets == Targets::Public {
            // A proxy would resolve names for us, beyond the guard.
            builder = builder.no_proxy().dns_resolver(guard::PublicOnly);
        }
        builder.build().map_err(|error| format!("cannot make an HTTP client: {}", describe(&error)))
    }
}

/// The value of `x-hub-signature-256`: `sha256=` and the lower-case hexadecimal HMAC-SHA256 of the exact bytes.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    tag.as_ref().iter().fold(String::from("sha256="), |text, byte| format!("{text}{byte:02x}"))
}

fn headers(extra: &StringMap, secret: Option<&str>, body: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in extra.iter() {
        let name = HeaderName::try_from(name).map_err(|_| format!("cb_headers: {name:?} is not a header's name"))?;
        let mut value =
            HeaderValue::try_from(value).map_err(|_| format!("cb_headers: the value of {name} cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(secret) = secret {
        let signature = HeaderValue::try_from(sign(secret, body.as_bytes())).map_err(|error| error.to_string())?;
        headers.insert("x-hub-signature-256", signature);
    }
    Ok(headers)
}

/// The error and its causes, without the URL, which may hold a secret.
fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { "cannot send".to_owned() };
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn githubs_test_vector() {
        assert_eq!(
            sign("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }

    #[test]
    fn extra_headers_cannot_break_the_request() {
        let extra: StringMap =
            [("X-A".to_owned(), "b".to_owned()), ("content-type".into(), "text/plain".into())].into_iter().collect();
        let made = headers(&extra, Some("s"), "{}").unwrap();
        assert_eq!(made["x-a"], "b");
        assert_eq!(made["content-type"], "application/json");
        assert!(made.contains_key("x-hub-signature-256"));
        let bad: StringMap = [("X-A".to_owned(), "b\r\nX-Evil: 1".to_owned())].into_iter().collect();
        assert!(headers(&bad, None, "{}").is_err());
    }
}
