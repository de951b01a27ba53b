//! Buckets of tokens: how much of something in how much time, for each of many.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many buckets are kept at most.
const MOST: usize = 1 << 16;
/// Lines that one client's refusals may cause.
const LINES: Rate = Rate { count: 60, per: Duration::from_secs(60) };

/// So many in so much time, at once if they like: "100/s", "60/m".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many; never 0.
    pub count: u32,
    /// In which time.
    pub per: Duration,
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a rate such as \"100/s\", \"60/m\" or \"1000/h\"");
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let per = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let count = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        Ok(Self { count, per: Duration::from_secs(per) })
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

impl Rate {
    /// Takes one out of a bucket. Times are since some fixed moment; `full`: when the bucket would be full again. Gives when
    /// it will be now, or how long to wait for the next one.
    pub(crate) fn take(self, full: Duration, now: Duration) -> Result<Duration, Duration> {
        let full = full.max(now) + self.per / self.count;
        let wait = full.saturating_sub(now + self.per);
        if wait.is_zero() { Ok(full) } else { Err(wait) }
    }
}

/// The buckets of one kind, by whose they are. A full bucket is like none, and is forgotten; if there are too many others, so
/// are those that are nearly full.
#[derive(Debug)]
pub(crate) struct Buckets {
    full: HashMap<String, Duration>,
    /// At this number of them, full ones are looked for.
    sweep: usize,
    most: usize,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { full: HashMap::new(), sweep: 1024, most: MOST }
    }
}

impl Buckets {
    /// Takes one out of somebody's bucket, or says how long to wait.
    pub(crate) fn take(&mut self, rate: Rate, whose: &str, now: Duration) -> Result<(), Duration> {
        if let Some(full) = self.full.get_mut(whose) {
            *full = rate.take(*full, now)?;
            return Ok(());
        }
        if self.full.len() >= self.sweep {
            self.forget(now);
        }
        self.full.insert(whose.to_owned(), rate.take(now, now)?);
        Ok(())
    }

    /// Whether there is one to be taken, or how long to wait.
    pub(crate) fn look(&self, rate: Rate, whose: &str, now: Duration) -> Result<(), Duration> {
        self.full.get(whose).map_or(Ok(()), |full| rate.take(*full, now).map(drop))
    }

    fn forget(&mut self, now: Duration) {
        self.full.retain(|_, full| *full > now);
        if self.full.len() >= self.most {
            let mut times: Vec<Duration> = self.full.values().copied().collect();
            let (_, middle, _) = times.select_nth_unstable(self.most / 2);
            let middle = *middle;
            self.full.retain(|_, full| *full > middle);
        }
        self.sweep = (2 * self.full.len()).clamp(1024.min(self.most), self.most);
    }
}

/// Keeps one client's refusals from filling the log: a few are told, of the others their number.
#[derive(Debug)]
pub(crate) struct Damper {
    began: Instant,
    told: Mutex<(Buckets, HashMap<String, u64>)>,
}

impl Default for Damper {
    fn default() -> Self {
        Self { began: Instant::now(), told: Mutex::default() }
    }
}

impl Damper {
    /// Whether to tell of it; if so, of how many nothing was told since the last time.
    pub(crate) fn speak(&self, whose: String) -> Option<u64> {
        self.speak_at(whose, self.began.elapsed())
    }

    fn speak_at(&self, whose: String, now: Duration) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (buckets, silent) = &mut *told;
        if buckets.take(LINES, &whose, now).is_ok() {
            return Some(silent.remove(&whose).unwrap_or_default());
        }
        if silent.len() < MOST || silent.contains_key(&whose) {
            *silent.entry(whose).or_default() += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn rates_as_they_are_written() {
        for text in ["100/s", "60/m", "5/h"] {
            assert_eq!(rate(text).to_string(), text);
        }
        for bad in ["", "100", "0/s", "-1/s", "1/d", "1.5/s", "/s", "9999999999/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let (mut buckets, rate) = (Buckets::default(), rate("3/s"));
        for _ in 0..3 {
            buckets.take(rate, "a", secs(5.0)).unwrap();
        }
        let wait = buckets.take(rate, "a", secs(5.0)).unwrap_err();
        assert!(wait <= secs(0.334) && wait > secs(0.33), "{wait:?}");
        buckets.take(rate, "b", secs(5.0)).unwrap();
        buckets.take(rate, "a", secs(5.0) + wait).unwrap();
        assert!(buckets.take(rate, "a", secs(5.0) + wait).is_err(), "who is refused does not wait longer for it");
        for _ in 0..3 {
            buckets.take(rate, "a", secs(7.0)).unwrap();
        }
        assert!(buckets.take(rate, "a", secs(7.0)).is_err());
    }

    proptest! {
        /// In no time span more than what it brings and one burst.
        #[test]
        fn never_more_than_the_rate(count in 1_u32..50, gaps in prop::collection::vec(0_u64..300, 1..200)) {
            let rate = Rate { count, per: Duration::from_secs(1) };
            let (mut full, mut now, mut taken) = (Duration::ZERO, Duration::ZERO, 0_u64);
            for gap in gaps {
                now += Duration::from_millis(gap);
                if let Ok(then) = rate.take(full, now) {
                    (full, taken) = (then, taken + 1);
                }
                let most = f64::from(count) * (1.0 + now.as_secs_f64()) + 1e-3;
                prop_assert!(taken as f64 <= most, "{} of {}", taken, most);
            }
            prop_assert!(taken >= 1);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut buckets = Buckets { most: 2048, ..Buckets::default() };
        for number in 0..20_000 {
            let _ = buckets.take(rate("10/s"), &number.to_string(), secs(1.0));
        }
        assert!(buckets.full.len() <= 2048, "{}", buckets.full.len());
        // those that have waited long enough are full, and forgotten
        for number in 0..2048 {
            let _ = buckets.take(rate("10/s"), &format!("late{number}"), secs(100.0));
        }
        assert!(buckets.full.keys().all(|key| key.starts_with("late")), "{}", buckets.full.len());
    }

    #[test]
    fn refusals_are_told_in_moderation() {
        let damper = Damper::default();
        let speak = |now| damper.speak_at("addr:192.0.2.1".into(), secs(now));
        assert!((0..60).all(|_| speak(0.0) == Some(0)));
        assert!((0..500).all(|_| speak(0.5).is_none()));
        assert_eq!(speak(2.0), Some(500));
        assert_eq!(damper.speak_at("alice".into(), secs(2.0)), Some(0));
    }
}
