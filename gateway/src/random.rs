//! Numbers that differ from instance to instance. Nothing secret is made of
//! them.

use std::hash::{BuildHasher, RandomState};

/// Sixty-four bits that nobody else has.
pub(crate) fn bits() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// A number between 0 and 1, to spread what many instances do at once.
pub(crate) fn unit() -> f64 {
    // The upper 32 bits fit into a double exactly.
    f64::from(u32::try_from(bits() >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
