//! A caller's promise that two requests are the same one.

use aws_lc_rs::digest::{Context, SHA256};
use axum::http::request::Parts;
use jobgate_engine::Idempotency;
use jobgate_model::Error;

/// The caller's `Idempotency-Key` with a digest of the whole request.
pub(crate) fn of(parts: &Parts, body: &[u8]) -> Result<Option<Idempotency>, Error> {
    let Some(key) = parts.headers.get("idempotency-key") else { return Ok(None) };
    let visible = |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.to_str().ok().map(str::trim).filter(visible);
    let key = key.ok_or_else(|| Error::invalid("the Idempotency-Key must have 1 to 255 visible ASCII characters"))?;
    let mut digest = Context::new(&SHA256);
    for part in [parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default()] {
        digest.update(part.as_bytes());
        digest.update(&[0]);
    }
    digest.update(body);
    let digest = digest.finish().as_ref().try_into().expect("invariant: SHA-256 has 32 bytes");
    Ok(Some(Idempotency { key: key.to_owned(), digest }))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    #[test]
    fn the_digest_covers_the_whole_request() {
        let read = |method: &str, uri: &str, body: &str| {
            let request =
                Request::builder().method(method).uri(uri).header("idempotency-key", " k1 ").body(()).unwrap();
            super::of(&request.into_parts().0, body.as_bytes()).unwrap().unwrap()
        };
        let one = read("POST", "/v1/jobs", "{}");
        assert_eq!(one.key, "k1");
        assert_eq!(one, read("POST", "/v1/jobs", "{}"));
        for other in
            [read("POST", "/v1/jobs/new", "{}"), read("POST", "/v1/jobs?a", "{}"), read("POST", "/v1/jobs", "{} ")]
        {
            assert_ne!(one.digest, other.digest);
        }
    }

    #[test]
    fn keys_are_short_and_visible() {
        let read = |key: &[u8]| {
            let request = Request::builder().header("idempotency-key", key).body(()).unwrap();
            super::of(&request.into_parts().0, b"").map(|key| key.is_some())
        };
        assert!(read(b"x").unwrap());
        assert!(read(b"").is_err() && read(b"a b").is_err() && read(b"\xff").is_err() && read(&[b'x'; 256]).is_err());
        assert!(super::of(&Request::new(()).into_parts().0, b"").unwrap().is_none());
    }
}
