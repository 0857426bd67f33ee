//! What a region's front end said last of the gateway itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::StatusCode;
use remint_idtoken::{Reason, UnixTime};

use crate::front_end::VERDICTS;

/// Seconds take the lower bits, enough for nine million years; above them is
/// the place of the verdict, counted from 1.
const TIME_BITS: u32 = 48;
const SECONDS: u64 = (1 << TIME_BITS) - 1;

/// How long it is believed that no instance is free if nobody has asked since:
/// that passes by itself, the other verdicts do not.
const STAYS_FULL: Duration = Duration::from_secs(60);

/// For how long after a change of permissions the same call may be let in and
/// refused in turn: "typically 2 minutes, potentially 7 minutes or longer" (IAM,
/// "Access change propagation").
const PROPAGATION: Duration = Duration::from_secs(7 * 60);
/// How exactly it is kept when the gateway was let in last, in seconds.
const GRAIN: u64 = 5;

/// The refusal that a front end's last word was, if it was one. Requests that
/// go well only look, but for one every few seconds.
#[derive(Debug, Default)]
pub(crate) struct LastRefusal {
    word: AtomicU64,
    let_in_at: AtomicU64,
}

/// That refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastWord {
    pub(crate) status: u16,
    pub(crate) reason: Reason,
    pub(crate) at: UnixTime,
}

impl LastRefusal {
    /// The front end refused the gateway, by one of its [`VERDICTS`].
    pub(crate) fn refused(&self, status: StatusCode, reason: Reason, now: UnixTime) {
        let place = VERDICTS.iter().position(|it| *it == (status.as_u16(), reason));
        let number = place.and_then(|place| u64::try_from(place).ok()?.checked_add(1));
        if let Some(number) = number {
            self.word.store(number << TIME_BITS | (now.0 & SECONDS), Ordering::Relaxed);
        }
    }

    /// The front end let a request through.
    pub(crate) fn let_through(&self, now: UnixTime) {
        if self.word.load(Ordering::Relaxed) != 0 {
            self.word.store(0, Ordering::Relaxed);
        }
        // A clock that was set back counts from where it is.
        if self.let_in_at.load(Ordering::Relaxed).abs_diff(now.0) >= GRAIN {
            self.let_in_at.store(now.0, Ordering::Relaxed);
        }
    }

    /// Whether it has let one through so lately that permissions may still be on
    /// their way.
    pub(crate) fn was_let_in(&self, now: UnixTime) -> bool {
        let at = UnixTime(self.let_in_at.load(Ordering::Relaxed));
        at.0 != 0 && now.since(at) < PROPAGATION
    }

    /// What it was, if it still stands.
    pub(crate) fn get(&self, now: UnixTime) -> Option<LastWord> {
        let word = self.word.load(Ordering::Relaxed);
        let place = usize::try_from((word >> TIME_BITS).checked_sub(1)?).ok()?;
        let (status, reason) = *VERDICTS.get(place)?;
        let at = UnixTime(word & SECONDS);
        let is_over = reason == Reason::RegionFull && now.since(at) > STAYS_FULL;
        (!is_over).then_some(LastWord { status, reason, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_700_000_000);

    #[test]
    fn the_last_word_counts() {
        let last = LastRefusal::default();
        assert_eq!(last.get(NOW), None);
        last.refused(StatusCode::FORBIDDEN, Reason::InvokerMissing, NOW);
        let word = LastWord { status: 403, reason: Reason::InvokerMissing, at: NOW };
        assert_eq!(last.get(NOW), Some(word));
        last.refused(StatusCode::UNAUTHORIZED, Reason::AudienceMismatch, UnixTime(1));
        let word = LastWord { status: 401, reason: Reason::AudienceMismatch, at: UnixTime(1) };
        assert_eq!(last.get(NOW), Some(word));
        last.let_through(NOW);
        assert_eq!(last.get(NOW), None);
    }

    #[test]
    fn a_front_end_is_said_to_have_let_in_for_as_long_as_permissions_may_be_on_their_way() {
        let last = LastRefusal::default();
        assert!(!last.was_let_in(NOW));
        last.let_through(NOW);
        last.refused(StatusCode::FORBIDDEN, Reason::IamPropagating, NOW.plus(PROPAGATION / 2));
        assert!(last.was_let_in(NOW.plus(PROPAGATION / 2)));
        assert!(!last.was_let_in(NOW.plus(PROPAGATION)));
        last.let_through(NOW.plus(PROPAGATION));
        assert!(last.was_let_in(NOW.plus(PROPAGATION)));
    }

    #[test]
    fn a_region_that_nobody_has_asked_since_is_not_full_for_ever() {
        let last = LastRefusal::default();
        last.refused(StatusCode::TOO_MANY_REQUESTS, Reason::RegionFull, NOW);
        assert!(last.get(NOW.plus(STAYS_FULL)).is_some());
        assert_eq!(last.get(NOW.plus(STAYS_FULL * 2)), None);
    }
}
