//! Every route of the product, each in the group of those whom it is for.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{HOST, LOCATION};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};

use crate::app::App;
use crate::auth::{self, Audience};
use crate::observe::observe;
use crate::pages;
use crate::psik::{Dialect, Psik, error, routes};

/// The whole product.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let mut all = Router::new();
    for (audience, routes) in [
        (Audience::Anyone, Router::new().route("/healthz", get(pages::health))),
        (Audience::Operator, operator().with_state(Arc::clone(app))),
        (Audience::Public, documents()),
    ] {
        all = all.merge(gated(app, audience, routes));
    }
    for dialect in Dialect::ALL {
        let psik = Psik { app: Arc::clone(app), dialect };
        let p = |path: &str| format!("{}{path}", dialect.prefix());
        all = all.merge(gated(app, Audience::Public, psik_public(p).with_state(psik.clone())));
        all = all.merge(gated(app, Audience::Owner, psik_jobs(p).with_state(psik)));
    }
    let unmatched = Router::new().fallback(async || error::not_found());
    all.merge(gated(app, Audience::Public, unmatched))
        // every body has its own limit, where it is read
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(Arc::clone(app), observe))
}

/// For who runs the gateway.
fn operator() -> Router<Arc<App>> {
    Router::new().route("/readyz", get(pages::ready)).route("/metrics", get(pages::metrics))
}

/// For people.
fn documents() -> Router {
    let mut documents = Router::new()
        .route("/", get(pages::front))
        .route("/assets/api.js", get(pages::api_script))
        .route("/assets/style.css", get(pages::style));
    for dialect in Dialect::ALL {
        let p = |path: &str| format!("{}{path}", dialect.prefix());
        documents = documents
            .route(&p("/"), get(pages::api))
            .route(&p("/redoc"), get(pages::api))
            .route(&p("/openapi.json"), get(async move || pages::openapi(dialect)))
            .route(&p(""), any(with_slash))
            .route(&p("/redoc/"), any(without_slash))
            .route(&p("/openapi.json/"), any(without_slash));
    }
    documents
}

/// psik_api for everybody.
fn psik_public(p: impl Fn(&str) -> String) -> Router<Psik> {
    Router::new()
        .route(&p("/backends"), get(routes::list_backends))
        .route(&p("/backends/"), get(routes::list_backends))
        .route(&p("/backends/{name}"), get(routes::show_backend))
        .route(&p("/backends/{name}/"), any(without_slash))
        .route(&p("/token"), get(routes::issue_token).post(routes::show_token))
        .route(&p("/token/"), any(without_slash))
}

/// psik_api for those who may have jobs.
fn psik_jobs(p: impl Fn(&str) -> String) -> Router<Psik> {
    Router::new()
        .route(&p("/jobs"), get(routes::list_jobs).post(routes::submit_job))
        .route(&p("/jobs/"), get(routes::list_jobs).post(routes::submit_job))
        .route(&p("/jobs/new"), post(routes::create_job))
        .route(&p("/jobs/callback"), post(routes::reach_job))
        .route(&p("/jobs/{jobid}"), get(routes::show_history).delete(routes::cancel_job))
        .route(&p("/jobs/{jobid}/start"), post(routes::start_job))
        .route(&p("/jobs/{jobid}/state"), get(routes::show_state))
        .route(&p("/jobs/{jobid}/logs"), get(routes::list_logs))
        .route(&p("/jobs/{jobid}/logs/"), get(routes::list_logs))
        .route(&p("/jobs/{jobid}/scripts"), get(routes::list_scripts))
        .route(&p("/jobs/{jobid}/scripts/"), get(routes::list_scripts))
        .route(&p("/jobs/{jobid}/files"), get(routes::list_files).post(routes::upload_files))
        .route(&p("/jobs/{jobid}/files/"), get(routes::list_files).post(routes::upload_files))
        .route(
            &p("/jobs/{jobid}/files/{*fname}"),
            // only GET is advertised: see upload_raw
            get(routes::download_file).fallback(routes::upload_raw),
        )
        .route(&p("/jobs/{jobid}/"), any(without_slash))
        .route(&p("/jobs/{jobid}/start/"), any(without_slash))
        .route(&p("/jobs/{jobid}/state/"), any(without_slash))
}

/// Puts the gate of an audience before routes, for all of their methods.
fn gated(app: &Arc<App>, audience: Audience, routes: Router) -> Router {
    let routes = routes.method_not_allowed_fallback(async || error::method_not_allowed());
    routes.layer(from_fn_with_state((Arc::clone(app), audience), auth::gate))
}

async fn without_slash(uri: Uri, headers: HeaderMap) -> Response {
    redirect_without_slash(&uri, &headers)
}

async fn with_slash(uri: Uri, headers: HeaderMap) -> Response {
    redirect(&format!("{}/", uri.path()), &uri, &headers)
}

/// 307 to the same path without its last slash; the method and the body are to be sent again.
pub(crate) fn redirect_without_slash(uri: &Uri, headers: &HeaderMap) -> Response {
    redirect(uri.path().trim_end_matches('/'), uri, headers)
}

/// The location is absolute, as in the originals.
fn redirect(path: &str, uri: &Uri, headers: &HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin =
        uri.authority().map(Authority::as_str).or(host).map(|host| format!("http://{host}")).unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::from_str(&format!("{origin}{path}{query}")) {
        Ok(location) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response(),
        Err(_) => error::not_found(),
    }
}
