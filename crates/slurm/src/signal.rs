//! Signals by name and number, and the warning that `--signal` asks for.
//!
//! The numbers are Linux's on x86_64 and aarch64, where they are the same. Slurm itself knows only those names that end, stop or
//! wake a job; all of Linux's are taken here. Real-time signals have numbers only.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::excerpt::excerpt;

/// Names without `SIG`, by number.
const NAMES: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// Other names of the same signals.
const ALIASES: [(&str, i32); 3] = [("IOT", 6), ("CLD", 17), ("POLL", 29)];

/// The greatest signal number.
const LAST: i32 = 64;

/// The number that a text means: `SIGUSR1`, `usr1` and `10` are 10. `None` for what is no signal, 0 included.
pub fn number(text: &str) -> Option<i32> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|number| (1..=LAST).contains(number));
    }
    let name = match text.get(..3) {
        Some(start) if start.eq_ignore_ascii_case("SIG") => &text[3..],
        _ => text,
    };
    NAMES.iter().chain(&ALIASES).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| *number)
}

/// A signal's name as Slurm prints it, without `SIG`. `None` for real-time signals and for what is no signal.
pub fn name(number: i32) -> Option<&'static str> {
    NAMES.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// What `--signal=[R][B][:]signal[@seconds]` asks for: a signal some time before a job reaches its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    /// The signal's number.
    pub signal: i32,
    /// So many seconds before the end; 60 if nothing is said.
    pub seconds: u16,
    /// `B`: only the batch script gets it, not the steps.
    pub batch_only: bool,
    /// `R`: also sent if a reservation of higher priority overlaps the job.
    pub reservation: bool,
}

/// A text that is no warning.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("signal `{0}`: write [R][B:]SIGNAL[@SECONDS], for example B:USR1@120, with at most 65535 seconds")]
pub struct WarningError(String);

impl FromStr for Warning {
    type Err = WarningError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        warning(text).ok_or_else(|| WarningError(excerpt(text)))
    }
}

fn warning(text: &str) -> Option<Warning> {
    let (flags, rest) = text.trim().split_once(':').unwrap_or(("", text));
    if !flags.bytes().all(|flag| matches!(flag, b'R' | b'r' | b'B' | b'b')) {
        return None;
    }
    let (signal, seconds) = match rest.split_once('@') {
        Some((signal, seconds)) if seconds.bytes().all(|byte| byte.is_ascii_digit()) => (signal, seconds.parse().ok()?),
        Some(_) => return None,
        None => (rest, 60),
    };
    Some(Warning {
        signal: number(signal)?,
        seconds,
        batch_only: flags.contains(['B', 'b']),
        reservation: flags.contains(['R', 'r']),
    })
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = match (self.reservation, self.batch_only) {
            (true, true) => "RB:",
            (true, false) => "R:",
            (false, true) => "B:",
            (false, false) => "",
        };
        match name(self.signal) {
            Some(name) => write!(f, "{flags}{name}@{}", self.seconds),
            None => write!(f, "{flags}{}@{}", self.signal, self.seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LAST, Warning, name, number};

    #[test]
    fn names_and_numbers_are_understood() {
        for (text, expected) in [
            ("SIGUSR1", Some(10)),
            ("USR1", Some(10)),
            ("usr1", Some(10)),
            ("SigUsr1", Some(10)),
            ("10", Some(10)),
            ("010", Some(10)),
            (" TERM ", Some(15)),
            ("9", Some(9)),
            ("KILL", Some(9)),
            ("HUP", Some(1)),
            ("STOP", Some(19)),
            ("CONT", Some(18)),
            ("URG", Some(23)),
            ("XCPU", Some(24)),
            ("POLL", Some(29)),
            ("64", Some(64)),
            ("0", None),
            ("65", None),
            ("-9", None),
            ("+9", None),
            ("0x0a", None),
            ("99999999999999999999", None),
            ("NOPE", None),
            ("SIG", None),
            ("SIGSIGTERM", None),
            ("", None),
            ("€UR", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn every_name_comes_back() {
        for signal in 1..=LAST {
            assert_eq!(number(&signal.to_string()), Some(signal));
            if let Some(name) = name(signal) {
                assert_eq!(number(name), Some(signal));
                assert_eq!(number(&format!("sig{name}")), Some(signal));
            }
        }
        assert_eq!((name(0), name(34), name(-1)), (None, None, None));
    }

    #[test]
    fn warnings_are_read() {
        let warning = |signal, seconds, batch_only, reservation| Warning { signal, seconds, batch_only, reservation };
        for (text, expected, printed) in [
            ("B:USR1@60", warning(10, 60, true, false), "B:USR1@60"),
            ("USR1", warning(10, 60, false, false), "USR1@60"),
            ("SIGUSR1@300", warning(10, 300, false, false), "USR1@300"),
            ("R:10", warning(10, 60, false, true), "R:USR1@60"),
            ("rb:34@0", warning(34, 0, true, true), "RB:34@0"),
        ] {
            let read: Warning = text.parse().unwrap();
            assert_eq!(read, expected, "{text}");
            assert_eq!(read.to_string(), printed);
            assert_eq!(printed.parse(), Ok(read));
        }
        for text in ["", "foo", "X:USR1", "USR1@", "USR1@-1", "USR1@65536", "USR1@1@2", "B:", "@60", "B:R:USR1"] {
            assert!(text.parse::<Warning>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Some(signal) = number(&text) {
                prop_assert!((1..=LAST).contains(&signal));
            }
            let _ = text.parse::<Warning>();
        }
    }
}
