//! Signatures checked by the host function `verify_signature`.

use prost::Message;
use remint_idtoken::keys::ecdsa_signature_to_der;
use remint_idtoken::{Algorithm, PublicKey, SignatureError, SignatureScheme};

use crate::host::{self, NoAnswer};

/// Envoy's own crypto, at native speed.
#[derive(Clone, Copy, Debug)]
pub struct HostSignatures {
    /// The host's function; tests have one of their own.
    call: fn(&[u8]) -> Result<Vec<u8>, NoAnswer>,
}

impl Default for HostSignatures {
    fn default() -> Self {
        Self { call: host::verify_signature }
    }
}

impl HostSignatures {
    /// A host whose function is this one.
    #[cfg(test)]
    pub(super) fn answering(call: fn(&[u8]) -> Result<Vec<u8>, NoAnswer>) -> Self {
        Self { call }
    }

    /// The host's verdict; an error says that it has none.
    pub(super) fn ask(
        self,
        key: &PublicKey,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<Result<(), SignatureError>, NoAnswer> {
        let signature = match key.algorithm() {
            Algorithm::Rs256 => Some(signature.to_vec()),
            // The host wants ASN.1; what has another length is no signature.
            Algorithm::Es256 => ecdsa_signature_to_der(signature),
        };
        let Some(signature) = signature else {
            return Ok(Err(SignatureError::Invalid));
        };
        let arguments = Arguments {
            hash_function: "sha256".to_owned(),
            public_key: key.spki().to_vec(),
            signature,
            text: signed.to_vec(),
        };
        let answer = (self.call)(&arguments.encode_to_vec())?;
        Ok(match Outcome::decode(answer.as_slice()) {
            Ok(Outcome { result: true }) => Ok(()),
            // A wrong signature is an answer, not an error of the call.
            Ok(Outcome { result: false }) => Err(SignatureError::Invalid),
            Err(error) => Err(SignatureError::Unavailable(error.to_string())),
        })
    }
}

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
        self.ask(key, signed, signature).unwrap_or_else(|why| Err(why.into()))
    }
}

impl From<NoAnswer> for SignatureError {
    fn from(why: NoAnswer) -> Self {
        Self::Unavailable(match why {
            NoAnswer::Missing => "the host has no function verify_signature".to_owned(),
            NoAnswer::Failed(status) => {
                format!("the host function verify_signature answered {status:?}")
            }
        })
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
