//! Sets of regions.

/// A set of a service's regions, by their places in the configuration, which
/// allows as many as there are bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places(u64);

impl Places {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn add(&mut self, place: usize) {
        self.0 |= bit(place);
    }

    pub(crate) fn contains(self, place: usize) -> bool {
        self.0 & bit(place) != 0
    }

    /// Those that are in the other set too.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other set.
    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// This set, or the other one if this is empty.
    pub(super) fn or_else(self, other: Self) -> Self {
        if self.is_empty() { other } else { self }
    }

    pub(super) fn iter(self) -> impl Iterator<Item = usize> + Clone {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let place = left.trailing_zeros();
            // With nothing left the place is one too high for a shift.
            left &= !1_u64.checked_shl(place)?;
            usize::try_from(place).ok()
        })
    }
}

impl FromIterator<usize> for Places {
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Self {
        let mut set = Self::default();
        places.into_iter().for_each(|place| set.add(place));
        set
    }
}

fn bit(place: usize) -> u64 {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    1_u64.checked_shl(place).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn sets_of_places_are_sets(
            one in proptest::collection::btree_set(0_usize..64, 0..64),
            other in proptest::collection::btree_set(0_usize..64, 0..64),
        ) {
            let [a, b] = [&one, &other].map(|set| set.iter().copied().collect::<Places>());
            let listed = |set: Places| set.iter().collect::<BTreeSet<_>>();
            prop_assert_eq!(listed(a), one.clone());
            prop_assert_eq!(listed(a.and(b)), &one & &other);
            prop_assert_eq!(listed(a.without(b)), &one - &other);
            prop_assert!((0..64).all(|place| a.contains(place) == one.contains(&place)));
            prop_assert_eq!(a.is_empty(), one.is_empty());
        }
    }
}
