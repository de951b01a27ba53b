//! `jobgate certs`: a small authority for a team, and certificates for its servers and users.

mod authority;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::cli::certs::{Action, Certs};
use crate::config;
use crate::exit::Exit;
use crate::printer::Printer;
use crate::table::shown;
use authority::{Authority, Made};

const DAY: i64 = 24 * 60 * 60;

pub(crate) fn run(args: &Certs, printer: &mut Printer) -> anyhow::Result<Exit> {
    let dir = match &args.dir {
        Some(dir) => std::path::absolute(dir).with_context(|| format!("cannot resolve {}", dir.display()))?,
        None => config::certs_dir()?,
    };
    match &args.action {
        Action::Init { name, days } => init(&dir, name, *days, printer),
        Action::AddClient { name, email, days } => add_client(&dir, name, email.as_deref(), *days, printer),
        Action::AddServer { hosts, days } => add_server(&dir, hosts, *days, printer),
        Action::Show => show(&dir, printer),
    }
}

fn init(dir: &Path, name: &str, days: u32, printer: &mut Printer) -> anyhow::Result<Exit> {
    ensure!(!name.trim().is_empty(), "an authority needs a name");
    let made = Authority::make(dir, name, days)?;
    printer.line(format_args!("authority    {}", made.certificate.display()))?;
    printer.line(format_args!("private key  {}", made.key.display()))?;
    printer.line("\nWhoever has the private key can be anybody; keep it off machines that others use. Next:\n")?;
    printer.line("jobgate certs add-server HOST...    a certificate for a gateway")?;
    printer.line("jobgate certs add-client NAME       one for each user")?;
    Ok(Exit::Ok)
}

fn add_server(dir: &Path, hosts: &[String], days: u32, printer: &mut Printer) -> anyhow::Result<Exit> {
    for host in hosts {
        ensure!(is_host(host), "{host:?} is no host name and no address");
    }
    let first = hosts.first().context("name at least one host")?;
    let authority = Authority::open(dir)?;
    let made = authority.add_server(&file_name(first), hosts, days)?;
    print_made(&made, days, printer)?;
    let ca = Authority::certificate(dir);
    printer.line("\nFor the configuration of the gateway:\n")?;
    printer.line("[[server.listener]]\naddress = \"0.0.0.0:8443\"")?;
    for (key, path) in [("certificate", &made.certificate), ("key", &made.key), ("client_ca", &ca)] {
        printer.line(format_args!("{key} = {}", config::quoted(&path.to_string_lossy())))?;
    }
    printer.line("client_certificates = \"required\"    # \"optional\": tokens will do instead")?;
    printer.line("\nThe same without a configuration:\n")?;
    printer.line(format_args!(
        "jobgate serve --listen 0.0.0.0:8443 --tls-cert {} --tls-key {} --client-ca {}",
        word(&made.certificate),
        word(&made.key),
        word(&ca)
    ))?;
    Ok(Exit::Ok)
}

fn add_client(dir: &Path, name: &str, email: Option<&str>, days: u32, printer: &mut Printer) -> anyhow::Result<Exit> {
    ensure!(
        is_user(name),
        "{name:?} is no user's name: letters, digits and `.`, `_`, `-`, `@`, `+`, `$`, not beginning with `.` or `-`"
    );
    ensure!(email.is_none_or(|email| email.is_ascii() && email.contains('@')), "that is no e-mail address");
    let authority = Authority::open(dir)?;
    let made = authority.add_client(name, email, days)?;
    print_made(&made, days, printer)?;
    printer.line(format_args!(
        "\nGive both to {name} in a way that nobody can listen to, and the authority's certificate:\n"
    ))?;
    printer.line(format_args!(
        "curl --cacert {} --cert {} --key {} https://HOST:8443/v2/jobs",
        word(&Authority::certificate(dir)),
        word(&made.certificate),
        word(&made.key)
    ))?;
    Ok(Exit::Ok)
}

fn print_made(made: &Made, days: u32, printer: &mut Printer) -> anyhow::Result<()> {
    printer.line(format_args!("certificate  {}", made.certificate.display()))?;
    printer.line(format_args!("private key  {}", made.key.display()))?;
    let left = (made.not_after - now()) / DAY;
    if left + 1 < i64::from(days) {
        printer.note(format_args!("it is valid for {left} days only, because the authority ends then"));
    }
    Ok(())
}

fn show(dir: &Path, printer: &mut Printer) -> anyhow::Result<Exit> {
    let all = authority::list(dir)?;
    if all.is_empty() {
        bail!("there are no certificates in {}; `jobgate certs init` makes an authority", dir.display());
    }
    let width = all.iter().map(|one| shown(&one.name).chars().count()).max().unwrap_or(0).max(4);
    printer.line(format_args!("{:<9} {:<width$} days-left file", "kind", "name"))?;
    for one in all {
        let left = (one.not_after - now()).div_euclid(DAY);
        let left = if left < 0 { "expired".into() } else { left.to_string() };
        let file = one.file.strip_prefix(dir).unwrap_or(&one.file).display();
        printer.line(format_args!("{:<9} {:<width$} {left:>9} {file}", one.kind, shown(&one.name)))?;
    }
    Ok(Exit::Ok)
}

/// A path as a word for a shell.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@' | ':');
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A name that is a user's here and that can name a file.
fn is_user(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+' | '$');
    !name.is_empty() && name.len() <= 64 && !name.starts_with(['.', '-']) && name.chars().all(plain)
}

/// An address, or a host name, which may begin with `*.`.
fn is_host(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && label.chars().all(plain)
    };
    host.parse::<IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label))
}

fn file_name(host: &str) -> String {
    host.replace(['*', ':'], "_")
}

fn now() -> i64 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() as i64)
}

/// A certificate in the list.
#[derive(Debug)]
struct Listed {
    kind: &'static str,
    name: String,
    not_after: i64,
    file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["alice", "a.b@example.org", "Ünal", "svc$"] {
            assert!(is_user(good), "{good}");
        }
        for bad in ["", ".", "..", "../x", "a/b", "a b", "-x", "a\n"] {
            assert!(!is_user(bad), "{bad}");
        }
        for good in ["localhost", "gate.example.org", "*.example.org", "127.0.0.1", "::1", "a_b"] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "a..b", "http://x", "a:80", "-x", "a b", "*", "ä.example"] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn words_of_a_shell() {
        assert_eq!(word(Path::new("/a/b.crt")), "/a/b.crt");
        assert_eq!(word(Path::new("/a b/c's")), r"'/a b/c'\''s'");
    }
}
