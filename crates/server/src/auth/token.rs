//! Texts of bearer tokens, as they stand in a header.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::biscuit;

/// The text of the bearer token, if there is one. The scheme's case does not matter; any other scheme counts as none.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether a text has the form of a token. Nothing is verified.
pub(crate) fn is_token(text: &str) -> bool {
    biscuit::is_biscuit(text)
}

/// The Datalog of a token's blocks, the authority block first. Nothing is verified.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, String> {
    biscuit::blocks(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_in_any_case() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("bearer abc"), Some("abc".into()));
        assert_eq!(of("Bearer  abc"), Some("abc".into()));
        assert_eq!(of("Basic abc"), None);
        assert_eq!(of("Bearer"), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_no_token() {
        for text in ["abc", "", "???", "YWJj", "e30.e30.e30", "\u{fc}"] {
            assert!(parse(text).is_err() && !is_token(text), "{text}");
        }
    }
}
