//! Tokens for tests: any claims under any header, and the mistakes that a
//! careful verifier must find.
//!
//! ```json
//! { "claims": { "aud": "https://a.example", "email": "a@b" }, "flaw": "expired" }
//! ```
//!
//! What such a request does not say is filled in as the issuer has it in its
//! good tokens, so that nothing is wrong but what was asked for.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_idtoken::Algorithm;
use remint_idtoken::config::{Kind, Reader};
use serde_json::{Map, Value};

use super::key::Key;
use super::{ASSERTION_LIFETIME, GOOGLE, IAP, Issuer, iap_subject_of, input, signed, subject_of};

/// How far the times of a flawed token are off: more than any known verifier
/// forgives (Google's Node client: 300 s).
const FAR: Duration = Duration::from_secs(3600);

/// What stands in place of a signature that Cloud Run has removed.
const SIGNATURE_REMOVED: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

/// Whose form a token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An ID token of Google.
    IdToken,
    /// An assertion of IAP.
    Assertion,
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// It ended an hour ago.
    Expired,
    /// It begins in an hour.
    NotYetValid,
    /// It never ends: there is no `exp`.
    NoExpiry,
    /// `exp` and `iat` are texts.
    TextTimes,
    /// `iss` is somebody else.
    WrongIssuer,
    /// `aud` is something else.
    WrongAudience,
    /// `aud` is a number.
    NumberAudience,
    /// There is no `email`.
    NoEmail,
    /// `email_verified` is false.
    UnverifiedEmail,
    /// A key has signed it that is published nowhere, and `kid` says so.
    UnknownKey,
    /// A key has signed it that is published nowhere, and `kid` names the
    /// published one.
    ForeignSignature,
    /// `kid` names no key, though the signature is good.
    UnknownKeyId,
    /// There is no `kid`.
    NoKeyId,
    /// One bit of the signature is wrong.
    BadSignature,
    /// It is as the container behind Cloud Run sees it.
    SignatureRemoved,
    /// `alg` is `none`, and there is no signature.
    AlgNone,
    /// `alg` is `HS256`, keyed with the PEM of the public key: what a verifier
    /// believes that lets the token choose the algorithm.
    Hs256PublicKey,
}

impl Flaw {
    /// All of them, by the names that requests have.
    pub const ALL: [(&'static str, Self); 17] = [
        ("expired", Self::Expired),
        ("not_yet_valid", Self::NotYetValid),
        ("no_expiry", Self::NoExpiry),
        ("text_times", Self::TextTimes),
        ("wrong_issuer", Self::WrongIssuer),
        ("wrong_audience", Self::WrongAudience),
        ("number_audience", Self::NumberAudience),
        ("no_email", Self::NoEmail),
        ("unverified_email", Self::UnverifiedEmail),
        ("unknown_key", Self::UnknownKey),
        ("foreign_signature", Self::ForeignSignature),
        ("unknown_key_id", Self::UnknownKeyId),
        ("no_key_id", Self::NoKeyId),
        ("bad_signature", Self::BadSignature),
        ("signature_removed", Self::SignatureRemoved),
        ("alg_none", Self::AlgNone),
        ("hs256_public_key", Self::Hs256PublicKey),
    ];
}

/// A token that is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestToken {
    /// The claims. Those that a good token has and that are missing here are
    /// filled in.
    pub claims: Map<String, Value>,
    /// Members of the header that replace the usual ones; null takes one away.
    pub header: Map<String, Value>,
    /// What is wrong with it, whatever the claims say.
    pub flaw: Option<Flaw>,
}

impl TestToken {
    /// Reads a request: a mapping of `claims`, `header` and `flaw`; or plain
    /// claims. A mapping is taken for the former if it has a mapping `claims`
    /// or `header`, or a text `flaw`.
    #[must_use]
    pub fn read(from: &Reader<'_>) -> Option<Self> {
        if !is_form(from) {
            return Some(Self { claims: mapping(from)?, ..Self::default() });
        }
        let mut form = from.object()?;
        let claims = form.maybe("claims", mapping);
        let header = form.maybe("header", mapping);
        let flaw = form.maybe("flaw", |flaw| flaw.choice(&Flaw::ALL));
        form.finish();
        let (claims, header) = (claims?.unwrap_or_default(), header?.unwrap_or_default());
        Some(Self { claims, header, flaw: flaw? })
    }
}

fn is_form(from: &Reader<'_>) -> bool {
    let Kind::Map(members) = &from.node().kind else {
        return false;
    };
    members.iter().any(|it| {
        let (name, kind) = (it.name.as_str(), &it.value.kind);
        matches!((name, kind), ("claims" | "header", Kind::Map(_)) | ("flaw", Kind::Text(_)))
    })
}

fn mapping(from: &Reader<'_>) -> Option<Map<String, Value>> {
    from.object()?;
    from.node().to_json().as_object().cloned()
}

/// A key that nobody publishes, made when it is first wanted.
#[derive(Default)]
pub(super) struct Stranger(OnceLock<Option<Key>>);

impl Stranger {
    fn key(&self, algorithm: Algorithm) -> Option<&Key> {
        self.0.get_or_init(|| Key::generate(algorithm).ok()).as_ref()
    }
}

/// For testing only: whoever can have such tokens can be anybody.
impl Issuer {
    /// The token that a request asks for. Making the key of a stranger takes as
    /// long as any key, once.
    #[must_use]
    pub fn mint_for_testing(&self, form: Form, token: &TestToken) -> String {
        let mut claims = self.completed(form, token.claims.clone());
        if let Some(flaw) = token.flaw {
            self.spoil_claims(flaw, &mut claims);
        }
        let stranger = match token.flaw {
            Some(Flaw::UnknownKey | Flaw::ForeignSignature) => {
                self.stranger.key(self.ring.algorithm())
            }
            _ => None,
        };
        let mut header = self.usual_header(token.flaw, stranger);
        for (name, value) in &token.header {
            match value {
                Value::Null => drop(header.remove(name)),
                value => drop(header.insert(name.clone(), value.clone())),
            }
        }
        let input = input(&header.into(), &claims.into());
        match (token.flaw, stranger) {
            (_, Some(key)) => signed(Some(key), &input),
            (Some(Flaw::AlgNone), _) => format!("{input}."),
            (Some(Flaw::SignatureRemoved), _) => format!("{input}.{SIGNATURE_REMOVED}"),
            (Some(Flaw::Hs256PublicKey), _) => self.hs256(&input),
            (Some(Flaw::BadSignature), _) => {
                let (_, mut signature) = self.signature(input.as_bytes());
                if let Some(byte) = signature.get_mut(7) {
                    *byte ^= 1;
                }
                format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
            }
            _ => self.sign_input(&input),
        }
    }

    /// The claims with those that a good token has and these lack: `iss`, `iat`
    /// and `exp`, and beside an `email` those that say whose it is.
    fn completed(&self, form: Form, mut claims: Map<String, Value>) -> Map<String, Value> {
        let (name, lifetime) = match form {
            Form::IdToken => (GOOGLE, super::LIFETIME),
            Form::Assertion => (IAP, ASSERTION_LIFETIME),
        };
        let now = self.now();
        let mut usual: Vec<(&str, Value)> =
            vec![("iss", name.into()), ("iat", now.0.into()), ("exp", now.plus(lifetime).0.into())];
        if let Some(email) = claims.get("email").and_then(Value::as_str) {
            match form {
                Form::IdToken => {
                    let subject = Value::from(subject_of(email));
                    usual.push(("email_verified", true.into()));
                    usual.extend([("sub", subject.clone()), ("azp", subject)]);
                }
                Form::Assertion => usual.push(("sub", iap_subject_of(email).into())),
            }
        }
        for (name, value) in usual {
            claims.entry(name).or_insert(value);
        }
        claims
    }

    fn spoil_claims(&self, flaw: Flaw, claims: &mut Map<String, Value>) {
        let now = self.now();
        let lifetime = super::LIFETIME;
        let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        match flaw {
            Flaw::Expired => {
                set("iat", now.minus(FAR).minus(lifetime).0.into());
                set("exp", now.minus(FAR).0.into());
            }
            Flaw::NotYetValid => {
                set("iat", now.plus(FAR).0.into());
                set("nbf", now.plus(FAR).0.into());
                set("exp", now.plus(FAR).plus(lifetime).0.into());
            }
            Flaw::TextTimes => {
                set("iat", now.0.to_string().into());
                set("exp", now.plus(lifetime).0.to_string().into());
            }
            Flaw::WrongIssuer => set("iss", "https://issuer.example".into()),
            Flaw::WrongAudience => set("aud", "https://audience.example".into()),
            Flaw::NumberAudience => set("aud", 7.into()),
            Flaw::UnverifiedEmail => set("email_verified", false.into()),
            Flaw::NoExpiry => drop(claims.remove("exp")),
            Flaw::NoEmail => {
                claims.remove("email");
                claims.remove("email_verified");
            }
            _ => {}
        }
    }

    fn usual_header(&self, flaw: Option<Flaw>, stranger: Option<&Key>) -> Map<String, Value> {
        let mut header = self.header().as_object().cloned().unwrap_or_default();
        let mut set = |name: &str, value: &str| drop(header.insert(name.to_owned(), value.into()));
        match (flaw, stranger) {
            (Some(Flaw::UnknownKey), Some(key)) => set("kid", &key.id),
            (Some(Flaw::UnknownKeyId), _) => set("kid", "no-such-key"),
            (Some(Flaw::AlgNone), _) => set("alg", "none"),
            (Some(Flaw::Hs256PublicKey), _) => set("alg", "HS256"),
            (Some(Flaw::NoKeyId), _) => drop(header.remove("kid")),
            _ => {}
        }
        header
    }

    fn hs256(&self, input: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.public_key_pem().as_bytes());
        let tag = hmac::sign(&key, input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use remint_idtoken::UnixTime;
    use remint_idtoken::config::{Node, Problems};
    use serde_json::json;

    use super::*;
    use crate::clock::ManualClock;
    use crate::redact::claims_of;

    const NOW: u64 = 1_790_000_000;

    fn issuer() -> Issuer {
        Issuer::new(Algorithm::Es256, Arc::new(ManualClock::new(UnixTime(NOW)))).unwrap()
    }

    fn read(json: &Value) -> Result<TestToken, Vec<String>> {
        let node: Node = serde_json::from_value(json.clone()).unwrap();
        let problems = Problems::default();
        let token = TestToken::read(&Reader::root(&node, &problems));
        problems.finish(token).map_err(|found| found.iter().map(ToString::to_string).collect())
    }

    fn parts(token: &str) -> (Value, Value, String) {
        let mut parts = token.split('.');
        let mut json = || {
            let part = URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
            serde_json::from_slice::<Value>(&part).unwrap()
        };
        let (header, claims) = (json(), json());
        (header, claims, parts.next().unwrap().to_owned())
    }

    fn minted(json: &Value) -> (Value, Value, String) {
        parts(&issuer().mint_for_testing(Form::IdToken, &read(json).unwrap()))
    }

    #[test]
    fn plain_claims_are_told_from_a_request_with_a_flaw() {
        let plain = json!({ "aud": "a", "flaw": 7 });
        assert_eq!(read(&plain).unwrap().claims.len(), 2);
        let form = read(&json!({ "claims": { "aud": "a" }, "flaw": "expired" })).unwrap();
        assert_eq!((form.claims["aud"].as_str(), form.flaw), (Some("a"), Some(Flaw::Expired)));
        assert_eq!(read(&json!({})).unwrap(), TestToken::default());
    }

    #[test]
    fn every_mistake_in_a_request_is_told() {
        let problems = read(&json!({ "claims": {}, "header": 7, "flaw": "late", "x": 1 }));
        let problems = problems.unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("header: expected a mapping"), "{problems:?}");
        assert!(problems[1].contains("is not one of: expired, "), "{problems:?}");
        assert!(read(&json!([])).is_err());
    }

    #[test]
    fn a_header_s_members_are_replaced_added_and_taken_away() {
        let header = json!({ "kid": null, "alg": 7, "crit": ["x"] });
        let (header, ..) = minted(&json!({ "claims": {}, "header": header }));
        assert_eq!(header, json!({ "alg": 7, "crit": ["x"], "typ": "JWT" }));
    }

    #[test]
    fn a_flaw_is_in_the_claims_whatever_they_say() {
        let claims = json!({ "aud": "a", "email": "a@b", "exp": NOW + 60 });
        let flawed = |flaw| minted(&json!({ "claims": claims, "flaw": flaw })).1;
        assert!(flawed("expired")["exp"].as_u64().unwrap() < NOW - 300);
        assert!(flawed("not_yet_valid")["iat"].as_u64().unwrap() > NOW + 300);
        assert_eq!(flawed("no_expiry").get("exp"), None);
        assert!(flawed("text_times")["exp"].is_string());
        assert_eq!(flawed("wrong_issuer")["iss"], "https://issuer.example");
        assert_eq!(flawed("wrong_audience")["aud"], "https://audience.example");
        assert_eq!(flawed("number_audience")["aud"], 7);
        assert_eq!(flawed("unverified_email")["email_verified"], false);
        assert_eq!(flawed("no_email").get("email"), None);
    }

    #[test]
    fn a_flaw_is_in_the_header_or_the_signature() {
        let issuer = issuer();
        let mint = |flaw| {
            let token = TestToken { flaw, ..TestToken::default() };
            issuer.mint_for_testing(Form::Assertion, &token)
        };
        let header = |flaw| parts(&mint(Some(flaw))).0;
        assert_eq!(header(Flaw::AlgNone)["alg"], "none");
        assert_eq!(parts(&mint(Some(Flaw::AlgNone))).2, "");
        assert_eq!(header(Flaw::Hs256PublicKey)["alg"], "HS256");
        assert_eq!(header(Flaw::NoKeyId).get("kid"), None);
        for flaw in [Flaw::UnknownKey, Flaw::UnknownKeyId] {
            assert_ne!(header(flaw)["kid"], issuer.key_id());
        }
        assert_eq!(header(Flaw::ForeignSignature)["kid"], issuer.key_id());
        assert!(mint(Some(Flaw::SignatureRemoved)).ends_with(".SIGNATURE_REMOVED_BY_GOOGLE"));
        assert_eq!(claims_of(&mint(None)).unwrap()["iss"], IAP);
    }

    #[test]
    fn every_flaw_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> = Flaw::ALL.iter().map(|(name, _)| name).collect();
        let flaws: std::collections::HashSet<_> = Flaw::ALL.iter().map(|(_, flaw)| flaw).collect();
        assert_eq!((names.len(), flaws.len()), (Flaw::ALL.len(), Flaw::ALL.len()));
    }
}
