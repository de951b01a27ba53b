//! The dialects' OpenAPI documents. Paths, operation ids and schema names are psik_api's, so that clients generated from
//! its documents and from ours are the same; what is said about them, and which answers are possible, is ours.

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
    for operation in operations(dialect) {
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
            "description": "The API of psik_api, spoken by Jobgate: what was written for psik_api works here unchanged.",
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
        parameters.push(text_query("backend", "The backend in whose store to look; the default one if absent."));
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
    statuses.extend([403, 404, 500]);
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
    json!({"description": text, "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}}})
}

fn operations(dialect: Dialect) -> Vec<Operation> {
    let mut all = backend_operations(dialect);
    all.extend(job_operations(dialect));
    all.extend(file_operations(dialect));
    all.extend(token_operations());
    all
}

fn backend_operations(dialect: Dialect) -> Vec<Operation> {
    let systems = json!({"type": "object", "additionalProperties": reference("SystemStatus")});
    vec![
        Operation {
            method: "get",
            path: "/backends",
            name: if dialect == Dialect::V1 { "list_backends" } else { "get_backends" },
            slash: true,
            tag: "backends",
            summary: "List backends",
            description: "All configured backends by name, or the one that `name` names.",
            parameters: vec![text_query("name", "Only this backend.")],
            body: None,
            answer: answer("The backends by name", &systems),
            statuses: &[422],
        },
        Operation {
            method: "get",
            path: "/backends/{name}",
            name: "get_backend",
            slash: false,
            tag: "backends",
            summary: "Show a backend",
            description: "One configured backend.",
            parameters: vec![json!({
                "name": "name", "in": "path", "required": true, "description": "The backend.",
                "schema": {"type": "string", "title": "Name"},
            })],
            body: None,
            answer: answer("The backend", &reference("SystemStatus")),
            statuses: &[422],
        },
    ]
}

fn job_operations(dialect: Dialect) -> Vec<Operation> {
    let job = |method, path, name, summary, description, shown: Value| Operation {
        method,
        path,
        name,
        slash: false,
        tag: "jobs",
        summary,
        description,
        parameters: Vec::new(),
        body: None,
        answer: shown,
        statuses: &[],
    };
    let steps = json!({"type": "array", "items": reference("JobStepInfo")});
    let jobid = answer("The new job's id", &json!({"type": "string"}));
    let null = answer("Done", &json!({"type": "null"}));
    let spec = json_body("JobSpec");
    let v1 = |name, about| if dialect == Dialect::V1 { vec![text_query(name, about)] } else { Vec::new() };

    let mut list = job(
        "get",
        "/jobs",
        "get_jobs",
        "List jobs",
        "The last transition of every job, the newest job first. Filters come first, then `index`, then `limit`.",
        answer("The jobs", &steps),
    );
    list.slash = true;
    list.parameters = vec![
        json!({"name": "index", "in": "query", "description": "Skip so many jobs; none if negative.", "schema": int64(json!({"default": 0, "title": "Index"}))}),
        json!({"name": "limit", "in": "query", "description": "At most so many jobs.", "schema": {"anyOf": [int64(json!({"minimum": 0})), {"type": "null"}], "title": "Limit"}}),
        text_query("backend", "Only jobs of this backend."),
        json!({"name": "state", "in": "query", "description": "Only jobs in this state.", "schema": {"anyOf": [reference("JobState"), {"type": "null"}], "title": "State"}}),
        json!({"name": "if-none-match", "in": "header", "description": "The `etag` of a listing that the client has.", "schema": {"type": "string"}}),
    ];
    list.statuses = &[304];

    let mut submit = job(
        "post",
        "/jobs",
        "post_job",
        "Submit a job",
        "Creates a job and hands it to its backend. It is durable when the id is returned.",
        jobid.clone(),
    );
    submit.slash = true;
    submit.parameters = match dialect {
        Dialect::V1 => v1("backend", "The backend that is to run the job; the default one if absent."),
        Dialect::V2 => vec![json!({
            "name": "submit", "in": "query", "description": "`false`: only create the job.",
            "schema": {"type": "boolean", "default": true, "title": "Submit"},
        })],
    };
    submit.parameters.push(idempotency_key());
    submit.body = Some(spec.clone());
    submit.statuses = &[409, 502, 503, 507];

    let mut create = job(
        "post",
        "/jobs/new",
        "new_input",
        "Create a job",
        "Creates a job without starting it, so that files can be uploaded first.",
        jobid,
    );
    create.parameters = v1("machine", "The backend that is to run the job; the default one if absent.");
    create.parameters.push(idempotency_key());
    create.body = Some(spec);
    create.statuses = &[409, 502, 503, 507];

    let mut reach = job(
        "post",
        "/jobs/callback",
        "do_callback",
        "Report a transition",
        "Records a transition of a job and forwards it to the job's own callback. `ERROR`: its receiver did not take it yet.",
        answer("How the forwarding went", &reference("ErrorStatus")),
    );
    reach.parameters = v1("backend", "The backend in whose store to look; the default one if absent.");
    reach.parameters.push(json!({
        "name": "x-hub-signature-256", "in": "header",
        "description": "`sha256=` and the HMAC-SHA256 of the exact body with the job's `client_secret`, in hexadecimal. Needed if the job has one.",
        "schema": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "X-Hub-Signature-256"},
    }));
    reach.body = Some(json_body("Callback"));

    let mut start =
        job("post", "/jobs/{jobid}/start", "start_job", "Start a job", "Starts one more run of the job.", null.clone());
    start.statuses = &[409, 502, 503];
    let mut cancel =
        job("delete", "/jobs/{jobid}", "delete_job", "Cancel a job", "Stops the job's runs. Nothing is deleted.", null);
    cancel.statuses = &[409, 502, 503];

    vec![
        list,
        submit,
        start,
        job(
            "get",
            "/jobs/{jobid}",
            "read_job",
            "Show a job",
            "All transitions in the order in which they were recorded.",
            answer("The job's history", &steps),
        ),
        cancel,
        reach,
        job(
            "get",
            "/jobs/{jobid}/state",
            "get_state",
            "Show a job's state",
            "The state of the last transition.",
            answer("The state", &reference("JobState")),
        ),
        create,
    ]
}

fn file_operations(dialect: Dialect) -> Vec<Operation> {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let stats = match dialect {
        Dialect::V1 => json!({"type": "object", "additionalProperties": {"type": "integer"}}),
        Dialect::V2 => reference("FileStat"),
    };
    let stats = json!({"type": "object", "additionalProperties": stats});
    let job = |method, path, name, summary, description, shown: Value| Operation {
        method,
        path,
        name,
        slash: true,
        tag: "jobs",
        summary,
        description,
        parameters: Vec::new(),
        body: None,
        answer: shown,
        statuses: &[],
    };
    let mut upload = job(
        "post",
        "/jobs/{jobid}/files",
        "create_upload_file",
        "Upload files",
        "Writes the parts called `files` into the work directory: all of them or none.",
        answer("Done", &json!({"type": "null"})),
    );
    upload.body = Some(json!({"required": true, "content": {"multipart/form-data": {"schema": {}}}}));
    upload.statuses = &[507];
    let file = json!({
        "description": "The file, or the listing of a directory",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": {}},
        },
    });
    let mut download = job(
        "get",
        "/jobs/{jobid}/files/{fname}",
        "download_output",
        "Download a file",
        "A file of the work directory, or the listing of a directory. Ranges and conditional requests are understood.",
        file,
    );
    download.slash = false;
    download.parameters = vec![
        json!({
            "name": "fname", "in": "path", "required": true, "description": "The file's path below the work directory.",
            "schema": {"type": "string", "format": "path", "title": "Fname"},
        }),
        json!({"name": "range", "in": "header", "description": "`bytes=FIRST-LAST`", "schema": {"type": "string"}}),
    ];
    download.statuses = &[206, 304, 416];
    vec![
        job(
            "get",
            "/jobs/{jobid}/logs",
            "list_outputs",
            "Read logs",
            "The content of every log file by name: `stdout.1` and `stderr.1` are those of run 1.",
            answer("The logs by name", &texts),
        ),
        job(
            "get",
            "/jobs/{jobid}/scripts",
            "download_scripts",
            "Read scripts",
            "The job's scripts by name; `run` is the script that was submitted.",
            answer("The scripts by name", &texts),
        ),
        job(
            "get",
            "/jobs/{jobid}/files",
            "list_output",
            "List files",
            "The entries of the work directory by name.",
            answer("The files by name", &stats),
        ),
        upload,
        download,
    ]
}

fn token_operations() -> Vec<Operation> {
    let token = |method, name, summary, description, shown: Value, statuses| Operation {
        method,
        path: "/token",
        name,
        slash: false,
        tag: "auth",
        summary,
        description,
        parameters: Vec::new(),
        body: None,
        answer: shown,
        statuses,
    };
    let text = json!({"description": "The token", "content": {"text/plain": {"schema": {"type": "string"}}}});
    vec![
        token("get", "get_token", "Get a token", "A token for who asks; empty if this gateway issues none.", text, &[]),
        token(
            "post",
            "show_token",
            "Show a token",
            "What the bearer token says, unverified.",
            answer("The token's blocks, or why it cannot be read", &json!({})),
            &[401],
        ),
    ]
}

fn answer(description: &str, schema: &Value) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn json_body(schema: &str) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": reference(schema)}}})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn text_query(name: &str, description: &str) -> Value {
    let title = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
    let schema = json!({"anyOf": [{"type": "string"}, {"type": "null"}], "title": title});
    json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema})
}

fn idempotency_key() -> Value {
    json!({
        "name": "idempotency-key", "in": "header", "required": false,
        "description": "The same key with the same request returns the same job, however often it is sent.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    })
}

/// An integer as we take it.
fn int64(mut extra: Value) -> Value {
    if let Some(fields) = extra.as_object_mut() {
        fields.insert("type".into(), "integer".into());
        fields.insert("format".into(), "int64".into());
        fields.entry("minimum").or_insert(i64::MIN.into());
        fields.entry("maximum").or_insert(i64::MAX.into());
    }
    extra
}

#[cfg(test)]
mod tests;
