//! Short answers about an experiment.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use jobgate_autosubmit::basis;
use jobgate_autosubmit::config::Configuration;
use jobgate_autosubmit::expid::{Expid, Layout};
use jobgate_autosubmit::status::JobStatus;
use jobgate_autosubmit::texts::instant;
use jobgate_autosubmit::views::Snapshot;
use jobgate_autosubmit::views::{brief, times};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::error::Failure;
use crate::autosubmit::model::Told;

/// What there is to know of an experiment at a glance.
#[derive(Debug, Serialize)]
struct ExpInfo {
    expid: String,
    path: String,
    owner_id: u32,
    owner: String,
    time_last_access: String,
    time_last_mod: String,
    error_message: String,
    description: Option<String>,
    version: Option<String>,
    model: String,
    branch: String,
    hpc: Option<String>,
    #[serde(rename = "updateTime")]
    update_time: i64,
    error: bool,
    running: bool,
    pkl_timestamp: Option<i64>,
    chunk_size: i64,
    chunk_unit: String,
    total_jobs: i64,
    completed_jobs: i64,
    db_historic_version: &'static str,
    /// Only where the configuration could be read
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_commit: Option<Value>,
}

/// Tells a part of it.
type Step = fn(&Call, &Expid, &mut ExpInfo) -> Result<(), Failure>;

/// `GET /v3/expinfo/{expid}`
pub(in crate::autosubmit) fn expinfo(call: &Call) -> Answer {
    let mut told = ExpInfo {
        expid: call.part("expid").to_owned(),
        path: "NA".into(),
        owner_id: 0,
        owner: "NA".into(),
        time_last_access: String::new(),
        time_last_mod: String::new(),
        error_message: String::new(),
        description: Some(String::new()),
        version: Some(String::new()),
        model: String::new(),
        branch: String::new(),
        hpc: Some(String::new()),
        update_time: 0,
        error: false,
        running: false,
        pkl_timestamp: None,
        chunk_size: 0,
        chunk_unit: "default".into(),
        total_jobs: 0,
        completed_jobs: 0,
        db_historic_version: "NA",
        workflow_commit: None,
    };
    match call.expid() {
        Ok(expid) => {
            // each step tells what it can
            let steps: [Step; 3] = [folder, configuration, catalogued];
            for step in steps {
                if let Err(failure) = step(call, &expid, &mut told) {
                    told.error = true;
                    told.error_message.extend([failure.message.as_str(), "\n"]);
                }
            }
            told.running = is_marked_running(call, &expid);
            if let Ok(runs) = call.site().runs(&expid)
                && let Some(run) = runs.last().filter(|run| run.total > 0)
            {
                (told.total_jobs, told.completed_jobs) = (run.total, run.completed);
            }
        }
        Err(failure) => (told.error, told.error_message) = (true, failure.message + "\n"),
    }
    told.pkl_timestamp = told.pkl_timestamp.or_else(|| Some(call.moment.now()));
    json(&told)
}

fn folder(call: &Call, expid: &Expid, told: &mut ExpInfo) -> Result<(), Failure> {
    let folder = call.site().places(expid).folder;
    basis::note_access(&folder);
    let metadata = std::fs::metadata(&folder)
        .map_err(|_| Failure::unknown(expid.as_str()).told(format!("Experiment {expid} does not exist")))?;
    let zone = call.moment.zone;
    told.path = folder.to_string_lossy().into_owned();
    told.owner_id = metadata.uid();
    // the names of users are there
    basis::note(Path::new("/etc/passwd"));
    told.owner = call.shared.app.gatekeeper.login_of(metadata.uid()).unwrap_or_default();
    told.time_last_access = instant(metadata.atime(), zone).unwrap_or_default();
    told.time_last_mod = instant(metadata.mtime(), zone).unwrap_or_default();
    Ok(())
}

fn configuration(call: &Call, expid: &Expid, told: &mut ExpInfo) -> Result<(), Failure> {
    let configuration = call.site().configuration_in_place(expid)?;
    let length = configuration.chunk_length();
    told.hpc = Some(configuration.main_platform().unwrap_or_default());
    (told.model, told.branch) = configuration.model();
    (told.chunk_size, told.chunk_unit) = (length.size, length.unit);
    told.version = Some(configuration.version());
    told.update_time = configuration.sleep_time();
    let modified = call.site().jobs_modified(expid, call.moment.zone)?;
    let missing =
        || Failure::unknown(expid.as_str()).told(format!("No such file or directory: the job list of {expid}"));
    // a database without jobs says nothing, which is not that there is none
    told.pkl_timestamp = match (modified, call.site().layout(expid)?) {
        (None, Layout::Pickle) => return Err(missing()),
        (modified, _) => Some(modified.unwrap_or(0)),
    };
    told.workflow_commit = Some(json!(configuration.workflow_commit()));
    Ok(())
}

fn catalogued(call: &Call, expid: &Expid, told: &mut ExpInfo) -> Result<(), Failure> {
    let experiment = call.site().experiment(expid)?;
    (told.description, told.version) = (experiment.description, experiment.version);
    Ok(())
}

/// What the database of states says. One that cannot be read says that nothing runs, as in the original.
fn is_marked_running(call: &Call, expid: &Expid) -> bool {
    let statuses = call.site().statuses().inspect_err(|error| tracing::warn!(%error, "no states are known"));
    statuses.is_ok_and(|statuses| statuses.named(expid.as_str()) == Some("RUNNING"))
}

/// `GET /v3/ifrun/{expid}`
pub(in crate::autosubmit) fn is_running(call: &Call) -> Answer {
    let running = call.expid().is_ok_and(|expid| is_marked_running(call, &expid));
    json(&Told::well(json!({"running": running})))
}

/// `GET /v3/expcount/{expid}`
pub(in crate::autosubmit) fn count(call: &Call) -> Answer {
    let names = JobStatus::ALL.map(JobStatus::name);
    let counters = |counts: [usize; 13]| -> Map<String, Value> {
        names.iter().zip(counts).map(|(name, count)| ((*name).to_owned(), json!(count))).collect()
    };
    let expid = call.part("expid");
    match jobs_of(call) {
        Ok(jobs) => {
            json(&Told::well(json!({"expid": expid, "total": jobs.len(), "counters": counters(jobs.counts())})))
        }
        Err(failure) => {
            json(&Told::badly(json!({"expid": expid, "total": 0, "counters": counters([0; 13])}), failure.message))
        }
    }
}

fn jobs_of(call: &Call) -> Result<Arc<jobgate_autosubmit::jobs::JobList>, Failure> {
    let jobs = call.known().and_then(|expid| Ok(call.site().jobs(&expid)?));
    jobs.map_err(unreadable)
}

fn unreadable(failure: Failure) -> Failure {
    let message = format!("Exception while reading the pkl content: {}", failure.message);
    failure.told(message)
}

/// `GET /v3/quick/{expid}`
pub(in crate::autosubmit) fn quick(call: &Call) -> Answer {
    let parts = || {
        let (jobs, expid) = (jobs_of(call)?, call.expid()?);
        Ok::<_, Failure>((jobs, call.site().packages(&expid)?, call.site().places(&expid)))
    };
    match parts() {
        Ok((jobs, packages, places)) => json(&Told::well(brief::quick(&jobs, &packages, &places))),
        Err(failure) => {
            let empty = json!({
                "view_data": [], "tree_view": [], "total": 0, "completed": 0, "failed": 0, "running": 0, "queuing": 0,
            });
            let message = format!(
                "Exception: Autosubmit API couldn't open pkl file. If you are sure that your experiment is running correctly, \
                 try again: {}",
                failure.message
            );
            json(&Told::badly(empty, message))
        }
    }
}

/// `GET /v3/summary/{expid}`
pub(in crate::autosubmit) fn show(call: &Call) -> Answer {
    match without_configuration(call) {
        Ok(snapshot) => {
            let times = times::of_all(&snapshot, call.moment);
            json(&Told::well(brief::summary(&snapshot.jobs, &times)))
        }
        Err(failure) => json(&Told::badly(
            json!({
                "n_running": 0, "n_suspended": 0, "n_queuing": 0, "n_failed": 0, "n_submitted": 0, "avg_queue_time": "NA",
                "avg_run_time": "NA", "n_sim": 0, "avg_sim_queue_time": "NA", "avg_sim_run_time": "NA",
                "sim_queue_considered": 0, "sim_run_considered": 0, "failed_jobs": [],
            }),
            failure.message,
        )),
    }
}

/// The parts of an experiment that a summary needs. How it is configured is none of them.
fn without_configuration(call: &Call) -> Result<Snapshot, Failure> {
    let (jobs, expid) = (jobs_of(call)?, call.expid()?);
    let site = call.site();
    Ok(Snapshot {
        jobs,
        edges: site.edges(&expid)?,
        packages: site.packages(&expid)?,
        history: site.history(&expid).unwrap_or_default(),
        configuration: Arc::new(Configuration::Yaml(Map::new())),
        logs: Arc::default(),
        places: site.places(&expid),
        expid,
    })
}
