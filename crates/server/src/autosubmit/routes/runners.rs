//! Commands: what Autosubmit is told to do with experiments, in the forms of `/v4` and of its first draft `/v4alpha`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jobgate_autosubmit::databases::processes::Process;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::runners::{
    Endpoint, NewExperiment, NewJobList, Runner, RunnerError, StatusChange, profiles, public_keys,
};
use jobgate_model::Error;
use serde_json::{Map, Value, json};

use crate::app::blocking;
use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::body::Fields;
use crate::autosubmit::call::Call;
use crate::autosubmit::error::{self, Failure};
use crate::autosubmit::{Autosubmit, AutosubmitApp};

const RUNNERS: [&str; 2] = ["LOCAL", "SSH"];
const LOADERS: [&str; 4] = ["CONDA", "LMOD", "VENV", "NO_MODULE"];

/// `GET /v4/runners/configuration/ssh-public-keys`
pub(in crate::autosubmit) fn list_keys(call: &Call) -> Answer {
    json(&public_keys(&call.autosubmit().api_settings()))
}

/// `GET /v4/runners/configuration/profiles`
pub(in crate::autosubmit) fn list_profiles(call: &Call) -> Answer {
    json(&profiles(&call.autosubmit().api_settings()))
}

/// `GET /v4/runners/configuration/endpoints`
pub(in crate::autosubmit) fn list_endpoints(call: &Call) -> Answer {
    json(&Endpoint::shown(&call.autosubmit().api_settings()))
}

/// Which runner a body of `/v4` means.
#[derive(Debug, Default)]
struct Profile {
    name: String,
    given: Option<Map<String, Value>>,
}

impl Profile {
    fn read(fields: &mut Fields) -> Self {
        Self { name: fields.text("profile_name"), given: fields.maybe_object("profile_params") }
    }

    fn runner(&self, autosubmit: &Autosubmit) -> Result<Runner, RunnerError> {
        Runner::of_profile(&autosubmit.api_settings(), &self.name, self.given.as_ref())
    }
}

/// Which runner a body of `/v4alpha` means.
#[derive(Debug, Default)]
struct Named {
    kind: String,
    loader: String,
    modules: Option<Value>,
    extra: Option<Map<String, Value>>,
}

impl Named {
    fn read(fields: &mut Fields) -> Self {
        Self {
            kind: fields.word("runner", &RUNNERS),
            loader: fields.word("module_loader", &LOADERS),
            modules: fields.maybe_modules("modules"),
            extra: fields.maybe_object("runner_extra_params"),
        }
    }

    fn runner(&self, autosubmit: &Autosubmit) -> Result<Runner, RunnerError> {
        let extra = self.extra.clone().map(Value::Object);
        Runner::named(&autosubmit.api_settings(), &self.kind, &self.loader, self.modules.as_ref(), extra.as_ref())
    }
}

fn status_change(fields: &mut Fields) -> StatusChange {
    StatusChange {
        job_names_list: fields.maybe_texts("job_names_list"),
        final_status: fields.maybe_text("final_status"),
        filter_chunks: fields.maybe_text("filter_chunks"),
        filter_status: fields.maybe_text("filter_status"),
        filter_type: fields.maybe_text("filter_type"),
        filter_type_chunk: fields.maybe_text("filter_type_chunk"),
        filter_type_chunk_split: fields.maybe_text("filter_type_chunk_split"),
        check_wrapper: fields.flag("check_wrapper", false),
        update_version: fields.flag("update_version", false),
    }
}

fn new_experiment(fields: &mut Fields) -> NewExperiment {
    NewExperiment {
        description: fields.maybe_text("description"),
        git_repo: fields.maybe_text("git_repo"),
        git_branch: fields.maybe_text("git_branch"),
        minimal: fields.flag("minimal", false),
        config_path: fields.maybe_text("config_path"),
        hpc: fields.maybe_text("hpc"),
        use_local_minimal: fields.flag("use_local_minimal", false),
        operational: fields.flag("operational", false),
        testcase: fields.flag("testcase", false),
        copy: fields.maybe_text("copy"),
    }
}

/// An expid that may be acted on.
fn named(text: &str) -> Result<Expid, Failure> {
    Expid::parse(text).map_err(|why| Failure::invalid(&[("expid".into(), why.to_string())]))
}

/// The refusal of a command that is switched off.
fn permitted(shared: &AutosubmitApp, endpoint: Endpoint, words: &str) -> Result<(), Failure> {
    if endpoint.enabled(&shared.autosubmit.api_settings()) {
        return Ok(());
    }
    Err(Failure::new(StatusCode::FORBIDDEN, format!("The {words} endpoint is currently disabled.")))
}

/// Why a command was not carried out. `doing`: what failed, for example `Failed to run experiment a000`.
fn failed(error: &RunnerError, doing: &str) -> Failure {
    let status = match error {
        RunnerError::Forbidden => return Failure::new(StatusCode::FORBIDDEN, error.to_string()),
        RunnerError::NoDescription => return Failure::new(StatusCode::BAD_REQUEST, error.to_string()),
        RunnerError::Expid(_) | RunnerError::Text(_) | RunnerError::Host | RunnerError::Modules(_) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        RunnerError::Running(_) | RunnerError::NotRunning(_) | RunnerError::Elsewhere { .. } => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Failure::new(status, format!("{doing}: {error}"))
}

/// Does something that may take minutes on a blocking thread.
async fn done(work: impl FnOnce() -> Answer + Send + 'static) -> Response {
    told(blocking(work).await)
}

fn told(outcome: Result<Answer, Error>) -> Response {
    match outcome {
        Ok(answer) => answer.into_response(),
        Err(error) => error::render(&error),
    }
}

fn process(process: &Process) -> Value {
    json!({
        "expid": process.expid, "runner_id": process.id, "runner": process.runner, "module_loader": process.module_loader,
        "modules": process.modules, "status": process.status, "pid": process.pid, "created": process.created,
        "modified": process.modified,
    })
}

/// `POST /v4/runners/command/set-job-status`
pub(in crate::autosubmit) async fn set_status(
    State(shared): State<AutosubmitApp>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let profile = Profile::read(&mut fields);
        let change = fields.inner("command_params", status_change);
        let text = fields.text("expid");
        fields.done()?;
        permitted(&shared, Endpoint::SetJobStatus, "set-job-status")?;
        set_status_of(&shared, profile.runner(&shared.autosubmit), &text, &change)
    })
    .await
}

fn set_status_of(
    shared: &AutosubmitApp,
    runner: Result<Runner, RunnerError>,
    text: &str,
    change: &StatusChange,
) -> Answer {
    let expid = named(text)?;
    let set = runner.and_then(|runner| shared.autosubmit.runners.set_status(&runner, &expid, change));
    set.map_err(|error| failed(&error, &format!("Failed to set job status for experiment {expid}")))?;
    json(&json!({"message": "Job status set successfully"}))
}

/// `POST /v4/runners/command/run-experiment`
pub(in crate::autosubmit) async fn run(
    State(shared): State<AutosubmitApp>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let profile = Profile::read(&mut fields);
        fields.maybe_object("command_params");
        let text = fields.text("expid");
        fields.done()?;
        permitted(&shared, Endpoint::RunnerRun, "run-experiment")?;
        run_of(&shared, profile.runner(&shared.autosubmit), &text)
    })
    .await
}

fn run_of(shared: &AutosubmitApp, runner: Result<Runner, RunnerError>, text: &str) -> Answer {
    let expid = named(text)?;
    let ran = runner.and_then(|runner| shared.autosubmit.runners.run(&runner, &expid));
    ran.map_err(|error| failed(&error, &format!("Failed to run experiment {expid}")))?;
    json(&json!({"message": format!("Experiment {expid} started successfully")}))
}

/// `POST /v4/runners/command/get-runner-run-status`
pub(in crate::autosubmit) async fn show_run(
    State(shared): State<AutosubmitApp>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let text = fields.text("expid");
        fields.done()?;
        permitted(&shared, Endpoint::RunnerRun, "get-runner-run-status")?;
        last_run(&shared, &text)
    })
    .await
}

fn last_run(shared: &AutosubmitApp, text: &str) -> Answer {
    let expid = named(text)?;
    let last = shared.autosubmit.runners.last(&expid);
    let last = last.map_err(|error| failed(&error, &format!("Failed to get status for experiment {expid}")))?;
    json(&process(&last))
}

/// `POST /v4/runners/command/stop-experiment`
pub(in crate::autosubmit) async fn stop(
    State(shared): State<AutosubmitApp>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let text = fields.text("expid");
        fields.done()?;
        permitted(&shared, Endpoint::RunnerRun, "stop-experiment")?;
        stop_of(&shared, &text)
    })
    .await
}

fn stop_of(shared: &AutosubmitApp, text: &str) -> Answer {
    let expid = named(text)?;
    let stopped = shared.autosubmit.runners.stop(&expid, false);
    stopped.map_err(|error| failed(&error, &format!("Failed to stop experiment {expid}")))?;
    json(&json!({"message": format!("Experiment {expid} stopped successfully")}))
}

/// `POST /v4/runners/command/create-experiment`
pub(in crate::autosubmit) async fn create(
    State(shared): State<AutosubmitApp>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let profile = Profile::read(&mut fields);
        let new = fields.inner("command_params", new_experiment);
        fields.done()?;
        permitted(&shared, Endpoint::CreateExperiment, "create-experiment")?;
        create_of(&shared, || profile.runner(&shared.autosubmit), &new)
    })
    .await
}

fn create_of(
    shared: &AutosubmitApp,
    runner: impl FnOnce() -> Result<Runner, RunnerError>,
    new: &NewExperiment,
) -> Answer {
    if new.description.as_deref().unwrap_or_default().is_empty() {
        return Err(failed(&RunnerError::NoDescription, ""));
    }
    let made = runner().and_then(|runner| shared.autosubmit.runners.create_experiment(&runner, new));
    let expid = made.map_err(|error| failed(&error, "Failed to create experiment"))?;
    json(&json!({"message": format!("Experiment {expid} created successfully"), "expid": expid}))
}

/// `POST /v4/runners/command/update-experiment-description`
pub(in crate::autosubmit) async fn describe(
    State(shared): State<AutosubmitApp>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let profile = Profile::read(&mut fields);
        fields.maybe_object("command_params");
        let (text, description) = (fields.text("expid"), fields.text("description"));
        fields.done()?;
        permitted(&shared, Endpoint::UpdateExperimentDetails, "update-experiment-description")?;
        let expid = named(&text)?;
        let runner = profile.runner(&shared.autosubmit);
        let told = runner.and_then(|runner| shared.autosubmit.runners.describe(&runner, &expid, &description));
        told.map_err(|error| failed(&error, &format!("Failed to update description for experiment {expid}")))?;
        json(&json!({"message": format!("Description of experiment {expid} updated successfully")}))
    })
    .await
}

/// `GET /v4alpha/runner-detail`
pub(in crate::autosubmit) fn show_runner(call: &Call) -> Answer {
    let mut reading = call.query.read();
    let kind = reading.needed_word("runner", &RUNNERS);
    let loader = reading.needed_word("module_loader", &LOADERS);
    reading.done()?;
    let modules: Vec<Value> = call.query.all("modules").map(Value::from).collect();
    let modules = (!modules.is_empty()).then_some(Value::Array(modules));
    let autosubmit = call.autosubmit();
    let runner = Runner::named(&autosubmit.api_settings(), &kind, &loader, modules.as_ref(), None);
    let version = runner.and_then(|runner| autosubmit.runners.version(&runner));
    let version = version.map_err(|error| failed(&error, "Failed to get runner detail"))?;
    json(&json!({"runner": kind, "module_loader": loader, "version": version}))
}

/// `POST /v4alpha/experiments/{expid}/run-experiment`
pub(in crate::autosubmit) async fn run_named(
    State(shared): State<AutosubmitApp>,
    call: Call,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let runner = Named::read(&mut fields);
        fields.done()?;
        run_of(&shared, runner.runner(&shared.autosubmit), call.part("expid"))
    })
    .await
}

/// `POST /v4alpha/experiments/{expid}/stop-experiment`
pub(in crate::autosubmit) async fn stop_named(State(shared): State<AutosubmitApp>, call: Call) -> Response {
    done(move || stop_of(&shared, call.part("expid"))).await
}

/// `GET /v4alpha/experiments/{expid}/get-runner-status`
pub(in crate::autosubmit) fn show_run_named(call: &Call) -> Answer {
    last_run(&call.shared, call.part("expid"))
}

/// `POST /v4alpha/experiments/{expid}/create-job-list`
pub(in crate::autosubmit) async fn create_jobs(
    State(shared): State<AutosubmitApp>,
    call: Call,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let runner = Named::read(&mut fields);
        let how = NewJobList {
            check_wrapper: fields.flag("check_wrapper", true),
            update_version: fields.flag("update_version", true),
            force: fields.flag("force", true),
        };
        fields.done()?;
        let expid = named(call.part("expid"))?;
        let runner = runner.runner(&shared.autosubmit);
        let made = runner.and_then(|runner| shared.autosubmit.runners.create_job_list(&runner, &expid, how));
        made.map_err(|error| failed(&error, &format!("Failed to create job list for experiment {expid}")))?;
        json(&json!({"message": format!("Job list of experiment {expid} created successfully")}))
    })
    .await
}

/// `POST /v4alpha/runner-create-experiment`
pub(in crate::autosubmit) async fn create_named(
    State(shared): State<AutosubmitApp>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let runner = Named::read(&mut fields);
        fields.text("description");
        let new = new_experiment(&mut fields);
        fields.done()?;
        create_of(&shared, || runner.runner(&shared.autosubmit), &new)
    })
    .await
}

/// `POST /v4alpha/experiments/{expid}/set-job-status`
pub(in crate::autosubmit) async fn set_status_named(
    State(shared): State<AutosubmitApp>,
    call: Call,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    done(move || {
        let mut fields = Fields::of(&headers, &body)?;
        let runner = Named::read(&mut fields);
        let change = status_change(&mut fields);
        fields.done()?;
        set_status_of(&shared, runner.runner(&shared.autosubmit), call.part("expid"), &change)
    })
    .await
}
