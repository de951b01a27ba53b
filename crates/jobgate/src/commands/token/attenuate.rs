//! `jobgate token attenuate`

use jobgate_server::biscuit::{Restriction, attenuate};

use crate::cli::token::Attenuate;
use crate::exit::Exit;
use crate::printer::Printer;

pub(super) fn run(args: &Attenuate, printer: &mut Printer) -> anyhow::Result<Exit> {
    let until = |lasting: std::time::Duration| {
        super::now().saturating_add(i64::try_from(lasting.as_secs()).unwrap_or(i64::MAX))
    };
    let restriction = Restriction {
        read_only: args.read_only,
        jobs: args.job.clone(),
        backends: args.backend.clone(),
        path: args.path.clone(),
        expires: args.expires.map(until),
        checks: args.check.clone(),
    };
    printer.line(attenuate(&super::read(args.given.file.as_deref())?, &restriction)?)?;
    Ok(Exit::Ok)
}
