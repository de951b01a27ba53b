//! Points in time, as `--begin`, `--deadline` and accounting's time filters take them (sbatch(1); observed on 22.05).

use std::num::ParseIntError;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use thiserror::Error;

use crate::excerpt::excerpt;

/// Why a text is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PointError {
    /// The text has another form, or names a day or an hour that does not exist.
    #[error(
        "time `{0}`: write now, now+2hours, today, tomorrow, midnight, noon, fika, teatime, HH:MM[:SS][am|pm], MMDDYY, \
         MM/DD[/YY][-HH:MM[:SS]], YYYY-MM-DD[THH:MM[:SS]] or seconds since 1970"
    )]
    Form(String),
    /// The time is too far away to be counted.
    #[error("time `{0}`: too far away")]
    Range(String),
}

/// Reads a point in time.
///
/// A time of day alone is the next such time; a month and day without a year is the next such day; a day alone is its start.
/// `now` takes `+N` or `-N` with seconds (if nothing is said), minutes, hours, days or weeks; a day is always 86400 s there.
/// Numbers of four digits are MMDD, of six MMDDYY; longer ones, with or without `uts` before them, and 0 are seconds since 1970.
pub fn parse_point(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, PointError> {
    let form = || PointError::Form(excerpt(text));
    let range = || PointError::Range(excerpt(text));
    let lower = text.trim().to_ascii_lowercase();
    if let Some(offset) = lower.strip_prefix("now") {
        let seconds = offset_seconds(offset).ok_or_else(form)?;
        return now.checked_add(SignedDuration::from_secs(seconds)).map_err(|_| range());
    }
    if let Some(seconds) = unix_seconds(&lower) {
        return Timestamp::from_second(seconds.map_err(|_| range())?).map_err(|_| range());
    }
    let here = now.to_zoned(zone.clone());
    let said = said(&lower, &here).ok_or_else(form)?;
    resolve(&said, &here, zone).ok_or_else(range)
}

/// A point in time as Slurm prints it: `2027-01-20T12:34:56` in the given zone.
pub fn point_text(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// What a text says of day and hour.
#[derive(Default)]
struct Said {
    day: Option<Day>,
    time: Option<Time>,
}

enum Day {
    Date(Date),
    /// A month and a day of it, this year or next.
    Yearless(i8, i8),
}

/// The seconds of `+2hours`, `-60` or nothing.
fn offset_seconds(offset: &str) -> Option<i64> {
    let offset = offset.trim();
    if offset.is_empty() {
        return Some(0);
    }
    let (sign, rest) = match offset.split_at_checked(1)? {
        ("+", rest) => (1, rest.trim_start()),
        ("-", rest) => (-1, rest.trim_start()),
        _ => return None,
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match rest[digits..].trim_start() {
        "" | "second" | "seconds" => 1,
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        "week" | "weeks" => 604_800,
        _ => return None,
    };
    rest[..digits].parse::<i64>().ok()?.checked_mul(sign * unit)
}

/// Fails for seconds that are too many.
fn unix_seconds(text: &str) -> Option<Result<i64, ParseIntError>> {
    let digits = text.strip_prefix("uts");
    let plain = digits.unwrap_or(text);
    let long = digits.is_some() || plain.len() > 7 || plain == "0";
    (long && !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit())).then(|| plain.parse())
}

fn said(text: &str, here: &Zoned) -> Option<Said> {
    let mut said = Said::default();
    let mut words = text.split_ascii_whitespace().peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        let half = words.next_if(|next| matches!(*next, "am" | "pm"));
        if let Some(half) = half {
            said.set_time(clock(&format!("{word}{half}"))?)?;
        } else if !said.take(word, here)? {
            let (date, time) = split_at_time(word)?;
            said.set_day(day(date)?)?;
            said.set_time(named_time(time).or_else(|| clock(time))?)?;
        }
    }
    Some(said)
}

impl Said {
    /// Takes a word that is a day or a time of day. `Some(false)` if it is neither, `None` if it says something twice.
    fn take(&mut self, word: &str, here: &Zoned) -> Option<bool> {
        if word == "today" {
            self.set_day(Day::Date(here.date()))?;
        } else if word == "tomorrow" {
            self.set_day(Day::Date(here.date().tomorrow().ok()?))?;
        } else if let Some(time) = named_time(word).or_else(|| clock(word)) {
            self.set_time(time)?;
        } else if let Some(day) = day(word) {
            self.set_day(day)?;
        } else {
            return Some(false);
        }
        Some(true)
    }

    fn set_day(&mut self, day: Day) -> Option<()> {
        self.day.replace(day).is_none().then_some(())
    }

    fn set_time(&mut self, time: Time) -> Option<()> {
        self.time.replace(time).is_none().then_some(())
    }
}

fn named_time(word: &str) -> Option<Time> {
    let hour = match word {
        "midnight" => 0,
        "noon" => 12,
        "fika" => 15,
        "teatime" => 16,
        _ => return None,
    };
    Time::new(hour, 0, 0, 0).ok()
}

/// `4:30`, `16:30:10`, `4:30pm`.
fn clock(text: &str) -> Option<Time> {
    let (text, half) = match (text.strip_suffix("am"), text.strip_suffix("pm")) {
        (Some(text), _) => (text, Some(0)),
        (_, Some(text)) => (text, Some(12)),
        _ => (text, None),
    };
    let mut parts = text.splitn(4, ':');
    let (hour, minute) = (short(parts.next()?)?, exact(parts.next()?)?);
    let second = parts.next().map_or(Some(0), exact)?;
    if parts.next().is_some() {
        return None;
    }
    let hour = match half {
        Some(_) if hour > 12 => return None,
        Some(noon) => hour % 12 + noon,
        None => hour,
    };
    Time::new(hour, minute, second, 0).ok()
}

fn day(text: &str) -> Option<Day> {
    if !text.is_ascii() {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.len() {
            4 => yearless(exact(&text[..2])?, exact(&text[2..])?),
            6 => dated(exact(&text[4..])?, exact(&text[..2])?, exact(&text[2..4])?),
            _ => None,
        };
    }
    let parts: Vec<&str> = text.splitn(4, ['/', '.', '-']).collect();
    match (text.contains('-'), parts.as_slice()) {
        (true, [year, month, day]) if year.len() == 4 && !text.contains(['/', '.']) => {
            let year: i16 = year.bytes().all(|byte| byte.is_ascii_digit()).then(|| year.parse().ok())??;
            Date::new(year, exact(month)?, exact(day)?).ok().map(Day::Date)
        }
        (false, [month, day]) => yearless(short(month)?, short(day)?),
        (false, [month, day, year]) => dated(exact(year)?, short(month)?, short(day)?),
        _ => None,
    }
}

fn yearless(month: i8, day: i8) -> Option<Day> {
    // 2000 was a leap year: every day that exists in some year is one
    Date::new(2000, month, day).ok().map(|_| Day::Yearless(month, day))
}

fn dated(year: i8, month: i8, day: i8) -> Option<Day> {
    Date::new(2000 + i16::from(year), month, day).ok().map(Day::Date)
}

/// A date and the time that follows it after `T` or `-`.
fn split_at_time(word: &str) -> Option<(&str, &str)> {
    let iso = word.as_bytes().get(4) == Some(&b'-') && word.is_ascii();
    let at = if iso { 10 } else { word.find(['t', '-'])? };
    let separator = word.as_bytes().get(at)?;
    matches!(separator, b't' | b'-').then(|| (&word[..at], &word[at + 1..]))
}

fn resolve(said: &Said, here: &Zoned, zone: &TimeZone) -> Option<Timestamp> {
    let at = |date: Date, time: Time| DateTime::from_parts(date, time).to_zoned(zone.clone()).ok();
    let time = said.time.unwrap_or(Time::midnight());
    let point = match said.day {
        Some(Day::Date(date)) => at(date, time)?,
        Some(Day::Yearless(month, day)) => (0..=8)
            .filter_map(|later| Date::new(here.year().checked_add(later)?, month, day).ok())
            .filter_map(|date| at(date, time))
            .find(|point| point >= here)?,
        None => Some(at(here.date(), time)?)
            .filter(|point| point >= here)
            .or_else(|| at(here.date().tomorrow().ok()?, time))?,
    };
    Some(point.timestamp())
}

/// A number of one or two digits.
fn short(text: &str) -> Option<i8> {
    ((1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// A number of two digits.
fn exact(text: &str) -> Option<i8> {
    short(text).filter(|_| text.len() == 2)
}
