//! What of a file a client wants: all of it, a range, or nothing because it has it already (RFC 9110, sections 13 and 14).

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use rustix::fs::Stat;

/// Whatever a job has written: no browser may take it for a page of ours, even if it ignores all else.
const POLICY: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

/// A file as far as HTTP is concerned.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) size: u64,
    pub(super) etag: HeaderValue,
    /// Whole seconds.
    pub(super) modified: Timestamp,
}

impl Version {
    pub(super) fn of(stat: &Stat) -> Self {
        let (seconds, nanos) = (stat.st_mtime, stat.st_mtime_nsec);
        let etag = format!("\"{:x}-{seconds:x}.{nanos:x}-{:x}\"", stat.st_ino, stat.st_size);
        Self {
            size: stat.st_size as u64,
            etag: HeaderValue::from_str(&etag).expect("invariant: hexadecimal digits"),
            modified: Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }

    fn last_modified(&self) -> Option<HeaderValue> {
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.modified).ok()?;
        HeaderValue::from_str(&date).ok()
    }
}

/// What to send.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All.
    Whole,
    /// So many bytes from an offset.
    Part { offset: u64, length: u64 },
    /// Nothing: the client has this version.
    NotModified,
    /// Nothing: the range is beyond the end.
    Unsatisfiable,
}

/// Decides what to send.
pub(super) fn decide(headers: &HeaderMap, version: &Version) -> Wanted {
    let unchanged = match (headers.get(IF_NONE_MATCH), headers.get(IF_MODIFIED_SINCE)) {
        (Some(tags), _) => matches(tags, &version.etag),
        (None, Some(date)) => parse_date(date).is_some_and(|date| version.modified <= date),
        (None, None) => false,
    };
    if unchanged {
        return Wanted::NotModified;
    }
    let current = match headers.get(IF_RANGE) {
        Some(given) if given.as_bytes().starts_with(b"\"") => given == version.etag,
        Some(given) => parse_date(given) == Some(version.modified),
        None => true,
    };
    match headers.get(RANGE).and_then(|range| range.to_str().ok()) {
        Some(range) if current => part(range, version.size),
        _ => Wanted::Whole,
    }
}

/// One range of bytes. Anything else, several ranges among it, is ignored, as the standard allows.
fn part(range: &str, size: u64) -> Wanted {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
        return Wanted::Whole;
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (first, last) = (first.trim(), last.trim());
    if !digits(first) || !digits(last) || (first.is_empty() && last.is_empty()) {
        return Wanted::Whole;
    }
    let number = |text: &str| text.parse().unwrap_or(u64::MAX);
    let (begin, end) = match (first.is_empty(), last.is_empty()) {
        (true, _) => (size.saturating_sub(number(last)), size),
        (false, true) => (number(first), size),
        (false, false) if number(first) > number(last) => return Wanted::Whole,
        (false, false) => (number(first), number(last).saturating_add(1).min(size)),
    };
    if begin >= end { Wanted::Unsatisfiable } else { Wanted::Part { offset: begin, length: end - begin } }
}

/// Whether one of the tags is this one (weakly compared) or `*`.
pub(super) fn matches(tags: &HeaderValue, etag: &HeaderValue) -> bool {
    let same = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes();
    tags.to_str().is_ok_and(|tags| tags.split(',').map(str::trim).any(same))
}

fn parse_date(value: &HeaderValue) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(value.to_str().ok()?).ok()
}

/// The answer's head with a body that was made for `wanted`.
pub(super) fn respond(name: &str, version: &Version, wanted: &Wanted, body: Body) -> Response {
    let (status, length, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, Some(version.size), None),
        Wanted::Part { offset, length } => {
            let range = format!("bytes {offset}-{}/{}", offset + length - 1, version.size);
            (StatusCode::PARTIAL_CONTENT, Some(*length), Some(range))
        }
        Wanted::NotModified => (StatusCode::NOT_MODIFIED, None, None),
        Wanted::Unsatisfiable => {
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(0), Some(format!("bytes */{}", version.size)))
        }
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ETAG, version.etag.clone());
    headers.extend(version.last_modified().map(|date| (LAST_MODIFIED, date)));
    headers.extend(length.map(|length| (CONTENT_LENGTH, length.into())));
    headers.extend(range.and_then(|range| Some((CONTENT_RANGE, HeaderValue::from_str(&range).ok()?))));
    if status.is_success() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_DISPOSITION, disposition(name));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    }
    response
}

/// `attachment; filename="F"`, in RFC 8187's form where the name needs it.
fn disposition(path: &str) -> HeaderValue {
    let name = path.rsplit('/').next().unwrap_or(path);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'~');
    let text = if name.bytes().all(plain) {
        format!("attachment; filename=\"{name}\"")
    } else {
        let encoded: String = name
            .bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect();
        format!("attachment; filename*=utf-8''{encoded}")
    };
    HeaderValue::from_str(&text).expect("invariant: plain or encoded characters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderName;

    fn version() -> Version {
        Version {
            size: 10,
            etag: HeaderValue::from_static("\"tag\""),
            modified: "2026-11-22T05:00:00Z".parse().unwrap(),
        }
    }

    fn wanted(headers: &[(HeaderName, &'static str)]) -> Wanted {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        decide(&headers, &version())
    }

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=2-4", Wanted::Part { offset: 2, length: 3 }),
            ("bytes=2-", Wanted::Part { offset: 2, length: 8 }),
            ("bytes=-3", Wanted::Part { offset: 7, length: 3 }),
            ("bytes=-30", Wanted::Part { offset: 0, length: 10 }),
            ("bytes=0-99999999999999999999999", Wanted::Part { offset: 0, length: 10 }),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=4-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
        ] {
            assert_eq!(wanted(&[(RANGE, range)]), expected, "{range}");
        }
        let empty = Version { size: 0, ..version() };
        assert_eq!(
            decide(&HeaderMap::from_iter([(RANGE, HeaderValue::from_static("bytes=0-"))]), &empty),
            Wanted::Unsatisfiable
        );
    }

    #[test]
    fn conditions() {
        const BEFORE: &str = "Sun, 22 Nov 2026 04:59:59 GMT";
        const EXACTLY: &str = "Sun, 22 Nov 2026 05:00:00 GMT";
        assert_eq!(wanted(&[(IF_NONE_MATCH, "\"x\", W/\"tag\"")]), Wanted::NotModified);
        assert_eq!(wanted(&[(IF_NONE_MATCH, "*")]), Wanted::NotModified);
        assert_eq!(wanted(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, EXACTLY)]), Wanted::Whole);
        assert_eq!(wanted(&[(IF_MODIFIED_SINCE, EXACTLY)]), Wanted::NotModified);
        assert_eq!(wanted(&[(IF_MODIFIED_SINCE, BEFORE)]), Wanted::Whole);
        assert_eq!(wanted(&[(IF_MODIFIED_SINCE, "yesterday")]), Wanted::Whole);
        let part = Wanted::Part { offset: 0, length: 2 };
        assert_eq!(wanted(&[(RANGE, "bytes=0-1"), (IF_RANGE, "\"tag\"")]), part);
        assert_eq!(wanted(&[(RANGE, "bytes=0-1"), (IF_RANGE, "\"old\"")]), Wanted::Whole);
        assert_eq!(wanted(&[(RANGE, "bytes=0-1"), (IF_RANGE, "W/\"tag\"")]), Wanted::Whole);
        assert_eq!(wanted(&[(RANGE, "bytes=0-1"), (IF_RANGE, EXACTLY)]), part);
        assert_eq!(wanted(&[(RANGE, "bytes=0-1"), (IF_RANGE, BEFORE)]), Wanted::Whole);
    }

    #[test]
    fn heads() {
        let head = |wanted| format!("{:?}", respond("a/b é.txt", &version(), &wanted, Body::empty()));
        let part = head(Wanted::Part { offset: 2, length: 3 });
        for expected in ["bytes 2-4/10", "filename*=utf-8''b%20%C3%A9.txt", "Sun, 22 Nov 2026 05:00:00 GMT", "nosniff"]
        {
            assert!(part.contains(expected), "{expected} in {part}");
        }
        assert!(head(Wanted::Unsatisfiable).contains("bytes */10"));
        assert_eq!(disposition("sub/b.bin"), "attachment; filename=\"b.bin\"");
    }
}
