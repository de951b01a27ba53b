//! `jobgate ls [STAMP...]`

use std::io;

use jobgate_engine::{ListQuery, Order};
use serde::ser::SerializeSeq;

use crate::cli::{Ls, Output};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::table;
use crate::wiring::Session;

pub(crate) fn run(args: &Ls, printer: &mut Printer) -> anyhow::Result<Exit> {
    let session = Session::open(&args.common)?;
    if !args.stamps.is_empty() {
        return super::status::of_each(&session, printer, &args.stamps, args.format.output);
    }
    session.engine.adopt()?;
    let query = ListQuery {
        backend: args.backend.clone(),
        state: args.state,
        order: Order::Oldest,
        index: 0,
        ..ListQuery::default()
    };
    let skip = args.limit.map(|limit| count(&session, &query).map(|all| all.saturating_sub(limit))).transpose()?;
    let query = ListQuery { index: skip.unwrap_or(0), ..query };
    match args.format.output {
        Output::Text => text(&session, printer, &query)?,
        Output::Json => json(&session, printer, &query)?,
    }
    Ok(Exit::Ok)
}

fn count(session: &Session, query: &ListQuery) -> anyhow::Result<u64> {
    let mut count = 0;
    session.engine.list(&session.who, query, &mut |_| count += 1)?;
    Ok(count)
}

fn text(session: &Session, printer: &mut Printer, query: &ListQuery) -> anyhow::Result<()> {
    printer.line(table::HEADER)?;
    let mut written = Ok(());
    session.engine.list(&session.who, query, &mut |job| {
        if written.is_ok() {
            let line = table::row(&job, |padded| printer.state(padded, job.state));
            written = printer.line(line);
        }
    })?;
    Ok(written?)
}

fn json(session: &Session, printer: &mut Printer, query: &ListQuery) -> anyhow::Result<()> {
    let mut serializer = serde_json::Serializer::pretty(printer.out());
    let mut list = serde::Serializer::serialize_seq(&mut serializer, None).map_err(io::Error::from)?;
    let mut written = Ok(());
    session.engine.list(&session.who, query, &mut |job| {
        if written.is_ok() {
            written = list.serialize_element(&table::row_json(&job));
        }
    })?;
    written.and_then(|()| list.end()).map_err(io::Error::from)?;
    printer.line("")?;
    Ok(())
}
