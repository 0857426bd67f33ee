//! Draws by weight.

use std::sync::atomic::{AtomicU64, Ordering};

/// 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A sequence of draws that is spread more evenly than chance would: each
/// steps on by the golden ratio (a Weyl sequence). So weights are obeyed over
/// a few requests already, and no region goes without for long.
pub(super) struct Draws(AtomicU64);

impl Draws {
    /// Instances with other seeds draw otherwise.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.into())
    }

    pub(super) fn next(&self) -> Draw {
        Draw(self.0.fetch_add(STEP, Ordering::Relaxed))
    }
}

/// A number from 0 to 1, in units of 2^-64.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw(pub(super) u64);

impl Draw {
    /// Which of the items is hit, each as likely as its weight says, and what
    /// is left of the draw for another choice. None if all weights are 0.
    pub(super) fn pick<T>(
        self,
        items: impl Iterator<Item = (T, u64)> + Clone,
    ) -> Option<(T, Self)> {
        let total: u64 = items.clone().map(|(_, weight)| weight).fold(0, u64::saturating_add);
        let mut left = u128::from(self.0).saturating_mul(total.into());
        for (item, weight) in items {
            let end = u128::from(weight).checked_shl(u64::BITS)?;
            match left.checked_sub(end) {
                Some(beyond) => left = beyond,
                None => {
                    let rest = left.checked_div(weight.into())?;
                    return Some((item, Self(u64::try_from(rest).unwrap_or(u64::MAX))));
                }
            }
        }
        None
    }

    /// Another draw, which has nothing to do with this one: the finisher of
    /// SplitMix64 (Steele, Lea and Flood, 2014).
    pub(super) fn other(self) -> Self {
        let Self(mut bits) = self;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self(bits ^ (bits >> 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn weights_are_obeyed_over_few_draws_from_any_seed(
            seed in any::<u64>(),
            weights in proptest::collection::vec(0_u64..10, 1..8),
        ) {
            let (draws, total) = (Draws::new(seed), weights.iter().sum::<u64>());
            let items = || weights.iter().copied().enumerate();
            let mut counts = vec![0_u64; weights.len()];
            let rounds = total * 10;
            for _ in 0..rounds {
                counts[draws.next().pick(items()).unwrap().0] += 1;
            }
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert!(count.abs_diff(weight * 10) <= 8, "{:?} of {:?}", counts, weights);
            }
            prop_assert!(total > 0 || draws.next().pick(items()).is_none());
        }

        #[test]
        fn what_is_left_of_a_draw_is_a_draw(seed in any::<u64>(), weight in 1_u64..100) {
            let items = [((), weight), ((), 100 - weight)];
            let mut halves = [0_u32; 2];
            let draws = Draws::new(seed);
            for _ in 0..400 {
                let (_, rest) = draws.next().pick(items.into_iter()).unwrap();
                halves[usize::from(rest.0 >= 1 << 63)] += 1;
            }
            prop_assert!(halves[0].abs_diff(halves[1]) <= 100, "{:?}", halves);
        }
    }
}
