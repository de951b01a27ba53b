//! States, reasons and exit codes in Slurm's words.

use std::borrow::Cow;

use jobgate_model::{Ending, State};
use jobgate_slurm::objects::ExitCode;
use jobgate_slurm::signal;
use jobgate_slurm::table::{Flags, Num};

use super::super::super::cluster::{RunPhase, RunView};

/// How a run ended; `None`: it has not.
pub(in super::super) fn ending(run: &RunView) -> Option<Ending> {
    let RunPhase::Ended(state, info) = &run.phase else { return None };
    let ran = run.started.zip(run.ended).map(|(started, ended)| ended - started);
    Ending::of(*state, info, ran, run.minutes)
}

/// A run's states: the base state, then flags.
pub(in super::super) fn states(run: &RunView) -> Vec<&'static str> {
    match &run.phase {
        RunPhase::Waiting => vec!["PENDING"],
        // as after scancel, until the last process is gone
        RunPhase::Running | RunPhase::Suspended if run.canceled => vec!["CANCELLED", "COMPLETING"],
        // It will be put back, or fail with its node; nothing of that has happened yet.
        RunPhase::Running | RunPhase::Suspended if run.stopping => vec!["RUNNING", "COMPLETING"],
        RunPhase::Running => vec!["RUNNING"],
        RunPhase::Suspended => vec!["SUSPENDED"],
        RunPhase::Ended(state, _) => vec![final_state(run, *state)],
    }
}

fn final_state(run: &RunView, state: State) -> &'static str {
    match ending(run) {
        Some(Ending::Completed) => "COMPLETED",
        Some(Ending::Canceled) if run.reason == "DeadLine" => "DEADLINE",
        Some(Ending::Canceled) => "CANCELLED",
        Some(Ending::TimedOut) => "TIMEOUT",
        Some(Ending::Lost(_)) => "NODE_FAIL",
        Some(Ending::Exited(_) | Ending::Killed(_) | Ending::NotRun(_)) => "FAILED",
        // No run ends in another state; if a row says so, nobody knows what became of it.
        None => match state {
            State::Completed => "COMPLETED",
            State::Canceled => "CANCELLED",
            _ => "NODE_FAIL",
        },
    }
}

/// Why a run waits, or how it came to end.
pub(in super::super) fn reason(run: &RunView) -> Cow<'_, str> {
    let words = match ending(run) {
        Some(Ending::Exited(_)) => "NonZeroExitCode",
        Some(Ending::Killed(_)) => "RaisedSignal",
        Some(Ending::TimedOut) => "TimeLimit",
        Some(Ending::Lost(_)) => "NodeDown",
        Some(Ending::NotRun(_)) if run.reason.is_empty() || run.reason == "None" => "JobLaunchFailure",
        _ if run.reason.is_empty() => "None",
        _ => return Cow::Borrowed(&run.reason),
    };
    Cow::Borrowed(words)
}

/// What there is to say about the end, in words.
pub(in super::super) fn description(run: &RunView) -> Option<String> {
    match ending(run)? {
        Ending::Lost(why) | Ending::NotRun(why) if !why.is_empty() => Some(why),
        _ => None,
    }
}

/// How a run's script ended: success as long as it has not.
pub(in super::super) fn exit_code(run: &RunView) -> ExitCode {
    match ending(run) {
        // Cancelled before there was any process.
        Some(Ending::Canceled) if run.started.is_none() => success(),
        Some(ending) => code_of(&ending),
        None => success(),
    }
}

fn code_of(ending: &Ending) -> ExitCode {
    match (ending.signal(), ending.exit_code()) {
        (Some(signal), _) => signaled(signal),
        (None, 0) => success(),
        (None, code) => exited(code),
    }
}

/// Exit code 0.
pub(in super::super) fn success() -> ExitCode {
    ExitCode { status: Some(Flags::of(["SUCCESS"])), return_code: Some(Num::Set(0)), ..ExitCode::default() }
}

/// Not known yet, or never to be.
pub(in super::super) fn pending() -> ExitCode {
    ExitCode { status: Some(Flags::of(["PENDING"])), ..ExitCode::default() }
}

fn exited(code: i32) -> ExitCode {
    ExitCode {
        status: Some(Flags::of(["ERROR"])),
        return_code: Some(Num::Set(code.unsigned_abs())),
        ..ExitCode::default()
    }
}

fn signaled(number: i32) -> ExitCode {
    ExitCode {
        status: Some(Flags::of(["SIGNALED"])),
        signal_id: Some(Num::Set(u16::try_from(number).unwrap_or_default())),
        signal_name: Some(signal::name(number).map_or_else(|| format!("SIG{number}"), str::to_owned)),
        ..ExitCode::default()
    }
}

/// An exit code from what wait(2) gives.
pub(in super::super) fn waited(status: u32) -> ExitCode {
    match (status & 0x7f, (status >> 8) & 0xff) {
        (0, 0) => success(),
        (0, code) => exited(code as i32),
        (signal, _) => signaled(signal as i32),
    }
}
