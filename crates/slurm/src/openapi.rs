//! The API's description of itself: OpenAPI 3.0.3, made of the tables.

mod release;

use serde_json::{Map, Value, json};

pub use release::Follows;

use crate::operations::{Call, OPERATIONS, Operation, Plugin};
use crate::table::{Object, Schemas};
use crate::version::Version;

/// Describes the operations of some plugins in some versions. slurmrestd puts all versions that it was told to serve into one
/// document; generators of clients do better with one version at a time.
pub fn document(versions: &[Version], plugins: &[Plugin]) -> Value {
    document_of(versions, plugins, Manner::default())
}

/// How a document is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Manner {
    /// As this release does it; `None`: each version as the newest release that has it.
    pub release: Option<Follows>,
    /// Schemas are referred to in v0.0.41, too, which otherwise inlines them (slurmrestd's `+prefer_refs`).
    pub references: bool,
}

/// The same, in another manner.
pub fn document_of(versions: &[Version], plugins: &[Plugin], manner: Manner) -> Value {
    let release = manner.release;
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for version in versions {
        let follows = release.unwrap_or_else(|| Follows::newest(*version));
        let mut all = if manner.references { Schemas::by_reference(*version) } else { Schemas::new(*version) };
        for operation in OPERATIONS {
            if operation.is_in(*version) && plugins.contains(&operation.plugin()) {
                let path = operation.path.replace("{version}", &version.to_string());
                let item = paths.entry(path).or_insert_with(|| json!({}));
                item[operation.method.as_str().to_ascii_lowercase()] = describe(operation, &mut all, follows);
            }
        }
        let mut own = all.into_map();
        follows.apply(*version, &mut paths, &mut own);
        schemas.extend(own);
    }
    let newest = versions.iter().max().copied().unwrap_or(Version::V45);
    let recent = newest.release();
    let (release_name, version_parts) = match release {
        Some(release) => (
            release.to_string(),
            json!({ "major": format!("{:02}", release.0), "micro": "0", "minor": format!("{:02}", release.1) }),
        ),
        None => (recent.to_string(), json!({ "major": recent.major, "micro": recent.micro, "minor": recent.minor })),
    };
    let roots: Vec<&str> = plugins.iter().map(|plugin| plugin.name()).collect();
    json!({
        "openapi": "3.0.3",
        "info": {
            "contact": { "name": "SchedMD LLC", "url": "https://www.schedmd.com/", "email": "sales@schedmd.com" },
            "license": { "name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html" },
            "x-slurm": {
                "data_parsers": versions.iter().rev().map(|v| json!({ "plugin": v.to_string(), "flags": ["NONE"] })).collect::<Vec<_>>(),
                "openapi": roots.iter().map(|name| format!("openapi/{name}")).collect::<Vec<_>>(),
                "version": version_parts,
                "release": release_name,
            },
            "title": "Slurm REST API",
            "description": "The batch system's jobs, nodes and accounts, served by Jobgate in Slurm's dialect",
            "termsOfService": "https://github.com/SchedMD/slurm/blob/master/DISCLAIMER",
            "version": format!("Slurm-{release_name}"),
        },
        "tags": plugins.iter().map(|plugin| json!({ "name": plugin.root(), "description": format!("asks {}", plugin.name()) })).collect::<Vec<_>>(),
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "user": { "type": "apiKey", "description": "Login", "name": "X-SLURM-USER-NAME", "in": "header" },
                "token": { "type": "apiKey", "description": "Token", "name": "X-SLURM-USER-TOKEN", "in": "header" },
                "bearerAuth": { "type": "http", "description": "Token", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
        "security": [{ "user": [], "token": [] }, { "token": [] }, { "bearerAuth": [] }, {}],
    })
}

fn describe(operation: &Operation, all: &mut Schemas, follows: Follows) -> Value {
    let version = all.version();
    let outdated = follows.outdates(version);
    let mut described = json!({
        "tags": [operation.plugin().root()],
        "summary": operation.summary,
        "operationId": format!("{}_v00{}_{}", operation.plugin().root(), version.number(), operation.id),
    });
    if outdated {
        described["deprecated"] = json!(true);
    }
    if operation.call == Call::DbdGetJob {
        described["description"] =
            json!("A job id is not unique in the accounting database: there may be several jobs in the answer");
    }
    let open = operation.path.split('/').find(|part| part.starts_with('{') && *part != "{version}");
    let in_path =
        open.map(|part| parameter("path", part.trim_matches(['{', '}']), &json!({ "type": "string" }), false, true));
    let mut parameters: Vec<Value> = in_path.into_iter().chain((operation.parameters)(version)).collect();
    // the release behind v0.0.40 says so of every parameter, later ones only of outdated ones
    if outdated || version == Version::V40 {
        let current = |parameter: &&mut Value| parameter.get("deprecated").is_none();
        parameters.iter_mut().filter(current).for_each(|parameter| parameter["deprecated"] = json!(outdated));
    }
    if !parameters.is_empty() {
        described["parameters"] = json!(parameters);
    }
    let content =
        |schema: &Value| json!({ "application/json": { "schema": schema }, "application/yaml": { "schema": schema } });
    if let Some(body) = operation.body {
        described["requestBody"] = json!({ "description": operation.summary, "content": content(&body(all)) });
    }
    let answer = json!({ "content": content(&(operation.answer)(all)), "description": operation.summary });
    described["responses"] = json!({ "200": answer, "default": answer });
    described
}

/// Describes the parameters of a table.
pub(crate) fn parameters<T: Object>(version: Version) -> Vec<Value> {
    let fields = T::FIELDS.iter().filter(|field| field.shown.has(version) && !field.undocumented);
    fields
        .map(|field| {
            let schema = (field.parameter)(version);
            let mut all = parameter("query", field.path, &schema, field.empty_allowed, !field.undescribed.has(version));
            if field.deprecated.has(version) {
                all["deprecated"] = json!(true);
            }
            all
        })
        .collect()
}

fn parameter(place: &str, name: &str, schema: &Value, empty: bool, described: bool) -> Value {
    let mut parameter = json!({
        "in": place,
        "name": name,
        "style": if place == "path" { "simple" } else { "form" },
        "explode": false,
        "allowEmptyValue": empty,
        "allowReserved": false,
        "required": place == "path",
        "schema": schema,
    });
    if described {
        parameter["description"] = json!(crate::table::sentence(name));
    }
    parameter
}

#[cfg(test)]
mod recorded;
