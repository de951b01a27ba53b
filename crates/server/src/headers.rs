//! Headers that every answer has, so that browsers and caches do no harm with it.

use axum::http::header::{
    CACHE_CONTROL, ETAG, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::Response;

use crate::auth::Wire;

/// Who an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// One who is known: nobody else may get it from a cache.
    One,
    /// Whoever asked.
    Anybody,
}

/// Adds what the route itself has not said.
pub(crate) fn protect(response: &mut Response, whom: For, wire: Wire) {
    let revised = response.headers().contains_key(ETAG);
    let mut add = |name: HeaderName, value: &'static str| {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(REFERRER_POLICY, "no-referrer");
    match (whom, revised) {
        // its client may keep it, and asks whether it is still the same
        (For::One, true) => add(CACHE_CONTROL, "private, no-cache"),
        (For::One, false) => add(CACHE_CONTROL, "no-store"),
        (For::Anybody, _) => {}
    }
    if wire == Wire::Tls {
        add(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn shown(response: Response, whom: For, wire: Wire) -> String {
        let mut response = response;
        protect(&mut response, whom, wire);
        let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        let mut lines: Vec<String> = response.headers().iter().map(line).collect();
        lines.sort();
        lines.join("; ")
    }

    #[test]
    fn what_is_added() {
        let plain = || Response::new(Body::empty());
        let with = |name, value| {
            let mut response = plain();
            response.headers_mut().insert(name, HeaderValue::from_static(value));
            response
        };
        assert_eq!(
            shown(plain(), For::Anybody, Wire::Clear),
            "referrer-policy: no-referrer; x-content-type-options: nosniff"
        );
        assert!(shown(plain(), For::One, Wire::Clear).contains("cache-control: no-store"));
        assert!(shown(with(ETAG, "\"x\""), For::One, Wire::Clear).contains("cache-control: private, no-cache"));
        assert!(shown(with(CACHE_CONTROL, "max-age=5"), For::One, Wire::Clear).contains("cache-control: max-age=5;"));
        assert!(shown(plain(), For::Anybody, Wire::Tls).contains("strict-transport-security: max-age=31536000"));
    }
}
