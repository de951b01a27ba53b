//! Content types and bodies.

use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::answer::{Format, failure, text};
use crate::bodies::{AGAIN, Refused};

/// Why a body is not taken: status and text, as slurmrestd says it.
pub(super) type Refusal = (StatusCode, &'static str);

/// What the client takes. Of several types the first that is known counts; none at all means JSON.
pub(super) fn accepted(headers: &HeaderMap) -> Result<Format, Refusal> {
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        for part in value.to_str().unwrap_or_default().split(',') {
            let kind = part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            match kind.as_str() {
                "" => {}
                "*/*" | "application/*" | "application/json" => return Ok(Format::Json),
                "application/yaml" | "application/x-yaml" => return Ok(Format::Yaml),
                _ => any = true,
            }
        }
    }
    if any {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "HTTP Accept header content type is unknown or unsupported"));
    }
    Ok(Format::Json)
}

/// What is told of a body that was not taken.
pub(super) fn refused(refused: &Refused) -> Response {
    match refused {
        Refused::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
        Refused::Late => text(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time"),
        Refused::Broken(_) => text(StatusCode::BAD_REQUEST, "The body did not arrive whole"),
        Refused::NoRoom => {
            let why = "The gateway has too much to read at once; try again";
            failure(StatusCode::SERVICE_UNAVAILABLE, why, AGAIN.as_secs())
        }
    }
}

/// Reads a body into a document; `Null`: there is none. Unlike slurmrestd we take types with a charset.
pub(super) fn parse(headers: &HeaderMap, bytes: &Bytes) -> Result<Value, Refusal> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err((StatusCode::NOT_ACCEPTABLE, "Content-Encoding is not supported; send the body as it is"));
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let kind = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let unreadable = (StatusCode::BAD_REQUEST, "Failure during parsing");
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable)?;
    let value = match kind.as_deref() {
        None => return Err((StatusCode::INTERNAL_SERVER_ERROR, "Unspecified error: a body needs a Content-Type")),
        Some("application/json") => serde_json::from_str(text).map_err(|_| unreadable)?,
        Some("application/yaml" | "application/x-yaml") => from_yaml(text).ok_or(unreadable)?,
        Some("application/x-www-form-urlencoded") => form(text),
        Some(_) => return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "MIME type is unknown to any loaded plugins")),
    };
    // a document that says nothing at all is not one
    if value.is_null() { Err(unreadable) } else { Ok(value) }
}

/// YAML bodies are small: whoever needs more than this sends JSON. The limit keeps aliases from multiplying.
const MOST_YAML: usize = 1 << 20;

fn from_yaml(text: &str) -> Option<Value> {
    // aliases are refused: nobody writes a job with them, and a few lines of them can mean gigabytes
    if text.len() > MOST_YAML || has_alias(text) {
        return None;
    }
    yaml_serde::from_str(text).ok()
}

/// Whether a YAML text may refer to an anchor: a `*` where a value begins.
fn has_alias(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with('*')
            || [": *", "- *", "[*", "[ *", ", *", ",*", "{ *", "{*"].iter().any(|start| {
                line.match_indices(start).any(|(at, _)| {
                    let before = &line[..at];
                    // not within quotes
                    before.matches('"').count() % 2 == 0 && before.matches('\'').count() % 2 == 0
                })
            })
    })
}

fn form(text: &str) -> Value {
    let pairs = url::form_urlencoded::parse(text.as_bytes());
    Value::Object(pairs.map(|(key, value)| (key.into_owned(), Value::from(value.into_owned()))).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn what_clients_take() {
        let of = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            accepted(&headers)
        };
        assert_eq!(accepted(&HeaderMap::new()), Ok(Format::Json));
        assert_eq!(of("*/*"), Ok(Format::Json));
        assert_eq!(of("application/yaml"), Ok(Format::Yaml));
        assert_eq!(of("text/html, application/json;q=0.5"), Ok(Format::Json));
        assert_eq!(of("text/html").unwrap_err().0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[test]
    fn yaml_bombs_are_refused() {
        let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        assert_eq!(from_yaml(bomb), None);
        assert_eq!(
            from_yaml("job:\n  script: |\n    #!/bin/sh\n    ls\n").unwrap()["job"]["script"],
            "#!/bin/sh\nls\n"
        );
        let glob = from_yaml("job:\n  script: \"#!/bin/sh\\nls *.c\"\n").unwrap();
        assert_eq!(glob["job"]["script"], "#!/bin/sh\nls *.c");
    }
}
