//! The original takes several slashes for one, before it looks for a route.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// The request with the path that is meant, if it is one of this dialect's.
pub(crate) fn collapsed(mut request: Request) -> Request {
    if let Some(uri) = meant(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn meant(uri: &Uri) -> Option<Uri> {
    if !uri.path().contains("//") {
        return None;
    }
    let mut path = String::with_capacity(uri.path().len());
    for letter in uri.path().chars().filter(char::is_ascii) {
        if letter != '/' || !path.ends_with('/') {
            path.push(letter);
        }
    }
    let ours = path.split('/').nth(1).is_some_and(|first| matches!(first, "" | "v3" | "v4" | "v4alpha"));
    if !ours {
        return None;
    }
    if let Some(query) = uri.query() {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_slashes_are_one() {
        let of = |text: &str| meant(&text.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(of("//v3//expcount/a003").as_deref(), Some("/v3/expcount/a003"));
        assert_eq!(of("/v4///experiments?query=a//b").as_deref(), Some("/v4/experiments?query=a//b"));
        assert_eq!(of("///").as_deref(), Some("/"));
        assert_eq!(of("http://host//v3/running//").as_deref(), Some("http://host/v3/running/"));
        for other in ["/v3/running/", "//slurm/v0.0.45/jobs", "/v1//jobs", "//v5/x"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
