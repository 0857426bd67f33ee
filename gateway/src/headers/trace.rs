//! The trace that a request belongs to (W3C Trace Context, level 1).
//!
//! The gateway makes no spans of its own, so a valid context passes as it is;
//! what can't be understood is replaced, as the specification asks.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::random;

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// `00-`, the trace's id, `-`, the caller's span, `-`, flags.
const PARENT_LENGTH: usize = 55;
/// So many entries a `tracestate` may have.
const MAX_ENTRIES: usize = 32;
/// Longer ones may be dropped (section 3.3.1.5).
const MAX_STATE: usize = 512;

/// The id of a trace: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceId(u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Makes sure that a request belongs to one trace, and says to which. A new
/// one is not sampled: whether to record is not for a gateway to decide.
pub(crate) fn settle(headers: &mut HeaderMap) -> TraceId {
    if let Some(id) = only(headers, &PARENT).and_then(read_parent) {
        settle_state(headers);
        return id;
    }
    let id = u128::from(random::bits()) << 64 | u128::from(random::bits());
    // Neither part may be zero.
    let (id, span) = (TraceId(id | 1), random::bits() | 1);
    headers.remove(STATE);
    match HeaderValue::try_from(format!("00-{id}-{span:016x}-00")) {
        Ok(parent) => drop(headers.insert(PARENT, parent)),
        Err(_) => drop(headers.remove(PARENT)),
    }
    id
}

/// The one value of a header, if it has one.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn read_parent(value: &HeaderValue) -> Option<TraceId> {
    let text = value.to_str().ok()?;
    let mut parts = text.splitn(5, '-');
    let mut part = |length| parts.next().filter(|part| is_hex(part, length));
    let (version, trace) = (part(2)?, part(32)?);
    let (span, _flags) = (part(16)?, part(2)?);
    let is_zero = |digits: &str| digits.bytes().all(|digit| digit == b'0');
    // Later versions may add parts (section 3.2.4); there is no version ff.
    let has_right_length =
        text.len() == PARENT_LENGTH || (version != "00" && parts.next().is_some());
    if version == "ff" || is_zero(trace) || is_zero(span) || !has_right_length {
        return None;
    }
    u128::from_str_radix(trace, 16).ok().map(TraceId)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// One line, in the order of the lines that came, or none if it is not right.
fn settle_state(headers: &mut HeaderMap) {
    let lines: Option<Vec<&str>> =
        headers.get_all(&STATE).iter().map(|line| line.to_str().ok()).collect();
    let state = lines.filter(|lines| !lines.is_empty()).map(|lines| lines.join(","));
    let state = state.filter(|state| is_state(state));
    match state.and_then(|state| HeaderValue::try_from(state).ok()) {
        Some(state) => drop(headers.insert(STATE, state)),
        None => drop(headers.remove(STATE)),
    }
}

fn is_state(text: &str) -> bool {
    let entries = || text.split(',').map(|entry| entry.trim_matches([' ', '\t']));
    let mut keys = std::collections::HashSet::new();
    text.len() <= MAX_STATE
        && entries().count() <= MAX_ENTRIES
        && entries().filter(|entry| !entry.is_empty()).all(|entry| {
            let pair = entry.split_once('=');
            pair.is_some_and(|(key, value)| is_key(key) && is_value(value) && keys.insert(key))
        })
}

/// A vendor, or a tenant and a vendor (section 3.3.1.3.1).
fn is_key(key: &str) -> bool {
    let letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let may = |byte: u8| letter(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    key.len() <= 256 && key.bytes().next().is_some_and(letter) && key.bytes().all(may)
}

fn is_value(value: &str) -> bool {
    let may = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b'=';
    (1..=256).contains(&value.len()) && !value.ends_with(' ') && value.bytes().all(may)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn settled(lines: &[(&'static str, &str)]) -> (HeaderMap, TraceId) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let id = settle(&mut headers);
        (headers, id)
    }

    #[test]
    fn a_right_context_passes_as_it_is() {
        let (headers, id) =
            settled(&[("traceparent", GOOD), ("tracestate", "a=1"), ("tracestate", "t@b=2 3")]);
        assert_eq!(headers["traceparent"], GOOD);
        assert_eq!(headers.get_all("tracestate").iter().collect::<Vec<_>>(), ["a=1,t@b=2 3"]);
        assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let later = format!("01{}-more", &GOOD[2..]);
        assert_eq!(settled(&[("traceparent", &later)]).0["traceparent"], later);
    }

    #[test]
    fn a_wrong_context_is_replaced_with_its_state_and_is_not_sampled() {
        let long = format!("{GOOD}-more");
        for wrong in [
            "",
            "x",
            &GOOD.to_uppercase(),
            &GOOD.replacen("00-", "ff-", 1),
            &GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            &long,
            &GOOD[..54],
        ] {
            let (headers, id) = settled(&[("traceparent", wrong), ("tracestate", "a=1")]);
            let parent = headers["traceparent"].to_str().unwrap();
            assert!(parent.starts_with(&format!("00-{id}-")) && parent.ends_with("-00"), "{wrong}");
            assert!(read_parent(&headers["traceparent"]).is_some());
            assert!(!headers.contains_key("tracestate"), "{wrong}");
        }
        let (twice, _) = settled(&[("traceparent", GOOD), ("traceparent", GOOD)]);
        assert_eq!(twice.get_all("traceparent").iter().count(), 1);
        assert_ne!(twice["traceparent"], GOOD);
        assert_ne!(settled(&[]).1, settled(&[]).1);
    }

    #[test]
    fn a_wrong_state_is_dropped_alone() {
        let many = (0..33).map(|it| format!("k{it}=v")).collect::<Vec<_>>().join(",");
        for wrong in ["a", "A=1", "a=1,a=2", "a=", "a=b=c", many.as_str()] {
            let (headers, _) = settled(&[("traceparent", GOOD), ("tracestate", wrong)]);
            assert!(!headers.contains_key("tracestate"), "{wrong}");
            assert_eq!(headers["traceparent"], GOOD);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_one_right_parent_goes_on(values in prop::collection::vec("[0-9a-f-]{0,60}|[ -~]{0,20}", 0..4)) {
            let lines: Vec<_> = values.iter().map(|it| ("traceparent", it.as_str())).collect();
            let (headers, id) = settled(&lines);
            prop_assert_eq!(only(&headers, &PARENT).and_then(read_parent), Some(id));
        }
    }
}
