//! Signature checks by aws-lc, in this process.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};

use crate::signature::{Algorithm, PublicKey, SignatureError, SignatureScheme};

/// aws-lc, with keys parsed once: rustls's provider too.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl SignatureScheme for AwsLc {
    type Key = ParsedPublicKey;

    fn load(&self, key: &PublicKey) -> Result<ParsedPublicKey, SignatureError> {
        let parsed = match key.algorithm() {
            Algorithm::Rs256 => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.spki()),
            Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.spki()),
        };
        parsed.map_err(|_| SignatureError::Invalid)
    }

    fn verify(
        &self,
        key: &ParsedPublicKey,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        key.verify_sig(signed, signature).map_err(|_| SignatureError::Invalid)
    }
}
