//! The operations, described once for both dialects.

use serde_json::{Value, json};

use super::Operation;
use super::schemas::{int64, reference};
use crate::psik::Dialect;

/// All operations of a dialect, in the order of the document.
pub(super) fn operations(dialect: Dialect) -> Vec<Operation> {
    let mut all = backend_operations(dialect);
    all.extend(job_operations(dialect));
    all.extend(file_operations(dialect));
    all.extend(share_operations());
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
        json!({
            "name": "index", "in": "query", "description": "Skip so many jobs; none if negative.",
            "schema": int64(json!({"default": 0, "title": "Index"})),
        }),
        json!({
            "name": "limit", "in": "query", "description": "At most so many jobs.",
            "schema": {"anyOf": [int64(json!({"minimum": 0})), {"type": "null"}], "title": "Limit"},
        }),
        text_query("backend", "Only jobs of this backend."),
        json!({
            "name": "state", "in": "query", "description": "Only jobs in this state.",
            "schema": {"anyOf": [reference("JobState"), {"type": "null"}], "title": "State"},
        }),
        json!({
            "name": "if-none-match", "in": "header", "description": "The `etag` of a listing that the client has.",
            "schema": {"type": "string"},
        }),
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
        "description": "`sha256=` and the hexadecimal HMAC-SHA256 of the exact body with the job's `client_secret`.",
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

/// psik_api has none of these.
fn share_operations() -> Vec<Operation> {
    let share = |method, path, name, summary, description, shown: Value| Operation {
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
    let one = |method, name, summary, description| {
        let null = answer("Done", &json!({"type": "null"}));
        let mut one = share(method, "/jobs/{jobid}/shares/{user}", name, summary, description, null);
        one.parameters = vec![json!({
            "name": "user", "in": "path", "required": true, "description": "The user's name.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128, "title": "User"},
        })];
        one
    };
    let mut put = one(
        "put",
        "share_job",
        "Share a job",
        "Lets another user see the job, its files and its logs (`read`), or also change it (`write`). For the job's owner.",
    );
    put.body = Some(json_body("ShareAccess"));
    let delete = one("delete", "unshare_job", "Share a job no more", "For the job's owner, and for that user.");
    let shares = json!({"type": "object", "additionalProperties": reference("ShareAccess")});
    vec![
        share(
            "get",
            "/jobs/{jobid}/shares",
            "list_shares",
            "List shares",
            "With whom the job is shared. Whom it is shared with sees only that.",
            answer("The users by name", &shares),
        ),
        put,
        delete,
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

/// An optional query parameter.
pub(super) fn text_query(name: &str, description: &str) -> Value {
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
