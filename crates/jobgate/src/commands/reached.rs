//! `jobgate reached BASE JOBNDX STATE [INFO]`
//!
//! Needs no configuration: whoever runs a job elsewhere knows the directory and no more.

use anyhow::{Context, bail};
use jobgate_engine::{Forwarded, Need, tree};
use jobgate_model::{Established, Evidence, JobId, Principal};

use crate::cli::Reached;
use crate::config::{self, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::{gateway, wiring};

pub(crate) fn run(args: &Reached, printer: &mut Printer) -> anyhow::Result<Exit> {
    let no_job = || format!("{} is not a job's directory", args.base.display());
    let base = args.base.canonicalize().with_context(no_job)?;
    let name = base.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let jobid = JobId::parse(name).with_context(no_job)?;
    let Some(stored) = tree::read_spec(&base).with_context(no_job)? else {
        bail!("{}: there is no readable spec.json", no_job());
    };
    // Where the index is, if a configuration says so; a wrong one is no reason to lose the transition.
    let configured = config::load(None, Purpose::CommandLine).map(|config| config.state_dir);
    let state_dir = configured.or_else(|_| config::default_state_dir())?;
    let engine = wiring::engine_at(&state_dir, &base, &stored.spec.backend, config::callbacks(None))?;
    let who = Principal::local(Established::Process);
    let key = engine.find(&who, Need::Write, base.parent(), &jobid)?.key;
    let seq = engine.reached(&who, key, args.jobndx, args.state, &args.info, Evidence::Callback)?;
    gateway::tell(&state_dir, &base);
    if stored.spec.callback.is_none() {
        return Ok(Exit::Ok);
    }
    match wiring::runtime()?.block_on(engine.forward(key, seq))? {
        Forwarded::Ok => Ok(Exit::Ok),
        Forwarded::Failed => {
            printer.error("the transition is recorded, but the receiver of the job's callbacks did not take it");
            printer.hint("it is tried again; `jobgate deliveries` tells how that goes");
            Ok(Exit::Failed)
        }
    }
}
