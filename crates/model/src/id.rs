//! Job ids: psik's stamps.

use std::fmt;

use crate::Error;

/// The 1-based number of a run of a job. 0 belongs to the job itself (`new`, `canceled`); psik also lets callers record
/// negative numbers, so the type is signed.
pub type JobNdx = i64;

/// A job's id: psik's stamp, unix seconds with (normally) exactly three decimals, for example `1693992878.203`.
///
/// Accepted form: `^[0-9]+(\.[0-9]+)?$`, at most 40 characters. psik makes three decimals; `hot-start` accepts others.
/// An id is also the name of a directory, which is why nothing but digits and one dot can be in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobId(Box<str>);

impl JobId {
    /// Reads an id; [`Error`] of kind `Invalid` when the text is not one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(w, f)| (w, Some(f)));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if text.len() <= 40 && digits(whole) && fraction.is_none_or(digits) {
            Ok(Self(text.into()))
        } else {
            Err(Error::invalid("Invalid jobid"))
        }
    }

    /// The stamp of an instant given in milliseconds since the epoch.
    pub fn from_millis(millis: u64) -> Self {
        Self(format!("{}.{:03}", millis / 1000, millis % 1000).into())
    }

    /// The id as text, which is also the directory's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a number (unix seconds): psik sorts its listings by it.
    pub fn number(&self) -> f64 {
        self.0.parse().unwrap_or(f64::MAX)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_digits_dot_digits() {
        for ok in ["1693992878.203", "7.7", "123", "0.0"] {
            assert_eq!(JobId::parse(ok).unwrap().as_str(), ok);
        }
        for bad in ["", ".", "1.", ".5", "1.2x", "../1.2", "1/2", "1.2.3", "-1", "1 ", "1\n", "١.٢"] {
            assert!(JobId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(JobId::parse(&"1".repeat(41)).is_err());
    }

    #[test]
    fn made_from_milliseconds() {
        assert_eq!(JobId::from_millis(1_693_992_878_003).as_str(), "1693992878.003");
        assert!((JobId::from_millis(1_500).number() - 1.5).abs() < 1e-9);
    }
}
