//! Reading JWK sets (RFC 7517), keeping only keys that are fit for ID tokens.

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::der::{p256_spki, rsa_spki};
use crate::json::{Object, parse_object};
use crate::signature::{Algorithm, PublicKey};

/// The largest document that is read. Google's has about 1,700 bytes.
pub const MAX_JWKS_BYTES: usize = 256 * 1024;

/// The keys that were read, and those that were left out with the reason.
#[derive(Clone, Debug)]
pub struct ParsedJwks {
    keys: Vec<(Option<String>, PublicKey)>,
    left_out: Vec<LeftOut>,
}

impl ParsedJwks {
    /// The keys with their ids, if they have any. There is at least one.
    #[must_use]
    pub fn keys(&self) -> &[(Option<String>, PublicKey)] {
        &self.keys
    }

    /// The keys that are not fit for use, for the log.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }
}

/// A key of the document that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its id, or its place in the document.
    pub key: String,
    /// Why it is not used.
    pub why: &'static str,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {:?} is left out: {}", self.key, self.why)
    }
}

/// Why a document holds no keys.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Larger than [`MAX_JWKS_BYTES`].
    #[error("{0} bytes long, which is more than the {MAX_JWKS_BYTES} that are read")]
    TooLong(usize),
    /// Not a JSON object with distinct names.
    #[error("not a JSON object")]
    Json(#[source] serde_json::Error),
    /// No list under `keys`.
    #[error("no list of keys under \"keys\"")]
    NoList,
    /// A list, but no key in it that may be used.
    #[error("no usable key among {0}")]
    NoneUsable(usize),
}

/// Reads a JWK set.
///
/// Keys that are too weak, for another use or of another type are left out,
/// and so is every key whose id occurs twice: which one a token means could
/// not be told.
///
/// # Errors
/// [`JwksError`] if not a single key can be used.
pub fn parse_jwks(document: &[u8]) -> Result<ParsedJwks, JwksError> {
    if document.len() > MAX_JWKS_BYTES {
        return Err(JwksError::TooLong(document.len()));
    }
    let document = parse_object(document).map_err(JwksError::Json)?;
    let Some(Value::Array(entries)) = document.get("keys") else {
        return Err(JwksError::NoList);
    };
    let twice = ids_that_occur_twice(entries);
    let mut parsed = ParsedJwks { keys: Vec::new(), left_out: Vec::new() };
    for (place, entry) in entries.iter().enumerate() {
        let id = entry.get("kid").and_then(Value::as_str);
        let result = match id {
            Some(id) if twice.contains(id) => Err("its id occurs twice"),
            _ => public_key(entry),
        };
        match result {
            Ok(key) => parsed.keys.push((id.map(str::to_owned), key)),
            Err(why) => {
                let key = id.map_or_else(|| format!("#{place}"), str::to_owned);
                parsed.left_out.push(LeftOut { key, why });
            }
        }
    }
    if parsed.keys.is_empty() {
        return Err(JwksError::NoneUsable(entries.len()));
    }
    Ok(parsed)
}

fn ids_that_occur_twice(entries: &[Value]) -> HashSet<&str> {
    let mut seen = HashSet::new();
    entries
        .iter()
        .filter_map(|entry| entry.get("kid").and_then(Value::as_str))
        .filter(|id| !seen.insert(*id))
        .collect()
}

fn public_key(entry: &Value) -> Result<PublicKey, &'static str> {
    let entry = entry.as_object().ok_or("it is not an object")?;
    if entry.get("use").is_some_and(|usage| usage != "sig") {
        return Err("it is not for signatures (\"use\")");
    }
    if let Some(operations) = entry.get("key_ops") {
        let verifies = |list: &Vec<Value>| list.iter().any(|operation| operation == "verify");
        if !operations.as_array().is_some_and(verifies) {
            return Err("it is not for verifying (\"key_ops\")");
        }
    }
    let (algorithm, key) = match entry.get("kty").and_then(Value::as_str) {
        Some("RSA") => (Algorithm::Rs256, rsa_key(entry)?),
        Some("EC") => (Algorithm::Es256, p256_key(entry)?),
        _ => return Err("its type (\"kty\") is neither RSA nor EC"),
    };
    match entry.get("alg") {
        Some(alg) if alg != algorithm.name() => Err("its algorithm (\"alg\") is another"),
        _ => Ok(PublicKey::new(algorithm, key)),
    }
}

fn rsa_key(entry: &Object) -> Result<Vec<u8>, &'static str> {
    let modulus = number(entry, "n").ok_or("its modulus can't be read")?;
    let exponent = number(entry, "e").ok_or("its exponent can't be read")?;
    match bits(&modulus) {
        ..2048 => return Err("it is an RSA key of less than 2048 bits"),
        8193.. => return Err("it is an RSA key of more than 8192 bits"),
        _ => {}
    }
    // NIST SP 800-56B asks for an odd exponent of at least 65537; BoringSSL
    // and aws-lc take none of more than 33 bits.
    let exponent = match *exponent.as_slice() {
        ref digits if bits(digits) > 33 => return Err("its exponent has more than 33 bits"),
        ref digits => digits.iter().fold(0_u64, |sum, digit| (sum << 8) | u64::from(*digit)),
    };
    if exponent < 65_537 || exponent.is_multiple_of(2) {
        return Err("its exponent is not an odd number of at least 65537");
    }
    Ok(rsa_spki(&modulus, &exponent.to_be_bytes()))
}

fn p256_key(entry: &Object) -> Result<Vec<u8>, &'static str> {
    if entry.get("crv").is_none_or(|curve| curve != "P-256") {
        return Err("its curve (\"crv\") is not P-256");
    }
    let coordinate = |name| decode(entry, name).and_then(|bytes| bytes.try_into().ok());
    match (coordinate("x"), coordinate("y")) {
        (Some(x), Some(y)) => Ok(p256_spki(&x, &y)),
        _ => Err("its coordinates are not 32 bytes each"),
    }
}

/// A big-endian number without leading zeros.
fn number(entry: &Object, name: &str) -> Option<Vec<u8>> {
    let bytes = decode(entry, name)?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |top| top.leading_zeros() as usize);
    number.len().saturating_mul(8).saturating_sub(unused)
}

fn decode(entry: &Object, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(entry.get(name)?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(id: &str, bits: usize, exponent: &[u8], more: &str) -> String {
        let mut modulus = vec![0xff; bits / 8];
        if !bits.is_multiple_of(8) {
            modulus.insert(0, (1 << (bits % 8)) - 1);
        }
        let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
        format!(r#"{{"kty":"RSA","kid":"{id}","n":"{n}","e":"{e}"{more}}}"#)
    }

    fn good(id: &str) -> String {
        rsa(id, 2048, &[1, 0, 1], "")
    }

    fn parse(keys: &[String]) -> Result<ParsedJwks, JwksError> {
        parse_jwks(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
    }

    #[test]
    fn unfit_keys_are_left_out_with_the_reason_and_the_rest_are_used() {
        let curve = r#"{"kty":"EC","crv":"P-384","kid":"curve","x":"AA","y":"AA"}"#;
        let parsed = parse(&[
            good("good"),
            rsa("short", 2047, &[1, 0, 1], ""),
            rsa("small-exponent", 2048, &[3], ""),
            rsa("even-exponent", 2048, &[1, 0, 2], ""),
            rsa("huge-exponent", 2048, &[1; 9], ""),
            rsa("encryption", 2048, &[1, 0, 1], r#","use":"enc""#),
            rsa("signing", 2048, &[1, 0, 1], r#","key_ops":["sign"]"#),
            rsa("other-alg", 2048, &[1, 0, 1], r#","alg":"RS512""#),
            curve.to_owned(),
            r#"{"kty":"oct","kid":"secret","k":"AAAA"}"#.to_owned(),
            "7".to_owned(),
        ])
        .unwrap();
        let kept: Vec<_> = parsed.keys().iter().map(|(id, _)| id.as_deref()).collect();
        assert_eq!(kept, [Some("good")]);
        assert_eq!(parsed.left_out().len(), 10);
    }

    #[test]
    fn keys_that_share_an_id_are_all_left_out() {
        let parsed = parse(&[good("a"), good("b"), good("a")]).unwrap();
        assert_eq!(parsed.keys().len(), 1);
        assert!(parsed.left_out().iter().all(|left| left.key == "a"));
    }

    #[test]
    fn a_document_without_a_usable_key_is_an_error() {
        assert!(matches!(parse(&[]), Err(JwksError::NoneUsable(0))));
        assert!(matches!(parse_jwks(b"{}"), Err(JwksError::NoList)));
        assert!(matches!(parse_jwks(b"<html>"), Err(JwksError::Json(_))));
        let long = vec![b' '; MAX_JWKS_BYTES + 1];
        assert!(matches!(parse_jwks(&long), Err(JwksError::TooLong(_))));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_documents_never_panic(text in "\\PC*") {
            let _ = parse_jwks(text.as_bytes());
        }
    }
}
