//! What a real cluster's accounting database is asked itself, in its own protocol.

use jobgate_slurm::array::JobRef;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::objects::{DbdJobsQuery, TresResp};
use jobgate_slurm::operations::Call as Operation;
use jobgate_slurm::rpc::{Heard, Inquiry, Listed, Moment, RecordsOf, Unanswered};
use jobgate_slurm::table::{Problem, Warning};

use super::super::accounting::{self, jobs};
use super::super::answer::Reply;
use super::super::call::{Call, Outcome};
use super::super::error::Failure;

const TRES: &str = "op_handler_tres";
const BAD_QUERY: &str = "Rejecting request. Failure parsing query parameters";

/// Carries out an operation; `None`: it is not asked of the database itself.
pub(super) fn run(call: &mut Call, inquiry: &Inquiry) -> Option<Outcome> {
    Some(match call.operation.call {
        Operation::DbdGetJobs => list(call, inquiry),
        Operation::DbdGetJob => show(call, inquiry),
        Operation::DbdGetTres => tres(call, inquiry),
        Operation::DbdGetAccounts
        | Operation::DbdGetAccount
        | Operation::DbdGetUsers
        | Operation::DbdGetUser
        | Operation::DbdGetQos
        | Operation::DbdGetSingleQos
        | Operation::DbdGetClusters
        | Operation::DbdGetCluster
        | Operation::DbdGetInstances
        | Operation::DbdGetInstance
        | Operation::DbdGetWckeys
        | Operation::DbdGetWckey
        | Operation::DbdGetAssociations
        | Operation::DbdGetAssociation
            if !asks_for_usage(call) =>
        {
            accounting::run(call)
        }
        _ => return None,
    })
}

/// Whether a question is about what was used in a time, or leaves defaults out: that is not asked so.
fn asks_for_usage(call: &Call) -> bool {
    let is =
        |name: &str| name.starts_with("usage_") || matches!(name, "with_usage" | "Include usage" | "without_defaults");
    call.query.iter().any(|(name, _)| is(name))
}

fn tres(call: &mut Call, inquiry: &Inquiry) -> Outcome {
    let listed = inquiry.tres().map_err(|why| unanswered(why, TRES, TRES, "slurmdb_tres_get() failed"))?;
    let tres = heard(call, listed);
    Ok(call.answer(TresResp { tres: Some(tres), ..TresResp::default() }))
}

/// What was heard, of which is noted who has said it, and what there is to say besides.
pub(in crate::slurm) fn heard<T>(call: &mut Call, listed: Listed<T>) -> Vec<T> {
    call.by = Some(answered_by(&listed.heard));
    call.warnings.append(&mut warnings(listed.heard));
    listed.all
}

fn list(call: &mut Call, inquiry: &Inquiry) -> Outcome {
    let plain = call.query.is_empty();
    let query: DbdJobsQuery = call.read_query("op_handler_jobs")?;
    // flags of a condition are taken as they are written
    call.warnings.retain(|warning| !warning.description.starts_with("Expected OpenAPI type=boolean"));
    let wanted = if plain { RecordsOf::All } else { RecordsOf::Query(&query) };
    records(call, inquiry, &wanted)
}

fn show(call: &mut Call, inquiry: &Inquiry) -> Outcome {
    let job = JobRef::parse(&call.path_name())
        .map_err(|error| Failure::new(Errno::REST_INVALID_QUERY, "op_handler_job", format!("{BAD_QUERY}: {error}")))?;
    records(call, inquiry, &RecordsOf::Job(&job))
}

fn records(call: &mut Call, inquiry: &Inquiry, wanted: &RecordsOf<'_>) -> Outcome {
    let moment = moment(call);
    let mut by = None;
    let reply = jobs::render(call, |_, each| {
        let heard = inquiry.records(wanted, moment, &mut |record| each(&record));
        let heard = heard.map_err(|why| unanswered(why, "op_handler_jobs", jobs::DUMP, jobs::FAILED))?;
        by = Some(answered_by(&heard));
        Ok(warnings(heard))
    })?;
    Ok(Reply { by, ..reply })
}

/// Who has answered, and in which version of its protocol.
fn answered_by(heard: &Heard) -> String {
    format!("slurmdbd {}", heard.protocol)
}

fn warnings(heard: Heard) -> Vec<Warning> {
    let one = |(source, description): (&str, String)| Warning { description, source: source.to_owned() };
    heard.warnings.into_iter().map(one).collect()
}

/// Why there is no answer, in the words that slurmrestd has for the operation; what cannot be asked is its handler's.
pub(in crate::slurm) fn unanswered(why: Unanswered, handler: &str, source: &str, words: &str) -> Failure {
    match why {
        Unanswered::Database(fault) => {
            tracing::debug!(%fault, "the accounting database does not answer");
            Failure::of(&fault, source, words)
        }
        // an unknown flag is the server's fault, another bad parameter the client's
        Unanswered::Question(problem) if problem.errno == Errno::DATA_INVALID_FLAG => {
            Failure { status: None, problems: vec![problem], wait: None }
        }
        Unanswered::Question(problem) if problem.errno == Errno::REST_INVALID_QUERY => {
            let Problem { source, description, .. } = problem;
            Failure::new(Errno::REST_INVALID_QUERY, handler, format!("{BAD_QUERY}: {source}: {description}"))
        }
        Unanswered::Question(problem) => {
            Failure { status: None, problems: vec![problem], wait: None }.unread(handler, BAD_QUERY)
        }
    }
}

fn moment(call: &Call) -> Moment {
    let of = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
    let day = jiff::Timestamp::from_second(call.now)
        .ok()
        .and_then(|now| now.to_zoned(call.shared.slurm.zone.clone()).start_of_day().ok());
    Moment { now: of(call.now), midnight: day.map_or(0, |day| of(day.timestamp().as_second())) }
}
