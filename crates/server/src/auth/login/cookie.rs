//! Our cookies. Under TLS their names begin with `__Host-`: then a browser takes them from this host only, and only by TLS.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::auth::Wire;

/// A request may have so many cookies of one name (a browser sends those of several paths or domains).
const MOST: usize = 4;

/// A cookie of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookie {
    /// Somebody has logged in.
    Session,
    /// Somebody is on the way to log in.
    Attempt,
}

impl Cookie {
    fn name(self, wire: Wire) -> &'static str {
        match (self, wire) {
            (Self::Session, Wire::Tls) => "__Host-jobgate",
            (Self::Session, Wire::Clear) => "jobgate",
            (Self::Attempt, Wire::Tls) => "__Host-jobgate-login",
            (Self::Attempt, Wire::Clear) => "jobgate-login",
        }
    }

    /// The values that a request brings.
    pub(super) fn values(self, wire: Wire, headers: &HeaderMap) -> Vec<&str> {
        let name = self.name(wire);
        let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).take(MOST).collect()
    }

    /// The header that makes a browser keep it. Scripts cannot see it, and requests that other sites cause do not carry it,
    /// unless the user follows a link.
    pub(super) fn set(self, wire: Wire, value: &str, seconds: i64) -> Option<HeaderValue> {
        let secure = if wire == Wire::Tls { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.name(wire));
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// The header that makes a browser forget it.
    pub(super) fn clear(self, wire: Wire) -> Option<HeaderValue> {
        self.set(wire, "", 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=b; jobgate=1;jobgate-login=x; __Host-jobgate=2".parse().unwrap());
        headers.append(COOKIE, "jobgate=3; Jobgate=4; xjobgate=5; jobgate".parse().unwrap());
        assert_eq!(Cookie::Session.values(Wire::Clear, &headers), ["1", "3"]);
        assert_eq!(Cookie::Session.values(Wire::Tls, &headers), ["2"]);
        assert_eq!(Cookie::Attempt.values(Wire::Clear, &headers), ["x"]);
        let set = Cookie::Session.set(Wire::Tls, "v", 60).unwrap();
        assert_eq!(set, "__Host-jobgate=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
        assert!(set.is_sensitive());
        assert!(!Cookie::Session.set(Wire::Clear, "v", 60).unwrap().to_str().unwrap().contains("Secure"));
    }
}
