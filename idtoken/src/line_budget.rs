//! How many lines about refusals a log gets: whoever sends many bad requests
//! must not drown the few that matter, or fill a disk.

use std::time::Duration;

/// Lines that may be written at once after a quiet time.
const BURST: u64 = 200;
/// Lines for each second.
const PER_SECOND: u64 = 20;

/// Says for each line whether it may be written, and how many were not.
///
/// Pure bookkeeping: the time comes from outside, as time since 1970.
#[derive(Debug)]
pub struct LineBudget {
    lines: u64,
    counted_at: u64,
    left_out: u64,
}

impl Default for LineBudget {
    fn default() -> Self {
        Self { lines: BURST, counted_at: 0, left_out: 0 }
    }
}

impl LineBudget {
    /// Asks for a line. If it may be written: how many have been left out
    /// since the one before.
    pub fn take(&mut self, now: Duration) -> Option<u64> {
        let now = now.as_secs();
        // A clock that was set back gives nothing, and counts from where it is.
        let earned = now.saturating_sub(self.counted_at).saturating_mul(PER_SECOND);
        self.lines = self.lines.saturating_add(earned).min(BURST);
        self.counted_at = now;
        let Some(left) = self.lines.checked_sub(1) else {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        };
        self.lines = left;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_to_the_rate_and_the_next_line_says_how_much_was_left_out() {
        let mut budget = LineBudget::default();
        let second = Duration::from_secs;
        let written = |budget: &mut LineBudget, at| {
            (0..1000).filter_map(|_| budget.take(second(at))).collect::<Vec<_>>()
        };
        assert_eq!(written(&mut budget, 100), [0; 200]);
        let next = written(&mut budget, 101);
        assert_eq!((next.len(), next[0], next[1]), (20, 800, 0));
        assert_eq!(budget.take(second(3600)), Some(980));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_silence_the_log() {
        let mut budget = LineBudget::default();
        let late = Duration::from_secs(1_000_000);
        assert_eq!((0..1000).filter(|_| budget.take(late).is_some()).count(), 200);
        assert_eq!(budget.take(Duration::from_secs(5)), None);
        assert!(budget.take(Duration::from_secs(6)).is_some());
    }
}
