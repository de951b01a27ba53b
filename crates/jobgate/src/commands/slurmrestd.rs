//! Called by the name `slurmrestd`: Slurm's dialect alone, with that program's options and variables.

mod address;
mod privileges;

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use jobgate_server::{Accepted, ClearText, Inherited, Listener, Mode, Settings, SocketAccess, bind, is_inherited};
use jobgate_slurm::version::Version;
use tracing_subscriber::filter::LevelFilter;

use super::dialect::{self, LIST};
use super::serve::{self, Clients};
use crate::cli::slurm::{Dialect, Slurmrestd};
use crate::config::{self, Purpose, env};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::wiring::{self, Served};

use address::Address;
use privileges::Identity;

/// Connections at the same time when nothing is said.
const CONNECTIONS: usize = 124;
/// An idle connection is kept for so long at least: clients of slurmrestd count on it being there.
const IDLE: Duration = Duration::from_secs(60);

pub(crate) fn run(printer: &mut Printer) -> anyhow::Result<Exit> {
    let args = with_variables(Slurmrestd::parse());
    if args.version {
        printer.line(format_args!("slurm {}+jobgate.{}", Version::V45.release(), env!("CARGO_PKG_VERSION")))?;
        return Ok(Exit::Ok);
    }
    if list_kinds(&args.auth, printer)? | dialect::list(&args.dialect, printer)? {
        return Ok(Exit::Ok);
    }
    let accepted = accepted(&args.auth)?;
    let verbose = verbosity(&variable(&env::SLURMRESTD_DEBUG))?;
    let security = Security::read(&variable(&env::SLURMRESTD_SECURITY))?;
    if args.dialect.generate_openapi_spec {
        let mut config = config::load(args.config.as_deref(), Purpose::Serve)?.slurm;
        dialect::choose(&args.dialect, &mut config, printer)?;
        dialect::describe(&config, printer)?;
        return Ok(Exit::Ok);
    }
    let identity = Identity::wanted(args.user.as_deref(), args.group.as_deref())?;
    if security.user_check == UserCheck::Done {
        identity.refuse_root()?;
    }
    let bound = where_to_listen(&args.addresses, security.clear_text)?;
    let clients = match &bound {
        Some(settings) => Clients::Listen(bind(settings)?),
        None => Clients::Inherited(Inherited::take()?),
    };
    identity.assume()?;

    let mut config = config::load(args.config.as_deref(), Purpose::Serve).map_err(|error| identity.explain(error))?;
    config.slurm.enabled = true;
    dialect::choose(&args.dialect, &mut config.slurm, printer)?;
    let server = &mut config.server;
    server.limits.connections = args.max_connections.map_or(CONNECTIONS, |count| count as usize);
    server.limits.header_timeout = server.limits.header_timeout.max(IDLE);
    if !matches!(&clients, Clients::Inherited(client) if client.hears_errors()) {
        super::log(args.verbose.max(verbose), config.server.log_format, LevelFilter::WARN);
    }
    wiring::check_auth(&config)?;
    let Served { engine, slurm, clusters } = wiring::serving(&config).map_err(|error| identity.explain(error))?;
    if slurm.is_none() && clusters.is_empty() {
        bail!(
            "neither a real cluster ([slurm.controller]) nor a backend of type \"local\" is configured, so there is nothing to be \
             shown as a cluster of Slurm's"
        );
    }
    let mut settings = Settings { mode: Mode::Tokens, clusters, ..serve::settings(&config, slurm)? };
    settings.auth.accepted = accepted;
    serve::until_told(clients, engine, settings, args.threads.map(usize::from), printer)
}

/// What slurmrestd is told by variables where options do not say it.
fn with_variables(mut args: Slurmrestd) -> Slurmrestd {
    let Dialect { data_parser, plugins, .. } = &mut args.dialect;
    for (option, name) in [
        (&mut args.auth, &env::SLURMRESTD_AUTH_TYPES),
        (plugins, &env::SLURMRESTD_OPENAPI_PLUGINS),
        (data_parser, &env::SLURMRESTD_DATA_PARSER_PLUGINS),
    ] {
        if option.is_empty() {
            option.extend(words(&variable(name)));
        }
    }
    let listen = variable(&env::SLURMRESTD_LISTEN);
    args.addresses.splice(0..0, words(&listen));
    args
}

fn variable(variable: &env::Variable) -> String {
    variable.get().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

fn words(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Where to listen; `None`: there is one client, on standard input and output.
fn where_to_listen(addresses: &[String], clear_text: ClearText) -> anyhow::Result<Option<Settings>> {
    let mode = Mode::Tokens;
    let mut listeners = Vec::new();
    for text in addresses {
        match text.parse()? {
            Address::Unix(path) => listeners.push(Listener::unix(path, SocketAccess::Everybody, mode)),
            Address::Tcp(host, port) => {
                let tcp = address::resolve(&host, port)?.into_iter();
                listeners.extend(tcp.map(|address| Listener { clear_text, ..Listener::tcp(address, mode) }));
            }
        }
    }
    let settings = Settings { listeners, clear_text, mode, ..Settings::default() };
    // A service manager may have opened sockets for us.
    let passed = env::LISTEN_FDS.get().is_some();
    if addresses.is_empty() && !passed {
        if is_inherited() {
            return Ok(None);
        }
        bail!(
            "nowhere to listen: give an address ([HOST]:PORT or unix:/PATH) or set SLURMRESTD_LISTEN; to serve one client on \
             standard input, connect that to a pipe or a socket"
        );
    }
    Ok(Some(settings))
}

fn list_kinds(kinds: &[String], printer: &mut Printer) -> anyhow::Result<bool> {
    let asked = kinds.iter().any(|kind| kind == LIST);
    if asked {
        printer.line("rest_auth/jwt\nrest_auth/local")?;
    }
    Ok(asked)
}

/// Which credentials count.
fn accepted(kinds: &[String]) -> anyhow::Result<Accepted> {
    let mut accepted = None;
    for kind in kinds {
        let one = match kind.strip_prefix("rest_auth/").unwrap_or(kind) {
            "jwt" => Accepted::Tokens,
            "local" => Accepted::Sockets,
            _ => bail!("unknown plugin {kind:?}: expected rest_auth/jwt or rest_auth/local"),
        };
        accepted = Some(if accepted.is_none_or(|before| before == one) { one } else { Accepted::All });
    }
    Ok(accepted.unwrap_or_default())
}

/// Whether it matters as whom we run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UserCheck {
    Done,
    Skipped,
}

/// What slurmrestd is allowed to dare.
#[derive(Debug, PartialEq, Eq)]
struct Security {
    user_check: UserCheck,
    clear_text: ClearText,
}

impl Security {
    fn read(list: &str) -> anyhow::Result<Self> {
        let mut security = Self { user_check: UserCheck::Done, clear_text: ClearText::Loopback };
        for word in words(list) {
            match word.as_str() {
                "disable_user_check" => security.user_check = UserCheck::Skipped,
                "allow_plain_http" => security.clear_text = ClearText::Anywhere,
                // We unshare nothing: the kernel's credentials and our jobs need what we share.
                "disable_unshare_sysv" | "disable_unshare_files" => {}
                "become_user" => bail!(
                    "SLURMRESTD_SECURITY=become_user is refused: jobs belong to who runs this gateway, and a gateway that \
                     becomes its first client would give that one all jobs of its state directory; run one gateway for each \
                     user instead, each as that user"
                ),
                _ => bail!(
                    "unknown word {word:?} in SLURMRESTD_SECURITY: expected disable_user_check or allow_plain_http"
                ),
            }
        }
        Ok(security)
    }
}

/// Slurm's levels of logging: `-v` is verbose, `-vv` debug and more.
fn verbosity(level: &str) -> anyhow::Result<u8> {
    let number = match level.to_ascii_lowercase().as_str() {
        "" | "quiet" | "fatal" | "error" | "info" => 3,
        "verbose" => 4,
        "debug" | "debug1" | "debug2" | "debug3" | "debug4" | "debug5" => 5,
        number => number.parse::<u8>().ok().filter(|number| *number <= 10).with_context(|| {
            format!("SLURMRESTD_DEBUG={level:?} is no level: expected 0 to 10, or error, info, verbose or debug")
        })?,
    };
    Ok(number.saturating_sub(3).min(2))
}

#[cfg(test)]
mod tests {
    use jobgate_server::Spot;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        use clap::CommandFactory;
        Slurmrestd::command().debug_assert();
    }

    #[test]
    fn kinds_of_credentials() {
        let of = |text: &str| accepted(&words(text));
        assert_eq!(of("").unwrap(), Accepted::All);
        assert_eq!(of("rest_auth/jwt").unwrap(), Accepted::Tokens);
        assert_eq!(of("local").unwrap(), Accepted::Sockets);
        assert_eq!(of("jwt,local").unwrap(), Accepted::All);
        assert!(of("munge").unwrap_err().to_string().contains("rest_auth/jwt"));
    }

    #[test]
    fn what_is_dared() {
        let of = |text: &str| Security::read(text);
        assert_eq!(of("").unwrap().user_check, UserCheck::Done);
        let both = Security { user_check: UserCheck::Skipped, clear_text: ClearText::Anywhere };
        assert_eq!(of("disable_user_check, allow_plain_http,disable_unshare_sysv").unwrap(), both);
        assert!(of("become_user").unwrap_err().to_string().contains("refused"));
        assert!(of("bogus").is_err());
    }

    #[test]
    fn levels() {
        for (level, expected) in [("", 0), ("info", 0), ("3", 0), ("verbose", 1), ("4", 1), ("debug3", 2), ("10", 2)] {
            assert_eq!(verbosity(level).unwrap(), expected, "{level}");
        }
        assert!(verbosity("loud").is_err() && verbosity("11").is_err());
    }

    #[test]
    fn places() {
        let of = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
            where_to_listen(&texts, ClearText::Loopback)
        };
        let settings = of(&["127.0.0.1:6820", "unix:/run/x"]).unwrap().unwrap();
        let spots: Vec<Spot> = settings.listeners.into_iter().map(|listener| listener.spot).collect();
        let unix = Spot::Unix { path: "/run/x".into(), access: SocketAccess::Everybody };
        assert_eq!(spots, [Spot::Tcp("127.0.0.1:6820".parse().unwrap()), unix]);
        assert!(of(&["nowhere"]).is_err());
    }
}
