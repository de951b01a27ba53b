//! Numbers and times as Python writes them, which is how Autosubmit's clients know them.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil::DateTime};

/// Rounds as Python's `round` does: exactly on the binary value, ties to even.
pub fn round(value: f64, digits: usize) -> f64 {
    format!("{value:.digits$}").parse().unwrap_or(value)
}

/// A span of whole seconds as Python's `str(timedelta)`: `H:MM:SS`, with `D day(s), ` before it if there are days.
pub fn timedelta(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let time = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => time,
        1 | -1 => format!("{days} day, {time}"),
        _ => format!("{days} days, {time}"),
    }
}

/// A point in time, in seconds since 1970, as `YYYY-MM-DDTHH:MM:SS+HH:MM`; nothing for 0 and before, which mean that it is not
/// known.
pub fn instant(seconds: i64, zone: Offset) -> Option<String> {
    Some(zoned(seconds, zone)?.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

/// The same as `YYYY-MM-DD-HH:MM:SS` without a zone.
pub fn stamp(seconds: i64, zone: Offset) -> Option<String> {
    Some(zoned(seconds, zone)?.strftime("%Y-%m-%d-%H:%M:%S").to_string())
}

/// The same as `YYYY-MM-DD-HH:MM:SS+HH:MM`, as the interface itself writes it.
pub fn zoned_stamp(seconds: i64, zone: Offset) -> Option<String> {
    Some(zoned(seconds, zone)?.strftime("%Y-%m-%d-%H:%M:%S%:z").to_string())
}

/// The same as Python's `str(datetime)`: `YYYY-MM-DD HH:MM:SS+HH:MM`, also before 1970.
pub fn spaced(seconds: i64, zone: Offset) -> Option<String> {
    let zoned = Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::fixed(zone));
    Some(zoned.strftime("%Y-%m-%d %H:%M:%S%:z").to_string())
}

/// Seconds since 1970 of a local time.
pub fn seconds(local: DateTime, zone: Offset) -> Option<i64> {
    zone.to_timestamp(local).ok().map(Timestamp::as_second)
}

/// Seconds since 1970 of a time in ISO 8601; one without a zone is local.
pub fn any_seconds(text: &str, zone: Offset) -> Option<i64> {
    let text = text.trim();
    match text.parse::<Timestamp>() {
        Ok(at) => Some(at.as_second()),
        Err(_) => seconds(text.parse().ok()?, zone),
    }
}

fn zoned(seconds: i64, zone: Offset) -> Option<jiff::Zoned> {
    if seconds <= 0 {
        return None;
    }
    Some(Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::fixed(zone)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_pythons() {
        // python3 -c 'print([round(x, 2) for x in (0.125, 0.375, 2.675, 1.005, -0.125, 5760.0)], round(2.5), round(3.5))'
        let table = [(0.125, 0.12), (0.375, 0.38), (2.675, 2.67), (1.005, 1.0), (-0.125, -0.12), (5760.0, 5760.0)];
        for (value, expected) in table {
            assert_eq!(round(value, 2).to_string(), expected.to_string(), "{value}");
        }
        assert_eq!((round(2.5, 0).to_string(), round(3.5, 0).to_string()), ("2".into(), "4".into()));
        assert!(round(f64::NAN, 2).is_nan());
    }

    #[test]
    fn times_are_pythons() {
        let table = [
            (0, "0:00:00"),
            (5, "0:00:05"),
            (3_661, "1:01:01"),
            (86_400, "1 day, 0:00:00"),
            (200_000, "2 days, 7:33:20"),
            (-1, "-1 day, 23:59:59"),
        ];
        for (seconds, expected) in table {
            assert_eq!(timedelta(seconds), expected);
        }
        let zone = Offset::from_seconds(3600).unwrap();
        assert_eq!(instant(1_781_524_800, Offset::UTC).as_deref(), Some("2026-06-15T12:00:00+00:00"));
        assert_eq!(instant(1_781_524_800, zone).as_deref(), Some("2026-06-15T13:00:00+01:00"));
        assert_eq!(stamp(1_781_524_800, zone).as_deref(), Some("2026-06-15-13:00:00"));
        assert_eq!(spaced(1_781_524_800, zone).as_deref(), Some("2026-06-15 13:00:00+01:00"));
        assert_eq!(spaced(-3600, Offset::UTC).as_deref(), Some("1969-12-31 23:00:00+00:00"));
        assert_eq!((instant(0, zone), instant(-5, zone), instant(i64::MAX, zone)), (None, None, None));
        assert_eq!(seconds("2026-06-15T13:00:00".parse().unwrap(), zone), Some(1_781_524_800));
        for text in ["2026-06-15T13:00:00", "2026-06-15 13:00:00.25", "2026-06-15T12:00:00+00:00"] {
            assert_eq!(any_seconds(text, zone), Some(1_781_524_800), "{text}");
        }
        assert_eq!(any_seconds("then", zone), None);
    }
}
