//! Keys that stand in the configuration: somebody has to renew them, and is
//! told in time.

use std::time::Duration;

use remint_idtoken::keys::KeySet;
use remint_idtoken::policy::{InlineKeys, Issuer, KeyAge};
use remint_idtoken::{Policy, SignatureScheme, UnixTime};

/// How often the same is said again.
const REMIND_AFTER: Duration = Duration::from_secs(3600);

/// Looks at the age of the keys that stand in the configuration.
#[derive(Default)]
pub(crate) struct InlineWatch {
    /// When it looked last.
    looked_at: Option<UnixTime>,
}

/// Something for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Whether requests are refused because of it.
    pub(crate) is_error: bool,
    pub(crate) text: String,
}

impl InlineWatch {
    /// What is to be said of the keys' ages; nothing more often than once an
    /// hour. Cheap while there is nothing to say.
    pub(crate) fn look(&mut self, policy: &Policy, now: UnixTime) -> Vec<Note> {
        // A look that is still to come was by a clock that has been set back.
        let is_recent = |at: UnixTime| at <= now && now.since(at) < REMIND_AFTER;
        if self.looked_at.is_some_and(is_recent) {
            return Vec::new();
        }
        let notes: Vec<_> =
            inline_keys(policy).filter_map(|(issuer, keys)| note(issuer, keys, now)).collect();
        // Keys may become old at any moment: only what was said need not be
        // said again.
        self.looked_at = (!notes.is_empty()).then_some(now);
        notes
    }
}

/// The keys in the configuration that are not used, with the reasons.
pub(crate) fn left_out<S: SignatureScheme>(policy: &Policy, scheme: &S) -> Vec<String> {
    let of_issuer = |(issuer, keys): (&Issuer, &InlineKeys)| -> Vec<String> {
        let name = issuer.name();
        match KeySet::load(scheme, keys.keys()) {
            Ok((_, left_out)) => {
                left_out.iter().map(|it| format!("keys of {name:?}: {it}")).collect()
            }
            Err(error) => vec![format!("keys of {name:?}: {error}")],
        }
    };
    inline_keys(policy).flat_map(of_issuer).collect()
}

fn inline_keys(policy: &Policy) -> impl Iterator<Item = (&Issuer, &InlineKeys)> {
    policy.issuers().iter().filter_map(|issuer| Some((issuer, issuer.inline_keys()?)))
}

fn note(issuer: &Issuer, keys: &InlineKeys, now: UnixTime) -> Option<Note> {
    let end = keys.usable_until()?;
    let name = issuer.name();
    let (is_error, what) = match keys.age(now) {
        KeyAge::Fresh => return None,
        KeyAge::Old => (false, "are getting old: they are used until"),
        KeyAge::Expired => (true, "are too old, and its tokens are refused since"),
    };
    let text = format!("keys of {name:?} in the configuration {what} {end}; put newer ones there");
    Some(Note { is_error, text })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use remint_emulator::{Issuer as Signer, SystemClock};
    use remint_idtoken::{Algorithm, AwsLc};
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    /// As of this moment, for ten hours.
    const START: UnixTime = UnixTime(1_790_000_000);

    fn policy(jwks: &Value) -> Policy {
        let config = json!({"policy": {
            "issuers": [{"preset": "google", "inline_keys":
                {"jwks": jwks, "as_of": START.to_string(), "valid_for": "10h"}}],
            "rules": [{"name": "r", "match": {}, "audiences": ["here"],
                "callers": {"anyone": true}}]}});
        let Ok(config) = Config::parse(config.to_string().as_bytes()) else { panic!("is right") };
        assert!(config.key_sources.is_empty());
        config.policy
    }

    fn jwks() -> Value {
        Signer::new(Algorithm::Rs256, Arc::new(SystemClock)).unwrap().jwks()
    }

    fn hours(hours: f64) -> UnixTime {
        START.plus(Duration::from_secs_f64(hours * 3600.0))
    }

    #[test]
    fn old_keys_are_a_warning_and_expired_ones_an_error_each_once_an_hour() {
        let (policy, mut watch) = (policy(&jwks()), InlineWatch::default());
        let mut said = |at| watch.look(&policy, hours(at));
        assert_eq!(said(4.9), []);
        let old = said(5.0);
        assert!(!old[0].is_error && old[0].text.contains("\"google\""), "{old:?}");
        assert!(old[0].text.contains("2026-09-22T00:13:20Z"), "{old:?}");
        assert_eq!(said(5.9), []);
        assert_eq!(said(6.0), old);
        let expired = said(10.0);
        assert!(expired[0].is_error && expired[0].text.contains("refused since"), "{expired:?}");
        assert_eq!(said(10.5), []);
        assert_eq!(said(5.0), old, "the clock was set back");
    }

    #[test]
    fn keys_that_are_left_out_are_named() {
        let mut jwks = jwks();
        jwks["keys"].as_array_mut().unwrap().push(json!({"kty": "oct", "kid": "secret"}));
        let notes = left_out(&policy(&jwks), &AwsLc);
        assert_eq!(notes.len(), 1);
        assert!(notes[0].contains("\"secret\" is left out"), "{}", notes[0]);
    }
}
