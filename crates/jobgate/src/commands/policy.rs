//! `jobgate policy check`

use std::sync::Arc;

use anyhow::{Context, bail};
use jobgate_model::{Established, Role};
use jobgate_server::biscuit::{Biscuits, Policy, Question, judge};

use super::token;
use crate::accounts;
use crate::cli::token::{Policy as Args, PolicyAction, PolicyCheck};
use crate::config::{self, Config, Purpose};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::wiring;

/// The policy cannot be read.
const BROKEN: Exit = Exit::Code(2);

pub(crate) fn run(args: &Args, printer: &mut Printer) -> anyhow::Result<Exit> {
    let PolicyAction::Check(args) = &args.action;
    check(args, printer)
}

fn check(args: &PolicyCheck, printer: &mut Printer) -> anyhow::Result<Exit> {
    let config = config::load(args.options.config.as_deref(), Purpose::Serve)?;
    let policy = match args.policy.as_ref().or(config.auth.policy.as_ref()) {
        None => Policy::usual(),
        Some(path) => match Policy::read(path) {
            Ok(policy) => Arc::new(policy),
            Err(error) => {
                printer.error(format_args!("cannot use the policy {}: {error}", path.display()));
                return Ok(BROKEN);
            }
        },
    };
    let brought = match &args.token {
        None => None,
        Some(file) => {
            let biscuits = Biscuits::new(config.auth.biscuit.settings(&config.state_dir));
            match biscuits.verify(&token::read(Some(file))?, token::now()) {
                Ok(brought) => Some(brought),
                Err(why) => {
                    printer.line(format_args!("denied: the token is not accepted: {why}"))?;
                    return Ok(Exit::Failed);
                }
            }
        }
    };
    let backends = match args.backend.as_slice() {
        [] => config.places.iter().map(|place| place.name.clone()).collect(),
        named => named.to_vec(),
    };
    let user = match &brought {
        Some(token) => token.user().to_owned(),
        None => format!("uid:{}", args.user.clone().unwrap_or_else(accounts::login)),
    };
    let question = question(args, &config, user, brought.is_some())?;
    match judge(&policy, brought.as_deref(), &question, &backends) {
        Ok(allowed) => {
            let with =
                allowed.backends.map(|names| format!(", with {}", names.into_iter().collect::<Vec<_>>().join(", ")));
            printer.line(format_args!("allowed{}: the policy says `{}`", with.unwrap_or_default(), allowed.by))?;
            Ok(Exit::Ok)
        }
        Err(why) => {
            printer.line(format_args!("denied: {why}"))?;
            Ok(Exit::Failed)
        }
    }
}

/// The request that is asked about, as the gateway would see it.
fn question(args: &PolicyCheck, config: &Config, user: String, by_token: bool) -> anyhow::Result<Question> {
    let established = if by_token { Established::Biscuit } else { established(&args.established)? };
    let (client, method) = (args.client.clone(), args.method.to_ascii_uppercase());
    let mut question = Question::about(user, client, &method, &args.path)
        .with_context(|| format!("no request can have the path {:?}", args.path))?;
    question.established = established;
    question.now = token::now();
    let name = question.user.split_once(':').map_or(question.user.as_str(), |(_, name)| name);
    question.role = if wiring::names(config).may_do_everything(name) { Role::Administrator } else { Role::User };
    Ok(question)
}

fn established(text: &str) -> anyhow::Result<Established> {
    use Established::{Address, Biscuit, Certificate, Jwt, Local, Process, Secret, Session, Socket};
    let all = [Local, Socket, Certificate, Jwt, Session, Secret, Biscuit, Process, Address];
    let Some(known) = all.into_iter().find(|kind| kind.as_str() == text) else {
        bail!("unknown kind {text:?}: expected local, socket, certificate, jwt, session or secret");
    };
    Ok(known)
}
