//! Every route of the product, each in the group of those whom it is for.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{HOST, LOCATION};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post, put};
use tower::Service;

use crate::app::App;
use crate::auth::login::routes as login;
use crate::auth::{self, Audience, Cluster, Wire};
use crate::autosubmit::{self, AutosubmitApp};
use crate::cors::cors;
use crate::observe::observe;
use crate::pages;
use crate::psik::{Dialect, Psik, error, routes};
use crate::shared::Around;
use crate::slurm::{self, SlurmApp};

/// Bytes of a body in Autosubmit's dialect, where nobody has more to say than some settings.
const AUTOSUBMIT_BODY: usize = 1 << 20;

/// The whole product.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    router: Router,
    /// Whether several slashes are taken for one where Autosubmit's clients may send them, before a route is looked for.
    collapses: bool,
}

impl Routes {
    pub(crate) fn new(app: &Arc<App>) -> Self {
        let router = match &app.gatekeeper {
            gate if gate.speaks_slurm_only() => slurm_alone(app),
            gate if gate.speaks_autosubmit_only() => autosubmit_alone(app),
            _ => every_dialect(app),
        };
        Self { router, collapses: app.autosubmit.is_some() && !app.gatekeeper.speaks_slurm_only() }
    }

    /// What a request is answered.
    pub(crate) fn answer(&self, request: Request) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        let request = if self.collapses { autosubmit::collapsed(request) } else { request };
        self.router.clone().call(request)
    }
}

fn every_dialect(app: &Arc<App>) -> Router {
    let mut all = Router::new();
    for (audience, routes) in [
        (Audience::Anyone, Router::new().route("/healthz", get(pages::health))),
        (Audience::Operator, operator().with_state(Arc::clone(app))),
        (Audience::Public, documents()),
        (Audience::Public, logins().with_state(Arc::clone(app))),
        (Audience::Arrival, arrivals().with_state(Arc::clone(app))),
    ] {
        all = all.merge(gated(app, audience, routes));
    }
    for dialect in Dialect::ALL {
        let psik = Psik { app: Arc::clone(app), dialect };
        let p = |path: &str| format!("{}{path}", dialect.prefix());
        all = all.merge(gated(app, Audience::Public, psik_public(p).with_state(psik.clone())));
        all = all.merge(gated(app, Audience::Owner, psik_jobs(p).with_state(psik)));
    }
    for (cluster, shared) in clusters(app) {
        all = all.merge(gated(app, Audience::Slurm(cluster), slurm_dialect(shared)));
    }
    if let Some(shared) = autosubmit(app) {
        all = all.merge(autosubmit::dialect(&shared, false).layer(Around(DefaultBodyLimit::max(AUTOSUBMIT_BODY))));
    }
    let unmatched = Router::new().fallback(async || error::not_found());
    around(app, all.merge(gated(app, Audience::Public, unmatched)))
}

/// Autosubmit's dialect and nothing else. Its routes are a table of `autosubmit/table.rs`.
fn autosubmit_alone(app: &Arc<App>) -> Router {
    let mut all = gated(app, Audience::Anyone, Router::new().route("/healthz", get(pages::health)));
    if let Some(shared) = autosubmit(app) {
        all = all.merge(autosubmit::dialect(&shared, true).layer(Around(DefaultBodyLimit::max(AUTOSUBMIT_BODY))));
    }
    around(app, all)
}

/// Autosubmit's dialect with what its handlers share.
fn autosubmit(app: &Arc<App>) -> Option<AutosubmitApp> {
    Some(AutosubmitApp { app: Arc::clone(app), autosubmit: Arc::clone(app.autosubmit.as_ref()?) })
}

/// Slurm's dialect and nothing else: also what there is not is answered in its manner.
fn slurm_alone(app: &Arc<App>) -> Router {
    let mut all = gated(app, Audience::Anyone, Router::new().route("/healthz", get(pages::health)));
    for (cluster, shared) in clusters(app) {
        let mut routes = slurm_dialect(shared.clone());
        if cluster == Cluster::Main {
            routes = routes.merge(Router::new().fallback(slurm::handle).with_state(shared));
        }
        all = all.merge(gated(app, Audience::Slurm(cluster), routes));
    }
    around(app, all)
}

/// Slurm's dialect for each cluster, with what its handlers share.
fn clusters(app: &Arc<App>) -> Vec<(Cluster, SlurmApp)> {
    let main = app.slurm.iter().map(|slurm| (Cluster::Main, slurm));
    let further = app.clusters.iter().enumerate().map(|(place, slurm)| (Cluster::Further(place), slurm));
    let shared = |slurm: &Arc<_>| SlurmApp { app: Arc::clone(app), slurm: Arc::clone(slurm) };
    main.chain(further).map(|(cluster, slurm)| (cluster, shared(slurm))).collect()
}

/// What is around all routes.
fn around(app: &Arc<App>, routes: Router) -> Router {
    // every body has its own limit, where it is read
    let mut routes = routes.layer(DefaultBodyLimit::disable());
    if !app.gatekeeper.origins().is_empty() {
        routes = routes.layer(Around(from_fn_with_state(Arc::clone(app), cors)));
    }
    routes.layer(Around(from_fn_with_state(Arc::clone(app), observe)))
}

/// For who runs the gateway.
fn operator() -> Router<Arc<App>> {
    Router::new().route("/readyz", get(pages::ready)).route("/metrics", get(pages::metrics))
}

/// Who one is, and who can say so.
fn logins() -> Router<Arc<App>> {
    Router::new()
        .route("/auth/login", get(login::list_logins))
        .route("/auth/login/{provider}", get(login::begin_login))
        .route("/auth/logout", post(login::log_out))
        .route("/auth/whoami", get(login::whoami))
}

/// The ways back from logins.
fn arrivals() -> Router<Arc<App>> {
    Router::new().route("/auth/callback/{provider}", get(login::finish_login))
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
        .route(&p("/jobs/{jobid}/shares"), get(routes::list_shares))
        .route(&p("/jobs/{jobid}/shares/{user}"), put(routes::share_job).delete(routes::unshare_job))
        .route(&p("/jobs/{jobid}/"), any(without_slash))
        .route(&p("/jobs/{jobid}/shares/"), any(without_slash))
        .route(&p("/jobs/{jobid}/start/"), any(without_slash))
        .route(&p("/jobs/{jobid}/state/"), any(without_slash))
}

/// Slurm's dialect for one cluster. Its operations, in all their versions, are a table of `jobgate_slurm`.
fn slurm_dialect(shared: SlurmApp) -> Router {
    let mut all = Router::new();
    let base = shared.slurm.base.clone();
    for path in ["/slurm/{*path}", "/slurmdb/{*path}", "/util/{*path}", "/openapi", "/openapi/{*path}"] {
        all = all.route(&format!("{base}{path}"), any(slurm::handle));
        // one version only: /only-v0.0.45/...
        all = all.route(&format!("{base}/{{version}}{path}"), any(slurm::handle_one_version));
    }
    for path in ["/openapi.json", "/openapi.yaml"] {
        all = all.route(&format!("{base}{path}"), any(slurm::handle));
    }
    // slurmrestd takes double slashes for one, and its test-suite sends them at the start
    all.route(&format!("{base}//{{*path}}"), any(slurm::handle)).with_state(shared)
}

/// Puts the gate of an audience before routes, for all of their methods.
fn gated(app: &Arc<App>, audience: Audience, routes: Router) -> Router {
    let routes = routes.method_not_allowed_fallback(async || error::method_not_allowed());
    routes.layer(Around(from_fn_with_state((Arc::clone(app), audience), auth::gate)))
}

async fn without_slash(wire: Wire, uri: Uri, headers: HeaderMap) -> Response {
    redirect_without_slash(wire, &uri, &headers)
}

async fn with_slash(wire: Wire, uri: Uri, headers: HeaderMap) -> Response {
    redirect(&format!("{}/", uri.path()), wire, &uri, &headers)
}

/// 307 to the same path without its last slash; the method and the body are to be sent again.
pub(crate) fn redirect_without_slash(wire: Wire, uri: &Uri, headers: &HeaderMap) -> Response {
    redirect(uri.path().trim_end_matches('/'), wire, uri, headers)
}

/// The location is absolute, as in the originals.
pub(crate) fn redirect(path: &str, wire: Wire, uri: &Uri, headers: &HeaderMap) -> Response {
    let scheme = match wire {
        Wire::Clear => "http",
        Wire::Tls => "https",
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin =
        uri.authority().map(Authority::as_str).or(host).map(|host| format!("{scheme}://{host}")).unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::from_str(&format!("{origin}{path}{query}")) {
        Ok(location) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response(),
        Err(_) => error::not_found(),
    }
}
