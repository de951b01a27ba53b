//! Bytes that are no requests, or hardly.

/// A request for a path.
pub(super) fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-SLURM-USER-TOKEN: {token}\r\n\r\n").into_bytes()
}

fn closing(path: &str, token: &str) -> Vec<u8> {
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nX-SLURM-USER-TOKEN: {token}\r\nConnection: close\r\n");
    [head.as_bytes(), b"\r\n"].concat()
}

/// A job that would be submitted, if all of it arrived.
pub(super) fn submission(token: &str) -> Vec<u8> {
    let body = r##"{"job":{"name":"t","current_working_directory":"/tmp","environment":["A=b"],"script":"#!/bin/sh\ntrue\n"}}"##;
    post(token, &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()), body.as_bytes())
}

/// The head of a large submission.
pub(super) fn flood_head(token: &str, chunked: bool) -> Vec<u8> {
    let length =
        if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", 100 << 20) };
    post(token, &format!("Content-Type: application/json\r\n{length}\r\n"), b"")
}

fn post(token: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST /slurm/v0.0.45/job/submit HTTP/1.1\r\nHost: localhost\r\nX-SLURM-USER-TOKEN: {token}\r\n");
    [head.as_bytes(), headers.as_bytes(), b"\r\n", body].concat()
}

/// What is sent, and whether it may be understood; then the connection is to be closed after the answer.
pub(super) fn requests(token: &str) -> Vec<(&'static str, Vec<u8>, bool)> {
    let head = format!("Host: localhost\r\nX-SLURM-USER-TOKEN: {token}\r\nConnection: close\r\n");
    let mut all: Vec<(&'static str, Vec<u8>, bool)> = Vec::new();
    let mut line = |what, first: &[u8], may| {
        all.push((what, [first, b"\r\n", head.as_bytes(), b"\r\n"].concat(), may));
    };
    for (what, first, may) in [
        ("no version", &b"GET /slurm/v0.0.45/ping"[..], false),
        ("HTTP/0.9", b"GET /", false),
        ("HTTP/9.9", b"GET /slurm/v0.0.45/ping HTTP/9.9", false),
        ("HTTP/1.1.1", b"GET /slurm/v0.0.45/ping HTTP/1.1.1", false),
        ("a word too many", b"GET /slurm/v0.0.45/ping x HTTP/1.1", false),
        ("no path", b"GET HTTP/1.1", false),
        ("an empty path", b"GET  HTTP/1.1", false),
        ("a relative path", b"GET slurm/v0.0.45/ping HTTP/1.1", false),
        ("a lower-case method", b"get /slurm/v0.0.45/ping HTTP/1.1", false),
        ("a method of punctuation", b"@#$ /slurm/v0.0.45/ping HTTP/1.1", false),
        ("NUL in the method", b"G\0T /slurm/v0.0.45/ping HTTP/1.1", false),
        ("NUL in the path", b"GET /slurm/v0.0.45/p\0ng HTTP/1.1", false),
        ("invalid UTF-8 in the path", b"GET /slurm/v0.0.45/job/\xff\xfe HTTP/1.1", false),
        ("an escaped NUL", b"GET /slurm/v0.0.45/node/%00 HTTP/1.1", true),
        ("an escaped invalid UTF-8", b"GET /slurm/v0.0.45/node/%ff%fe HTTP/1.1", true),
        ("an overlong slash", b"GET /slurm/v0.0.45/node/%c0%af HTTP/1.1", true),
        ("escapes cut short", b"GET /slurm/v0.0.45/job/%/%2 HTTP/1.1", false),
        ("way up", b"GET /slurm/v0.0.45/../../etc/passwd HTTP/1.1", false),
        ("escaped way up", b"GET /slurm/v0.0.45/node/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1", true),
        ("many slashes", b"GET ////slurm///v0.0.45//ping/// HTTP/1.1", true),
        ("a strange query", b"GET /slurm/v0.0.45/jobs?%=&&&=a;b&%ff&flags[]&flags=&update_time HTTP/1.1", true),
        ("an absolute form", b"GET http://localhost/slurm/v0.0.45/ping HTTP/1.1", true),
        ("a broken absolute form", b"GET http://[::1/slurm/v0.0.45/ping HTTP/1.1", false),
        ("an authority form", b"CONNECT localhost:22 HTTP/1.1", false),
        ("an asterisk", b"OPTIONS * HTTP/1.1", false),
        ("tracing", b"TRACE /slurm/v0.0.45/ping HTTP/1.1", false),
    ] {
        line(what, first, may);
    }
    for (what, header, may) in [
        ("a header without colon", "nonsense\r\n", false),
        ("a blank before the colon", "X-A : b\r\n", false),
        ("an empty header name", ": b\r\n", false),
        ("NUL in a header", "X-A: a\0b\r\n", false),
        ("a folded header", "X-A: a\r\n b\r\n", false),
        ("a bare carriage return", "X-A: a\rb\r\n", false),
        ("two different hosts", "Host: elsewhere\r\n", true),
        ("two different tokens", "X-SLURM-USER-TOKEN: x\r\n", true),
        ("an upgrade", "Connection: upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", true),
        ("a strange expectation", "Expect: 200-maybe\r\n", true),
        ("a range", "Range: bytes=0-0,-1,99999999999999999999-\r\n", true),
        ("a strange accept", "Accept: ;;;,,,*/;q=x\r\n", true),
        ("a strange encoding", "Accept-Encoding: gzip;q=NaN,,;\r\n", true),
        ("a strange etag", "If-None-Match: W/\"\"\",*,x\r\n", true),
        ("a length of nothing", "Content-Length: 99\r\n", false),
    ] {
        let first = format!("GET /slurm/v0.0.45/ping HTTP/1.1\r\n{head}{header}\r\n");
        all.push((what, first.into_bytes(), may));
    }
    let body = r#"{"job":{}}"#;
    let json = "Content-Type: application/json\r\n";
    for (what, headers, body) in [
        ("two lengths", "Content-Length: 10\r\nContent-Length: 11\r\n", body),
        ("a list of lengths", "Content-Length: 10, 10, 11\r\n", body),
        ("a negative length", "Content-Length: -1\r\n", body),
        ("a length with a sign", "Content-Length: +10\r\n", body),
        ("a length in hex", "Content-Length: 0x0a\r\n", body),
        ("a length that is none", "Content-Length: ten\r\n", body),
        ("a length beyond 64 bits", "Content-Length: 18446744073709551616\r\n", body),
        ("a huge length", "Content-Length: 9223372036854775807\r\n", body),
        ("a length and chunks", "Content-Length: 10\r\nTransfer-Encoding: chunked\r\n", "5\r\n{\"job\r\n0\r\n\r\n"),
        ("an unknown transfer encoding", "Transfer-Encoding: gzip\r\n", body),
        ("chunked, but not last", "Transfer-Encoding: chunked, gzip\r\n", body),
        ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n", body),
        ("a chunk size that is none", "Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        ("a negative chunk size", "Transfer-Encoding: chunked\r\n", "-2\r\n{}\r\n0\r\n\r\n"),
        ("a chunk size beyond 64 bits", "Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("a huge chunk", "Transfer-Encoding: chunked\r\n", "7fffffffffffffff\r\n{}"),
        ("a chunk longer than it says", "Transfer-Encoding: chunked\r\n", "1\r\n{}}}}\r\n0\r\n\r\n"),
        ("no end of chunks", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n"),
        ("broken trailers", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\nnonsense\0\r\n\r\n"),
        ("a body cut short", "Content-Length: 100\r\n", body),
        ("compressed nonsense", "Content-Encoding: gzip\r\nContent-Length: 10\r\n", body),
        ("an encoding nobody knows", "Content-Encoding: \"\r\nContent-Length: 10\r\n", body),
    ] {
        all.push((what, post(token, &format!("{json}{headers}"), body.as_bytes()), false));
    }
    let extension = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(1 << 20));
    all.push(("a long chunk extension", post(token, "Transfer-Encoding: chunked\r\n", extension.as_bytes()), false));
    all.push(("invalid UTF-8", post(token, &format!("{json}Content-Length: 4\r\n"), b"\"\xff\xfe\""), false));
    all.push(("a strange type", post(token, "Content-Type: \u{e9};=;\"\r\nContent-Length: 2\r\n", b"{}"), false));
    let long = "x".repeat(1 << 20);
    all.push(("a long path", get(&format!("/slurm/v0.0.45/job/{long}"), token), false));
    all.push(("a long query", get(&format!("/slurm/v0.0.45/jobs?a={long}"), token), false));
    all.push(("many parameters", closing(&format!("/slurm/v0.0.45/jobs?{}", "a=b&".repeat(10_000)), token), true));
    all.push(("a long header", format!("GET / HTTP/1.1\r\nX-A: {long}\r\n\r\n").into_bytes(), false));
    all.push(("a long token", get("/slurm/v0.0.45/ping", &long), false));
    all.push(("a long method", format!("{long} / HTTP/1.1\r\n\r\n").into_bytes(), false));
    all.push(("many headers", format!("GET / HTTP/1.1\r\n{}\r\n", "X-A: b\r\n".repeat(50_000)).into_bytes(), false));
    all.push(("nothing", Vec::new(), false));
    all.push(("line ends", b"\r\n\r\n\r\n\r\n".repeat(1000), false));
    all.push(("NULs", vec![0; 1 << 16], false));
    all.push(("bytes", (0..1_u32 << 16).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(), false));
    all.push(("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(60), false));
    all.push(("an HTTP/2 preface cut short", b"PRI * HTTP/2.0\r\n\r\n".to_vec(), false));
    all.push(("an SSH hello", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), false));
    all
}
