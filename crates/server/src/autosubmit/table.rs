//! All routes of the dialect, each with whom it is for.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};

use super::answer::{Answer, answer, answer_anew, guarded, obey};
use super::call::{Call, Order};
use super::cors::cors;
use super::routes::{
    configuration, details, experiments, graph, history, jobs, login, logs, root, runners, runs, search, settings,
    statistics, summary, tree,
};
use super::{AutosubmitApp, documents};
use crate::app::App;
use crate::auth::{self, Audience, Guard, Wire};
use crate::psik::error;
use crate::router::redirect;
use crate::shared::Around;

/// A route.
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) guard: Guard,
    pub(super) does: Does,
}

/// What a route does.
pub(super) enum Does {
    /// It answers a GET, with what is made of the site's files.
    Shows(fn(&Call) -> Answer),
    /// It answers a GET, with more than that.
    Tells(fn(&Call) -> Answer),
    /// It does what a body says, perhaps for minutes.
    Obeys(&'static [&'static str], fn(&Order) -> Answer),
    /// What it does takes more than that.
    Acts(&'static [&'static str], fn() -> MethodRouter<AutosubmitApp>),
}

const fn shows(path: &'static str, with: fn(&Call) -> Answer) -> Route {
    Route { path, guard: Guard::Reads, does: Does::Shows(with) }
}

const fn tells(path: &'static str, with: fn(&Call) -> Answer) -> Route {
    Route { path, guard: Guard::Reads, does: Does::Tells(with) }
}

const fn open(path: &'static str, with: fn(&Call) -> Answer) -> Route {
    Route { path, guard: Guard::Open, does: Does::Shows(with) }
}

const fn acts(
    path: &'static str,
    guard: Guard,
    methods: &'static [&'static str],
    with: fn() -> MethodRouter<AutosubmitApp>,
) -> Route {
    Route { path, guard, does: Does::Acts(methods, with) }
}

const fn commands(path: &'static str, with: fn(&Order) -> Answer) -> Route {
    Route { path, guard: Guard::Writes, does: Does::Obeys(POST, with) }
}

const GET: &[&str] = &["GET"];
const POST: &[&str] = &["POST"];
const BOTH: &[&str] = &["POST", "GET"];

/// All routes below `/v3`, `/v4` and `/v4alpha`.
pub(crate) const ROUTES: &[Route] = &[
    open("/v4", root::list_routes),
    acts("/v4/auth/verify-token", Guard::Open, GET, || get(login::verify_token)),
    acts("/v4/auth/cas/v2/login", Guard::Open, GET, || get(login::cas)),
    acts("/v4/auth/oauth2/github/login", Guard::Open, GET, || get(login::github)),
    acts("/v4/auth/oidc/login", Guard::Open, GET, || get(login::oidc)),
    shows("/v4/experiments", experiments::list),
    shows("/v4/experiments/{expid}", experiments::show),
    shows("/v4/experiments/{expid}/jobs", jobs::list),
    shows("/v4/experiments/{expid}/wrappers", jobs::list_wrappers),
    shows("/v4/experiments/{expid}/filesystem-config", configuration::show),
    shows("/v4/experiments/{expid}/runs", runs::list_times),
    shows("/v4/experiments/{expid}/runs/{run_id}/config", configuration::show_of_run),
    shows("/v4/experiments/{expid}/runs/{run_id}/user-metrics", runs::show_metrics),
    shows("/v4/experiments/{expid}/user-metrics-runs", runs::list_measured),
    shows("/v4/experiments/{expid}/eta", runs::estimate),
    shows("/v4/experiments/{expid}/jobs/{job_name}", details::show),
    shows("/v4/experiments/{expid}/jobs/{job_name}/parents", jobs::list_parents),
    shows("/v4/experiments/{expid}/jobs/{job_name}/children", jobs::list_children),
    tells("/v4/runners/configuration/ssh-public-keys", runners::list_keys),
    tells("/v4/runners/configuration/profiles", runners::list_profiles),
    tells("/v4/runners/configuration/endpoints", runners::list_endpoints),
    commands("/v4/runners/command/set-job-status", runners::set_status),
    commands("/v4/runners/command/run-experiment", runners::run),
    Route {
        path: "/v4/runners/command/get-runner-run-status",
        guard: Guard::Reads,
        does: Does::Obeys(POST, runners::show_run),
    },
    commands("/v4/runners/command/stop-experiment", runners::stop),
    commands("/v4/runners/command/create-experiment", runners::create),
    commands("/v4/runners/command/update-experiment-description", runners::describe),
    acts("/v4/user-settings/preferred-username", Guard::Known, BOTH, || {
        get(settings::show_name).post(settings::choose_name)
    }),
    // it starts a program
    Route { path: "/v4alpha/runner-detail", guard: Guard::Writes, does: Does::Obeys(GET, runners::show_runner) },
    commands("/v4alpha/experiments/{expid}/run-experiment", runners::run_named),
    commands("/v4alpha/experiments/{expid}/stop-experiment", runners::stop_named),
    tells("/v4alpha/experiments/{expid}/get-runner-status", runners::show_run_named),
    commands("/v4alpha/experiments/{expid}/create-job-list", runners::create_jobs),
    commands("/v4alpha/runner-create-experiment", runners::create_named),
    commands("/v4alpha/experiments/{expid}/set-job-status", runners::set_status_named),
    shows("/v3/cconfig/{expid}", configuration::compare),
    shows("/v3/expinfo/{expid}", summary::expinfo),
    shows("/v3/expcount/{expid}", summary::count),
    shows("/v3/searchowner/{owner}", search::by_owner),
    shows("/v3/search/{expid}", search::by_text),
    shows("/v3/search/{expid}/{exptype}/{onlyactive}", search::by_text),
    shows("/v3/running/", search::running),
    shows("/v3/runs/{expid}", runs::list),
    shows("/v3/ifrun/{expid}", summary::is_running),
    shows("/v3/logrun/{expid}", logs::is_logging),
    shows("/v3/summary/{expid}", summary::show),
    shows("/v3/shutdown/{route}", root::shut_down),
    shows("/v3/performance/{expid}", statistics::performance),
    shows("/v3/graph/{expid}/{layout}/{grouped}", graph::show),
    shows("/v3/tree/{expid}", tree::show),
    shows("/v3/quick/{expid}", summary::quick),
    shows("/v3/exprun/{expid}", logs::show_run),
    shows("/v3/exp-recovery-logs/{expid}", logs::list_recovery),
    shows("/v3/joblog/{logfile}", logs::show_job),
    shows("/v3/pklinfo/{expid}/{timeStamp}", tree::show_changes),
    shows("/v3/pkltreeinfo/{expid}/{timeStamp}", tree::show_changes_in_tree),
    shows("/v3/stats/{expid}/{filter_period}/{filter_type}", statistics::show),
    shows("/v3/history/{expid}/{jobname}", history::show),
    shows("/v3/rundetail/{expid}/{runid}", runs::show_tree),
    open("/v3/filestatus", root::file_status),
    acts("/v3/tokentest", Guard::Open, BOTH, || get(login::test_token).post(login::test_token)),
    acts("/v3/login", Guard::Open, GET, || get(login::cas_of_old)),
];

/// The methods of a route, in the order in which the original lists them.
pub(crate) fn method_of(route: &Route) -> &'static [&'static str] {
    match route.does {
        Does::Shows(_) | Does::Tells(_) => GET,
        Does::Obeys(methods, _) | Does::Acts(methods, _) => methods,
    }
}

/// The dialect, with its gate. `alone`: with its documents and the answer to whatever else is asked for, which are elsewhere's where
/// there are other dialects.
pub(crate) fn dialect(shared: &AutosubmitApp, alone: bool) -> Router {
    let mut all = Router::new();
    for guard in [Guard::Open, Guard::Reads, Guard::Writes, Guard::Known] {
        let mut routes = Router::new();
        for route in ROUTES.iter().filter(|route| route.guard == guard) {
            // who is not admitted makes no call and no order
            let handler = match route.does {
                Does::Shows(with) => get(async move |call: Call| answer(call, with).await),
                Does::Tells(with) => get(async move |call: Call| answer_anew(call, with).await),
                Does::Obeys(methods, with) => {
                    let obey = async move |order: Order| obey(order, with).await;
                    if methods == GET { get(obey) } else { post(obey) }
                }
                Does::Acts(_, with) => with().route_layer(Around(from_fn(guarded))),
            };
            routes = routes.route(route.path, handler.options(method_not_allowed));
        }
        if guard == Guard::Open {
            let mut others = other_slashes(Router::new());
            if alone {
                others = documents::routes(others);
            }
            routes = routes.merge(others.layer(Around(from_fn(guarded))));
        }
        let routes = routes.with_state(shared.clone()).method_not_allowed_fallback(method_not_allowed);
        all = all.merge(routes.layer(Around(from_fn_with_state((Arc::clone(&shared.app), guard), enter))));
    }
    if alone {
        let app = Arc::clone(&shared.app);
        all = all.fallback(async move |request| cors(&app, request, async |_| error::not_found()).await);
    }
    all
}

/// The gate, with what browsers are told of it. One layer, since each costs as much as what it does.
async fn enter(State((app, guard)): State<(Arc<App>, Guard)>, request: Request, next: Next) -> Response {
    let gated = async |request| {
        let audience = Audience::Autosubmit(guard);
        auth::gate(State((Arc::clone(&app), audience)), request, next).await.into_response()
    };
    cors(&app, request, gated).await
}

/// What a wrong method is told. As in the original only the first method of a route is named, and HEAD only of documents. Routes have
/// it for OPTIONS: axum adds `Allow` to answers of methods that a route does not have, also to those of [`cors`].
pub(super) async fn method_not_allowed(path: Option<MatchedPath>) -> Response {
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let allowed = match ROUTES.iter().find(|route| route.path == path) {
        Some(route) => method_of(route)[0],
        None if path == "/" => "GET",
        None => "GET, HEAD",
    };
    let mut response = error::method_not_allowed();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A path that differs from a route by its last slash leads to it, whoever asks.
fn other_slashes(mut routes: Router<AutosubmitApp>) -> Router<AutosubmitApp> {
    for route in ROUTES {
        routes = match route.path.strip_suffix('/') {
            Some(path) => routes.route(path, any(with_slash)),
            None => routes.route(&format!("{}/", route.path), any(without_slash)),
        };
    }
    routes
}

pub(super) async fn without_slash(wire: Wire, uri: Uri, headers: HeaderMap) -> Response {
    redirect(uri.path().trim_end_matches('/'), wire, &uri, &headers)
}

async fn with_slash(wire: Wire, uri: Uri, headers: HeaderMap) -> Response {
    redirect(&format!("{}/", uri.path()), wire, &uri, &headers)
}
