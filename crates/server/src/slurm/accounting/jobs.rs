//! Job records.

use std::collections::HashMap;

use jobgate_engine::Need;
use jobgate_slurm::array::JobRef;
use jobgate_slurm::books::AssociationsWanted;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{DbdJobsQuery, DbdJobsResp, Framed, JobRecord};
use jobgate_slurm::table::{Kind, Warning, Writer};

use super::super::answer::Reply;
use super::super::call::{Call, Outcome, failed};
use super::super::error::Failure;
use super::super::permit::{Permits, acting};
use super::books;
use super::filter::Filter;

pub(in crate::slurm) const DUMP: &str = "_dump_jobs";
pub(in crate::slurm) const FAILED: &str = "slurmdb_jobs_get() failed";

/// `GET /slurmdb/V/jobs`
pub(super) fn list(call: &mut Call) -> Outcome {
    let query: DbdJobsQuery = call.read_query("op_handler_jobs")?;
    let scripts = query.show_batch_script == Some(true);
    answer(call, &Filter::read(&query)?, scripts)
}

/// `GET /slurmdb/V/job/ID`: a job, or all that is known of an array.
pub(super) fn show(call: &mut Call) -> Outcome {
    let name = call.path_name();
    JobRef::parse(&name).map_err(|error| {
        Failure::new(Errno::REST_INVALID_QUERY, "op_handler_job", format!("Rejecting request. {error}"))
    })?;
    let query = DbdJobsQuery { step: Some(jobgate_slurm::table::Csv(vec![name])), ..DbdJobsQuery::default() };
    answer(call, &Filter::read(&query)?, false)
}

fn answer(call: &mut Call, filter: &Filter, scripts: bool) -> Outcome {
    let numbers = association_numbers(call)?;
    let slurm = call.shared.slurm.clone();
    let visible = super::super::routes::visible_user(call);
    let mut wanted = filter.wanted();
    if let Some(user) = &visible {
        wanted.users.retain(|name| name == user);
        if wanted.users.is_empty() {
            wanted.users.push(user.clone());
        }
    }
    render(call, |call, each| {
        let each = &mut |mut record: JobRecord| {
            number(&mut record, &numbers);
            if !filter.passes(&record) || visible.as_ref().is_some_and(|user| record.user.as_ref() != Some(user)) {
                return;
            }
            filter.prune(&mut record);
            if scripts {
                record.script = script(call, &record);
            }
            each(&record);
        };
        slurm.accounting.records(&wanted, each).map_err(failed(DUMP, FAILED))?;
        Ok(Vec::new())
    })
}

/// Answers with the records that `all` gives, which are rendered as they come: there may be very many. It may give warnings, too.
pub(in crate::slurm) fn render(
    call: &mut Call,
    all: impl FnOnce(&Call, &mut dyn FnMut(&JobRecord)) -> Result<Vec<Warning>, Failure>,
) -> Outcome {
    let mut jobs = Writer::with_capacity(call.version, 64 << 10);
    let mut count = 0_u64;
    jobs.raw("[");
    let mut warnings = all(call, &mut |record| {
        if count > 0 {
            jobs.raw(",");
        }
        count += 1;
        record.write(&mut jobs);
    })?;
    jobs.raw("]");
    call.warnings.append(&mut warnings);
    if count == 0 {
        call.warn(DUMP, "slurmdb_jobs_get() found nothing");
    }
    let jobs = String::from_utf8(jobs.into_bytes()).expect("invariant: JSON is UTF-8");
    let (meta, errors, warnings) = call.frame();
    let mut answer = DbdJobsResp::default();
    answer.frame(meta, errors, warnings);
    let mut out = Writer::with_capacity(call.version, jobs.len() + 1024);
    out.object_but(&answer, &mut |path, out| {
        let here = path == "jobs";
        if here {
            out.raw(&jobs);
        }
        here
    });
    Ok(Reply::json(call.status(), out.into_bytes()))
}

/// The numbers of associations, by account, user and partition.
type Numbers = HashMap<(String, String, String), i32>;

fn association_numbers(call: &Call) -> Result<Numbers, Failure> {
    let known = books(call, DUMP, FAILED)?;
    let all = AssociationsWanted {
        clusters: vec![known.cluster().to_owned()],
        without_inherited: true,
        ..AssociationsWanted::default()
    };
    let key = |text: Option<String>| text.unwrap_or_default();
    let entry = |one: jobgate_slurm::objects::Association| {
        ((key(one.account), key(one.user), key(one.partition)), one.id.unwrap_or_default())
    };
    Ok(known.associations(&all).into_iter().map(entry).collect())
}

/// Gives a record the number of its association, that of its partition first.
fn number(record: &mut JobRecord, numbers: &Numbers) {
    let Some(association) = &mut record.association else { return };
    if association.id.is_some_and(|id| id != 0) {
        return;
    }
    let key = |partition: &str| {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        (text(&record.account), text(&record.user), partition.to_owned())
    };
    let of = |partition: &str| numbers.get(&key(partition)).copied();
    association.id = Some(of(record.partition.as_deref().unwrap_or_default()).or_else(|| of("")).unwrap_or(0));
}

/// The script of a job, for those who may read the job.
fn script(call: &Call, record: &JobRecord) -> Option<String> {
    let located = call.cluster().locate(i64::from(record.job_id?), None).ok()?.into_iter().next()?;
    let job = Permits::new(call, Need::Read).ask(&located, Errno::ACCESS_DENIED).ok()??;
    call.shared.app.engine.spec(&acting(call), job.key).ok().map(|spec| spec.script)
}
