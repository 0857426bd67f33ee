//! `Retry-After`.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;
use remint_idtoken::UnixTime;

/// The longest that is waited for.
const LONGEST: Duration = Duration::from_secs(3600);

/// What an answer says about when to call again: seconds or a date (RFC 9110,
/// section 10.2.3). Cloud Tasks "considers" it without saying how; here the
/// task's next attempt does not come earlier, up to an hour.
pub(super) fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = httpdate::parse_http_date(value).ok()?;
            let at = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            at.saturating_sub(Duration::from_secs(now.0))
        }
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let wait = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers, UnixTime(1_790_000_000)).map(|it| it.as_secs())
        };
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait("999999"), Some(3600));
        assert_eq!(wait("Mon, 21 Sep 2026 14:13:30 GMT"), Some(10));
        assert_eq!(wait("Mon, 21 Sep 2026 14:13:10 GMT"), Some(0));
        assert_eq!(wait("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new(), UnixTime(0)), None);
    }
}
