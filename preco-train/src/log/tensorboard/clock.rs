//! The time of events: seconds since 1970 that never go back.

use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that stands still while the system's is set back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    latest: f64,
}

impl Clock {
    /// A clock that shows `earliest` or later.
    pub(super) fn starting_at(earliest: f64) -> Self {
        Self { latest: earliest }
    }

    /// The time of an event that happens when the system's clock shows `system`. Before 1970 it is 1970.
    pub(super) fn at(&mut self, system: SystemTime) -> f64 {
        let seconds = system.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        self.latest = self.latest.max(seconds);
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_set_back_stands_still() {
        let mut clock = Clock::starting_at(0.0);
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let before_1970 = UNIX_EPOCH - Duration::from_secs(60);
        let shown = [before_1970, at(100), at(40), before_1970, at(101)].map(|system| clock.at(system));
        assert_eq!(shown, [0.0, 100.0, 100.0, 100.0, 101.0]);
        assert_eq!(Clock::starting_at(200.0).at(at(100)), 200.0);
    }
}
