//! When keys are published and when they sign.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A schedule by which an issuer changes its keys, counted from its start.
///
/// Google rotates its keys (it once said daily) but documents neither the
/// period nor how long two keys overlap; so both are the user's to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// How long each key signs. Less than a second counts as one.
    pub every: Duration,
    /// How long a key is published before it signs, and how long after it no
    /// longer does.
    pub overlap: Duration,
}

/// The keys of a moment, by their numbers. The first key has number 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) signs: u64,
    pub(super) published: RangeInclusive<u64>,
}

impl Plan {
    /// Without a schedule there is one key for ever.
    pub(super) const SINGLE: Self = Self { signs: 0, published: 0..=0 };
}

impl Rotation {
    /// What holds so long after the start.
    pub(super) fn plan(&self, elapsed: Duration) -> Plan {
        let every = self.every.as_secs().max(1);
        let overlap = self.overlap.as_secs();
        let number = |seconds: u64| seconds.checked_div(every).unwrap_or_default();
        let elapsed = elapsed.as_secs();
        // A key that stopped just as long ago as the overlap is gone.
        let last_gone = elapsed.checked_sub(overlap).map_or(0, number);
        let next = number(elapsed.saturating_add(overlap));
        Plan { signs: number(elapsed), published: last_gone..=next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_published_one_overlap_before_it_signs_and_one_after() {
        let rotation =
            Rotation { every: Duration::from_secs(100), overlap: Duration::from_secs(10) };
        for (elapsed, signs, published) in [
            (0, 0, 0..=0),
            (89, 0, 0..=0),
            (90, 0, 0..=1),
            (99, 0, 0..=1),
            (100, 1, 0..=1),
            (109, 1, 0..=1),
            (110, 1, 1..=1),
            (290, 2, 2..=3),
        ] {
            let plan = rotation.plan(Duration::from_secs(elapsed));
            assert_eq!(plan, Plan { signs, published }, "{elapsed}");
        }
    }

    #[test]
    fn with_a_long_overlap_several_keys_are_published() {
        let rotation =
            Rotation { every: Duration::from_secs(10), overlap: Duration::from_secs(25) };
        let plan = rotation.plan(Duration::from_secs(100));
        assert_eq!(plan, Plan { signs: 10, published: 7..=12 });
    }

    #[test]
    fn a_period_of_nothing_counts_as_a_second() {
        let rotation = Rotation { every: Duration::ZERO, overlap: Duration::ZERO };
        assert_eq!(rotation.plan(Duration::from_secs(3)).signs, 3);
    }
}
