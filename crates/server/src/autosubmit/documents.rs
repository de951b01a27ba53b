//! What there is at the root where this dialect is alone.

mod notation;
mod operations;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use serde_json::{Map, Value, json};

use notation::{Field, fields, named, schema};
use operations::{OPERATIONS, Operation, TYPES};

use super::AutosubmitApp;
use super::answer::answer;
use super::call::Call;
use super::routes::root;
use super::table::{ROUTES, method_not_allowed, without_slash};
use crate::auth::Guard;
use crate::pages;

/// The original's version that this dialect follows.
pub(super) const VERSION: &str = "4.2.0";

/// Routes that are open and say what a token is worth.
const TELLS_OF_TOKENS: [&str; 2] = ["/v4/auth/verify-token", "/v3/tokentest"];

/// Adds the root and the documents.
pub(super) fn routes(mut routes: Router<AutosubmitApp>) -> Router<AutosubmitApp> {
    for path in ["/docs/", "/redoc/", "/openapi.json/"] {
        routes = routes.route(path, any(without_slash));
    }
    routes
        .route("/", get(async |call: Call| answer(call, root::show).await).options(method_not_allowed))
        .route("/docs", get(pages::api).options(method_not_allowed))
        .route("/redoc", get(pages::api).options(method_not_allowed))
        .route("/openapi.json", get(openapi).options(method_not_allowed))
        .route("/assets/api.js", get(pages::api_script))
        .route("/assets/style.css", get(pages::style))
}

async fn openapi(call: Call) -> Response {
    let document = document(&call.autosubmit().root_path).to_string();
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}

/// The OpenAPI document: the original's operations, with its names, parameters and types.
pub(super) fn document(root_path: &str) -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let all = paths.entry(operation.path).or_insert_with(|| json!({}));
        all[operation.method.to_ascii_lowercase()] = described(operation);
    }
    let types: Map<String, Value> = TYPES.iter().map(|(name, text)| ((*name).to_owned(), named(name, text))).collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": "Autosubmit API, served by Jobgate", "version": VERSION},
        "paths": paths,
        "components": {"schemas": types, "securitySchemes": {"HTTPBearer": {"type": "http", "scheme": "bearer"}}},
    });
    if !root_path.is_empty() {
        document["servers"] = json!([{"url": root_path}]);
    }
    document
}

fn described(operation: &Operation) -> Value {
    let path = operation.path;
    let mut all: Vec<Field<'_>> = fields(operation.parameters).collect();
    let mut parameters = Vec::new();
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let special = all.iter().position(|field| field.name.trim_matches(['{', '}']) == name && field.name != name);
        let schema = special.map_or_else(|| schema("string"), |place| all.remove(place).schema);
        parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }
    parameters.extend(
        all.into_iter()
            .map(|field| json!({"name": field.name, "in": "query", "required": field.needed, "schema": field.schema})),
    );
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let place: String = path.chars().map(plain).collect();
    let content = |kind: &str| json!({"application/json": {"schema": schema(kind)}});
    let mut described = json!({
        "operationId": format!("{}{place}_{}", operation.name, operation.method.to_ascii_lowercase()),
        "summary": operation.name.trim_start_matches('_').replace('_', " "),
        "responses": {"200": {"description": "The answer", "content": content(operation.answer)}},
    });
    if let Some(tag) = path.split('/').nth(1).filter(|tag| !tag.is_empty()) {
        described["tags"] = json!([tag]);
    }
    if !parameters.is_empty() || !operation.body.is_empty() {
        described["responses"]["422"] = json!({"description": "What is wrong", "content": content("#Problem")});
    }
    if !parameters.is_empty() {
        described["parameters"] = json!(parameters);
    }
    if !operation.body.is_empty() {
        let body = operation.body.trim_end_matches('?');
        described["requestBody"] = json!({"content": content(body)});
        if body == operation.body {
            described["requestBody"]["required"] = json!(true);
        }
    }
    let route = ROUTES.iter().find(|route| route.path == path);
    if TELLS_OF_TOKENS.contains(&path) || route.is_some_and(|route| route.guard != Guard::Open) {
        described["security"] = json!([{"HTTPBearer": []}]);
    }
    described
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::autosubmit::table::method_of;

    #[test]
    fn every_route_is_described_and_every_type_is_there() {
        let routes = ROUTES.iter().flat_map(|route| method_of(route).iter().map(|method| (*method, route.path)));
        let routes: BTreeSet<_> = routes.chain([("GET", "/")]).collect();
        let operations: BTreeSet<_> = OPERATIONS.iter().map(|operation| (operation.method, operation.path)).collect();
        assert_eq!(operations, routes);
        assert_eq!(operations.len(), OPERATIONS.len());
        let text = document("/below").to_string();
        let named = text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next());
        for name in named {
            assert!(TYPES.iter().any(|(known, _)| *known == name), "{name}");
        }
        assert!(text.contains(r#""servers":[{"url":"/below"}]"#));
    }
}
