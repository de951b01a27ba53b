//! What there is at the root where this dialect is alone.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::AutosubmitApp;
use super::answer::answer;
use super::call::Call;
use super::routes::root;
use super::table::{ROUTES, Route, method_of};
use crate::auth::Guard;
use crate::pages;

/// The original's version that this dialect follows.
pub(super) const VERSION: &str = "4.2.0";

/// Adds the root and the documents.
pub(super) fn routes(routes: Router<AutosubmitApp>) -> Router<AutosubmitApp> {
    routes
        .route("/", get(async |call: Call| answer(call, root::show).await))
        .route("/docs", get(pages::api))
        .route("/redoc", get(pages::api))
        .route("/openapi.json", get(openapi))
        .route("/assets/api.js", get(pages::api_script))
        .route("/assets/style.css", get(pages::style))
}

async fn openapi(call: Call) -> Response {
    let document = document(&call.autosubmit().root_path).to_string();
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}

/// The OpenAPI document: paths, methods and parameters.
pub(super) fn document(root_path: &str) -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let operations: Map<String, Value> =
            method_of(route).iter().map(|method| (method.to_ascii_lowercase(), operation(route, method))).collect();
        paths.insert(route.path.to_owned(), Value::Object(operations));
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": "Autosubmit API, served by Jobgate", "version": VERSION},
        "paths": paths,
        "components": {"securitySchemes": {"HTTPBearer": {"type": "http", "scheme": "bearer"}}},
    });
    if !root_path.is_empty() {
        document["servers"] = json!([{"url": root_path}]);
    }
    document
}

fn operation(route: &Route, method: &str) -> Value {
    let words = route.path.split('/').filter(|part| !part.is_empty()).map(|part| part.trim_matches(['{', '}']));
    let name: Vec<&str> = words.collect();
    let parameters = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = parameters
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let mut operation = json!({
        "tags": [name.first().copied().unwrap_or_default()],
        "operationId": format!("{}_{}", name.join("_").replace('-', "_"), method.to_ascii_lowercase()),
        "parameters": parameters,
        "responses": {"200": {"description": "The answer", "content": {"application/json": {"schema": {}}}}},
    });
    if route.guard != Guard::Open {
        operation["security"] = json!([{"HTTPBearer": []}]);
    }
    operation
}
