//! `jobgate token`: tokens for Slurm's REST clients, and biscuits.

mod attenuate;
mod biscuit;
mod inspect;
mod keys;
mod revoke;
mod slurm;

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

use crate::cli::token::{Token, TokenAction};
use crate::exit::Exit;
use crate::printer::Printer;

/// More is no token.
const LONGEST: u64 = 1 << 20;

pub(crate) fn run(args: &Token, printer: &mut Printer) -> anyhow::Result<Exit> {
    match &args.action {
        None => slurm::run(&args.slurm, printer),
        Some(TokenAction::Biscuit(args)) => biscuit::run(args, printer),
        Some(TokenAction::Attenuate(args)) => attenuate::run(args, printer),
        Some(TokenAction::Inspect(args)) => inspect::run(args, printer),
        Some(TokenAction::Revoke(args)) => revoke::run(args, printer),
        Some(TokenAction::Keys(options)) => keys::run(options, printer),
        Some(TokenAction::Rotate(options)) => keys::rotate(options, printer),
    }
}

pub(super) fn verbosity(args: &Token) -> u8 {
    let options = match &args.action {
        None => &args.slurm.options,
        Some(TokenAction::Biscuit(args)) => &args.options,
        Some(TokenAction::Attenuate(args)) => &args.given.options,
        Some(TokenAction::Inspect(args)) => &args.options,
        Some(TokenAction::Revoke(args)) => &args.given.options,
        Some(TokenAction::Keys(options) | TokenAction::Rotate(options)) => options,
    };
    options.verbose
}

/// Reads a token from a file, or from standard input: what is an argument can be seen by everybody on the machine. The word
/// `Bearer` before it is left out.
pub(super) fn read(file: Option<&Path>) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = match file.filter(|file| *file != Path::new("-")) {
        Some(file) => {
            let file = std::fs::File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
            file.take(LONGEST).read_to_string(&mut text)
        }
        None => std::io::stdin().lock().take(LONGEST).read_to_string(&mut text),
    };
    read.context("cannot read the token")?;
    let token = text.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
    if token.is_empty() {
        bail!("there is no token: it is read from standard input, or from --file FILE");
    }
    Ok(token.to_owned())
}

/// Unix seconds.
pub(super) fn now() -> i64 {
    std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() as i64)
}
