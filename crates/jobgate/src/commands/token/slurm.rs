//! `jobgate token` without a subcommand: tokens for Slurm's REST clients, signed with the gateway's key.

use std::path::PathBuf;

use anyhow::{Context, bail};
use jobgate_engine::audit::{Event, Outcome, fingerprint};
use jobgate_slurm::jwt::{Lifespan, MIN_KEY_LENGTH};

use crate::accounts;
use crate::cli::token::SlurmToken;
use crate::config::{self, Config, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record;

/// For so long a token is valid when nothing is said, in seconds: as long as Slurm's.
const USUAL: Lifespan = Lifespan::Seconds(1800);

pub(super) fn run(args: &SlurmToken, printer: &mut Printer) -> anyhow::Result<Exit> {
    let wish = Wish::of(args)?;
    // The server's configuration, because the key is the server's.
    let config = config::load(args.options.config.as_deref(), Purpose::Serve)?;
    let path = match args.cluster.as_deref() {
        Some(name) if name != config.slurm.cluster || config.slurm.clusters.contains_key(name) => {
            key_of(name, &config)?
        }
        _ => main_key(&config)?,
    };
    let key = jobgate_server::shared_key(&path).map_err(anyhow::Error::msg).with_context(|| {
        format!("cannot use the key {}; `(umask 077; openssl rand {MIN_KEY_LENGTH} >FILE)` makes one", path.display())
    })?;
    let user = wish.user.unwrap_or_else(accounts::login);
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() as i64);
    record::ready(&config)?;
    let token = key.mint(&user, wish.lifespan, now)?;
    // such tokens have no id; this says which one it was to who has it, and nothing of it to others
    let id = fingerprint(&token);
    record::note(&config, Event::Minted { kind: "jwt", user, id }, None, Outcome::Allowed);
    printer.line(format_args!("SLURM_JWT={token}"))?;
    Ok(Exit::Ok)
}

/// The file of the main cluster's key; it is made unless another one is named.
fn main_key(config: &Config) -> anyhow::Result<PathBuf> {
    let Some(path) = config.slurm.shared_key(&config.state_dir) else {
        bail!("no shared key is configured, only key sets (slurm.jwks); set slurm.jwt_key to have tokens made here");
    };
    if config.slurm.jwt_key.is_none() && !path.exists() {
        jobgate_server::make_secret(&path, MIN_KEY_LENGTH)
            .with_context(|| format!("cannot make the key {}", path.display()))?;
    }
    Ok(path)
}

/// The file of a further cluster's key, which is the cluster's own and never made here.
fn key_of(name: &str, config: &Config) -> anyhow::Result<PathBuf> {
    let Some(cluster) = config.slurm.clusters.get(name) else {
        let known: Vec<&str> = config.slurm.clusters.keys().map(String::as_str).collect();
        bail!("there is no cluster {name:?} in [slurm.clusters]; there is: {}", or_none(&known.join(", ")));
    };
    let key = cluster.jwt_key.clone();
    key.with_context(|| {
        format!("set slurm.clusters.{name}.jwt_key to the cluster's key to have tokens for it made here")
    })
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// What token is wanted.
#[derive(Debug, PartialEq)]
struct Wish {
    user: Option<String>,
    lifespan: Lifespan,
}

impl Wish {
    /// Options and words, which may be `scontrol token`'s. What is said twice must be the same.
    fn of(args: &SlurmToken) -> anyhow::Result<Self> {
        let mut users: Vec<&str> = args.user.as_deref().into_iter().collect();
        let mut lifespans: Vec<Lifespan> = args.lifespan.into_iter().collect();
        for word in &args.words {
            match word.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case("lifespan") => lifespans.push(value.parse()?),
                Some((name, value)) if name.eq_ignore_ascii_case("username") => users.push(value),
                Some((name, _)) => bail!("unknown word {name:?}: expected username=USER or lifespan=SECONDS"),
                None => users.push(word),
            }
        }
        users.dedup();
        lifespans.dedup();
        if users.len() > 1 || lifespans.len() > 1 {
            bail!("one token is for one user and has one lifespan");
        }
        Ok(Self { user: users.pop().map(str::to_owned), lifespan: lifespans.pop().unwrap_or(USUAL) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn wish(words: &[&str]) -> anyhow::Result<Wish> {
        match Cli::try_parse_from(["jobgate", "token"].iter().chain(words))?.command {
            Command::Token(args) if args.action.is_none() => Wish::of(&args.slurm),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_further_cluster_has_a_key_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("jobgate.toml");
        let text = "[slurm]\ncluster = 'main'\njwt_key = 'main.key'\n\
            [slurm.clusters.big]\njwt_key = 'big.key'\ncontroller = { addresses = ['c'] }\n\
            [slurm.clusters.keyless]\ncontroller = { addresses = ['c'] }\n";
        std::fs::write(&file, text).unwrap();
        let config = config::load(Some(&file), Purpose::Serve).unwrap();
        assert_eq!(main_key(&config).unwrap(), home.path().join("main.key"));
        assert_eq!(key_of("big", &config).unwrap(), home.path().join("big.key"));
        assert!(key_of("keyless", &config).unwrap_err().to_string().contains("slurm.clusters.keyless.jwt_key"));
        let unknown = key_of("nosuch", &config).unwrap_err().to_string();
        assert!(unknown.ends_with("there is: big, keyless"), "{unknown}");
    }

    #[test]
    fn words_of_scontrol_and_our_own() {
        let usual = Wish { user: None, lifespan: USUAL };
        assert_eq!(wish(&[]).unwrap(), usual);
        let alice = Wish { user: Some("alice".into()), lifespan: Lifespan::Seconds(60) };
        for words in [
            &["alice", "lifespan=60"] as &[&str],
            &["--user", "alice", "--lifespan", "60"],
            &["username=alice", "lifespan=60"],
            &["-u", "alice", "alice", "-l", "60", "lifespan=60"],
        ] {
            assert_eq!(wish(words).unwrap(), alice, "{words:?}");
        }
        assert_eq!(wish(&["lifespan=infinite"]).unwrap().lifespan, Lifespan::Infinite);
        for bad in [&["lifespan=0"] as &[&str], &["uid=5"], &["alice", "bob"], &["-l", "5", "lifespan=6"], &["-l", "x"]]
        {
            assert!(wish(bad).is_err(), "{bad:?}");
        }
    }
}
