//! `jobgate serve`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use jobgate_engine::Engine;
use jobgate_server::{
    ClientAuthority, Demand, Inherited, Listener, Settings, SlurmSettings, SocketAccess, Sockets, TlsFiles, bind,
    serve, serve_inherited, terminated,
};
use tracing_subscriber::filter::LevelFilter;

use super::dialect;
use crate::cli::Serve;
use crate::cli::certs::Tls;
use crate::config::listener::{self, At, ListenerConfig};
use crate::config::{self, Config, Purpose, ServerConfig};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::wiring::Served;
use crate::wiring::autosubmit::{self, Wanted};
use crate::{record, wiring};

/// Background steps that still run at the end get so long; what they were about is recorded and done at the next start.
const LAST_STEPS: Duration = Duration::from_secs(1);

/// How clients come.
#[derive(Debug)]
pub(super) enum Clients {
    /// They connect.
    Listen(Sockets),
    /// There is one, on standard input and output.
    Inherited(Inherited),
}

pub(crate) fn run(args: &Serve, printer: &mut Printer) -> anyhow::Result<Exit> {
    if dialect::list(&args.dialect, printer)? {
        return Ok(Exit::Ok);
    }
    let mut config = with_options(config::load(args.config.as_deref(), Purpose::Serve)?, args)?;
    dialect::choose(&args.dialect, &mut config.slurm, printer)?;
    if args.dialect.generate_openapi_spec {
        dialect::describe(&config.slurm, printer)?;
        return Ok(Exit::Ok);
    }
    let client = args.inetd.then(Inherited::take).transpose()?;
    if client.as_ref().is_none_or(|client| !client.hears_errors()) {
        super::log(args.verbose, config.server.log_format, LevelFilter::INFO);
    }
    if args.verbose > 0
        && let Some(why) = config::why_elsewhere(&config.state_dir)
    {
        printer.note(why);
    }
    wiring::check_auth(&config)?;
    let Served { engine, slurm, clusters } = wiring::serving(&config)?;
    record::ready(&config)?;
    let mut settings = Settings { clusters, ..settings(&config, slurm)? };
    if let Some((autosubmit, keys)) = autosubmit::dialect(&config, Wanted::IfFound)? {
        settings.autosubmit = Some(autosubmit);
        settings = autosubmit::with_keys(settings, keys)?;
    }
    // After the engine: a server that does not start does not take the address of one that does.
    let clients = match client {
        Some(client) => Clients::Inherited(client),
        None => Clients::Listen(bind(&settings)?),
    };
    until_told(clients, engine, settings, None, printer)
}

/// Serves until this process is told to end, or its one client is done.
pub(super) fn until_told(
    clients: Clients,
    engine: Arc<Engine>,
    settings: Settings,
    threads: Option<usize>,
    printer: &mut Printer,
) -> anyhow::Result<Exit> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.max_blocking_threads(settings.blocking_threads());
    if let Some(threads) = threads {
        runtime.worker_threads(threads);
    }
    let runtime = runtime.enable_all().build().context("cannot start the runtime")?;
    let served = match clients {
        Clients::Listen(sockets) => {
            for address in sockets.addresses() {
                printer.line(format_args!("listening on {address}"))?;
            }
            printer.flush()?;
            runtime.block_on(async { serve(sockets, engine, settings, terminated()).await })
        }
        Clients::Inherited(client) => {
            runtime.block_on(async { serve_inherited(client, engine, settings, terminated()).await })
        }
    };
    runtime.shutdown_timeout(LAST_STEPS);
    served?;
    Ok(Exit::Ok)
}

/// The configuration with what the command line says instead.
fn with_options(mut config: Config, args: &Serve) -> anyhow::Result<Config> {
    let server = &mut config.server;
    if !args.listen.is_empty() || !args.uds.is_empty() {
        server.listen.clone_from(&args.listen);
        server.uds.clone_from(&args.uds);
        server.listeners.clear();
    }
    if let Some(tls) = args.tls.files()? {
        ensure!(!server.listen.is_empty(), "TLS is for TCP addresses: give one with --listen");
        let listener =
            |text: String| ListenerConfig { tls: Some(tls.clone()), ..ListenerConfig::plain(At::Address(text)) };
        server.listeners.splice(0..0, std::mem::take(&mut server.listen).into_iter().map(listener));
    }
    if let Some(prefix) = &args.prefix {
        let prefix = std::path::absolute(prefix).with_context(|| format!("cannot resolve {}", prefix.display()))?;
        config.places.iter_mut().for_each(|place| place.prefix.clone_from(&prefix));
    }
    Ok(config)
}

impl Tls {
    /// The files that these options name.
    fn files(&self) -> anyhow::Result<Option<TlsFiles>> {
        let absolute =
            |path: &PathBuf| std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()));
        let mut files = match (&self.certified, &self.certificate, &self.key) {
            (Some(dir), _, _) => listener::certified(&absolute(dir)?),
            (None, Some(certificate), Some(key)) => {
                TlsFiles { certificate: absolute(certificate)?, key: absolute(key)?, clients: None }
            }
            _ if self.client_ca.is_some() => bail!("--client-ca needs --tls-cert and --tls-key, or --certified"),
            _ => return Ok(None),
        };
        if let Some(ca) = &self.client_ca {
            files.clients = Some(ClientAuthority { ca: absolute(ca)?, crl: None, demand: Demand::Required });
        }
        Ok(Some(files))
    }
}

/// Where to listen.
fn listeners(server: &ServerConfig) -> anyhow::Result<Vec<Listener>> {
    let tcp = server.listen.iter().map(|text| At::Address(text.clone()));
    let unix = server.uds.iter().map(|path| At::Uds(path.clone(), SocketAccess::Owner));
    let plain = tcp.chain(unix).map(ListenerConfig::plain);
    plain.chain(server.listeners.iter().cloned()).map(|one| one.settings(server.mode)).collect()
}

/// What the server needs to know.
pub(super) fn settings(config: &Config, slurm: Option<SlurmSettings>) -> anyhow::Result<Settings> {
    let server = &config.server;
    Ok(Settings {
        listeners: listeners(server)?,
        mode: server.mode,
        hosts: server.hosts.clone(),
        limits: server.limits.clone(),
        auth: wiring::auth(config, slurm.as_ref())?,
        audit: wiring::audit(config),
        slurm,
        ..Settings::default()
    })
}
