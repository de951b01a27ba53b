//! What time it is, in a module of its own: nobody may look at it without telling.

use jiff::tz::Offset;

use crate::basis;

/// The time that an answer is for. Whoever asks for it tells how long it makes no difference: see [`crate::basis`].
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    now: i64,
    /// What local time is
    pub zone: Offset,
}

impl Moment {
    /// A moment: seconds since 1970, and what local time is.
    pub const fn new(now: i64, zone: Offset) -> Self {
        Self { now, zone }
    }

    /// Seconds since 1970.
    pub fn now(self) -> i64 {
        basis::note_span(self.now, self.now.saturating_add(1));
        self.now
    }

    /// The minute, as its first second since 1970.
    pub fn minute(self) -> i64 {
        let minute = self.now - self.now.rem_euclid(60);
        basis::note_span(minute, minute.saturating_add(60));
        minute
    }
}
