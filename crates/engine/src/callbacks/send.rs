//! One POST, as psik sends it.

use aws_lc_rs::hmac;
use jobgate_model::StringMap;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::outgoing::{Outgoing, sensitive};

/// Posts a body. Any 2xx answer is success (psik knows only 200, but a receiver that says 202 or 204 has it, too).
/// The texts say what was answered, or what went wrong.
pub(super) async fn post(
    outgoing: &Outgoing,
    url: &str,
    extra: &StringMap,
    secret: Option<&str>,
    body: &str,
) -> Result<String, String> {
    let url = url::Url::parse(url).map_err(|error| format!("not a URL: {error}"))?;
    let headers = headers(extra, secret, body)?;
    let status = outgoing.send(Method::POST, url, headers, body.to_owned().into_bytes()).await?.status();
    if status.is_success() { Ok(status.as_str().to_owned()) } else { Err(format!("the receiver answered {status}")) }
}

/// The value of `x-hub-signature-256`: `sha256=` and the lower-case hexadecimal HMAC-SHA256 of the exact bytes.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    tag.as_ref().iter().fold(String::from("sha256="), |text, byte| format!("{text}{byte:02x}"))
}

fn headers(extra: &StringMap, secret: Option<&str>, body: &str) -> Result<HeaderMap, String> {
    let mut headers = sensitive(extra.iter()).map_err(|why| format!("cb_headers: {why}"))?;
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(secret) = secret {
        let signature = HeaderValue::try_from(sign(secret, body.as_bytes())).map_err(|error| error.to_string())?;
        headers.insert("x-hub-signature-256", signature);
    }
    Ok(headers)
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
