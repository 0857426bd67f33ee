//! Signatures checked by the host function `verify_signature`.

use prost::Message;
use remint_idtoken::keys::ecdsa_signature_to_der;
use remint_idtoken::{Algorithm, PublicKey, SignatureError, SignatureScheme};

use crate::host;

/// Envoy's own crypto, at native speed.
pub(crate) struct HostSignatures;

impl SignatureScheme for HostSignatures {
    type Key = PublicKey;

    fn load(&self, key: &PublicKey) -> Result<PublicKey, SignatureError> {
        Ok(key.clone())
    }

    fn verify(
        &self,
        key: &PublicKey,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let signature = match key.algorithm() {
            Algorithm::Rs256 => signature.to_vec(),
            // The host wants ASN.1; what has another length is no signature.
            Algorithm::Es256 => ecdsa_signature_to_der(signature).ok_or(SignatureError::Invalid)?,
        };
        let arguments = Arguments {
            hash_function: "sha256".to_owned(),
            public_key: key.spki().to_vec(),
            signature,
            text: signed.to_vec(),
        };
        let answer = host::verify_signature(&arguments.encode_to_vec())
            .map_err(SignatureError::Unavailable)?;
        match Outcome::decode(answer.as_slice()) {
            Ok(Outcome { result: true }) => Ok(()),
            // A wrong signature is an answer, not an error of the call.
            Ok(Outcome { result: false }) => Err(SignatureError::Invalid),
            Err(error) => Err(SignatureError::Unavailable(error.to_string())),
        }
    }
}

/// `envoy.source.extensions.common.wasm.VerifySignatureArguments`.
#[derive(Clone, PartialEq, prost::Message)]
struct Arguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    /// DER `SubjectPublicKeyInfo`.
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

/// `envoy.source.extensions.common.wasm.VerifySignatureResult`, without its
/// error text, which may repeat parts of the arguments.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Outcome {
    #[prost(bool, tag = "1")]
    result: bool,
}
