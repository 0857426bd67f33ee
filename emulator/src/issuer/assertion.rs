//! Tokens that others have signed, which the emulator is shown.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A token whose signature was not looked at yet.
pub(crate) struct Assertion<'t> {
    signed: &'t str,
    signature: Vec<u8>,
    header: Value,
    claims: Value,
}

impl<'t> Assertion<'t> {
    /// Reads the compact form (RFC 7515, section 7.1).
    pub(crate) fn parse(text: &'t str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
        Some(Self {
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            header: json(header)?,
            claims: json(claims)?,
        })
    }

    pub(crate) fn header(&self) -> &Value {
        &self.header
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        self.header.get("kid")?.as_str()
    }

    /// A claim that nobody has vouched for, to find the key by.
    pub(crate) fn claimed(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// The claims, if that key has signed them with RS256.
    pub(crate) fn verified_by(&self, spki: &[u8]) -> Option<Value> {
        let is_rs256 = self.header.get("alg").is_some_and(|alg| alg == "RS256");
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki);
        let is_good = key.verify(self.signed.as_bytes(), &self.signature).is_ok();
        (is_rs256 && is_good).then(|| self.claims.clone())
    }
}
