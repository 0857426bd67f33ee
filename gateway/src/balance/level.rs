//! Levels: who is asked first, and how much of the requests each can take.

use super::{Member, Places};

/// Regions that are asked before those of the next level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) places: Places,
}

impl Level {
    /// All requests, in the unit of capacities: so small that the least share
    /// of the greatest sum of weights is more than nothing.
    pub(super) const WHOLE: u64 = 1_000_000;
    /// How far above its own share a region can be loaded, in the same unit:
    /// Envoy's default for a priority (`overprovisioning_factor` 1.4).
    const OVERPROVISIONING: u64 = 1_400_000;

    /// What a level can take that has so much of its weight left: all, as long
    /// as no more than two sevenths are missing.
    pub(super) fn capacity(have: u64, all: u64) -> u64 {
        let capacity = have.saturating_mul(Self::OVERPROVISIONING).checked_div(all);
        capacity.unwrap_or_default().min(Self::WHOLE)
    }
}

/// The levels in their order: by priority, and in each the local region before
/// the others. Drained regions come last.
pub(super) fn levels(members: &[Member], local: Option<&str>) -> Vec<Level> {
    let rank = |member: &Member| {
        let is_elsewhere = local.is_some_and(|name| *member.name != *name);
        (member.weight == 0, member.priority, is_elsewhere)
    };
    let mut ranks: Vec<_> = members.iter().map(rank).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let level = |wanted| {
        let places = members.iter().enumerate().filter(|(_, member)| rank(member) == wanted);
        Level { places: places.map(|(place, _)| place).collect() }
    };
    ranks.into_iter().map(level).collect()
}
