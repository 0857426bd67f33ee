//! Signatures checked by this module, in pure Rust.

use p256::ecdsa::signature::Verifier;
use p256::pkcs8::DecodePublicKey;
use remint_idtoken::{Algorithm, PublicKey, SignatureError, SignatureScheme};
use rsa::pkcs1v15;
use sha2::Sha256;

/// Checks without any help, with keys parsed once.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModuleSignatures;

/// A key made ready for [`ModuleSignatures`].
#[derive(Clone, Debug)]
pub struct ModuleKey(Parsed);

#[derive(Clone, Debug)]
enum Parsed {
    Rs256(pkcs1v15::VerifyingKey<Sha256>),
    Es256(p256::ecdsa::VerifyingKey),
}

impl SignatureScheme for ModuleSignatures {
    type Key = ModuleKey;

    fn load(&self, key: &PublicKey) -> Result<ModuleKey, SignatureError> {
        let invalid = |_| SignatureError::Invalid;
        let parsed = match key.algorithm() {
            Algorithm::Rs256 => {
                let key = rsa::PublicKey::from_public_key_der(key.spki()).map_err(invalid)?;
                Parsed::Rs256(pkcs1v15::VerifyingKey::new(key))
            }
            // A point that is not on the curve is no key.
            Algorithm::Es256 => Parsed::Es256(
                p256::ecdsa::VerifyingKey::from_public_key_der(key.spki()).map_err(invalid)?,
            ),
        };
        Ok(ModuleKey(parsed))
    }

    fn verify(
        &self,
        ModuleKey(key): &ModuleKey,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let checked = match key {
            Parsed::Rs256(key) => pkcs1v15::Signature::try_from(signature)
                .and_then(|signature| key.verify(signed, &signature)),
            Parsed::Es256(key) => p256::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.verify(signed, &signature)),
        };
        checked.map_err(|_| SignatureError::Invalid)
    }
}
