//! Everything about one job.

use axum::http::StatusCode;
use jobgate_autosubmit::status::JobStatus;
use jobgate_autosubmit::texts::instant;
use jobgate_autosubmit::views::times;
use serde_json::json;

use crate::autosubmit::answer::{Answer, json};
use crate::autosubmit::call::Call;
use crate::autosubmit::error::Failure;

/// `GET /v4/experiments/{expid}/jobs/{job_name}`
pub(in crate::autosubmit) fn show(call: &Call) -> Answer {
    let expid = call.known()?;
    let (site, name) = (call.site(), call.part("job_name"));
    let jobs = site.jobs(&expid).map_err(|error| {
        tracing::warn!(%error, "a list of jobs cannot be read");
        Failure::from(error).told("Error while retrieving job details")
    })?;
    let job = jobs.get(name).ok_or_else(|| {
        let text = format!("Job with name '{name}' not found in experiment '{expid}'");
        Failure::new(StatusCode::NOT_FOUND, text)
    })?;
    let places = site.places(&expid);
    let history = site.history(&expid).unwrap_or_default();
    let last = history.last_try(name);
    let run = history.last_run_of(name);
    let section = job.section.as_deref().unwrap_or_default();
    // what is configured now, else what was when the job ran
    let configuration = site.configuration_in_place(&expid).ok();
    let length = configuration.as_ref().map(|one| one.chunk_length()).or_else(|| run?.chunk_length());
    let configured = configuration.as_ref().filter(|one| one.has_job(section));
    let known = times::of_job(job, &history, &places, call.moment);
    let logs = site.logs(&expid);
    let [out, err] = match job.status {
        JobStatus::Completed | JobStatus::Failed => {
            logs.beginning_with(name).map(|log| log.map(|log| places.logs.join(log)))
        }
        _ => [None, None],
    };
    // of a running job what the history says, and not that it has not ended yet
    let finish = match last.filter(|_| job.status == JobStatus::Running) {
        Some(last) if known.run_id.is_some() => last.finish,
        _ => known.finish,
    };
    let at = |time: i64| instant(time, call.moment.zone);
    json(&json!({
        "name": job.name,
        "status": job.status.name(),
        "section": job.section,
        "date": job.date.map(|date| date.strftime("%Y%m%d").to_string()),
        "member": job.member,
        "chunk": job.chunk,
        "split": job.split,
        "splits": job.splits,
        "out_path_local": out,
        "err_path_local": err,
        "chunk_size": length.as_ref().map(|length| length.size),
        "chunk_unit": length.as_ref().map(|length| length.unit.as_str()),
        "platform": configured.map(|one| one.own_platform(section)).or_else(|| last?.platform.clone()),
        "remote_id": last.and_then(|last| last.job_id),
        "qos": configured.map(|one| one.own_queue(section)).or_else(|| last?.qos.clone()),
        "processors": configured.map(|one| one.processing(section).processors).or_else(|| Some(last?.ncpus)),
        "submit": at(known.submit),
        "start": at(known.start),
        "finish": at(finish),
        "wallclock": configured.map(|one| one.own_wallclock(section)).or_else(|| last?.wallclock.clone()),
        "workflow_commit": configuration
            .and_then(|one| one.workflow_commit())
            .or_else(|| last?.workflow_commit.clone()),
        "last_wrapper": site.packages(&expid).ok().and_then(|packages| packages.of_job(name).map(str::to_owned)),
    }))
}
