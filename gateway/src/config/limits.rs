//! What callers may ask for: sizes, numbers and times.

use std::time::Duration;

use remint_idtoken::config::{Object, Reader};

use super::settings::positive;

/// hyper's own smallest buffer.
const LEAST_HEADER_BYTES: u32 = 8192;
const MOST_HEADER_BYTES: u32 = 1 << 20;

/// What callers may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of a request's head.
    pub max_header_bytes: usize,
    /// The number of a request's header lines.
    pub max_headers: usize,
    /// Connections from callers at a time. More wait to be accepted.
    pub max_connections: usize,
    /// Requests at a time on one HTTP/2 connection.
    pub max_streams: u32,
    /// Requests that are being forwarded.
    pub in_flight: InFlightLimits,
    /// The time for a TLS handshake, and for the head of a request once it
    /// has begun.
    pub header_timeout: Duration,
    /// How long a connection waits for its next request, and how long both
    /// sides of a WebSocket may be silent.
    pub idle_timeout: Duration,
    /// How long a request's body may pause before its answer begins, and once
    /// it is over.
    pub body_timeout: Duration,
    /// How long a caller may take nothing of an answer.
    pub write_timeout: Duration,
}

/// How many requests are forwarded at a time, and how many wait for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlightLimits {
    /// Requests that are being forwarded.
    pub max: usize,
    /// Requests that wait for their turn.
    pub max_queued: usize,
    /// How long each of them does.
    pub queue_timeout: Duration,
}

impl Default for InFlightLimits {
    fn default() -> Self {
        Self { max: 10_000, max_queued: 1_000, queue_timeout: Duration::from_secs(1) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_header_bytes: 64 << 10,
            max_headers: 100,
            max_connections: 10_000,
            max_streams: 200,
            in_flight: InFlightLimits::default(),
            header_timeout: Duration::from_secs(15),
            // Google's load balancers keep theirs for 600 s, and a server has
            // to wait longer than its clients: else a request meets a
            // connection that is just being closed.
            idle_timeout: Duration::from_secs(620),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
        }
    }
}

pub(super) fn read(object: &mut Object<'_>) -> Option<Limits> {
    Some(object.maybe("limits", read_limits)?.unwrap_or_default())
}

fn read_limits(from: &Reader<'_>) -> Option<Limits> {
    let mut object = from.object()?;
    let mut limits = Limits::default();
    let in_flight = &mut limits.in_flight;
    let numbers = [
        object.maybe_set("max_header_bytes", &mut limits.max_header_bytes, |it| {
            it.whole_within(LEAST_HEADER_BYTES, MOST_HEADER_BYTES)
        }),
        object.maybe_set("max_headers", &mut limits.max_headers, |it| it.whole_within(1, 10_000)),
        object.maybe_set("max_connections", &mut limits.max_connections, any_number),
        object.maybe_set("max_streams", &mut limits.max_streams, |it| {
            it.whole_within(1, 100_000).and_then(|it| u32::try_from(it).ok())
        }),
        object.maybe_set("max_in_flight", &mut in_flight.max, any_number),
        object.maybe_set("max_queued", &mut in_flight.max_queued, |it| {
            it.whole_within(0, MOST_AT_A_TIME)
        }),
    ];
    let times = [
        object.maybe_set("queue_timeout", &mut in_flight.queue_timeout, positive),
        object.maybe_set("header_timeout", &mut limits.header_timeout, positive),
        object.maybe_set("idle_timeout", &mut limits.idle_timeout, positive),
        object.maybe_set("body_timeout", &mut limits.body_timeout, positive),
        object.maybe_set("write_timeout", &mut limits.write_timeout, positive),
    ];
    object.finish();
    numbers.into_iter().chain(times).all(|it| it.is_some()).then_some(limits)
}

/// More than any machine's, and less than any counter holds.
const MOST_AT_A_TIME: u32 = 1_000_000;

fn any_number(from: &Reader<'_>) -> Option<usize> {
    from.whole_within(1, MOST_AT_A_TIME)
}

/// Reads a member over its default.
trait MaybeSet {
    fn maybe_set<T>(
        &mut self,
        name: &'static str,
        value: &mut T,
        read: impl FnOnce(&Reader<'_>) -> Option<T>,
    ) -> Option<()>;
}

impl MaybeSet for Object<'_> {
    fn maybe_set<T>(
        &mut self,
        name: &'static str,
        value: &mut T,
        read: impl FnOnce(&Reader<'_>) -> Option<T>,
    ) -> Option<()> {
        if let Some(member) = self.get(name) {
            *value = read(&member)?;
        }
        Some(())
    }
}

/// A size in bytes: a whole number, or one with `KiB`, `MiB` or `GiB`.
pub(super) fn size(from: &Reader<'_>) -> Option<u64> {
    if !matches!(from.node().kind, remint_idtoken::config::Kind::Text(_)) {
        return from.whole_within(0, u32::MAX).and_then(|it| u64::try_from(it).ok());
    }
    from.parsed(|text| {
        parse_size(text).ok_or_else(|| format!("{text:?} is no size: write it as 512KiB or 32MiB"))
    })
}

fn parse_size(text: &str) -> Option<u64> {
    let units = [("KiB", 1_u64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let (number, unit) =
        units.into_iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let number = number.trim_end();
    let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| number.parse::<u64>().ok()?.checked_mul(unit)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_with_their_unit() {
        assert_eq!(parse_size("512KiB"), Some(512 << 10));
        assert_eq!(parse_size("32 MiB"), Some(32 << 20));
        assert_eq!(parse_size("2GiB"), Some(2 << 30));
        for bad in ["", "MiB", "1MB", "-1MiB", "+1MiB", "1.5GiB", "99999999999999999999KiB"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
        assert_eq!(parse_size("17179869184GiB"), None, "more than a number holds");
    }
}
