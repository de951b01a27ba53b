//! `jobgate serve`

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::Context;
use jobgate_server::{Settings, bind, serve, terminated};
use tracing_subscriber::filter::LevelFilter;

use crate::cli::Serve;
use crate::config::{self, Config, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::wiring;

/// Background steps that still run at the end get so long; what they were about is recorded and done at the next start.
const LAST_STEPS: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Serve, printer: &mut Printer) -> anyhow::Result<Exit> {
    let config = with_options(config::load(args.config.as_deref(), Purpose::Serve)?, args)?;
    super::log(args.verbose, config.server.log_format, LevelFilter::INFO);
    let settings = settings(&config)?;
    if args.verbose > 0
        && let Some(why) = config::why_elsewhere(&config.state_dir)
    {
        printer.note(why);
    }
    let engine = wiring::engine(&config)?;
    // After the engine: a server that does not start does not take the address of one that does.
    let sockets = bind(&settings)?;
    for address in sockets.addresses() {
        printer.line(format_args!("listening on {address}"))?;
    }
    printer.flush()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let served = runtime.block_on(async { serve(sockets, engine, settings, terminated()).await });
    runtime.shutdown_timeout(LAST_STEPS);
    served?;
    Ok(Exit::Ok)
}

/// The configuration with what the command line says instead.
fn with_options(mut config: Config, args: &Serve) -> anyhow::Result<Config> {
    if !args.listen.is_empty() || !args.uds.is_empty() {
        config.server.listen.clone_from(&args.listen);
        config.server.uds.clone_from(&args.uds);
    }
    if let Some(prefix) = &args.prefix {
        let prefix = std::path::absolute(prefix).with_context(|| format!("cannot resolve {}", prefix.display()))?;
        config.places.iter_mut().for_each(|place| place.prefix.clone_from(&prefix));
    }
    Ok(config)
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    let server = &config.server;
    Ok(Settings {
        listen: server.listen.iter().map(|text| address(text)).collect::<anyhow::Result<_>>()?,
        uds: server.uds.clone(),
        mode: server.mode,
        hosts: server.hosts.clone(),
        limits: server.limits.clone(),
    })
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let resolved = text.to_socket_addrs().with_context(|| format!("cannot listen on {text:?}: expected HOST:PORT"))?;
    resolved.into_iter().next().with_context(|| format!("cannot listen on {text:?}: the name has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(address("127.0.0.1:0").unwrap(), "127.0.0.1:0".parse().unwrap());
        assert_eq!(address("[::1]:8000").unwrap().port(), 8000);
        assert!(address("localhost:80").unwrap().ip().is_loopback());
        for bad in ["", "8000", "127.0.0.1", "127.0.0.1:70000"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
