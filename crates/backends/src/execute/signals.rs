//! The signals that stop a run, as descriptors that can be polled.
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
pub(super) struct Signals([Caught; 3]);

#[derive(Debug)]
struct Caught {
    signal: Signal,
    stream: UnixStream,
    /// The other end, where nobody writes into it: dropped, it would make the stream readable for ever.
    _silent: Option<UnixStream>,
}

impl Signals {
    /// The process's signals, caught from the first call on.
    pub(super) fn caught() -> io::Result<&'static Self> {
        static CAUGHT: OnceLock<io::Result<Signals>> = OnceLock::new();
        CAUGHT.get_or_init(Self::catch).as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }

    fn catch() -> io::Result<Self> {
        let ignored = ignored_signals();
        let catch = |signal: Signal| {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            // Whoever started us with a signal ignored (nohup) wants it so.
            let silent = if ignored & (1 << (signal.as_raw() - 1)) == 0 {
                pipe::register(signal.as_raw(), write)?;
                None
            } else {
                Some(write)
            };
            io::Result::Ok(Caught { signal, stream: read, _silent: silent })
        };
        Ok(Self([catch(Signal::TERM)?, catch(Signal::INT)?, catch(Signal::HUP)?]))
    }

    /// Descriptors that become readable when a signal comes.
    pub(super) fn fds(&self) -> [BorrowedFd<'_>; 3] {
        self.0.each_ref().map(|caught| caught.stream.as_fd())
    }

    /// A signal that came since the last call.
    pub(super) fn take(&self) -> Option<Signal> {
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
