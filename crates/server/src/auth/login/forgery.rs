//! Requests that other web sites have a browser make. A cookie proves whose browser it is, not that its user wants something.

use axum::http::Uri;
use axum::http::header::{HeaderName, ORIGIN};
use axum::http::request::Parts;
use jobgate_model::{Access, Error, ErrorKind};

use crate::auth::local::authority;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Refuses a request with a cookie that a page of ours did not make. What changes something must say where it comes from, by
/// `Origin` or `Sec-Fetch-Site`: all browsers do. What only looks may also be a link on another site that was followed, because
/// that site does not get to see the answer. Which of them it is is not for the method to say: Slurm has links that act. `ours`:
/// our origin, if it is not simply what the request calls us.
pub(super) fn refuse(parts: &Parts, access: Access, ours: Option<&str>) -> Result<(), Error> {
    let safe = access == Access::Read;
    let (origin, site, mode) = (text(parts, &ORIGIN)?, text(parts, &SITE)?, text(parts, &MODE)?);
    let from_us = match origin {
        Some(origin) if is_ours(origin, authority(parts), ours) => true,
        Some(_) => return refusal(),
        None => false,
    };
    match site {
        Some("same-origin") => Ok(()),
        Some("none") if safe => Ok(()),
        Some(_) if safe && mode == Some("navigate") => Ok(()),
        None if safe || from_us => Ok(()),
        _ => refusal(),
    }
}

fn refusal<T>() -> Result<T, Error> {
    let why = "a browser's session counts only for requests of this gateway's own pages; programs use a token";
    Err(Error::new(ErrorKind::Forbidden, why))
}

/// The one value of a header.
fn text<'a>(parts: &'a Parts, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    let mut values = parts.headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).or_else(|_| refusal()),
        (Some(_), Some(_)) => refusal(),
    }
}

fn is_ours(origin: &str, called: Option<&str>, ours: Option<&str>) -> bool {
    if let Some(ours) = ours
        && origin.eq_ignore_ascii_case(ours)
    {
        return true;
    }
    let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    ours.is_none() && host.is_some_and(|host| called.is_some_and(|called| host.eq_ignore_ascii_case(called)))
}

/// Whether this can only be a place of ours when a browser is led to it.
pub(super) fn is_local_path(path: &str) -> bool {
    // `//host`, `/\host` and control characters (which browsers leave out) lead elsewhere
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    path.len() <= 1024
        && plain
        && path.starts_with('/')
        && !path.starts_with("//")
        && path.parse::<Uri>().is_ok_and(|uri| uri.authority().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str, headers: &[(&str, &str)], ours: Option<&str>) -> bool {
        let (method, host) = line.split_once(' ').unwrap();
        let mut request = axum::http::Request::builder().method(method).uri("/").header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let access = if method == "GET" { Access::Read } else { Access::Write };
        refuse(&request.body(()).unwrap().into_parts().0, access, ours).is_ok()
    }

    #[test]
    fn what_changes_something_says_where_it_comes_from() {
        let gate = Some("https://gate.example");
        for (headers, fine) in [
            (&[("origin", "https://gate.example")][..], true),
            (&[("origin", "https://gate.example"), ("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], false),
            (&[("origin", "http://gate.example")], false),
            (&[("origin", "https://gate.example:444")], false),
            (&[("origin", "https://gate.example.evil.example")], false),
            (&[("origin", "https://gate.example"), ("sec-fetch-site", "cross-site")], false),
            (&[("origin", "https://gate.example"), ("origin", "https://evil.example")], false),
        ] {
            for method in ["POST", "PUT", "DELETE", "PATCH"] {
                assert_eq!(asked(&format!("{method} inner:8000"), headers, gate), fine, "{method} {headers:?}");
            }
        }
        assert!(asked("POST localhost:8000", &[("origin", "http://localhost:8000")], None));
        assert!(!asked("POST localhost:8000", &[("origin", "http://localhost:9000")], None));
        assert!(!asked("POST localhost:8000", &[("origin", "ftp://localhost:8000")], None));
    }

    #[test]
    fn what_only_looks_may_be_a_link() {
        for (headers, fine) in [
            (&[][..], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], true),
            (&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], false),
            (&[("sec-fetch-site", "same-site"), ("sec-fetch-mode", "cors")], false),
            (&[("origin", "https://evil.example")], false),
        ] {
            assert_eq!(asked("GET gate.example", headers, None), fine, "{headers:?}");
        }
    }

    #[test]
    fn places_of_ours() {
        for ours in ["/", "/v2/", "/v2/jobs?backend=a&x=%2F%2Fy", "/a//b"] {
            assert!(is_local_path(ours), "{ours}");
        }
        let long = format!("/{}", "x".repeat(2000));
        for other in [
            "",
            "v2",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil",
            "/ /x",
            "javascript:alert(1)",
            "/ü",
            "\\\\evil",
            &long,
        ] {
            assert!(!is_local_path(other), "{other}");
        }
    }
}
