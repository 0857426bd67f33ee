//! Who is asked, and what no scheme may accept.

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use proxy_wasm::types::Status;
use remint_emulator::{Issuer, ManualClock};
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{
    Algorithm, Authority, AwsLc, NoCache, Policy, Reason, UnixTime, UnverifiedToken,
};
use serde_json::{Value, json};

use super::*;
use crate::head::RequestHead;

const NOW: UnixTime = UnixTime(1_790_000_000);

/// An issuer for each algorithm.
const POLICY: &str = r#"{
    "issuers": [
        {"name": "rsa", "issuer": "https://rsa.example",
         "jwks_uri": "https://rsa.example/keys", "algorithms": ["RS256"]},
        {"name": "p256", "issuer": "https://p256.example",
         "jwks_uri": "https://p256.example/keys", "algorithms": ["ES256"]}
    ],
    "rules": [{"name": "r", "match": {}, "issuers": ["rsa", "p256"], "audiences": ["here"],
        "callers": {"anyone": true}}]
}"#;

/// A token of each issuer, and who believes them.
struct World {
    jwks: [Value; 2],
    tokens: [String; 2],
    aws_lc: Authority<AwsLc>,
    module: Authority<ModuleSignatures>,
}

/// Made once: RSA keys take a while.
static WORLD: LazyLock<World> = LazyLock::new(|| {
    let clock = Arc::new(ManualClock::new(NOW));
    let issuers = [("rsa", Algorithm::Rs256), ("p256", Algorithm::Es256)]
        .map(|(name, algorithm)| (name, Issuer::new(algorithm, clock.clone()).unwrap()));
    let token = |(name, issuer): &(&str, Issuer)| {
        issuer.sign_claims(&json!({"iss": format!("https://{name}.example"), "aud": "here",
            "sub": "1", "iat": NOW.0, "exp": NOW.0 + 3600}))
    };
    World {
        jwks: issuers.each_ref().map(|(_, issuer)| issuer.jwks()),
        tokens: issuers.each_ref().map(token),
        aws_lc: authority(AwsLc, &issuers),
        module: authority(ModuleSignatures, &issuers),
    }
});

fn authority<S: SignatureScheme>(scheme: S, issuers: &[(&str, Issuer)]) -> Authority<S> {
    let mut authority = Authority::new(&Policy::from_json(POLICY).unwrap(), scheme);
    for (name, issuer) in issuers {
        let jwks = parse_jwks(issuer.jwks().to_string().as_bytes()).unwrap();
        let (keys, left_out) = KeySet::load(authority.scheme(), &jwks).unwrap();
        assert_eq!(left_out, []);
        authority.set_keys(name, Some(Arc::new(keys)));
    }
    authority
}

impl World {
    /// Whether the token is believed, by both schemes or by none.
    fn believes(&self, token: &[u8]) -> bool {
        let believed = [believes(&self.aws_lc, token), believes(&self.module, token)];
        assert_eq!(believed[0], believed[1], "{}", String::from_utf8_lossy(token));
        believed[0]
    }

    /// The public key that signed the token at that place.
    fn key(&self, place: usize) -> PublicKey {
        let jwks = parse_jwks(self.jwks[place].to_string().as_bytes()).unwrap();
        jwks.keys()[0].1.clone()
    }
}

fn believes<S: SignatureScheme>(authority: &Authority<S>, token: &[u8]) -> bool {
    let token = UnverifiedToken::parse(token);
    token.is_ok_and(|token| authority.authenticate(token, NOW).is_ok())
}

/// What is signed, and the signature.
fn parts(token: &str) -> (&[u8], Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    (signed.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap())
}

/// A host that answers so, and nobody who reads the log.
fn with_host(call: fn(&[u8]) -> Result<Vec<u8>, NoAnswer>) -> Signatures {
    let by = Cell::new(CheckedBy::Host);
    Signatures { by, host: HostSignatures::answering(call), log: |_| () }
}

/// What such a scheme says of a right and of a wrong signature.
fn verdicts(scheme: &Signatures) -> [Result<(), SignatureError>; 2] {
    let (signed, signature) = parts(&WORLD.tokens[0]);
    let key = scheme.load(&WORLD.key(0)).unwrap();
    [signed, b"other"].map(|signed| scheme.verify(&key, signed, &signature))
}

#[test]
fn the_signed_tokens_are_believed_by_each_scheme() {
    assert!(WORLD.tokens.iter().all(|token| WORLD.believes(token.as_bytes())));
}

#[test]
fn a_host_without_the_function_is_asked_once_and_then_the_module_checks() {
    let scheme = with_host(|_| Err(NoAnswer::Missing));
    assert_eq!(verdicts(&scheme), [Ok(()), Err(SignatureError::Invalid)]);
    assert_eq!(scheme.checked_by(), CheckedBy::Module);
}

#[test]
fn a_host_whose_function_fails_has_no_verdict_and_is_asked_again() {
    let scheme = with_host(|_| Err(NoAnswer::Failed(Status::BadArgument)));
    assert!(verdicts(&scheme).iter().all(|it| matches!(it, Err(SignatureError::Unavailable(_)))));
    assert_eq!(scheme.checked_by(), CheckedBy::Host);
}

#[test]
fn a_host_whose_function_fails_refuses_everybody_and_says_why() {
    let issuers =
        WORLD.jwks.each_ref().map(|jwks| parse_jwks(jwks.to_string().as_bytes()).unwrap());
    let policy = Policy::from_json(POLICY).unwrap();
    let scheme = with_host(|_| Err(NoAnswer::Failed(Status::BadArgument)));
    let mut authority = Authority::new(&policy, scheme);
    for (name, jwks) in ["rsa", "p256"].into_iter().zip(&issuers) {
        let (keys, _) = KeySet::load(authority.scheme(), jwks).unwrap();
        authority.set_keys(name, Some(Arc::new(keys)));
    }
    for token in &WORLD.tokens {
        let bearer = format!("Bearer {token}");
        let headers = [
            (":authority", "h.example"),
            (":path", "/"),
            (":method", "GET"),
            ("authorization", &bearer),
        ];
        let owned = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        let head = RequestHead::new(owned.into());
        let refusal = policy.admit(&authority, &NoCache, head.target(), &head, NOW).unwrap_err();
        assert_eq!(refusal.reason, Reason::CheckUnavailable);
        let line = refusal.about(&head.target(), &head).to_json();
        assert_eq!((&line["reason"], &line["status"]), (&"check_unavailable".into(), &503.into()));
        assert_eq!(line["docs"], "docs/reasons.md#check_unavailable");
        assert!(line["received"].as_str().unwrap().contains("BadArgument"), "{line}");
        assert!(!line.to_string().contains(token.rsplit('.').next().unwrap()), "{line}");
    }
}

#[test]
fn the_verdict_of_a_host_is_taken_as_it_is() {
    // VerifySignatureResult: `result` is field 1, and false is left out.
    let yes = with_host(|_| Ok(vec![0x08, 1]));
    assert_eq!(verdicts(&yes), [Ok(()), Ok(())]);
    let no = with_host(|_| Ok(Vec::new()));
    assert_eq!(verdicts(&no), [Err(SignatureError::Invalid), Err(SignatureError::Invalid)]);
    let garbled = with_host(|_| Ok(vec![0xff]));
    assert!(matches!(verdicts(&garbled)[0], Err(SignatureError::Unavailable(_))));
}

proptest! {
    #[test]
    fn a_token_with_any_other_byte_is_refused_by_each_scheme(
        token in 0..2_usize,
        place: prop::sample::Index,
        change in 1..=255_u8,
    ) {
        let mut bytes = WORLD.tokens[token].clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        prop_assert!(!WORLD.believes(&bytes));
    }

    #[test]
    fn a_signature_with_any_other_bit_is_refused_by_each_scheme(
        token in 0..2_usize,
        place: prop::sample::Index,
        bit in 0..8_u32,
    ) {
        let (signed, mut signature) = parts(&WORLD.tokens[token]);
        let place = place.index(signature.len());
        signature[place] ^= 1 << bit;
        for result in natively(&WORLD.key(token), signed, &signature) {
            prop_assert_eq!(result, Err(SignatureError::Invalid));
        }
    }

    #[test]
    fn arbitrary_messages_and_signatures_are_refused_without_a_panic(
        token in 0..2_usize,
        signed in prop::collection::vec(0u8.., 0..200),
        signature in prop_oneof![
            prop::collection::vec(0u8.., 0..600), prop::collection::vec(0u8.., 64),
            prop::collection::vec(0u8.., 256),
        ],
    ) {
        for result in natively(&WORLD.key(token), &signed, &signature) {
            prop_assert_eq!(result, Err(SignatureError::Invalid));
        }
    }

    #[test]
    fn arbitrary_keys_accept_nothing_and_never_panic(
        key in arbitrary_key(),
        token in 0..2_usize,
    ) {
        let Ok(jwks) = parse_jwks(json!({"keys": [key]}).to_string().as_bytes()) else {
            return Ok(());
        };
        let key = &jwks.keys()[0].1;
        let (signed, signature) = parts(&WORLD.tokens[token]);
        for result in natively(key, signed, &signature) {
            prop_assert_eq!(result, Err(SignatureError::Invalid));
        }
    }
}

/// What each scheme that runs here says; a key that it does not take counts
/// as a refusal. The host gets the same bytes, whatever it would say.
fn natively(key: &PublicKey, signed: &[u8], signature: &[u8]) -> [Result<(), SignatureError>; 3] {
    fn one<S: SignatureScheme>(
        scheme: &S,
        key: &PublicKey,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        scheme.verify(&scheme.load(key)?, signed, signature)
    }
    [
        one(&AwsLc, key, signed, signature),
        one(&ModuleSignatures, key, signed, signature),
        one(&with_host(|_| Ok(Vec::new())), key, signed, signature),
    ]
}

/// Keys of the right form: numbers of about the right size.
fn arbitrary_key() -> impl Strategy<Value = Value> {
    let number =
        |length| prop::collection::vec(0u8.., length).prop_map(|it| URL_SAFE_NO_PAD.encode(it));
    prop_oneof![
        (number(255..260), number(3..5)).prop_map(|(n, e)| json!({"kty": "RSA", "n": n, "e": e})),
        (number(256..257), Just("AQAB")).prop_map(|(n, e)| json!({"kty": "RSA", "n": n, "e": e})),
        (number(32..33), number(32..33))
            .prop_map(|(x, y)| json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})),
    ]
}
