//! Wycheproof's vectors, as the filter would meet them: keys as JWKs,
//! signatures as JWS has them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wycheproof::{TestResult, ecdsa, rsa_pkcs1_verify};

/// The vectors that share a key.
pub(crate) struct Group {
    /// The set that it is from.
    pub(crate) set: &'static str,
    /// A JWK.
    pub(crate) key: Value,
    /// What was signed by it, or was not.
    pub(crate) cases: Vec<Case>,
}

/// A message and a signature.
pub(crate) struct Case {
    /// Its number in the set.
    pub(crate) id: usize,
    /// What is special about it.
    pub(crate) comment: String,
    /// What is said to be signed.
    pub(crate) message: Vec<u8>,
    /// The signature.
    pub(crate) signature: Vec<u8>,
    /// What Wycheproof says of it.
    pub(crate) expected: TestResult,
}

/// The sets for RS256 and ES256.
pub(crate) fn all() -> Vec<Group> {
    let mut groups = p256();
    groups.extend(rsa("rsa_2048", rsa_pkcs1_verify::TestName::Rsa2048Sha256));
    groups.extend(rsa("rsa_3072", rsa_pkcs1_verify::TestName::Rsa3072Sha256));
    groups.extend(rsa("rsa_4096", rsa_pkcs1_verify::TestName::Rsa4096Sha256));
    groups.extend(rsa("rsa_8192", rsa_pkcs1_verify::TestName::Rsa8192Sha256));
    groups
}

/// Base64url, as JWKs and orders have it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn case(
    id: usize,
    comment: String,
    message: &[u8],
    signature: &[u8],
    expected: TestResult,
) -> Case {
    Case { id, comment, message: message.to_vec(), signature: signature.to_vec(), expected }
}

fn rsa(set: &'static str, name: rsa_pkcs1_verify::TestName) -> Vec<Group> {
    let groups = rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups;
    let group = |group: rsa_pkcs1_verify::TestGroup| Group {
        set,
        key: json!({"kty": "RSA", "n": base64(&group.key.n), "e": base64(&group.key.e)}),
        cases: group
            .tests
            .into_iter()
            .map(|test| case(test.tc_id, test.comment, &test.msg, &test.sig, test.result))
            .collect(),
    };
    groups.into_iter().map(group).collect()
}

fn p256() -> Vec<Group> {
    let name = ecdsa::TestName::EcdsaSecp256r1Sha256P1363;
    let groups = ecdsa::TestSet::load(name).unwrap().test_groups;
    let group = |group: ecdsa::TestGroup| {
        // 0x04 and both coordinates.
        let (x, y) = group.key.key[1..].split_at(32);
        Group {
            set: "p256",
            key: json!({"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)}),
            cases: group
                .tests
                .into_iter()
                .map(|test| case(test.tc_id, test.comment, &test.msg, &test.sig, test.result))
                .collect(),
        }
    };
    groups.into_iter().map(group).collect()
}
