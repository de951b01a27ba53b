//! What commands do is recorded like what the server does.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use jobgate_engine::audit::{Actor, Entry, Event, Log, Outcome};
use jobgate_model::JobId;
use jobgate_server::OnFailure;

use crate::accounts;
use crate::config::Config;
use crate::printer::Printer;

/// Fails if what a command is about to do could not be recorded, and then must not be done.
pub(crate) fn ready(config: &Config) -> anyhow::Result<()> {
    if config.audit.on_failure == OnFailure::Refuse
        && let Some(mut log) = open(config)?
    {
        log.check()?;
    }
    Ok(())
}

/// Records what a command did. If that does not work it is said, for what was done is done.
pub(crate) fn note(config: &Config, event: Event, job: Option<&JobId>, outcome: Outcome) {
    let mut entry = Entry::new(Actor::process(&accounts::login()), event);
    (entry.job, entry.outcome) = (job.map(|job| job.as_str().to_owned()), outcome);
    let recorded = open(config).and_then(|log| match log {
        Some(mut log) => Ok(log.append(&[entry])?),
        None => Ok(()),
    });
    if let Err(error) = recorded {
        Printer::new().note(format_args!("it was done, and is not recorded: {error:#}"));
    }
}

/// Does what a command is for, and records it under its verb.
pub(crate) fn recorded<T>(
    config: &Config,
    verb: &str,
    job: Option<&JobId>,
    act: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    ready(config)?;
    let done = act();
    let outcome = if done.is_ok() { Outcome::Allowed } else { Outcome::Failed };
    note(config, Event::Command(verb.to_owned()), job, outcome);
    done
}

fn open(config: &Config) -> anyhow::Result<Option<Log>> {
    let Some(path) = config.audit.path(&config.state_dir) else { return Ok(None) };
    if config.audit.file.is_none() {
        DirBuilder::new().recursive(true).mode(0o700).create(&config.state_dir)?;
    }
    Ok(Some(Log::open(&path, &accounts::login())?))
}
