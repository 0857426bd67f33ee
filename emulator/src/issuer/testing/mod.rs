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
mod tests;
