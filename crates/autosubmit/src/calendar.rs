//! Which time of the simulated world a chunk covers, and how many simulated years that is.

use jiff::{Span, civil::DateTime};

/// How long a chunk is: a number of months, years, days or hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkLength {
    /// How many units
    pub size: i64,
    /// `month`, `year`, `day` or `hour`; other words mean no length
    pub unit: String,
}

impl ChunkLength {
    /// Simulated years of one chunk.
    pub fn years(&self) -> f64 {
        let size = self.size as f64;
        match self.unit.as_str() {
            "year" => size,
            "month" => size / 12.0,
            "day" => size / 365.0,
            "hour" => size / 8760.0,
            _ => 0.0,
        }
    }

    /// When chunk number `chunk` (from 1) of a simulation that starts at `start` begins and ends. Hours count only as whole days.
    pub fn dates(&self, start: DateTime, chunk: i64) -> Option<(DateTime, DateTime)> {
        let first = chunk.checked_sub(1)?.checked_mul(self.size)?;
        Some((self.after(start, first)?, self.after(start, chunk.checked_mul(self.size)?)?))
    }

    fn after(&self, start: DateTime, count: i64) -> Option<DateTime> {
        let span = match self.unit.as_str() {
            "year" => Span::new().try_years(count),
            "month" => Span::new().try_months(count),
            "day" => Span::new().try_days(count),
            "hour" => Span::new().try_days(count / 24),
            _ => return Some(start),
        };
        start.checked_add(span.ok()?).ok()
    }
}

/// A date as the views write it: `YYYY MM DD`.
pub fn spaced_date(date: DateTime) -> String {
    date.strftime("%Y %m %d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_the_calendar() {
        let table = [
            (4, "month", "2000-01-01", 2, "2000 05 01", "2000 09 01"),
            (1, "month", "2000-01-31", 2, "2000 02 29", "2000 03 31"),
            (1, "year", "2000-02-29", 1, "2000 02 29", "2001 02 28"),
            (10, "day", "1999-12-25", 1, "1999 12 25", "2000 01 04"),
            (36, "hour", "2000-01-01", 2, "2000 01 02", "2000 01 04"),
            (4, "month", "2000-01-01", 0, "1999 09 01", "2000 01 01"),
            (4, "", "2000-01-01", 3, "2000 01 01", "2000 01 01"),
        ];
        for (size, unit, start, chunk, begin, end) in table {
            let length = ChunkLength { size, unit: unit.into() };
            let start: jiff::civil::Date = start.parse().unwrap();
            let (from, to) = length.dates(start.to_datetime(jiff::civil::Time::midnight()), chunk).unwrap();
            assert_eq!((spaced_date(from).as_str(), spaced_date(to).as_str()), (begin, end), "{size} {unit} {chunk}");
        }
        let months = ChunkLength { size: 4, unit: "month".into() };
        assert!((months.years() - 1.0 / 3.0).abs() < f64::EPSILON);
        assert_eq!(months.dates(DateTime::MAX, 5), None);
        assert_eq!(months.dates(DateTime::MIN, i64::MAX), None);
    }
}
