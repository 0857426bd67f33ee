//! Signatures checked by the host function `verify_signature`.

use std::borrow::Cow;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
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
            Algorithm::Rs256 => Some(Cow::Borrowed(signature)),
            // The host wants ASN.1; what has another length is no signature.
            Algorithm::Es256 => ecdsa_signature_to_der(signature).map(Cow::Owned),
        };
        let Some(signature) = signature else {
            return Ok(Err(SignatureError::Invalid));
        };
        let answer = (self.call)(&arguments(key.spki(), &signature, signed))?;
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

/// `envoy.source.extensions.common.wasm.VerifySignatureArguments`, written at
/// once: a message of its own would have to own all of its parts.
fn arguments(public_key: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
    let fields = [&b"sha256"[..], public_key, signature, text];
    let size = fields.iter().fold(0_usize, |sum, field| sum.saturating_add(field.len()));
    // Key and length of a field take a few bytes each.
    let mut out = Vec::with_capacity(size.saturating_add(32));
    for (tag, field) in (1..).zip(fields) {
        encode_key(tag, WireType::LengthDelimited, &mut out);
        encode_varint(field.len() as u64, &mut out);
        out.extend_from_slice(field);
    }
    out
}

/// `envoy.source.extensions.common.wasm.VerifySignatureResult`, without its
/// error text, which may repeat parts of the arguments.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Outcome {
    #[prost(bool, tag = "1")]
    result: bool,
}
