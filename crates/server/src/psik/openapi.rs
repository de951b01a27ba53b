//! The dialects' OpenAPI documents. Paths, operation ids and schema names are psik_api's, so that clients generated from
//! its documents and from ours are the same; what is said about them, which answers are possible, and shares are ours.

mod operations;
mod schemas;

use serde_json::{Map, Value, json};

use super::Dialect;

const BEARER: &str = "Biscuit token for authorization";

/// One operation, described once for both dialects.
struct Operation {
    method: &'static str,
    path: &'static str,
    /// The name of psik_api's function, from which FastAPI makes the operation id.
    name: &'static str,
    /// Whether psik_api 1 documents the form with a slash at the end, too.
    slash: bool,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answer: Value,
    /// Statuses besides 200 that this operation answers, in addition to those of its tag.
    statuses: &'static [u16],
}

/// The document.
pub(crate) fn document(dialect: Dialect) -> Value {
    let mut paths = Map::new();
    for operation in operations::operations(dialect) {
        let mut forms = vec![operation.path.to_owned()];
        if operation.slash && dialect == Dialect::V1 {
            forms.insert(0, format!("{}/", operation.path));
        }
        for path in forms {
            let described = describe(dialect, &operation, &path);
            let methods = paths.entry(path).or_insert_with(|| json!({}));
            if let Some(methods) = methods.as_object_mut() {
                methods.insert(operation.method.into(), described);
            }
        }
    }
    let version = match dialect {
        Dialect::V1 => "1.0.0",
        Dialect::V2 => "2.0.1",
    };
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Jobgate, psik API",
            "summary": "Batch jobs and their files over HTTP",
            "description": "The API of psik_api: what was written for it works with Jobgate unchanged.",
            "version": version,
        },
        "servers": [{"url": dialect.prefix()}],
        "paths": paths,
        "components": {
            "schemas": schemas::schemas(dialect),
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "biscuit",
                    "description": "Not needed by clients that the gateway knows otherwise, for example local ones.",
                },
            },
        },
        "tags": [
            {"name": "backends", "description": "Where jobs can run."},
            {"name": "jobs", "description": "Submit jobs, watch them, and move their files."},
            {"name": "auth", "description": "Tokens."},
        ],
    })
}

fn describe(dialect: Dialect, operation: &Operation, path: &str) -> Value {
    let mut parameters = Vec::new();
    if path.contains("{jobid}") {
        parameters.push(json!({
            "name": "jobid", "in": "path", "required": true, "description": "The job.",
            "schema": {"type": "string", "title": "Jobid", "pattern": r"^[0-9]+\.[0-9]+$", "maxLength": 40},
        }));
    }
    parameters.extend(operation.parameters.iter().cloned());
    if dialect == Dialect::V1 && path.contains("{jobid}") {
        parameters
            .push(operations::text_query("backend", "The backend in whose store to look; the default one if absent."));
    }
    let mut responses = Map::new();
    responses.insert("200".into(), operation.answer.clone());
    for status in statuses(operation, path) {
        responses.insert(status.to_string(), refusal(status));
    }
    let id: String = format!("{}{path}", operation.name)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' })
        .collect();
    let mut described = json!({
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "operationId": format!("{id}_{}", operation.method),
        "responses": responses,
    });
    if let Some(fields) = described.as_object_mut() {
        if !parameters.is_empty() {
            fields.insert("parameters".into(), parameters.into());
        }
        if let Some(body) = body_of(operation, &id) {
            fields.insert("requestBody".into(), body);
        }
        if operation.tag == "jobs" || operation.name == "show_token" {
            fields.insert("security".into(), json!([{}, {BEARER: []}]));
        }
    }
    described
}

/// The upload's body has a schema for each form of its path, as FastAPI makes them.
fn body_of(operation: &Operation, id: &str) -> Option<Value> {
    let mut body = operation.body.clone()?;
    if let Some(schema) = body.pointer_mut("/content/multipart~1form-data/schema") {
        *schema = json!({"$ref": format!("#/components/schemas/Body_{id}_post")});
    }
    Some(body)
}

fn statuses(operation: &Operation, path: &str) -> Vec<u16> {
    let mut statuses = operation.statuses.to_vec();
    statuses.extend([403, 404, 429, 500]);
    if operation.tag == "jobs" {
        statuses.extend([401, 422]);
    }
    if path.contains("{jobid}") {
        statuses.push(400);
    }
    if operation.body.is_some() {
        statuses.extend([400, 408, 413, 422]);
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn refusal(status: u16) -> Value {
    let text = match status {
        206 => "The wanted part of the file",
        304 => "The client has this version already",
        400 => "The request cannot be carried out",
        401 => "It has to be known who asks",
        403 => "Who asks may not do this",
        404 => "There is no such thing",
        405 => "Not for this client",
        408 => "The request's body did not come in time",
        409 => "The job's state does not allow it",
        413 => "The body is too large",
        429 => "It is more than one may have; `Retry-After` says when to ask again",
        416 => "The range is beyond the end of the file",
        422 => "Values of the request are wrong",
        502 => "The batch system refused",
        503 => "Something needed is away for now",
        507 => "No space is left for the upload",
        _ => "The gateway failed; its log says why",
    };
    let schema = match status {
        206 | 304 | 416 => return json!({"description": text}),
        422 => "HTTPValidationError",
        _ => "Detail",
    };
    json!({"description": text, "content": {"application/json": {"schema": schemas::reference(schema)}}})
}

#[cfg(test)]
mod tests;
