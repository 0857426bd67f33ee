//! The trace that a request belongs to, as its headers say.
//!
//! Two headers name it: `traceparent` (W3C Trace Context, level 1) and
//! Google's older `X-Cloud-Trace-Context: TRACE_ID/SPAN_ID;o=OPTIONS`. Google's
//! documentation (Cloud Trace, "Trace context") asks programs to prefer
//! `traceparent` and to take the other one only in its place; its logging
//! libraries do the same (googleapis/python-logging, `handlers/_helpers.py`).
//!
//! They are only read here. Who makes no spans has nothing to say in them.

use std::fmt;

use crate::request::Headers;

const PARENT: &str = "traceparent";
const CLOUD: &str = "x-cloud-trace-context";
/// `00-`, the trace's id, `-`, the caller's span, `-`, flags.
const PARENT_LENGTH: usize = 55;

/// Where in a trace a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: Option<u64>,
    is_sampled: bool,
}

impl TraceContext {
    /// What the headers of a request say. What can't be understood says
    /// nothing, and neither does a header that is there twice.
    #[must_use]
    pub fn of(headers: &impl Headers) -> Option<Self> {
        let parent = only(headers, PARENT).and_then(read_parent);
        parent.or_else(|| only(headers, CLOUD).and_then(read_cloud))
    }

    /// The id of the trace: shown as 32 hexadecimal digits.
    #[must_use]
    pub fn id(self) -> impl fmt::Display {
        Hex { number: self.trace, digits: 32 }
    }

    /// The id of the span that called: shown as 16 hexadecimal digits, which
    /// is how Cloud Logging writes it.
    #[must_use]
    pub fn span_id(self) -> Option<impl fmt::Display> {
        self.span.map(|span| Hex { number: span.into(), digits: 16 })
    }

    /// Whether whoever called says that it records the trace.
    #[must_use]
    pub fn is_sampled(self) -> bool {
        self.is_sampled
    }
}

struct Hex {
    number: u128,
    digits: usize,
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$x}", self.number, width = self.digits)
    }
}

/// The one value of a header, if it has one and that is text.
fn only<'h>(headers: &'h impl Headers, name: &'h str) -> Option<&'h str> {
    let mut values = headers.values(name);
    let value = values.next().filter(|_| values.next().is_none())?;
    std::str::from_utf8(value).ok()
}

/// W3C Trace Context, section 3.2.2.
fn read_parent(text: &str) -> Option<TraceContext> {
    let mut parts = text.splitn(5, '-');
    let mut part = |length| parts.next().filter(|part| is_lower_hex(part, length));
    let (version, trace) = (part(2)?, part(32)?);
    let (span, flags) = (part(16)?, part(2)?);
    // Later versions may add parts (section 3.2.4); there is no version ff.
    let has_right_length =
        text.len() == PARENT_LENGTH || (version != "00" && parts.next().is_some());
    if version == "ff" || !has_right_length {
        return None;
    }
    Some(TraceContext {
        trace: trace_id(trace)?,
        span: Some(u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?),
        is_sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
    })
}

/// The span is a decimal number, and 0 is none; it and the options may be left
/// out.
fn read_cloud(text: &str) -> Option<TraceContext> {
    let (ids, options) = text.split_once(';').map_or((text, None), |(ids, it)| (ids, Some(it)));
    let (trace, span) = ids.split_once('/').map_or((ids, None), |(trace, it)| (trace, Some(it)));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let span = match span {
        Some(span) => Some(span.parse().ok().filter(|_| is_digits(span))?).filter(|id| *id != 0),
        None => None,
    };
    let is_sampled = match options {
        None | Some("o=0") => false,
        Some("o=1") => true,
        Some(_) => return None,
    };
    let is_hex = trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some(TraceContext { trace: trace_id(trace).filter(|_| is_hex)?, span, is_sampled })
}

fn trace_id(digits: &str) -> Option<u128> {
    u128::from_str_radix(digits, 16).ok().filter(|id| *id != 0)
}

fn is_lower_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    struct List<'l>(&'l [(&'static str, &'l str)]);

    impl Headers for List<'_> {
        fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
            self.0.iter().filter(move |(it, _)| *it == name).map(|(_, value)| value.as_bytes())
        }
    }

    /// Trace, span, and whether it is sampled.
    fn read(headers: &[(&'static str, &str)]) -> Option<(String, Option<String>, bool)> {
        let context = TraceContext::of(&List(headers))?;
        let span = context.span_id().map(|it| it.to_string());
        Some((context.id().to_string(), span, context.is_sampled()))
    }

    #[test]
    fn both_forms_are_read_and_spans_are_told_alike() {
        let span = Some("00f067aa0ba902b7".to_owned());
        assert_eq!(read(&[(PARENT, GOOD)]), Some((ID.to_owned(), span, true)));
        let later = format!("01{}-more", &GOOD[2..]);
        assert!(read(&[(PARENT, &later)]).is_some());
        let span = Some("000000000000004a".to_owned());
        for (text, span, is_sampled) in [
            (format!("{ID}/74;o=1"), span.clone(), true),
            (format!("{ID}/74;o=0"), span.clone(), false),
            (format!("{ID}/74"), span, false),
            (format!("{ID}/0;o=1"), None, true),
            (format!("{ID};o=1"), None, true),
            (ID.to_uppercase(), None, false),
        ] {
            assert_eq!(read(&[(CLOUD, &text)]), Some((ID.to_owned(), span, is_sampled)), "{text}");
        }
    }

    #[test]
    fn traceparent_goes_before_and_the_other_takes_its_place() {
        let other = "105445aa7843bc8bf206b12000100000/1;o=1";
        let id = |headers: &[_]| read(headers).unwrap().0;
        assert_eq!(id(&[(CLOUD, other), (PARENT, GOOD)]), ID);
        assert_eq!(id(&[(CLOUD, other), (PARENT, "00-x")]), other[..32]);
        assert_eq!(id(&[(CLOUD, other), (PARENT, GOOD), (PARENT, GOOD)]), other[..32]);
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        let zero = "0".repeat(32);
        for wrong in [
            "",
            "x",
            &GOOD.to_uppercase(),
            &GOOD.replacen("00-", "ff-", 1),
            &GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            &GOOD.replace(ID, &zero),
            &format!("{GOOD}-more"),
            &GOOD[..54],
        ] {
            assert_eq!(read(&[(PARENT, wrong)]), None, "{wrong}");
        }
        for wrong in [
            "",
            &ID[1..],
            &format!("{ID}0"),
            &format!("+{}", &ID[1..]),
            &zero,
            &format!("{ID}/"),
            &format!("{ID}/+1"),
            &format!("{ID}/x"),
            &format!("{ID}/1;o=x"),
            &format!("{ID}/1;o=1;o=1"),
            &format!("{ID}/1\";o=1"),
        ] {
            assert_eq!(read(&[(CLOUD, wrong)]), None, "{wrong}");
        }
        assert_eq!(read(&[(PARENT, GOOD), (PARENT, GOOD)]), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_digits_is_ever_told(
            parent in "00-[0-9a-f]{30,34}-[0-9a-f]{16}-0[01]|[ -~]{0,60}",
            cloud in "[0-9a-fA-F]{31,33}/[0-9]{0,22}(;o=[01])?|[ -~]{0,50}",
        ) {
            if let Some((id, span, _)) = read(&[(PARENT, &parent), (CLOUD, &cloud)]) {
                proptest::prop_assert!(is_lower_hex(&id, 32));
                proptest::prop_assert!(span.is_none_or(|span| is_lower_hex(&span, 16)));
            }
        }
    }
}
