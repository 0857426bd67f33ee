//! The little DER that key sets and host functions need (ITU-T X.690).

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// `rsaEncryption` with its NULL parameters (RFC 8017, appendix A.1).
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// `id-ecPublicKey` on `prime256v1` (RFC 5480, section 2.1.1).
const P256: &[u8] = &[
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
    0xce, 0x3d, 0x03, 0x01, 0x07,
];

/// `SubjectPublicKeyInfo` of an RSA key; both numbers big-endian.
pub(super) fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = element(SEQUENCE, &[&integer(modulus)[..], &integer(exponent)].concat());
    spki(RSA, &key)
}

/// `SubjectPublicKeyInfo` of a P-256 key; both coordinates 32 bytes.
pub(super) fn p256_spki(x: &[u8; 32], y: &[u8; 32]) -> Vec<u8> {
    spki(P256, &[&[0x04][..], x, y].concat())
}

/// An ES256 signature as `ECDSA-Sig-Value` (RFC 3279, section 2.2.3), which
/// `BoringSSL` wants, from the `r || s` of JWS (RFC 7518, section 3.4).
///
/// Returns nothing if it is not 64 bytes long.
#[must_use]
pub fn ecdsa_signature_to_der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(32)?;
    (s.len() == 32).then(|| element(SEQUENCE, &[integer(r), integer(s)].concat()))
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    // The first byte of a bit string counts its unused bits.
    let bits = element(BIT_STRING, &[&[0][..], key].concat());
    element(SEQUENCE, &[algorithm, &bits].concat())
}

/// A non-negative integer: no leading zeros, but one where the top bit is set.
fn integer(big_endian: &[u8]) -> Vec<u8> {
    let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
    let digits = big_endian.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if digits.first().is_none_or(|top| *top >= 0x80) { &[0] } else { &[] };
    element(INTEGER, &[sign, digits].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let length = length.get(zeros..).unwrap_or_default();
    let mut out = vec![tag];
    match length {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            // At most eight bytes of length: a usize has no more.
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(8));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(integer(&[0, 0, 1]), [2, 1, 1]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
    }

    #[test]
    fn long_lengths_take_the_long_form() {
        assert_eq!(element(4, &[7; 127])[..2], [4, 127]);
        assert_eq!(element(4, &[7; 128])[..3], [4, 0x81, 128]);
        assert_eq!(element(4, &[7; 256])[..4], [4, 0x82, 1, 0]);
    }

    #[test]
    fn a_signature_of_another_length_has_no_der_form() {
        assert!(ecdsa_signature_to_der(&[1; 63]).is_none());
        assert!(ecdsa_signature_to_der(&[1; 65]).is_none());
        assert_eq!(ecdsa_signature_to_der(&[0xff; 64]).map(|der| der.len()), Some(72));
    }
}
