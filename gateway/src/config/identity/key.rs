//! The private key of a service account.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;

/// A service account's RSA key, which signs its assertions.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<RsaKeyPair>,
    id: Arc<str>,
    /// Tells keys apart without looking at them.
    digest: Arc<[u8]>,
}

impl SigningKey {
    /// Reads a private key in PEM (PKCS #8), as Google hands it out.
    ///
    /// # Errors
    /// Why it is none, without any part of it.
    pub(super) fn read(pem: &str, id: &str) -> Result<Self, String> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "is no private key in PEM (PKCS #8)".to_owned())?;
        let der = key.secret_pkcs8_der();
        let pair = RsaKeyPair::from_pkcs8(der)
            .map_err(|_| "is no RSA key of 2048 bits or more".to_owned())?;
        let digest = Arc::from(digest(&SHA256, der).as_ref());
        Ok(Self { pair: Arc::new(pair), id: Arc::from(id), digest })
    }

    /// The key's id, by which Google finds its public half.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The signature of RS256 (RFC 7518, section 3.3). None if the machine has
    /// no memory or no randomness left.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.id == other.id
    }
}

impl Eq for SigningKey {}

impl Hash for SigningKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}
