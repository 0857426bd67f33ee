//! How regions can be doing, and what comes of a request then.

use super::super::{Draw, Failure};
use crate::retry::Cause;

/// Who gets no answer for so long gives up.
const TIMEOUT_MS: u64 = 5_000;

/// Numbers by chance, the same for the same seed: `SplitMix64`.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        Draw(self.0).other().0 % bound
    }

    /// The place of one of so many things.
    pub(super) fn place(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap();
        usize::try_from(self.below(count)).unwrap()
    }

    pub(super) fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.place(things.len())]
    }

    pub(super) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(super) fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(1 << 32)).unwrap()) / f64::from(u32::MAX)
    }
}

/// How a region is doing, truly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Condition {
    Well,
    Slow,
    Dead,
    Hanging,
    Resetting,
    /// It refuses streams, as it may when it has too many.
    Refusing,
    /// It does not let the gateway call it.
    Forbidding,
    /// Google's front end answers 503.
    Unserved,
    /// The application answers 500, which is its own affair.
    Erring,
}

impl Condition {
    const ALL: [Self; 9] = [
        Self::Well,
        Self::Slow,
        Self::Dead,
        Self::Hanging,
        Self::Resetting,
        Self::Refusing,
        Self::Forbidding,
        Self::Unserved,
        Self::Erring,
    ];

    pub(super) fn any(random: &mut Random) -> Self {
        random.one_of(&Self::ALL)
    }

    /// What comes of a request, and after how many milliseconds.
    pub(super) fn outcome(self, random: &mut Random) -> (u64, Outcome) {
        let failed = |failure, cause| Outcome { failure: Some(failure), cause: Some(cause) };
        let answered = |cause| Outcome { failure: None, cause };
        match self {
            Self::Well | Self::Erring => (10 + random.below(40), answered(None)),
            Self::Slow => (1_000 + random.below(3_000), answered(None)),
            Self::Forbidding => (10, answered(Some(Cause::CallerRefused))),
            Self::Dead => (1, failed(Failure::Unreachable, Cause::Unsent)),
            Self::Refusing => (10, failed(Failure::Refused, Cause::Refused)),
            Self::Hanging => (TIMEOUT_MS, failed(Failure::TimedOut, Cause::TimedOut)),
            Self::Resetting => (10, failed(Failure::Lost, Cause::Lost)),
            Self::Unserved => (10, failed(Failure::FrontEnd, Cause::FrontEndFailed)),
        }
    }
}

/// What comes of an attempt.
pub(super) struct Outcome {
    /// What the region has done wrong.
    pub(super) failure: Option<Failure>,
    /// Why the request may want another attempt.
    pub(super) cause: Option<Cause>,
}
