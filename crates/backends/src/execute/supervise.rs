//! Watches a script that runs: its end, signals, the time limit, orders, and rows that cancel it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use jobgate_model::State;
use jobgate_slurm::signal::Warning;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open, waitid,
};

use super::signals::Signals;
use super::streams::Streams;
use super::{CODE_NOT_RUN, Execution, GROUP_LOOK, LOOK, Orders, Outcome};
use crate::console::note;
use crate::journal::CancelWatch;
use crate::process;

/// Between SIGTERM and SIGKILL (Slurm's KillWait).
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// A script that died of a signal, or that ended by itself where its batch system tells all processes of a job to stop, is not
/// thought to have got a signal alone, or none, before this time is over.
const ALIKE: Duration = Duration::from_millis(100);

/// Why a run ended.
pub(super) enum Ending {
    /// Its script did.
    Script,
    /// It was stopped.
    Stopped(Stop),
}

/// Why a run is stopped.
#[derive(Clone, Copy)]
pub(super) enum Stop {
    Timeout,
    Signal(Signal),
    Canceled,
    /// The queue takes it back.
    HandBack,
}

impl Stop {
    /// What is sent to the script's group: a signal is passed on.
    fn signal(self) -> Signal {
        match self {
            Self::Signal(signal) => signal,
            Self::Timeout | Self::Canceled | Self::HandBack => Signal::TERM,
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        let canceled = |signal: Signal| Outcome {
            state: Some(State::Canceled),
            info: String::new(),
            code: 128 + signal.as_raw() as u8,
        };
        match self {
            Self::Timeout => Outcome { state: Some(State::Failed), info: CODE_NOT_RUN.to_string(), code: CODE_NOT_RUN },
            Self::Signal(signal) => canceled(signal),
            Self::Canceled => canceled(Signal::TERM),
            // No final row: the run is not over.
            Self::HandBack => Outcome { state: None, ..canceled(Signal::TERM) },
        }
    }

    /// What is said about it in `log/console`, and what Slurm says in the job's own error output.
    fn words(self, minutes: i64) -> (String, &'static str) {
        match self {
            Self::Timeout => (
                format!("Script execution timed out after {minutes} minutes. Killing process group."),
                " DUE TO TIME LIMIT",
            ),
            Self::Signal(signal) => {
                (format!("Received signal {}. Forwarding it to the process group.", signal.as_raw()), "")
            }
            Self::Canceled => ("The job was canceled. Killing process group.".to_owned(), ""),
            Self::HandBack => {
                ("The run goes back into the queue. Killing process group.".to_owned(), " DUE TO JOB REQUEUE")
            }
        }
    }
}

/// What may stop a run from outside.
pub(super) struct Watches {
    pub(super) signals: &'static Signals,
    pub(super) cancel: CancelWatch,
}

/// Waits for the script's end, or for a reason to stop it and then for the end of its whole group.
pub(super) fn supervise(
    run: &Execution<'_>,
    child: &mut Child,
    watches: &mut Watches,
    streams: &mut Streams,
) -> io::Result<(Ending, ExitStatus)> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let began = Instant::now();
    let mut minutes = run.minutes();
    let mut look = began + LOOK;
    let told = run.batch.map(|_| Signals::orders()).transpose()?;
    // The signal may have come before it was caught.
    let mut orders_due = true;
    let mut warning = warning(run);
    let deadline = |minutes: i64| began.checked_add(Duration::from_secs((minutes.max(0) as u64).saturating_mul(60)));
    let stop = loop {
        let warn_at = warning.zip(deadline(minutes)).map(|(warning, deadline)| {
            deadline.checked_sub(Duration::from_secs(warning.seconds.into())).unwrap_or(began)
        });
        let next = deadline(minutes).into_iter().chain(warn_at).fold(look, Instant::min);
        let signals = [Some(watches.signals), told].into_iter().flatten().flat_map(Signals::fds);
        let fds: Vec<BorrowedFd<'_>> = std::iter::once(pidfd.as_fd()).chain(signals).collect();
        if wait(&fds, next)?[0] {
            // Slurm tells all of a job's processes to stop, one after the other, and the script may be faster than we are.
            let all_are_told = run.batch.is_none() && std::env::var_os("SLURM_JOB_ID").is_some();
            match stopped_with(watches.signals, child, all_are_told)? {
                Some(signal) => break Stop::Signal(signal),
                None => return Ok((Ending::Script, child.wait()?)),
            }
        }
        let now = Instant::now();
        if told.is_some_and(|told| told.take().is_some()) {
            (orders_due, look) = (true, now);
        }
        match watches.signals.take() {
            // It may come from the queue, which then has more to say.
            Some(_) if run.orders().is_some_and(|orders| orders.hand_back) => break Stop::HandBack,
            Some(signal) => break Stop::Signal(signal),
            None => {}
        }
        if now >= look {
            look = now + LOOK;
            streams.catch_up(run);
            if watches.cancel.look() {
                break Stop::Canceled;
            }
            let orders = if std::mem::take(&mut orders_due) { run.orders() } else { None };
            if let Some(Orders { minutes: wanted, hand_back }) = orders {
                minutes = wanted;
                if hand_back {
                    break Stop::HandBack;
                }
            }
        }
        if deadline(minutes).is_some_and(|deadline| now >= deadline) {
            break Stop::Timeout;
        }
        if warn_at.is_some_and(|at| now >= at)
            && let Some(warning) = warning.take()
        {
            warn(run, child, warning);
        }
    };
    let (text, why) = stop.words(minutes);
    note(run.base, run.jobndx, &text);
    if let Some(batch) = run.batch {
        let at = jiff::Timestamp::from_second(process::now() as i64).unwrap_or_default();
        let at = at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S");
        let (job, node) = (batch.names.job, &batch.names.node);
        streams.say(run, &format!("*** JOB {job} ON {node} CANCELLED AT {at}{why} ***"));
    }
    stop_group(run, child, pidfd.as_fd(), stop.signal())?;
    Ok((Ending::Stopped(stop), child.wait()?))
}

/// The signal that came for the whole job, of a script that has just ended.
fn stopped_with(signals: &Signals, child: &Child, all_are_told: bool) -> io::Result<Option<Signal>> {
    let came = signals.take();
    let pid = Pid::from_child(child);
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let died_of = waitid(WaitId::Pid(pid), options)?.and_then(|status| status.terminating_signal());
    // that it caught one cannot be seen
    if came.is_some() || !(all_are_told || died_of.is_some_and(|signal| signals.catches(signal))) {
        return Ok(came);
    }
    let fds: Vec<BorrowedFd<'_>> = signals.fds().collect();
    wait(&fds, Instant::now() + ALIKE)?;
    Ok(signals.take())
}

/// The signal that the job wants before its time is over: `--signal`, as sbatch takes it.
fn warning(run: &Execution<'_>) -> Option<Warning> {
    let text = run.batch.and_then(|_| run.spec.attribute("signal"))?;
    let read: Result<Warning, _> = text.parse();
    if let Err(error) = &read {
        note(run.base, run.jobndx, &format!("no signal will be sent before the time is over: {error}"));
    }
    read.ok()
}

fn warn(run: &Execution<'_>, child: &Child, warning: Warning) {
    note(run.base, run.jobndx, &format!("The time is nearly over. Sending signal {}.", warning.signal));
    let Some(signal) = Signal::from_named_raw(warning.signal) else { return };
    if warning.batch_only {
        let _ = kill_process(Pid::from_child(child), signal);
    } else {
        signal_group(Pid::from_child(child), signal);
    }
}

/// Sends a signal to each process of a script's group; `false` if none was reached. `srun` would pass most signals on to its
/// tasks, which are in the group and get them anyway; so they are not sent to it.
pub(crate) fn signal_group(group: Pid, signal: Signal) -> bool {
    // These are not passed on, and all have to get them at the same instant.
    if [Signal::STOP, Signal::TSTP, Signal::CONT, Signal::KILL].contains(&signal) {
        return kill_process_group(group, signal).is_ok();
    }
    let members = process::group_members(group.as_raw_nonzero().get());
    members.iter().filter(|member| !crate::srun::is_srun(member.pid)).filter(|member| member.signal(signal)).count() > 0
}

/// Tells the script's group to stop and kills what is left of it after the grace period. The script itself is not waited
/// for here: as long as it is at least a zombie, nobody else can get its process group's number.
fn stop_group(run: &Execution<'_>, child: &Child, pidfd: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, signal);
    // A stopped process would not see it.
    let _ = kill_process_group(group, Signal::CONT);
    let deadline = Instant::now() + GRACE;
    let leader_ended = wait(&[pidfd], deadline)?[0];
    while leader_ended && Instant::now() < deadline {
        if !process::group_is_alive(group.as_raw_nonzero().get()) {
            return Ok(());
        }
        std::thread::sleep(GROUP_LOOK);
    }
    note(run.base, run.jobndx, "SIGTERM grace period expired. Sending SIGKILL.");
    let _ = kill_process_group(group, Signal::KILL);
    Ok(())
}

/// Waits until one of the descriptors can be read or the time has come; says which can.
pub(crate) fn wait(fds: &[BorrowedFd<'_>], until: Instant) -> io::Result<Vec<bool>> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let mut polled: Vec<PollFd<'_>> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) => return Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
