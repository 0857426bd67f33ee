//! One signing key, with its public half in every form that Google publishes.

use std::fmt::Write as _;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use remint_idtoken::Algorithm;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Why a key could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyError {
    /// The key itself.
    #[error("a signing key could not be generated")]
    Generate,
    /// The certificate that Google's v1 key document wraps it in.
    #[error("the signing key's certificate could not be made")]
    Certificate(#[source] rcgen::Error),
}

/// A private key, its id and its published forms.
pub(super) struct Key {
    pub(super) id: String,
    pub(super) jwk: Value,
    pub(super) spki: Vec<u8>,
    pub(super) certificate: Option<String>,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

impl Key {
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Generate;
        let (pair, spki) = match algorithm {
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
                let spki = spki.as_ref().to_vec();
                (Pair::Rsa(pair), spki)
            }
            Algorithm::Es256 => {
                let pair =
                    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
                let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
                let spki = spki.as_ref().to_vec();
                (Pair::P256(pair), spki)
            }
        };
        let id = key_id(algorithm, &spki);
        let jwk = pair.jwk(&id).ok_or(KeyError::Generate)?;
        let certificate = match &pair {
            Pair::Rsa(pair) => {
                Some(certificate(pair, "federated-signon.system.gserviceaccount.com", &id)?)
            }
            Pair::P256(_) => None,
        };
        Ok(Self { id, jwk, spki, certificate, pair })
    }

    /// The public key as PEM `SubjectPublicKeyInfo`.
    pub(super) fn public_pem(&self) -> String {
        let mut pem = "-----BEGIN PUBLIC KEY-----\n".to_owned();
        for line in STANDARD.encode(&self.spki).as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem + "-----END PUBLIC KEY-----\n"
    }

    /// The signature in the form that JWS gives it (RFC 7518, section 3).
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = match &self.pair {
            Pair::Rsa(pair) => rsa_signature(pair, message),
            Pair::P256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .ok(),
        };
        // Without memory or randomness there is no signature; nobody accepts
        // a token with an empty one.
        signature.unwrap_or_default()
    }
}

fn rsa_signature(pair: &RsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
    Some(signature)
}

fn rsa_jwk(pair: &RsaKeyPair, id: &str) -> Value {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = pair.public_key();
    json!({
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": id,
        "n": encode(public.modulus().big_endian_without_leading_zero()),
        "e": encode(public.exponent().big_endian_without_leading_zero()),
    })
}

impl Pair {
    fn jwk(&self, id: &str) -> Option<Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(pair) => Some(rsa_jwk(pair, id)),
            Self::P256(pair) => {
                // An uncompressed point: 0x04, then both coordinates (SEC 1).
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                Some(json!({
                    "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id,
                    "x": encode(x), "y": encode(y),
                }))
            }
        }
    }
}

/// A self-signed certificate around a key. Google publishes RSA keys in that
/// form; the EC keys of IAP come as bare public keys.
fn certificate(pair: &RsaKeyPair, owner: &str, id: &str) -> Result<String, KeyError> {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, format!("{owner} {id}"));
    let certificate = params.self_signed(&CertificateKey(pair));
    Ok(certificate.map_err(KeyError::Certificate)?.pem())
}

/// The same key, as rcgen asks for one.
struct CertificateKey<'k>(&'k RsaKeyPair);

impl rcgen::PublicKeyData for CertificateKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for CertificateKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        rsa_signature(self.0, message).ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// The public half of a service account's key, as Google publishes it.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) id: String,
    pub(super) spki: Vec<u8>,
    pub(super) jwk: Value,
    pub(super) certificate: String,
}

impl Published {
    pub(super) fn of(pair: &RsaKeyPair, owner: &str) -> Result<Self, KeyError> {
        let der: PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(|_| KeyError::Generate)?;
        let spki = der.as_ref().to_vec();
        let id = key_id(Algorithm::Rs256, &spki);
        let certificate = certificate(pair, owner, &id)?;
        Ok(Self { jwk: rsa_jwk(pair, &id), id, spki, certificate })
    }
}

/// Google's ids of RSA keys are 40 hexadecimal digits, IAP's of its EC keys are
/// six characters of base64url, such as `0oeLcQ`.
fn key_id(algorithm: Algorithm, spki: &[u8]) -> String {
    let digest = Sha256::digest(spki);
    match algorithm {
        Algorithm::Rs256 => digest.iter().take(20).fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        }),
        Algorithm::Es256 => URL_SAFE_NO_PAD.encode(digest).chars().take(6).collect(),
    }
}
