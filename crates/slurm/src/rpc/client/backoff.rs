//! When to ask again after failures.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait after so many failures in a row: a quarter of a second, doubled each time, at most half a minute. `noise`,
/// from 0 to 1, takes up to half of it away, so that many who wait do not come back at once.
pub fn pause(failures: u32, noise: f64) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let whole = FIRST.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)).min(LONGEST);
    whole.mul_f64(1.0 - noise.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_up_to_half_a_minute() {
        let millis = |failures| pause(failures, 0.0).as_millis();
        assert_eq!([0, 1, 2, 3, 7, 8, 40, u32::MAX].map(millis), [0, 250, 500, 1000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(pause(3, 1.0), Duration::from_millis(500));
    }

    proptest! {
        #[test]
        fn never_longer_and_never_less_than_half(failures: u32, noise: f64) {
            let (least, most) = (pause(failures, 1.0), pause(failures, 0.0));
            let some = pause(failures, if noise.is_nan() { 0.5 } else { noise });
            prop_assert!(least <= some && some <= most && most <= LONGEST && least == most / 2);
        }
    }
}
