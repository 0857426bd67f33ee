//! An issuer: signs ID tokens as Google does, or assertions as IAP does, and
//! publishes its keys.

mod account;
mod assertion;
mod iap;
mod key;
mod ring;
mod rotation;
pub mod testing;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_idtoken::{Algorithm, UnixTime};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
pub use account::AccountKey;
pub(crate) use assertion::Assertion;
pub use iap::{ASSERTION_LIFETIME, AssertionRequest, IAP, IapResource, iap_subject_of};
use key::Key;
pub use key::KeyError;
use ring::Ring;
pub use rotation::Rotation;
use testing::Stranger;

/// How Google spells itself in the tokens that it mints for accounts.
pub const GOOGLE: &str = "https://accounts.google.com";

/// `exp - iat` of every token that Google mints for a service account; an
/// issuer can be told another.
pub const LIFETIME: Duration = Duration::from_secs(3600);

/// A token for a service account, as its senders ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    /// The service account's address.
    pub account: String,
    /// The token's `aud`.
    pub audience: String,
    /// Whether the token tells the address.
    pub with_email: bool,
}

impl TokenRequest {
    /// A token that tells the account's address.
    #[must_use]
    pub fn new(account: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { account: account.into(), audience: audience.into(), with_email: true }
    }

    /// The same without the address.
    #[must_use]
    pub fn without_email(self) -> Self {
        Self { with_email: false, ..self }
    }
}

/// Signs with its newest key and publishes that one and the older ones.
///
/// Whoever needs a key that is still being made waits for it. If none could be
/// made, nothing is published and signatures are empty, so that nobody believes
/// them; [`Issuer::ready`] tells.
pub struct Issuer {
    clock: Arc<dyn Clock>,
    lifetime: Duration,
    ring: Ring,
    rotation: Option<Rotation>,
    began: UnixTime,
    stranger: Stranger,
}

impl Issuer {
    /// An issuer with one fresh key: RSA of 2048 bits for RS256, P-256 for
    /// ES256.
    ///
    /// # Errors
    /// [`KeyError`] if no key can be made.
    pub fn new(algorithm: Algorithm, clock: Arc<dyn Clock>) -> Result<Self, KeyError> {
        let key = Key::generate(algorithm)?;
        Ok(Self::with(Ring::of(algorithm, key), clock))
    }

    /// An issuer whose key is made by a thread of its own, so that this returns
    /// at once.
    #[must_use]
    pub fn in_background(algorithm: Algorithm, clock: Arc<dyn Clock>) -> Self {
        Self::with(Ring::in_background(algorithm), clock)
    }

    /// An issuer whose key is never made.
    #[cfg(test)]
    pub(crate) fn without_key(clock: Arc<dyn Clock>) -> Self {
        Self::with(Ring::without_key(Algorithm::Rs256), clock)
    }

    fn with(ring: Ring, clock: Arc<dyn Clock>) -> Self {
        let began = clock.now();
        let stranger = Stranger::default();
        Self { clock, lifetime: LIFETIME, ring, rotation: None, began, stranger }
    }

    /// Waits until there is a key, without blocking the thread.
    ///
    /// # Errors
    /// [`KeyError`] if none could be made.
    pub async fn ready(&self) -> Result<(), KeyError> {
        self.ring.ready().await
    }

    /// Whether there is a key, or will never be one.
    pub(crate) fn is_ready(&self) -> bool {
        self.ring.is_made()
    }

    /// The same with a schedule by which keys change, if there is one. It takes
    /// [`Issuer::keep_to_schedule`], called every now and then.
    #[must_use]
    pub fn with_rotation(self, rotation: Option<Rotation>) -> Self {
        Self { rotation, ..self }
    }

    /// Makes, publishes and retires the keys that the schedule has at this
    /// moment. Takes as long as keys do.
    ///
    /// # Errors
    /// [`KeyError`] if a key can't be made; then nothing changes.
    pub fn keep_to_schedule(&self) -> Result<(), KeyError> {
        match &self.rotation {
            Some(rotation) => self.ring.follow(&rotation.plan(self.now().since(self.began))),
            None => Ok(()),
        }
    }

    /// The same with tokens for service accounts that live that long.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }

    /// How long tokens for service accounts live.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// The time, as this issuer sees it.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Has a new key sign from now on. The old one stays published until
    /// [`Issuer::retire_old`].
    ///
    /// # Errors
    /// [`KeyError`] if no key can be made; then nothing changes.
    pub fn rotate(&self) -> Result<(), KeyError> {
        self.ring.replace()
    }

    /// Stops publishing every key that has signed but the current one.
    pub fn retire_old(&self) {
        self.ring.retire_old();
    }

    /// Changes whenever the published keys do.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.ring.generation()
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.ring.current().map(|key| key.id.clone()).unwrap_or_default()
    }

    /// The public key that verifies now, as DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> Vec<u8> {
        self.ring.current().map(|key| key.spki.clone()).unwrap_or_default()
    }

    /// The public key that verifies now, as PEM.
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        self.ring.current().map(|key| key.public_pem()).unwrap_or_default()
    }

    /// The public key of that id as DER, if it is published.
    pub(crate) fn published_key(&self, id: &str) -> Option<Vec<u8>> {
        let keys = self.ring.published();
        keys.iter().find(|key| key.id == id).map(|key| key.spki.clone())
    }

    /// The published keys as a JWK set, like Google's `/oauth2/v3/certs` and
    /// IAP's `/iap/verify/public_key-jwk`.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.published_jwks() })
    }

    pub(crate) fn published_jwks(&self) -> Vec<Value> {
        self.published(|key| key.jwk.clone())
    }

    /// The published keys by id: RSA keys in self-signed X.509 certificates,
    /// like Google's `/oauth2/v1/certs`, EC keys as bare public keys, like IAP's
    /// `/iap/verify/public_key`.
    #[must_use]
    pub fn pem_map(&self) -> Value {
        let pem = |key: &Key| key.certificate.clone().unwrap_or_else(|| key.public_pem());
        let entries = self.published(|key| (key.id.clone(), Value::from(pem(key))));
        Value::Object(entries.into_iter().collect())
    }

    /// The header of the tokens that it mints.
    #[must_use]
    pub fn header(&self) -> Value {
        self.header_with(&self.key_id())
    }

    fn header_with(&self, key_id: &str) -> Value {
        json!({ "alg": self.ring.algorithm().name(), "kid": key_id, "typ": "JWT" })
    }

    /// The claims of a token for a service account, in Google's form.
    #[must_use]
    pub fn claims(&self, request: &TokenRequest) -> Map<String, Value> {
        let now = self.now();
        let subject = subject_of(&request.account);
        let mut claims = Map::from_iter([
            ("iss".to_owned(), GOOGLE.into()),
            ("aud".to_owned(), request.audience.clone().into()),
            ("azp".to_owned(), subject.clone().into()),
            ("sub".to_owned(), subject.into()),
            ("iat".to_owned(), now.0.into()),
            ("exp".to_owned(), now.plus(self.lifetime).0.into()),
        ]);
        if request.with_email {
            claims.insert("email".to_owned(), request.account.clone().into());
            claims.insert("email_verified".to_owned(), true.into());
        }
        claims
    }

    /// A well-formed token for a service account.
    #[must_use]
    pub fn mint(&self, request: &TokenRequest) -> String {
        self.sign_claims(&self.claims(request).into())
    }

    /// A token with these claims and this issuer's usual header.
    #[must_use]
    pub fn sign_claims(&self, claims: &Value) -> String {
        let key = self.ring.current();
        let id = key.as_ref().map(|key| key.id.as_str()).unwrap_or_default();
        signed(key.as_deref(), &input(&self.header_with(id), claims))
    }

    /// A token with exactly this header and these claims, signed by the
    /// current key whatever the header says.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_input(&input(header, claims))
    }

    /// A token of exactly these bytes, whether or not they are JSON.
    #[must_use]
    pub fn sign_bytes(&self, header: &[u8], payload: &[u8]) -> String {
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        self.sign_input(&format!("{}.{}", encode(header), encode(payload)))
    }

    /// A token of exactly this text before the last dot, whether or not it is
    /// base64.
    #[must_use]
    pub fn sign_input(&self, input: &str) -> String {
        signed(self.ring.current().as_deref(), input)
    }

    /// The bare signature of these bytes, and the id of its key.
    pub(crate) fn signature(&self, bytes: &[u8]) -> (String, Vec<u8>) {
        let key = self.ring.current();
        key.map(|key| (key.id.clone(), key.sign(bytes))).unwrap_or_default()
    }

    fn published<T>(&self, form: impl Fn(&Key) -> T) -> Vec<T> {
        self.ring.published().iter().map(|key| form(key)).collect()
    }
}

/// The numeric id of an account: 21 digits, always the same for an address.
#[must_use]
pub fn subject_of(account: &str) -> String {
    let digest = Sha256::digest(account.to_ascii_lowercase());
    let number = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("1{number:020}")
}

/// What a signature is made of (RFC 7515, section 7.1).
fn input(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

fn signed(key: Option<&Key>, input: &str) -> String {
    let signature = key.map(|key| key.sign(input.as_bytes())).unwrap_or_default();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[cfg(test)]
mod tests;
