//! When a reservation holds.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::ReservationRecord;

/// So many coming times of a reservation that repeats are looked at.
const MOST: usize = 8;
/// So many repetitions are tried to find them: a weekend is at most six days away.
const MOST_STEPS: usize = 10 * MOST;
const HOUR: f64 = 3600.0;

/// How a reservation repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    Hour,
    Day,
    /// Monday to Friday.
    WorkingDay,
    /// Saturday and Sunday.
    FreeDay,
    Week,
}

/// The flags that say how a reservation repeats.
pub(in crate::local) const REPEATING: [&str; 5] = ["HOURLY", "DAILY", "WEEKDAY", "WEEKEND", "WEEKLY"];

impl Every {
    fn of(record: &ReservationRecord) -> Option<Self> {
        let kinds = [Self::Hour, Self::Day, Self::WorkingDay, Self::FreeDay, Self::Week];
        REPEATING.iter().zip(kinds).find(|(flag, _)| record.flags.contains(**flag)).map(|(_, every)| every)
    }

    /// Whether it holds on such a day.
    fn includes(self, day: Weekday) -> bool {
        let is_free = matches!(day, Weekday::Saturday | Weekday::Sunday);
        match self {
            Self::WorkingDay => !is_free,
            Self::FreeDay => is_free,
            Self::Hour | Self::Day | Self::Week => true,
        }
    }

    fn days(self) -> i64 {
        if self == Self::Week { 7 } else { 1 }
    }
}

/// When a reservation holds, in this machine's time zone; see [`windows`].
pub(in crate::local) fn windows_of(record: &ReservationRecord, now: f64) -> Vec<(f64, f64)> {
    windows(record, now, &TimeZone::system())
}

/// The present time or the next and, for one that repeats, some that follow. Days are those of the local calendar, so the time
/// of day stays the same when clocks change.
pub(super) fn windows(record: &ReservationRecord, now: f64, zone: &TimeZone) -> Vec<(f64, f64)> {
    let (start, end) = (record.start, record.end);
    let lasts = end - start;
    let Some(every) = Every::of(record) else {
        return if end > now { vec![(start, end)] } else { Vec::new() };
    };
    if every == Every::Hour {
        let skipped = ((now - end) / HOUR).floor().max(-1.0) + 1.0;
        let begins = |count: usize| start + (skipped + count as f64) * HOUR;
        return (0..MOST).map(|count| (begins(count), begins(count) + lasts)).filter(|(_, end)| *end > now).collect();
    }
    let Ok(first) = Timestamp::from_second(start as i64) else { return Vec::new() };
    let first = first.to_zoned(zone.clone());
    let period = every.days();
    let skipped = (((now - end) / 86_400.0).floor() as i64 - 1).max(0) / period * period;
    let begins = |step: i64| first.checked_add(Span::new().days(skipped + step * period)).ok();
    (0..MOST_STEPS as i64)
        .map_while(begins)
        .filter(|start: &Zoned| every.includes(start.weekday()))
        .map(|start| start.timestamp().as_second() as f64)
        .map(|start| (start, start + lasts))
        .filter(|(_, end)| *end > now)
        .take(MOST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: f64 = 86_400.0;

    fn reservation(flag: &str, start: f64, lasts: f64) -> ReservationRecord {
        let flags = [flag.to_owned()].into_iter().filter(|flag| !flag.is_empty()).collect();
        ReservationRecord { start, end: start + lasts, flags, ..ReservationRecord::default() }
    }

    #[test]
    fn once() {
        let once = reservation("", 100.0, 50.0);
        assert_eq!(windows(&once, 0.0, &TimeZone::UTC), [(100.0, 150.0)]);
        assert_eq!(windows(&once, 149.0, &TimeZone::UTC), [(100.0, 150.0)]);
        assert_eq!(windows(&once, 150.0, &TimeZone::UTC), []);
    }

    #[test]
    fn every_hour_and_every_day() {
        let hourly = windows(&reservation("HOURLY", 0.0, 600.0), 7300.0, &TimeZone::UTC);
        assert_eq!(hourly[..2], [(7200.0, 7800.0), (10_800.0, 11_400.0)]);
        let daily = windows(&reservation("DAILY", 1000.0, 600.0), 10.0 * DAY, &TimeZone::UTC);
        assert_eq!(
            daily[..2],
            [(10.0 * DAY + 1000.0, 10.0 * DAY + 1600.0), (11.0 * DAY + 1000.0, 11.0 * DAY + 1600.0)]
        );
        assert_eq!(daily.len(), MOST);
        assert_eq!(windows(&reservation("DAILY", 1000.0, 600.0), 0.0, &TimeZone::UTC)[0], (1000.0, 1600.0));
    }

    #[test]
    fn days_of_the_week() {
        // The first of January 1970 was a Thursday.
        let starts = |flag| -> Vec<f64> {
            let all = windows(&reservation(flag, 0.0, 60.0), 30.0, &TimeZone::UTC);
            all.into_iter().take(4).map(|(start, _)| start / DAY).collect()
        };
        assert_eq!(starts("WEEKDAY"), [0.0, 1.0, 4.0, 5.0]);
        assert_eq!(starts("WEEKEND"), [2.0, 3.0, 9.0, 10.0]);
        assert_eq!(starts("WEEKLY"), [0.0, 7.0, 14.0, 21.0]);
        let later = windows(&reservation("WEEKLY", 0.0, 60.0), 100.0 * DAY, &TimeZone::UTC);
        assert_eq!(later[..1], [(105.0 * DAY, 105.0 * DAY + 60.0)]);
    }

    #[test]
    fn the_time_of_day_stays_when_clocks_change() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at = |text: &str| text.parse::<jiff::civil::DateTime>().unwrap().to_zoned(zone.clone()).unwrap();
        let start = at("2026-03-28T12:00").timestamp().as_second() as f64;
        let found = windows(&reservation("DAILY", start, 60.0), start + 3600.0, &zone);
        let next = at("2026-03-29T12:00").timestamp().as_second() as f64;
        assert_eq!(found[..1], [(next, next + 60.0)]);
        assert_eq!((next - start) as i64, 23 * 3600);
    }
}
