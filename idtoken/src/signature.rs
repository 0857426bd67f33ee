//! Who does the arithmetic of a signature, and with which keys.

/// The signature algorithms that Google's issuers use (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: Google ID tokens.
    Rs256,
    /// ECDSA on P-256 with SHA-256: IAP assertions.
    Es256,
}

impl Algorithm {
    /// The algorithm of that `alg`, which is compared exactly.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }

    /// The value of `alg` in a header or a key.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// A public key and the one algorithm it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    spki: Vec<u8>,
}

impl PublicKey {
    /// Only the reader of key sets makes keys: it has checked their strength.
    pub(crate) fn new(algorithm: Algorithm, spki: Vec<u8>) -> Self {
        Self { algorithm, spki }
    }

    /// The algorithm that this key is for; what a token says does not matter.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key as DER `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }
}

/// Checks signatures: in this process, or by asking a proxy's host function.
pub trait SignatureScheme {
    /// A key made ready, so that no request pays for parsing it.
    type Key;

    /// Makes a key ready.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] if the key can't be used.
    fn load(&self, key: &PublicKey) -> Result<Self::Key, SignatureError>;

    /// Checks `signature` over `signed`. The signature has the form that JWS
    /// gives it (RFC 7518, sections 3.3 and 3.4): for ES256 `r || s`.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] if it is not this key's signature,
    /// [`SignatureError::Unavailable`] if that can't be told.
    fn verify(
        &self,
        key: &Self::Key,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError>;
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The key did not make this signature.
    #[error("the signature is not the key's")]
    Invalid,
    /// The check could not be made; the request must be refused all the same.
    #[error("the signature could not be checked: {0}")]
    Unavailable(String),
}
