//! `jobgate ls [STAMP...]`

use std::io;
use std::time::{Duration, Instant};

use jobgate_engine::{Job, JobRow, ListQuery, Order};
use jobgate_model::State;
use serde::ser::SerializeSeq;

use crate::cli::{Ls, Output};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::wiring::Session;
use crate::{gateway, selector, table};

/// So long the list waits for what can be known of jobs that run.
const PATIENCE: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &Ls, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.options)?;
    if !args.stamps.is_empty() {
        return super::status::of_each(&session, printer, &args.stamps, args.format.output);
    }
    session.engine.adopt()?;
    let lost = notice_the_dead(&session)?;
    let query = ListQuery {
        backend: args.backend.clone(),
        state: args.state,
        // The newest few are found from the other end, and shown in the same order.
        order: if args.limit.is_some() { Order::Newest } else { Order::Oldest },
        limit: args.limit,
        ..ListQuery::default()
    };
    match args.format.output {
        Output::Text => text(&session, printer, &query)?,
        Output::Json => json(&session, printer, &query)?,
    }
    for job in lost {
        super::deliver(&session, printer, &job);
    }
    Ok(Exit::Ok)
}

/// Records the end of jobs whose runner died while no gateway was there to see it, and gives those.
fn notice_the_dead(session: &Session) -> anyhow::Result<Vec<Job>> {
    let mut changed = Vec::new();
    if gateway::listens(&session.config.state_dir) {
        return Ok(changed);
    }
    let begun = Instant::now();
    let mut active = Vec::new();
    let query = ListQuery { state: Some(State::Active), ..ListQuery::default() };
    session.engine.list(&session.who, &query, &mut |job| active.push(job.jobid.to_owned()))?;
    for jobid in active {
        let job = selector::one(session, &jobid)?;
        let now = session.looked_at(&job)?;
        if now.state != job.state {
            changed.push(now);
        }
        if begun.elapsed() >= PATIENCE {
            break;
        }
    }
    Ok(changed)
}

fn text(session: &Session, printer: &mut Printer, query: &ListQuery) -> anyhow::Result<()> {
    printer.line(table::HEADER)?;
    let paint = printer.painter();
    oldest_first(session, query, |job| table::row(job, |padded| paint(padded, job.state)), |line| printer.line(line))
}

fn json(session: &Session, printer: &mut Printer, query: &ListQuery) -> anyhow::Result<()> {
    let mut serializer = serde_json::Serializer::pretty(printer.out());
    let mut list = serde::Serializer::serialize_seq(&mut serializer, None).map_err(io::Error::from)?;
    oldest_first(session, query, table::row_json, |job| list.serialize_element(&job).map_err(io::Error::from))?;
    list.end().map_err(io::Error::from)?;
    printer.line("")?;
    Ok(())
}

/// Writes the rows of a listing, the oldest first, as they come when that is their order.
fn oldest_first<T>(
    session: &Session,
    query: &ListQuery,
    render: impl Fn(&JobRow<'_>) -> T,
    mut write: impl FnMut(T) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut kept = Vec::new();
    let mut written = Ok(());
    session.engine.list(&session.who, query, &mut |job| match query.order {
        Order::Newest => kept.push(render(&job)),
        Order::Oldest if written.is_ok() => written = write(render(&job)),
        Order::Oldest => {}
    })?;
    written?;
    kept.into_iter().rev().try_for_each(write)?;
    Ok(())
}
