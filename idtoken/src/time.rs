//! Points in time, as the caller's clock gives them.

use std::fmt;
use std::time::Duration;

/// A point in time: whole seconds since 1970-01-01T00:00:00Z, the unit of a
/// JWT's `NumericDate` (RFC 7519, section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// This moment and `by` later, or the end of time.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by.as_secs()))
    }

    /// This moment less `by`, or the beginning of time.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(by.as_secs()))
    }

    /// How long ago `earlier` was; zero if it is still to come.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = std::time::UNIX_EPOCH.checked_add(Duration::from_secs(self.0));
        match moment {
            Some(moment) if self.0 < YEAR_9999 => {
                write!(f, "{}", humantime::format_rfc3339_seconds(moment))
            }
            _ => write!(f, "{} s after 1970", self.0),
        }
    }
}

/// The end of the year 9999, past which no calendar format goes.
pub(crate) const YEAR_9999: u64 = 253_402_300_799;

/// How strictly a token's times are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How far the issuer's clock may differ from ours, either way.
    pub clock_skew: Duration,
    /// The longest `exp - iat` a token may have.
    pub max_lifetime: Duration,
}

impl Default for Timing {
    /// 30 s of skew (Envoy: 60 s, Google's clients: 0 to 300 s) and a day of
    /// lifetime, as Google's Node client caps it.
    fn default() -> Self {
        Self { clock_skew: Duration::from_secs(30), max_lifetime: Duration::from_secs(86_400) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_a_date() {
        assert_eq!(UnixTime(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(UnixTime(1_790_000_000).to_string(), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn the_ends_of_time_neither_overflow_nor_panic() {
        assert_eq!(UnixTime(1).minus(Duration::from_secs(9)), UnixTime(0));
        assert_eq!(UnixTime(u64::MAX).plus(Duration::MAX), UnixTime(u64::MAX));
        assert!(!UnixTime(u64::MAX).to_string().is_empty());
    }
}
