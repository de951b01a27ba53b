//! What is of no experiment: the root, the list of routes, and two routes that only have to be there.

use serde_json::{Value, json};

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::documents::VERSION;
use crate::autosubmit::table::{ROUTES, method_of};

/// `GET /`
pub(in crate::autosubmit) fn show(_: &Call) -> Answer {
    json(&json!({"name": "Autosubmit API", "version": VERSION}))
}

/// `GET /v4`
pub(in crate::autosubmit) fn list_routes(_: &Call) -> Answer {
    let mut routes: Vec<Value> = Vec::new();
    for route in ROUTES.iter().filter(|route| route.path == "/v4" || route.path.starts_with("/v4/")) {
        routes.extend(method_of(route).iter().map(|method| json!({"path": route.path, "methods": [method]})));
    }
    json(&json!({"routes": routes}))
}

/// `GET /v3/shutdown/{route}`: says nothing and does nothing. (In the original it ends a process of the server's.)
pub(in crate::autosubmit) fn shut_down(_: &Call) -> Answer {
    json("")
}

/// `GET /v3/filestatus`
pub(in crate::autosubmit) fn file_status(_: &Call) -> Answer {
    json(&json!({
        "status": false,
        "error": false,
        "error_message": "This endpoint is not supported in this version of the API.Will be removed in future versions.",
        "avg_latency": null,
        "avg_bandwidth": null,
        "current_latency": null,
        "current_bandwidth": null,
        "reponse_time": null,
        "datetime": null,
        "latency_warning": null,
        "bandwidth_warning": null,
        "response_warning": null,
    }))
}
