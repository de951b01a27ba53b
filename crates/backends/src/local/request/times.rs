//! Points in time and time limits.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jobgate_model::Error;
use jobgate_slurm::errno::Errno;
use jobgate_slurm::time::{TimeLimit, parse_point};

use crate::local::cluster::UNLIMITED;

/// A time limit in minutes.
pub(super) fn limit(option: &str, text: &str) -> Result<i64, Error> {
    let limit = TimeLimit::parse(text).map_err(|_| {
        Error::invalid(format!("cannot read {option} {text:?}: expected minutes, HH:MM:SS, DAYS-HH:MM:SS or UNLIMITED"))
            .numbered(Errno::INVALID_TIME_LIMIT.0)
    })?;
    Ok(limit.or_unlimited().minutes().map_or(UNLIMITED, i64::from))
}

/// A point in time, in unix seconds. What counts from now does so to the microsecond: a job never begins early.
pub(super) fn point(option: &str, text: &str, now: f64) -> Result<f64, Error> {
    let wrong = || {
        Error::invalid(format!(
            "cannot read {option} {text:?}: expected now+COUNT[seconds|minutes|hours|days|weeks], HH:MM, \
             or a date such as 2026-11-22T10:00 (local time, or with an offset)"
        ))
        .numbered(Errno::INVALID_TIME.0)
    };
    let zone = TimeZone::system();
    // ISO 8601 with an offset or fractions, which Slurm does not read, but programs write
    let iso = text.trim().parse::<Timestamp>().ok().or_else(|| {
        let local = text.trim().parse::<DateTime>().ok().filter(|_| text.contains('T'))?;
        local.to_zoned(zone.clone()).ok().map(|at| at.timestamp())
    });
    if let Some(at) = iso {
        return Ok(at.as_second() as f64);
    }
    let now = Timestamp::from_microsecond((now * 1e6).round() as i64).map_err(|_| wrong())?;
    let at = parse_point(text, now, &zone).map_err(|_| wrong())?;
    // `now-5` is a slip: nothing can begin, or be due, before it was asked for
    if text.to_ascii_lowercase().contains("now") && at < now {
        return Err(wrong());
    }
    Ok(at.as_microsecond() as f64 / 1e6)
}
