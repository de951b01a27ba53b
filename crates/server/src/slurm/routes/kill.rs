//! Cancelling and signalling jobs.

use std::path::Path;

use axum::http::StatusCode;
use jobgate_engine::{Cancelled, Job as Known, Need};
use jobgate_model::{ErrorKind, JobNdx};
use jobgate_slurm::cluster::{Fault, JobsWanted, Located, Reach};
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::words::WarnFlags;
use jobgate_slurm::objects::{DeleteJobQuery, Job, KillJobResp, KillJobs, KillJobsResp, KillJobsRespJob, Plain};
use jobgate_slurm::signal;
use jobgate_slurm::table::Flags;

use super::super::call::{Call, Outcome, failed};
use super::super::error::{Failure, status_of};
use super::super::permit::{Permits, acting};
use super::jobs::{job_id, named_jobs, task_of, unknown, visible_user};
use super::update::name;

pub(in super::super) const KILL: &str = "slurm_kill_jobs()";
pub(in super::super) const REFUSED: &str = "Signal request failed";
const SIGKILL: i32 = 9;

/// `DELETE /slurm/V/job/ID`. A signal that nobody knows is refused; slurmrestd kills the job.
pub(super) fn one(call: &mut Call) -> Outcome {
    let query: DeleteJobQuery = call.read_query("op_handler_job")?;
    let (id, task) = job_id(call, "op_handler_job")?;
    let signal = signal_of(query.signal.as_deref())?;
    let reach = reach_of(query.flags.as_ref());
    let located = call.cluster().locate(id, task).map_err(failed(KILL, REFUSED))?;
    if located.is_empty() {
        return Err(unknown(&call.path_name(), "op_handler_job"));
    }
    let failures = kill(call, &located, Kill { signal, reach, whole: task.is_none() });
    if call.version.number() >= 42 {
        let status = failures.iter().map(|(job, fault)| entry(job, fault)).collect();
        return Ok(call.answer(KillJobResp { status: Some(status), ..KillJobResp::default() }));
    }
    // The answers of these versions have no place for outcomes, and slurmrestd says nothing at all; a client that was refused
    // has to learn it.
    match failures.first() {
        Some((_, fault)) if fault.errno != Errno::ALREADY_DONE => {
            call.note(fault.errno, KILL, format!("{REFUSED}: {}", fault.errno));
            Ok(call.answer_with(status_of(fault.errno, call.follows()), Plain::default()))
        }
        _ => Ok(call.done()),
    }
}

/// `DELETE /slurm/V/jobs`: the jobs that fit all that is named.
pub(super) fn many(call: &mut Call) -> Outcome {
    let filter: KillJobs = call.read_body()?;
    let signal = signal_of(filter.signal.as_deref())?;
    let reach = reach_of(filter.flags.as_ref());
    let named = filter.jobs.clone().unwrap_or_default();
    let failures = if named.is_empty() {
        let located = match matching(call, &filter) {
            Ok(located) => located,
            Err(failure) => return Ok(call.refuse_in(failure, KillJobsResp::default())),
        };
        kill(call, &located, Kill { signal, reach, whole: true })
    } else {
        let mut failures = Vec::new();
        for job in named_jobs(&named)? {
            let task = task_of(&job);
            let located = call.cluster().locate(i64::from(job.job), task).map_err(failed(KILL, REFUSED))?;
            if located.is_empty() {
                failures.push((nowhere(i64::from(job.job)), Fault::new(Errno::INVALID_JOB_ID, "")));
            }
            failures.extend(kill(call, &located, Kill { signal, reach, whole: task.is_none() }));
        }
        failures
    };
    let status = failures.iter().map(|(job, fault)| entry(job, fault)).collect();
    Ok(call.answer(KillJobsResp { status: Some(status), ..KillJobsResp::default() }))
}

/// The signal that is asked for; to cancel is to kill.
pub(in super::super) fn signal_of(text: Option<&str>) -> Result<i32, Failure> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(SIGKILL),
        Some(text) => signal::number(text).ok_or_else(|| {
            Failure::new(Errno::INVALID_ARGUMENT, "#/signal/", format!("Unknown signal {text}"))
                .with(StatusCode::UNPROCESSABLE_ENTITY)
        }),
    }
}

/// A text that a job shows.
type Shown = fn(&Job) -> Option<&String>;

/// The jobs that a filter names, of those that the caller may see. A filter that names nothing is refused: it would mean all.
fn matching(call: &Call, filter: &KillJobs) -> Result<Vec<Located>, Failure> {
    let refused = || Failure::new(Errno::KILL_NOTHING, KILL, REFUSED);
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let texts: Vec<(String, Shown)> = [
        (given(&filter.account), (|job| job.account.as_ref()) as Shown),
        (given(&filter.job_name), |job| job.name.as_ref()),
        (given(&filter.partition), |job| job.partition.as_ref()),
        (given(&filter.qos), |job| job.qos.as_ref()),
        (given(&filter.reservation), |job| job.resv_name.as_ref()),
        (given(&filter.user_name), |job| job.user_name.as_ref()),
        (given(&filter.wckey), |job| job.wckey.as_ref()),
    ]
    .into_iter()
    .filter_map(|(text, field)| text.map(|text| (text, field)))
    .collect();
    let user_id = given(&filter.user_id);
    let states = filter.job_state.as_ref().filter(|states| !states.is_empty());
    let nodes = filter.nodes.as_deref().filter(|nodes| !nodes.is_empty());
    if texts.is_empty() && user_id.is_none() && states.is_none() && nodes.is_none() {
        return Err(refused());
    }
    let nodes = nodes
        .map(jobgate_slurm::hostlist::Hostlist::of)
        .transpose()
        .map_err(|error| Failure::new(Errno::INVALID_NODE_NAME, KILL, error.to_string()))?;
    let mut ids = Vec::new();
    let wanted = JobsWanted { user: visible_user(call), ..JobsWanted::default() };
    let fits = |job: &Job| {
        texts.iter().all(|(text, field)| field(job) == Some(text))
            && user_id.as_ref().is_none_or(|user| {
                job.user_name.as_ref() == Some(user) || job.user_id.is_some_and(|id| id.to_string() == *user)
            })
            && states.is_none_or(|states| {
                states.iter().any(|state| job.job_state.as_ref().is_some_and(|all| all.has(state)))
            })
            && nodes.as_ref().is_none_or(|nodes| {
                let own = job.nodes.as_deref().unwrap_or_default();
                jobgate_slurm::hostlist::Hostlist::parse(own).is_ok_and(|own| !own.intersection(nodes).is_empty())
            })
    };
    call.cluster()
        .jobs(&wanted, &mut |job| {
            if fits(&job)
                && let Some(id) = job.job_id
            {
                ids.push(i64::from(id));
            }
        })
        .map_err(failed(KILL, REFUSED))?;
    let mut located = Vec::new();
    for id in ids {
        let of_id = call.cluster().locate(id, None).map_err(failed(KILL, REFUSED))?;
        located.extend(of_id.into_iter().filter(|job| !job.over));
    }
    located.sort_by_key(|job| job.id);
    located.dedup_by_key(|job| job.id);
    Ok(located)
}

/// What is sent, and to whom.
#[derive(Debug, Clone, Copy)]
struct Kill {
    signal: i32,
    reach: Reach,
    /// All tasks of the arrays are meant, also those that are not in the queue yet.
    whole: bool,
}

impl Kill {
    fn cancels(self) -> bool {
        self.signal == SIGKILL && self.reach != Reach::Script
    }
}

pub(in super::super) fn reach_of(flags: Option<&Flags<WarnFlags>>) -> Reach {
    let has = |word| flags.is_some_and(|flags| flags.has(word));
    match () {
        () if has("BATCH_JOB") => Reach::Script,
        () if has("FULL_JOB") => Reach::Whole,
        () => Reach::Steps,
    }
}

/// Signals jobs and gives those that were not, with the reason.
fn kill(call: &Call, located: &[Located], how: Kill) -> Vec<(Located, Fault)> {
    let several = located.len() > 1;
    let mut failures = Vec::new();
    let mut arrays: Vec<&Path> = Vec::new();
    let mut permits = Permits::new(call, Need::Write);
    for job in located {
        let known = match permits.ask(job, Errno::ACCESS_DENIED) {
            Ok(known) => known,
            Err(fault) => {
                failures.push((job.clone(), fault));
                continue;
            }
        };
        let outcome = if job.over {
            // of an array, tasks that have ended are nothing to complain about
            if several { Ok(()) } else { Err(Fault::new(Errno::ALREADY_DONE, "")) }
        } else if how.cancels() && how.whole && job.array.is_some() {
            // once, as a whole: what waits must not start because another task of it was cancelled
            if arrays.contains(&job.directory.as_path()) {
                Ok(())
            } else {
                arrays.push(&job.directory);
                cancel(call, known, None)
            }
        } else if how.cancels() {
            cancel(call, known, job.array.map(|_| job.run))
        } else {
            call.cluster().signal_job(job.id, how.signal, how.reach)
        };
        if let Err(fault) = outcome {
            failures.push((job.clone(), fault));
        }
    }
    failures
}

/// Cancels a job, or one of its runs, through the engine: it is recorded as canceled in its own directory, too.
fn cancel(call: &Call, known: Option<Known>, run: Option<JobNdx>) -> Result<(), Fault> {
    let Some(known) = known else { return Err(Fault::new(Errno::INVALID_JOB_ID, "")) };
    let who = acting(call);
    let engine = &call.shared.app.engine;
    let fault = |error: jobgate_model::Error| match error.kind() {
        ErrorKind::NotFound => Fault::new(Errno::INVALID_JOB_ID, ""),
        _ => Fault::new(error.number().map_or(Errno::GENERAL, Errno), error.message().to_owned()),
    };
    if let Some(run) = run {
        return engine.cancel_run(&who, known.key, run).map_err(fault);
    }
    match engine.cancel(&who, known.key).map_err(fault)? {
        Cancelled::AlreadyFinal(_) => Err(Fault::new(Errno::ALREADY_DONE, "")),
        cancelled => {
            call.shared.app.settle_later(known.key, known.jobid, cancelled);
            Ok(())
        }
    }
}

fn entry(job: &Located, fault: &Fault) -> KillJobsRespJob {
    let text = fault.errno.text().to_owned();
    KillJobsRespJob {
        error_string: Some(text.clone()),
        error_code: Some(fault.errno.0),
        error_message: Some(if fault.description.is_empty() { text } else { fault.description.to_string() }),
        step_id: Some(name(job)),
        job_id: Some(u32::try_from(job.id).ok().into()),
        federation_sibling: Some(String::new()),
    }
}

/// A job that there is not.
fn nowhere(id: i64) -> Located {
    Located {
        id,
        array: None,
        directory: std::path::PathBuf::new(),
        run: 0,
        owner: String::new(),
        user: String::new(),
        pending: false,
        over: true,
        held_by_admin: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobgate_slurm::table::Num;

    #[test]
    fn signals() {
        assert_eq!(signal_of(None).unwrap(), SIGKILL);
        assert_eq!(signal_of(Some("SIGUSR1")).unwrap(), 10);
        assert_eq!(signal_of(Some("usr1")).unwrap(), 10);
        assert_eq!(signal_of(Some("10")).unwrap(), 10);
        let failure = signal_of(Some("NOPE")).unwrap_err();
        assert_eq!(failure.status, Some(StatusCode::UNPROCESSABLE_ENTITY));
    }

    #[test]
    fn an_entry_names_the_task() {
        let task = Located { array: Some((7, 3)), ..nowhere(9) };
        let entry = entry(&task, &Fault::new(Errno::ACCESS_DENIED, ""));
        assert_eq!((entry.step_id.as_deref(), entry.job_id), (Some("7_3"), Some(Num::Set(9))));
    }
}
