//! What a region's front end said last of the gateway itself.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use remint_idtoken::UnixTime;

/// Seconds take the lower bits, enough for nine million years; the status is
/// above them.
const TIME_BITS: u32 = 48;

/// The refusal that a front end's last word was, if it was one. Requests that
/// go well only look.
#[derive(Debug, Default)]
pub(crate) struct LastRefusal(AtomicU64);

impl LastRefusal {
    /// The front end refused the gateway.
    pub(crate) fn refused(&self, status: StatusCode, now: UnixTime) {
        let status = u64::from(status.as_u16()) << TIME_BITS;
        self.0.store(status | (now.0 & SECONDS), Ordering::Relaxed);
    }

    /// The front end let a request through.
    pub(crate) fn let_through(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// The status, and when.
    pub(crate) fn get(&self) -> Option<(u16, UnixTime)> {
        let word = self.0.load(Ordering::Relaxed);
        let status = u16::try_from(word >> TIME_BITS).ok().filter(|status| *status != 0)?;
        Some((status, UnixTime(word & SECONDS)))
    }
}

const SECONDS: u64 = (1 << TIME_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let last = LastRefusal::default();
        assert_eq!(last.get(), None);
        let now = UnixTime(1_700_000_000);
        last.refused(StatusCode::FORBIDDEN, now);
        assert_eq!(last.get(), Some((403, now)));
        last.refused(StatusCode::UNAUTHORIZED, UnixTime(1));
        assert_eq!(last.get(), Some((401, UnixTime(1))));
        last.let_through();
        assert_eq!(last.get(), None);
    }
}
