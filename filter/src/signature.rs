//! Signatures checked by the host function `verify_signature`.

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
        let answer = match key.algorithm() {
            Algorithm::Rs256 => host::verify_signature(&arguments(key, signature, signed)),
            Algorithm::Es256 => {
                // The host wants ASN.1; what has another length is no signature.
                let der = ecdsa_signature_to_der(signature).ok_or(SignatureError::Invalid)?;
                host::verify_signature(&arguments(key, &der, signed))
            }
        };
        match answer {
            Ok(result) if says_true(&result) => Ok(()),
            Ok(_) => Err(SignatureError::Invalid),
            Err(why) => Err(SignatureError::Unavailable(why)),
        }
    }
}

/// `envoy.source.extensions.common.wasm.VerifySignatureArguments`, as protobuf.
fn arguments(key: &PublicKey, signature: &[u8], text: &[u8]) -> Vec<u8> {
    let fields: [(u8, &[u8]); 4] = [(1, b"sha256"), (2, key.spki()), (3, signature), (4, text)];
    let size = fields.iter().fold(0_usize, |sum, (_, bytes)| {
        sum.saturating_add(bytes.len()).saturating_add(12)
    });
    let mut out = Vec::with_capacity(size);
    for (number, bytes) in fields {
        // A length-delimited field: wire type 2.
        out.push((number << 3) | 2);
        push_varint(&mut out, bytes.len());
        out.extend_from_slice(bytes);
    }
    out
}

fn push_varint(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0x7f);
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Whether a `VerifySignatureResult` begins with `result: true`. The host
/// writes fields in order, and writes nothing for false.
fn says_true(result: &[u8]) -> bool {
    result.starts_with(&[0x08, 0x01])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_varints() {
        let bytes = |value| {
            let mut out = Vec::new();
            push_varint(&mut out, value);
            out
        };
        assert_eq!(bytes(0), [0]);
        assert_eq!(bytes(127), [0x7f]);
        assert_eq!(bytes(300), [0xac, 0x02]);
    }

    #[test]
    fn only_an_explicit_true_counts() {
        assert!(says_true(&[0x08, 0x01]));
        for bad in [
            &[][..],
            &[0x08],
            &[0x08, 0x00],
            &[0x12, 0x01, b'x'],
            &[0x08, 0x02],
        ] {
            assert!(!says_true(bad), "{bad:?}");
        }
    }
}
