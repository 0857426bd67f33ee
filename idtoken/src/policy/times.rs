//! What a policy says of times: of tokens, and of key sets.

use std::time::Duration;

use crate::config::{Object, Reader};
use crate::keys::KeyTimes;
use crate::time::Timing;

const ZERO: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// A larger skew would admit what expired long ago, a shorter lifetime would
/// admit nothing.
const MAX_SKEW: Duration = Duration::from_secs(300);
const MIN_LIFETIME: Duration = Duration::from_secs(60);

/// Reads `clock_skew` and `max_lifetime`.
pub(super) fn read_timing(object: &mut Object<'_>) -> Option<Timing> {
    let usual = Timing::default();
    let clock_skew = object.maybe("clock_skew", |it| it.duration_within(ZERO, MAX_SKEW));
    let max_lifetime = object.maybe("max_lifetime", |it| it.duration_within(MIN_LIFETIME, WEEK));
    Some(Timing {
        clock_skew: clock_skew?.unwrap_or(usual.clock_skew),
        max_lifetime: max_lifetime?.unwrap_or(usual.max_lifetime),
    })
}

/// Reads `key_sets`.
pub(super) fn read_key_times(from: &Reader<'_>) -> Option<KeyTimes> {
    let usual = KeyTimes::default();
    let mut object = from.object()?;
    let mut span = |name, least, most| object.maybe(name, |it| it.duration_within(least, most));
    let min_refresh = span("min_refresh", SECOND, HOUR);
    let max_refresh = span("max_refresh", SECOND, WEEK);
    let keep_stale = span("keep_stale", ZERO, WEEK.saturating_mul(5));
    let unknown_key_interval = span("unknown_key_interval", SECOND, HOUR);
    let place = object.reader().clone();
    object.finish();
    let times = KeyTimes {
        min_refresh: min_refresh?.unwrap_or(usual.min_refresh),
        max_refresh: max_refresh?.unwrap_or(usual.max_refresh),
        keep_stale: keep_stale?.unwrap_or(usual.keep_stale),
        unknown_key_interval: unknown_key_interval?.unwrap_or(usual.unknown_key_interval),
    };
    if times.min_refresh > times.max_refresh {
        place.problem("\"min_refresh\" is longer than \"max_refresh\"");
        return None;
    }
    Some(times)
}
