//! Commands: what Autosubmit is told to do with experiments, in the forms of `/v4` and of its first draft `/v4alpha`.

use axum::http::StatusCode;
use jobgate_autosubmit::databases::processes::Process;
use jobgate_autosubmit::expid::Expid;
use jobgate_autosubmit::runners::{
    Endpoint, NewExperiment, NewJobList, Runner, RunnerError, StatusChange, profiles, public_keys,
};
use serde_json::{Map, Value, json};

use crate::autosubmit::Autosubmit;
use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::body::Fields;
use crate::autosubmit::call::{Call, Order};
use crate::autosubmit::error::Failure;

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
fn permitted(order: &Order, endpoint: Endpoint, words: &str) -> Result<(), Failure> {
    if endpoint.enabled(&order.autosubmit().api_settings()) {
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

fn message(text: &str) -> Answer {
    json(&json!({ "message": text }))
}

/// What `/v4alpha` adds of the runner.
fn with_runner(shown: Value, runner: &Runner) -> Value {
    let loader = runner.loader();
    let shown = with(shown, "runner", runner.kind());
    with(with(shown, "module_loader", loader.kind()), "modules", loader.modules())
}

fn with(mut shown: Value, key: &str, value: impl Into<Value>) -> Value {
    shown[key] = value.into();
    shown
}

fn process(process: &Process) -> Value {
    json!({
        "expid": process.expid, "runner_id": process.id, "runner": process.runner, "module_loader": process.module_loader,
        "modules": process.modules, "status": process.status, "pid": process.pid, "created": process.created,
        "modified": process.modified,
    })
}

/// `POST /v4/runners/command/set-job-status`
pub(in crate::autosubmit) fn set_status(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let profile = Profile::read(&mut fields);
    let change = fields.inner("command_params", status_change);
    let text = fields.text("expid");
    fields.done()?;
    permitted(order, Endpoint::SetJobStatus, "set-job-status")?;
    set_status_of(order, profile.runner(order.autosubmit()), &text, &change)
}

fn set_status_of(order: &Order, runner: Result<Runner, RunnerError>, text: &str, change: &StatusChange) -> Answer {
    let expid = named(text)?;
    let set = runner.and_then(|runner| order.autosubmit().runners.set_status(&runner, &expid, change));
    set.map_err(|error| failed(&error, &format!("Failed to set job status for experiment {expid}")))?;
    message(&format!("Job status for experiment {expid} set successfully."))
}

/// `POST /v4/runners/command/run-experiment`
pub(in crate::autosubmit) fn run(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let profile = Profile::read(&mut fields);
    fields.maybe_object("command_params");
    let text = fields.text("expid");
    fields.done()?;
    permitted(order, Endpoint::RunnerRun, "run-experiment")?;
    let expid = named(&text)?;
    let ran = profile.runner(order.autosubmit()).and_then(|runner| order.autosubmit().runners.run(&runner, &expid));
    ran.map_err(|error| failed(&error, &format!("Failed to run experiment {expid}")))?;
    message(&format!("Experiment {expid} started successfully."))
}

/// `POST /v4/runners/command/get-runner-run-status`
pub(in crate::autosubmit) fn show_run(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let text = fields.text("expid");
    fields.done()?;
    permitted(order, Endpoint::RunnerRun, "get-runner-run-status")?;
    last_run(order.autosubmit(), &text)
}

fn last_run(autosubmit: &Autosubmit, text: &str) -> Answer {
    let expid = named(text)?;
    let last = autosubmit.runners.last(&expid);
    let last = last.map_err(|error| failed(&error, &format!("Failed to get status for experiment {expid}")))?;
    json(&process(&last))
}

/// `POST /v4/runners/command/stop-experiment`
pub(in crate::autosubmit) fn stop(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let text = fields.text("expid");
    fields.done()?;
    permitted(order, Endpoint::RunnerRun, "stop-experiment")?;
    stop_of(order, &text)
}

fn stop_of(order: &Order, text: &str) -> Answer {
    let expid = named(text)?;
    let stopped = order.autosubmit().runners.stop(&expid, false);
    stopped.map_err(|error| failed(&error, &format!("Failed to stop experiment {expid}")))?;
    message(&format!("Experiment {expid} stopped successfully."))
}

/// `POST /v4/runners/command/create-experiment`
pub(in crate::autosubmit) fn create(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let profile = Profile::read(&mut fields);
    let new = fields.inner("command_params", new_experiment);
    fields.done()?;
    permitted(order, Endpoint::CreateExperiment, "create-experiment")?;
    if new.description.as_deref().unwrap_or_default().is_empty() {
        return Err(failed(&RunnerError::NoDescription, ""));
    }
    let expid = create_of(order, profile.runner(order.autosubmit()), &new)?;
    json(&json!({"expid": expid, "message": format!("Experiment {expid} created successfully.")}))
}

fn create_of(order: &Order, runner: Result<Runner, RunnerError>, new: &NewExperiment) -> Result<String, Failure> {
    let made = runner.and_then(|runner| order.autosubmit().runners.create_experiment(&runner, new));
    made.map_err(|error| failed(&error, "Failed to create experiment"))
}

/// `POST /v4/runners/command/update-experiment-description`
pub(in crate::autosubmit) fn describe(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let profile = Profile::read(&mut fields);
    fields.maybe_object("command_params");
    let (text, description) = (fields.text("expid"), fields.text("description"));
    fields.done()?;
    permitted(order, Endpoint::UpdateExperimentDetails, "update-experiment-description")?;
    let expid = named(&text)?;
    let runner = profile.runner(order.autosubmit());
    let told = runner.and_then(|runner| order.autosubmit().runners.describe(&runner, &expid, &description));
    told.map_err(|error| failed(&error, &format!("Failed to update description for experiment {expid}")))?;
    message(&format!("Description for experiment {expid} updated successfully."))
}

/// `GET /v4alpha/runner-detail`; where to by SSH comes in a body.
pub(in crate::autosubmit) fn show_runner(order: &Order) -> Answer {
    let query = &order.call.query;
    let mut reading = query.read();
    let kind = reading.needed_word("runner", &RUNNERS);
    let loader = reading.needed_word("module_loader", &LOADERS);
    reading.done()?;
    let modules: Vec<Value> = query.all("modules").map(Value::from).collect();
    let modules = (!modules.is_empty()).then_some(Value::Array(modules));
    let extra = if order.is_bare() { None } else { Some(order.fields()?.all()) };
    let runner = Named { kind, loader, modules, extra }.runner(order.autosubmit());
    let shown = runner.and_then(|runner| {
        let version = order.autosubmit().runners.version(&runner)?;
        Ok(with_runner(json!({"version": version}), &runner))
    });
    json(&shown.map_err(|error| failed(&error, "Failed to get version from runner"))?)
}

/// `POST /v4alpha/experiments/{expid}/run-experiment`
pub(in crate::autosubmit) fn run_named(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let runner = Named::read(&mut fields);
    fields.done()?;
    let expid = named(order.call.part("expid"))?;
    let ran = runner.runner(order.autosubmit()).and_then(|runner| {
        let process = order.autosubmit().runners.run(&runner, &expid)?;
        let ran = json!({"expid": process.expid, "runner_id": process.id, "pid": process.pid});
        Ok(with_runner(ran, &runner))
    });
    match ran {
        Err(error @ RunnerError::Running(_)) => Err(Failure::new(StatusCode::BAD_REQUEST, error.to_string())),
        ran => json(&ran.map_err(|error| failed(&error, &format!("Failed to run experiment {expid}")))?),
    }
}

/// `POST /v4alpha/experiments/{expid}/stop-experiment`
pub(in crate::autosubmit) fn stop_named(order: &Order) -> Answer {
    stop_of(order, order.call.part("expid"))
}

/// `GET /v4alpha/experiments/{expid}/get-runner-status`
pub(in crate::autosubmit) fn show_run_named(call: &Call) -> Answer {
    last_run(call.autosubmit(), call.part("expid"))
}

/// `POST /v4alpha/experiments/{expid}/create-job-list`
pub(in crate::autosubmit) fn create_jobs(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let runner = Named::read(&mut fields);
    let how = NewJobList {
        check_wrapper: fields.flag("check_wrapper", true),
        update_version: fields.flag("update_version", true),
        force: fields.flag("force", true),
    };
    fields.done()?;
    let expid = named(order.call.part("expid"))?;
    let runner = runner.runner(order.autosubmit());
    let made = runner.and_then(|runner| order.autosubmit().runners.create_job_list(&runner, &expid, how));
    made.map_err(|error| failed(&error, &format!("Failed to create job list for experiment {expid}")))?;
    message(&format!("Job list for experiment {expid} created successfully."))
}

/// `POST /v4alpha/runner-create-experiment`
pub(in crate::autosubmit) fn create_named(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let runner = Named::read(&mut fields);
    fields.text("description");
    let new = new_experiment(&mut fields);
    fields.done()?;
    let runner = runner.runner(order.autosubmit()).map_err(|error| failed(&error, "Failed to create experiment"))?;
    let shown = with_runner(json!({"message": "Experiment created successfully."}), &runner);
    let expid = create_of(order, Ok(runner), &new)?;
    json(&with(shown, "expid", expid))
}

/// `POST /v4alpha/experiments/{expid}/set-job-status`
pub(in crate::autosubmit) fn set_status_named(order: &Order) -> Answer {
    let mut fields = order.fields()?;
    let runner = Named::read(&mut fields);
    let change = status_change(&mut fields);
    fields.done()?;
    set_status_of(order, runner.runner(order.autosubmit()), order.call.part("expid"), &change)
}
