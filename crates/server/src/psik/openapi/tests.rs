//! The documents against psik_api's contract: what clients are generated from. Shares are ours.

use super::*;

/// Method, path and operation id of everything, one a line.
fn index(dialect: Dialect) -> String {
    let document = document(dialect);
    let mut lines = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            lines.push(format!("{method} {path} {}", operation["operationId"].as_str().unwrap()));
        }
    }
    lines.sort();
    lines.join("\n")
}

#[test]
fn the_paths_and_operation_ids_of_psik_api_1() {
    insta::assert_snapshot!(index(Dialect::V1), @r"
    delete /jobs/{jobid} delete_job_jobs__jobid__delete
    delete /jobs/{jobid}/shares/{user} unshare_job_jobs__jobid__shares__user__delete
    get /backends list_backends_backends_get
    get /backends/ list_backends_backends__get
    get /backends/{name} get_backend_backends__name__get
    get /jobs get_jobs_jobs_get
    get /jobs/ get_jobs_jobs__get
    get /jobs/{jobid} read_job_jobs__jobid__get
    get /jobs/{jobid}/files list_output_jobs__jobid__files_get
    get /jobs/{jobid}/files/ list_output_jobs__jobid__files__get
    get /jobs/{jobid}/files/{fname} download_output_jobs__jobid__files__fname__get
    get /jobs/{jobid}/logs list_outputs_jobs__jobid__logs_get
    get /jobs/{jobid}/logs/ list_outputs_jobs__jobid__logs__get
    get /jobs/{jobid}/scripts download_scripts_jobs__jobid__scripts_get
    get /jobs/{jobid}/scripts/ download_scripts_jobs__jobid__scripts__get
    get /jobs/{jobid}/shares list_shares_jobs__jobid__shares_get
    get /jobs/{jobid}/state get_state_jobs__jobid__state_get
    get /token get_token_token_get
    post /jobs post_job_jobs_post
    post /jobs/ post_job_jobs__post
    post /jobs/callback do_callback_jobs_callback_post
    post /jobs/new new_input_jobs_new_post
    post /jobs/{jobid}/files create_upload_file_jobs__jobid__files_post
    post /jobs/{jobid}/files/ create_upload_file_jobs__jobid__files__post
    post /jobs/{jobid}/start start_job_jobs__jobid__start_post
    post /token show_token_token_post
    put /jobs/{jobid}/shares/{user} share_job_jobs__jobid__shares__user__put
    ");
}

#[test]
fn the_paths_and_operation_ids_of_psik_api_2() {
    insta::assert_snapshot!(index(Dialect::V2), @r"
    delete /jobs/{jobid} delete_job_jobs__jobid__delete
    delete /jobs/{jobid}/shares/{user} unshare_job_jobs__jobid__shares__user__delete
    get /backends get_backends_backends_get
    get /backends/{name} get_backend_backends__name__get
    get /jobs get_jobs_jobs_get
    get /jobs/{jobid} read_job_jobs__jobid__get
    get /jobs/{jobid}/files list_output_jobs__jobid__files_get
    get /jobs/{jobid}/files/{fname} download_output_jobs__jobid__files__fname__get
    get /jobs/{jobid}/logs list_outputs_jobs__jobid__logs_get
    get /jobs/{jobid}/scripts download_scripts_jobs__jobid__scripts_get
    get /jobs/{jobid}/shares list_shares_jobs__jobid__shares_get
    get /jobs/{jobid}/state get_state_jobs__jobid__state_get
    get /token get_token_token_get
    post /jobs post_job_jobs_post
    post /jobs/callback do_callback_jobs_callback_post
    post /jobs/new new_input_jobs_new_post
    post /jobs/{jobid}/files create_upload_file_jobs__jobid__files_post
    post /jobs/{jobid}/start start_job_jobs__jobid__start_post
    post /token show_token_token_post
    put /jobs/{jobid}/shares/{user} share_job_jobs__jobid__shares__user__put
    ");
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    for dialect in Dialect::ALL {
        let document = document(dialect);
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in &found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        for schema in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(found.iter().any(|reference| reference.ends_with(&format!("/{schema}"))), "{schema} is not used");
        }
    }
}

#[test]
fn the_whole_documents() {
    let pretty = |dialect| serde_json::to_string_pretty(&document(dialect)).unwrap();
    insta::assert_snapshot!("psik_api_1", pretty(Dialect::V1));
    insta::assert_snapshot!("psik_api_2", pretty(Dialect::V2));
}
