//! The few pages that people see when they log in. They have no scripts.

use std::fmt::Write;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

/// Nothing is loaded from elsewhere, nothing is kept, and no address that a page was reached by is told to others.
const POLICY: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (CONTENT_TYPE, "text/html; charset=utf-8"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    // with `no-referrer` a browser would not say that the form for logging out is ours (`Origin: null`)
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
];

/// `GET /auth/login`: who is here, and by whom one can log in. `providers`: names, and where to go.
pub(super) fn choose(who: Option<&str>, providers: &[(String, String)]) -> Response {
    let mut body = String::new();
    let mut add = |args: std::fmt::Arguments<'_>| body.write_fmt(args).expect("invariant: a String takes everything");
    if let Some(who) = who {
        add(format_args!(
            "<p>You are logged in as <strong>{}</strong>.</p>\n\
             <form method=\"post\" action=\"/auth/logout\"><button>Log out</button></form>\n",
            escape(who)
        ));
    }
    if providers.is_empty() {
        add(format_args!("<p>There are no logins here: clients bring tokens or certificates.</p>\n"));
    }
    for (name, path) in providers {
        add(format_args!("<p><a href=\"{}\">Log in by {}</a></p>\n", escape(path), escape(name)));
    }
    page(StatusCode::OK, "Log in", "", &body)
}

/// Somebody has come in. A browser goes on by itself, as if the person had typed the address: it comes from us, no longer from
/// the provider.
pub(super) fn welcome(who: &str, next: &str) -> Response {
    let next = escape(next);
    let head = format!("<meta http-equiv=\"refresh\" content=\"0;url={next}\">\n");
    let body =
        format!("<p>You are logged in as <strong>{}</strong>.</p>\n<p><a href=\"{next}\">Go on</a></p>\n", escape(who));
    page(StatusCode::OK, "Logged in", &head, &body)
}

/// Somebody was not let in.
pub(super) fn turned_away(status: StatusCode, why: &str) -> Response {
    let body = format!("<p>{}.</p>\n<p><a href=\"/auth/login\">Log in again</a></p>\n", escape(why));
    page(status, "Not logged in", "", &body)
}

fn page(status: StatusCode, title: &str, head: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{head}<title>{title} - Jobgate</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"/assets/style.css\">\n\
         <main>\n<h1>{title}</h1>\n{body}</main>\n</html>\n"
    );
    (status, POLICY, text).into_response()
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut all, c| {
        match c {
            '&' => all.push_str("&amp;"),
            '<' => all.push_str("&lt;"),
            '>' => all.push_str("&gt;"),
            '"' => all.push_str("&quot;"),
            '\'' => all.push_str("&#39;"),
            other => all.push(other),
        }
        all
    })
}
