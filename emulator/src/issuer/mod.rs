//! An issuer: signs ID tokens as Google does, or assertions as IAP does, and
//! publishes its keys.

mod account;
mod assertion;
mod iap;
mod key;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_idtoken::{Algorithm, UnixTime};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::sync::lock;
pub use account::AccountKey;
pub(crate) use assertion::Assertion;
pub use iap::{ASSERTION_LIFETIME, AssertionRequest, IAP, IapResource, iap_subject_of};
use key::Key;
pub use key::KeyError;

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
pub struct Issuer {
    clock: Arc<dyn Clock>,
    algorithm: Algorithm,
    lifetime: Duration,
    keys: Mutex<Keys>,
}

struct Keys {
    current: Arc<Key>,
    old: Vec<Arc<Key>>,
    generation: u64,
}

impl Issuer {
    /// An issuer with one fresh key: RSA of 2048 bits for RS256, P-256 for
    /// ES256.
    ///
    /// # Errors
    /// [`KeyError`] if no key can be made.
    pub fn new(algorithm: Algorithm, clock: Arc<dyn Clock>) -> Result<Self, KeyError> {
        let current = Arc::new(Key::generate(algorithm)?);
        let keys = Keys { current, old: Vec::new(), generation: 0 };
        Ok(Self { clock, algorithm, lifetime: LIFETIME, keys: Mutex::new(keys) })
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
        let fresh = Arc::new(Key::generate(self.algorithm)?);
        let mut keys = lock(&self.keys);
        let old = std::mem::replace(&mut keys.current, fresh);
        keys.old.push(old);
        keys.generation = keys.generation.wrapping_add(1);
        Ok(())
    }

    /// Stops publishing every key but the current one.
    pub fn retire_old(&self) {
        let mut keys = lock(&self.keys);
        keys.old.clear();
        keys.generation = keys.generation.wrapping_add(1);
    }

    /// Changes whenever the published keys do.
    #[must_use]
    pub fn generation(&self) -> u64 {
        lock(&self.keys).generation
    }

    /// The id of the key that signs.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.current().id.clone()
    }

    /// The public key that verifies now, as DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_der(&self) -> Vec<u8> {
        self.current().spki.clone()
    }

    /// The public key that verifies now, as PEM.
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        self.current().public_pem()
    }

    /// The published keys as a JWK set, like Google's `/oauth2/v3/certs` and
    /// IAP's `/iap/verify/public_key-jwk`.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys = self.published(|key| key.jwk.clone());
        json!({ "keys": keys })
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
        header_of(&self.current())
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
        let key = self.current();
        compact(&key, &header_of(&key), claims)
    }

    /// A token with exactly this header and these claims, signed by the
    /// current key whatever the header says.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        compact(&self.current(), header, claims)
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
        signed(&self.current(), input)
    }

    fn current(&self) -> Arc<Key> {
        Arc::clone(&lock(&self.keys).current)
    }

    fn published<T>(&self, form: impl Fn(&Key) -> T) -> Vec<T> {
        let keys = lock(&self.keys);
        let all = std::iter::once(&keys.current).chain(&keys.old);
        all.map(|key| form(key)).collect()
    }
}

/// The numeric id of an account: 21 digits, always the same for an address.
#[must_use]
pub fn subject_of(account: &str) -> String {
    let digest = Sha256::digest(account.to_ascii_lowercase());
    let number = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    format!("1{number:020}")
}

fn header_of(key: &Key) -> Value {
    json!({ "alg": key.algorithm().name(), "kid": key.id, "typ": "JWT" })
}

/// The compact form (RFC 7515, section 7.1).
fn compact(key: &Key, header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    signed(key, &format!("{}.{}", encode(header), encode(claims)))
}

fn signed(key: &Key, input: &str) -> String {
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

#[cfg(test)]
mod tests;
