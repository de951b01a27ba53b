//! `jobgate token biscuit`

use jobgate_engine::audit::{Event, Outcome};
use jobgate_server::Vouching;
use jobgate_server::biscuit::{Grant, mint, revocation_id};

use crate::accounts;
use crate::cli::token::Biscuit;
use crate::config::{self, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::record;

pub(super) fn run(args: &Biscuit, printer: &mut Printer) -> anyhow::Result<Exit> {
    // The server's configuration, because the key is the server's.
    let config = config::load(args.options.config.as_deref(), Purpose::Serve)?;
    let settings = config.auth.biscuit.settings(&config.state_dir);
    let user = format!("uid:{}", args.user.clone().unwrap_or_else(accounts::login));
    let lifespan = args.lifespan.unwrap_or(settings.lifespan).as_secs();
    let expires = super::now().saturating_add(i64::try_from(lifespan).unwrap_or(i64::MAX));
    let grant = Grant { user: &user, vouching: Vouching::Ours, expires, backends: None };
    record::ready(&config)?;
    let token = mint(&settings, &grant)?;
    let id = revocation_id(&token).map_err(anyhow::Error::msg)?;
    record::note(&config, Event::Minted { kind: "biscuit", user, id }, None, Outcome::Allowed);
    printer.line(token)?;
    Ok(Exit::Ok)
}
