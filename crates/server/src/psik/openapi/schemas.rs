//! The schemas of psik_api's wire types.

use serde_json::{Map, Value, json};

use crate::psik::Dialect;

/// All schemas of a dialect by name.
pub(super) fn schemas(dialect: Dialect) -> Value {
    let mut all = Map::new();
    let mut add = |name: &str, schema: Value| all.insert(name.to_owned(), schema);
    add("JobSpec", job_spec(dialect));
    add("ResourceSpec", resource_spec());
    if dialect == Dialect::V1 {
        add("BackendConfig", backend_config());
        add(
            "Body_create_upload_file_jobs__jobid__files__post",
            upload("Body_create_upload_file_jobs__jobid__files__post"),
        );
    } else {
        add("FileStat", file_stat());
    }
    add("Body_create_upload_file_jobs__jobid__files_post", upload("Body_create_upload_file_jobs__jobid__files_post"));
    add("JobState", words("JobState", &["new", "queued", "active", "completed", "failed", "canceled"]));
    add("JobStepInfo", step());
    add("Callback", callback(dialect));
    add("ShareAccess", words("ShareAccess", &["read", "write"]));
    add("ErrorStatus", words("ErrorStatus", &["OK", "ERROR"]));
    add("SystemStatus", system_status());
    add("StatusValue", words("StatusValue", &["active", "unavailable", "degraded", "other"]));
    add("Detail", object("Detail", &["detail"], json!({"detail": {"type": "string", "title": "What is wrong"}})));
    add(
        "HTTPValidationError",
        object("HTTPValidationError", &[], json!({"detail": {"type": "array", "items": reference("ValidationError")}})),
    );
    add("ValidationError", violation());
    Value::Object(all)
}

fn object(title: &str, required: &[&str], properties: Value) -> Value {
    let mut object = json!({"type": "object", "title": title});
    object["properties"] = properties;
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn words(title: &str, words: &[&str]) -> Value {
    json!({"type": "string", "title": title, "enum": words})
}

fn nullable(schema: &Value, title: &str) -> Value {
    json!({"anyOf": [schema, {"type": "null"}], "title": title})
}

fn text(title: &str) -> Value {
    nullable(&json!({"type": "string"}), title)
}

fn texts(title: &str) -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}, "title": title, "default": {}})
}

fn secret(title: &str) -> Value {
    nullable(&json!({"type": "string", "format": "password", "writeOnly": true}), title)
}

fn job_spec(dialect: Dialect) -> Value {
    let mut properties = json!({
        "name": text("A label"),
        "directory": nullable(&json!({"type": "string", "pattern": "^/"}), "Where to run; otherwise the job gets its own"),
        "script": {"type": "string", "title": "The script; its first line may name an interpreter"},
        "environment": texts("Variables set for the script"),
        "inherit_environment": {"type": "boolean", "title": "Whether to start with the gateway's environment", "default": true},
        "resources": {"$ref": "#/components/schemas/ResourceSpec", "title": "What a run needs"},
    });
    let backend = match dialect {
        Dialect::V1 => {
            json!({"$ref": "#/components/schemas/BackendConfig", "title": "Settings that override the backend's"})
        }
        Dialect::V2 => json!({"type": "string", "title": "Name of the backend", "default": "default"}),
    };
    properties["backend"] = backend;
    if dialect == Dialect::V2 {
        properties["attributes"] = texts("Options for the batch system");
    }
    properties["callback"] = text("URL that is told of transitions");
    properties["cb_headers"] = texts("Headers for the callback");
    properties["cb_secret"] = secret("Key with which callbacks are signed");
    properties["client_secret"] = secret("Key with which reports about this job must be signed");
    let mut spec = object("JobSpec", &["script"], properties);
    if dialect == Dialect::V2 {
        spec["additionalProperties"] = false.into();
    }
    spec["examples"] = json!([{"name": "hello", "script": "#!/bin/sh\necho hello\n"}]);
    spec
}

fn resource_spec() -> Value {
    let count = |title: &str| nullable(&int64(json!({})), title);
    object(
        "ResourceSpec",
        &[],
        json!({
            "duration": int64(json!({"title": "Time limit in minutes", "default": 10})),
            "node_count": count("Nodes"),
            "process_count": count("Processes in total"),
            "processes_per_node": count("Processes on each node"),
            "cpu_cores_per_process": int64(json!({"title": "Cores of each process", "default": 1})),
            "gpu_cores_per_process": int64(json!({"title": "GPUs of each process", "default": 0})),
            "exclusive_node_use": {"type": "boolean", "title": "Whether to have the nodes alone", "default": true},
        }),
    )
}

fn backend_config() -> Value {
    object(
        "BackendConfig",
        &[],
        json!({
            "type": {"type": "string", "title": "Kind of batch system; the configured one is used", "default": "local"},
            "queue_name": text("Partition or queue"),
            "project_name": text("Account"),
            "reservation_id": text("Reservation"),
            "attributes": texts("Options for the batch system"),
        }),
    )
}

fn step() -> Value {
    object(
        "JobStepInfo",
        &["jobid", "name", "updated", "jobndx", "state", "info"],
        json!({
            "jobid": {"type": "string", "title": "The job"},
            "name": {"type": "string", "title": "Its label, or an empty text"},
            "updated": {"type": "number", "title": "Unix time of the transition"},
            "jobndx": {"type": "integer", "title": "Number of the run; 0 for the job itself"},
            "state": reference("JobState"),
            "info": {"type": "integer", "title": "The native id when queued, the exit code when failed, otherwise 0"},
        }),
    )
}

fn callback(dialect: Dialect) -> Value {
    let pattern = match dialect {
        Dialect::V1 => r"^[0-9]+\.[0-9]+$",
        Dialect::V2 => r"^[0-9]+(\.[0-9]+)?$",
    };
    let jobid = json!({"type": "string", "title": "The job", "pattern": pattern, "maxLength": 40});
    object(
        "Callback",
        &["jobid", "jobndx", "state"],
        json!({
            "jobid": jobid,
            "jobndx": int64(json!({"title": "Number of the run"})),
            "state": reference("JobState"),
            "info": int64(json!({"title": "Native id or exit code", "default": 0})),
        }),
    )
}

fn file_stat() -> Value {
    let children = json!({
        "anyOf": [
            {"type": "boolean"},
            {"type": "object", "additionalProperties": reference("FileStat")},
        ],
        "title": "Whether it is a directory",
    });
    object(
        "FileStat",
        &["size", "atime", "mtime", "children"],
        json!({
            "size": {"type": "integer", "title": "Bytes"},
            "atime": {"type": "integer", "title": "Unix time of the last access"},
            "mtime": {"type": "integer", "title": "Unix time of the last change"},
            "children": children,
        }),
    )
}

fn upload(title: &str) -> Value {
    object(
        title,
        &["files"],
        json!({
            "files": {
                "type": "array", "title": "Files", "minItems": 1, "maxItems": 1000,
                "items": {"type": "string", "format": "binary"},
            },
        }),
    )
}

fn system_status() -> Value {
    object(
        "SystemStatus",
        &["name", "status"],
        json!({
            "name": {"type": "string", "title": "Name"},
            "full_name": text("Full name"),
            "description": text("What it is"),
            "system_type": text("Kind of batch system"),
            "notes": {"type": "array", "items": {"type": "string"}, "title": "Notes", "default": []},
            "status": reference("StatusValue"),
            "updated_at": nullable(&json!({"type": "string", "format": "date-time"}), "When this was found out"),
        }),
    )
}

fn violation() -> Value {
    object(
        "ValidationError",
        &["loc", "msg", "type"],
        json!({
            "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "title": "Where"},
            "msg": {"type": "string", "title": "What is wrong"},
            "type": {"type": "string", "title": "Kind of mistake"},
        }),
    )
}

/// A schema of this document by its name.
pub(super) fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// An integer as we take it.
pub(super) fn int64(mut extra: Value) -> Value {
    if let Some(fields) = extra.as_object_mut() {
        fields.insert("type".into(), "integer".into());
        fields.insert("format".into(), "int64".into());
        fields.entry("minimum").or_insert(i64::MIN.into());
        fields.entry("maximum").or_insert(i64::MAX.into());
    }
    extra
}
