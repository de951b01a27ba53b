//! `jobgate autosubmit`: Autosubmit's dialect alone, with the options and variables of Autosubmit API.

use std::path::PathBuf;

use anyhow::Context;
use jobgate_server::{Mode, Settings, SocketAccess, TlsFiles, bind};
use tracing_subscriber::filter::LevelFilter;

use super::serve::{self, Clients};
use crate::cli::autosubmit::{Action, Autosubmit, Start};
use crate::config::listener::{At, ListenerConfig};
use crate::config::{self, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::wiring::autosubmit::{self, Wanted};
use crate::{record, wiring};

pub(crate) fn run(args: &Autosubmit, printer: &mut Printer) -> anyhow::Result<Exit> {
    let Action::Start(args) = &args.action;
    start(args, printer)
}

fn start(args: &Start, printer: &mut Printer) -> anyhow::Result<Exit> {
    let mut config = config::load(args.config.as_deref(), Purpose::Serve)?;
    super::log(args.verbose, config.server.log_format, LevelFilter::INFO);
    config.slurm.enabled = false;
    config.server.mode = Mode::Autosubmit;
    (config.server.listen, config.server.uds) = (Vec::new(), Vec::new());
    config.server.listeners = listeners(args)?;
    wiring::check_auth(&config)?;
    let engine = wiring::serving(&config)?.engine;
    record::ready(&config)?;
    let wanted = Wanted::Always {
        background: if args.disable_bg_tasks { Some(false) } else { args.init_bg_tasks.then_some(true) },
        at_start: args.init_bg_tasks,
    };
    autosubmit::with_logins(&mut config, wanted)?;
    let (autosubmit, keys) =
        autosubmit::dialect(&config, wanted)?.context("Autosubmit's dialect is turned off by `enabled`")?;
    let settings = serve::settings(&config, None)?;
    let settings = Settings { mode: Mode::Autosubmit, autosubmit: Some(autosubmit), ..settings };
    let settings = autosubmit::with_keys(settings, keys)?;
    let sockets = bind(&settings)?;
    serve::until_told(Clients::Listen(sockets), engine, settings, args.workers.map(usize::from), printer)
}

/// Where to listen.
fn listeners(args: &Start) -> anyhow::Result<Vec<ListenerConfig>> {
    let tls = args.certfile.as_deref().zip(args.keyfile.as_deref());
    let absolute = |path: &std::path::Path| {
        std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))
    };
    let tls = tls.map(|(certificate, key)| {
        anyhow::Ok(TlsFiles { certificate: absolute(certificate)?, key: absolute(key)?, clients: None })
    });
    let tls = tls.transpose()?;
    let place = |text: &String| match text.strip_prefix("unix:") {
        Some(path) => ListenerConfig::plain(At::Uds(PathBuf::from(path), SocketAccess::Owner)),
        None => ListenerConfig { tls: tls.clone(), ..ListenerConfig::plain(At::Address(text.clone())) },
    };
    Ok(args.bind.iter().map(place).collect())
}
