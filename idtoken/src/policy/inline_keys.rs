//! Keys that stand in the configuration: for hosts that can't fetch any, and
//! for issuers whose keys are nowhere to be fetched.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, UNIX_EPOCH};

use crate::config::{Kind, Object, Reader};
use crate::keys::{ParsedJwks, parse_jwks};
use crate::time::UnixTime;

/// Google's keys are announced for days: older ones say too little of which
/// keys are in use.
const DEFAULT_VALIDITY: Duration = Duration::from_secs(7 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);
/// How short and how long keys in the configuration may be valid.
pub const INLINE_VALIDITY: RangeInclusive<Duration> =
    Duration::from_secs(3600)..=Duration::from_secs(366 * 86_400);

/// A key set in the configuration, and how long it may be used.
#[derive(Clone, Debug)]
pub struct InlineKeys {
    keys: ParsedJwks,
    validity: Option<Validity>,
}

/// From when to when keys in the configuration are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Validity {
    as_of: UnixTime,
    valid_for: Duration,
}

/// How old keys in the configuration are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAge {
    /// Less than half of their time is over.
    Fresh,
    /// More than half of it: somebody should have put newer ones there.
    Old,
    /// All of it, or their date is still to come: they are not used.
    Expired,
}

impl InlineKeys {
    pub(crate) fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let keys = object.need("jwks").and_then(|jwks| read_jwks(&jwks));
        let validity = Validity::read(&mut object);
        object.finish();
        Some(Self { keys: keys?, validity: validity? })
    }

    /// The keys, and those that are left out.
    #[must_use]
    pub fn keys(&self) -> &ParsedJwks {
        &self.keys
    }

    /// How old they are.
    #[must_use]
    pub fn age(&self, now: UnixTime) -> KeyAge {
        match self.validity {
            None => KeyAge::Fresh,
            // Nobody has fetched them tomorrow: the date is a mistake, by which
            // they would be used for as long as it is wrong.
            Some(Validity { as_of, .. }) if as_of > now.plus(DAY) => KeyAge::Expired,
            Some(Validity { as_of, valid_for }) => match now.since(as_of) {
                age if age >= valid_for => KeyAge::Expired,
                age if age.saturating_mul(2) >= valid_for => KeyAge::Old,
                _ => KeyAge::Fresh,
            },
        }
    }

    /// When they stop being used, if ever.
    #[must_use]
    pub fn usable_until(&self) -> Option<UnixTime> {
        self.validity.map(|it| it.as_of.plus(it.valid_for))
    }
}

impl fmt::Display for InlineKeys {
    /// From when to when they are used.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.validity {
            None => f.write_str("for good"),
            Some(Validity { as_of, valid_for }) => {
                write!(f, "as of {as_of}, usable until {}", as_of.plus(valid_for))
            }
        }
    }
}

impl Validity {
    /// Outside: whether it can be read; inside: whether there is an end.
    fn read(object: &mut Object<'_>) -> Option<Option<Self>> {
        let as_of = object.maybe("as_of", |it| it.parsed(read_date));
        let valid_for = match object.get("valid_for") {
            Some(it) if it.node().kind == Kind::Text("forever".to_owned()) => Some(None),
            Some(it) => {
                it.duration_within(*INLINE_VALIDITY.start(), *INLINE_VALIDITY.end()).map(Some)
            }
            None => Some(Some(DEFAULT_VALIDITY)),
        };
        match (as_of?, valid_for?) {
            (_, None) => Some(None),
            (Some(as_of), Some(valid_for)) => Some(Some(Self { as_of, valid_for })),
            (None, Some(_)) => {
                object.reader().problem(
                    "\"as_of\" is missing: say when the keys were fetched, as \
                     2026-01-31T12:00:00Z, or \"valid_for: forever\"",
                );
                None
            }
        }
    }
}

fn read_date(text: &str) -> Result<UnixTime, String> {
    let wrong = || format!("{text:?} is no date: write it as 2026-01-31T12:00:00Z");
    let date = humantime::parse_rfc3339(text).map_err(|_| wrong())?;
    let since = date.duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
    Ok(UnixTime(since.as_secs()))
}

/// A JWK set, as a mapping or as a text that holds one.
fn read_jwks(from: &Reader<'_>) -> Option<ParsedJwks> {
    let document = match &from.node().kind {
        Kind::Text(text) => text.clone(),
        _ => from.node().to_json().to_string(),
    };
    let parsed = parse_jwks(document.as_bytes());
    parsed.map_err(|error| from.problem(format!("is no key set: {error}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_used_from_their_date_until_their_time_is_over() {
        let as_of = UnixTime(1_790_000_000);
        let keys = parse_jwks(
            br#"{"keys":[{"kty":"EC","crv":"P-256",
                "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
        )
        .unwrap();
        let day = |days| DAY.saturating_mul(days);
        let inline = InlineKeys { keys, validity: Some(Validity { as_of, valid_for: day(4) }) };
        for (now, age) in [
            (as_of.minus(day(2)), KeyAge::Expired),
            (as_of.minus(day(1)), KeyAge::Fresh),
            (as_of, KeyAge::Fresh),
            (as_of.plus(day(2)), KeyAge::Old),
            (as_of.plus(day(4)), KeyAge::Expired),
        ] {
            assert_eq!(inline.age(now), age, "at {now}");
        }
    }
}
