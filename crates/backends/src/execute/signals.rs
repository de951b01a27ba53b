//! Signals as descriptors that can be polled.
//!
//! They are caught rather than blocked: a blocked signal would stay blocked in the script.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use rustix::process::Signal;
use signal_hook::low_level::pipe;

/// Each caught signal puts a byte into its stream.
#[derive(Debug)]
pub(crate) struct Signals(Vec<Caught>);

#[derive(Debug)]
struct Caught {
    signal: Signal,
    stream: UnixStream,
    /// The other end, where nobody writes into it: dropped, it would make the stream readable for ever.
    _silent: Option<UnixStream>,
}

impl Signals {
    /// The signals that stop a run, caught from the first call on.
    pub(super) fn stopping() -> io::Result<&'static Self> {
        static CAUGHT: OnceLock<io::Result<Signals>> = OnceLock::new();
        Self::once(&CAUGHT, &[Signal::TERM, Signal::INT, Signal::HUP])
    }

    /// The signal that says that there are orders, caught from the first call on. Uncaught it is ignored, so there is no hurry.
    pub(super) fn orders() -> io::Result<&'static Self> {
        static CAUGHT: OnceLock<io::Result<Signals>> = OnceLock::new();
        Self::once(&CAUGHT, &[Signal::URG])
    }

    fn once(caught: &'static OnceLock<io::Result<Self>>, signals: &[Signal]) -> io::Result<&'static Self> {
        let caught = caught.get_or_init(|| Self::catch(signals));
        caught.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }

    /// Catches signals from now on.
    pub(crate) fn catch(signals: &[Signal]) -> io::Result<Self> {
        let ignored = ignored_signals();
        let catch = |signal: &Signal| {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            // Whoever started us with a signal ignored (nohup) wants it so.
            let silent = if ignored & (1 << (signal.as_raw() - 1)) == 0 {
                pipe::register(signal.as_raw(), write)?;
                None
            } else {
                Some(write)
            };
            io::Result::Ok(Caught { signal: *signal, stream: read, _silent: silent })
        };
        Ok(Self(signals.iter().map(catch).collect::<io::Result<_>>()?))
    }

    /// Descriptors that become readable when a signal comes.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|caught| caught.stream.as_fd())
    }

    /// Whether it is one of these, by its number.
    pub(super) fn catches(&self, signal: i32) -> bool {
        self.0.iter().any(|caught| caught.signal.as_raw() == signal)
    }

    /// A signal that came since the last call; of several, the one that was named first.
    pub(crate) fn take(&self) -> Option<Signal> {
        let came = |caught: &&Caught| matches!((&caught.stream).read(&mut [0; 64]), Ok(count) if count > 0);
        self.0.iter().find(came).map(|caught| caught.signal)
    }
}

/// The signals that this process ignores, as a bit mask.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
