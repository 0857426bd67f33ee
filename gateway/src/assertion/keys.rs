//! The keys that assertions are signed with.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Value, json};

/// A file of keys is not longer than that.
pub(crate) const MAX_KEY_FILE: usize = 64 * 1024;
/// So many keys are published at most: three are in use while keys change.
const MAX_KEYS: usize = 16;

/// Private keys, shared by all instances: the first one signs, all are
/// published.
pub(crate) struct AssertionKeys {
    signer: Key,
    others: Vec<Key>,
}

/// A private key with its public half.
pub(super) struct Key {
    pair: EcdsaKeyPair,
    id: String,
    x: String,
    y: String,
}

/// Why a file holds no keys. Says nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyFileError {
    #[error("it is neither PEM nor a JWK set")]
    Form,
    #[error("it holds no private key")]
    NoKey,
    #[error("it holds more than {MAX_KEYS} keys")]
    TooMany,
    #[error("its private key number {0} is no key on P-256")]
    Key(usize),
    #[error("its private key number {0} is in it twice")]
    Twice(usize),
    #[error("no key can be made")]
    Generate,
}

/// A private JWK (RFC 7518, section 6.2). Other members do not matter here.
#[derive(Deserialize)]
struct PrivateJwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    d: String,
}

impl AssertionKeys {
    /// Reads private keys in PEM (PKCS #8 or SEC 1), or a JWK set with private
    /// keys.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, KeyFileError> {
        let is_json = text.trim_ascii_start().first() == Some(&b'{');
        let keys = if is_json { read_jwks(text)? } else { read_pem(text)? };
        Self::of(keys)
    }

    /// A key that nobody else has.
    pub(crate) fn generate() -> Result<Self, KeyFileError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = pair.ok().and_then(Key::of).ok_or(KeyFileError::Generate)?;
        Self::of(vec![key])
    }

    fn of(keys: Vec<Key>) -> Result<Self, KeyFileError> {
        if keys.len() > MAX_KEYS {
            return Err(KeyFileError::TooMany);
        }
        let mut ids = std::collections::HashSet::new();
        if let Some(place) = keys.iter().position(|key| !ids.insert(&key.id)) {
            return Err(KeyFileError::Twice(place.saturating_add(1)));
        }
        let mut keys = keys.into_iter();
        let signer = keys.next().ok_or(KeyFileError::NoKey)?;
        Ok(Self { signer, others: keys.collect() })
    }

    pub(super) fn signer(&self) -> &Key {
        &self.signer
    }

    /// The public halves, as a JWK set.
    pub(super) fn jwks(&self) -> Value {
        let all = std::iter::once(&self.signer).chain(&self.others);
        json!({ "keys": all.map(Key::jwk).collect::<Vec<_>>() })
    }
}

impl fmt::Debug for AssertionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = std::iter::once(&self.signer).chain(&self.others).map(|key| &key.id);
        f.debug_list().entries(ids).finish()
    }
}

impl Key {
    fn of(pair: EcdsaKeyPair) -> Option<Self> {
        // An uncompressed point: 0x04, then both coordinates (SEC 1, 2.3.3).
        let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
        let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
        // The thumbprint of RFC 7638: these members, in this order.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()));
        Some(Self { pair, id, x, y })
    }

    /// Which key it is: its thumbprint.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn jwk(&self) -> Value {
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
            "kid": self.id, "x": self.x, "y": self.y,
        })
    }

    /// The signature as JWS has it (RFC 7518, section 3.4).
    pub(super) fn sign(&self, message: &[u8]) -> Result<String, Unspecified> {
        let signature = self.pair.sign(&SystemRandom::new(), message)?;
        Ok(URL_SAFE_NO_PAD.encode(signature))
    }
}

fn read_pem(text: &[u8]) -> Result<Vec<Key>, KeyFileError> {
    let keys = PrivateKeyDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let keys = keys.map_err(|_| KeyFileError::Form)?;
    let read = |(place, der): (usize, &PrivateKeyDer<'_>)| {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_der(algorithm, der.secret_der());
        let key = pair.ok().and_then(Key::of);
        key.ok_or(KeyFileError::Key(place.saturating_add(1)))
    };
    keys.iter().enumerate().map(read).collect()
}

fn read_jwks(text: &[u8]) -> Result<Vec<Key>, KeyFileError> {
    #[derive(Deserialize)]
    struct Jwks {
        keys: Vec<Value>,
    }
    let jwks: Jwks = serde_json::from_slice(text).map_err(|_| KeyFileError::Form)?;
    let read = |(place, jwk): (usize, Value)| {
        let key = serde_json::from_value::<PrivateJwk>(jwk).ok().and_then(|jwk| jwk.key());
        key.ok_or(KeyFileError::Key(place.saturating_add(1)))
    };
    jwks.keys.into_iter().enumerate().map(read).collect()
}

impl PrivateJwk {
    fn key(&self) -> Option<Key> {
        if self.kty != "EC" || self.crv != "P-256" {
            return None;
        }
        let number =
            |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|number| number.len() == 32);
        let point = [vec![4], number(&self.x)?, number(&self.y)?].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &number(&self.d)?,
            &point,
        );
        pair.ok().and_then(Key::of)
    }
}

/// A new private key for assertions, as PKCS #8 in PEM.
///
/// # Errors
/// If there is no randomness or no memory.
pub fn new_key() -> Result<String, Unspecified> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in STANDARD.encode(pair.to_pkcs8v1()?).as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    Ok(pem + "-----END PRIVATE KEY-----\n")
}
