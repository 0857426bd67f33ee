//! Tokens in odd forms: base64, headers, bytes, and what stands around them.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use http::HeaderValue;
use remint_tests::attack::bearer;
use serde_json::{Value, json};

use super::Maker;

impl Maker<'_> {
    pub(super) fn odd_base64(&mut self) {
        let token = self.good_token();
        let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        for place in 0..3 {
            for (name, change) in [
                ("padded", "="),
                ("with a space behind", "%20"),
                ("with a plus", "+"),
                ("with a slash", "/"),
                ("with a star", "*"),
                ("with one character more", "A"),
            ] {
                let mut parts = parts.clone();
                parts[place].push_str(change);
                self.add(format!("part {place} {name}"), false, &parts.join("."));
            }
        }
        // 256 bytes of signature leave four bits of the last character unused.
        let loose = format!("{}.{}.{}", parts[0], parts[1], with_loose_bits(&parts[2]));
        self.add("loose bits behind the signature", false, &loose);
        let claims = self.claims().to_string();
        let padded = URL_SAFE.encode(format!("{claims}{}", " ".repeat(3 - claims.len() % 3 + 1)));
        let header = URL_SAFE_NO_PAD.encode(self.issuer.header().to_string());
        let token = self.issuer.sign_input(&format!("{header}.{padded}"));
        self.add("a padded payload, signed so", false, &token);
    }

    pub(super) fn odd_headers(&mut self) {
        let good = self.issuer.header();
        let with = |name: &str, value: Value| {
            let mut header = good.clone();
            header[name] = value;
            header
        };
        let without = |name: &str| {
            let mut header = good.clone();
            header.as_object_mut().unwrap().remove(name);
            header
        };
        for (name, is_valid, header) in [
            ("crit unknown", false, with("crit", json!(["x"]))),
            ("crit empty", false, with("crit", json!([]))),
            ("crit exp", false, with("crit", json!(["exp"]))),
            ("crit null", false, with("crit", json!(null))),
            ("b64 false", true, with("b64", json!(false))),
            ("typ missing", true, without("typ")),
            ("typ at+jwt", true, with("typ", json!("at+jwt"))),
            ("typ a number", true, with("typ", json!(7))),
            ("kid missing", true, without("kid")),
            ("kid empty", false, with("kid", json!(""))),
            ("kid unknown", false, with("kid", json!("nobody"))),
            ("kid a number", false, with("kid", json!(7))),
            ("kid a path", false, with("kid", json!("../../etc/passwd"))),
            ("alg missing", false, without("alg")),
            ("alg none", false, with("alg", json!("none"))),
            ("alg None", false, with("alg", json!("None"))),
            ("alg HS256", false, with("alg", json!("HS256"))),
            ("alg RS384", false, with("alg", json!("RS384"))),
            ("alg RS512", false, with("alg", json!("RS512"))),
            ("alg PS256", false, with("alg", json!("PS256"))),
            ("alg ES256", false, with("alg", json!("ES256"))),
            ("alg EdDSA", false, with("alg", json!("EdDSA"))),
            ("alg rs256", false, with("alg", json!("rs256"))),
            ("alg a number", false, with("alg", json!(256))),
            ("alg a list", false, with("alg", json!(["RS256"]))),
            ("jwk of one's own", true, with("jwk", json!({"kty": "RSA", "n": "AA", "e": "AQAB"}))),
            ("jku of one's own", true, with("jku", json!("https://evil.example/keys"))),
            ("zip", true, with("zip", json!("DEF"))),
        ] {
            let token = self.issuer.sign(&header, &self.claims());
            self.add(name, is_valid, &token);
        }
    }

    pub(super) fn odd_bytes(&mut self) {
        let claims = self.claims().to_string();
        let header = self.issuer.header().to_string();
        let spoil = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.splice(1..1, b"\"x\":\"\xff\xfe\",".iter().copied());
            bytes
        };
        let surrogate = format!("{{\"x\":\"\\ud800\",{}", &claims[1..]);
        let control = format!("{{\"x\":\"\u{1}\",{}", &claims[1..]);
        let bom = format!("\u{feff}{claims}");
        let tokens = [
            ("a payload that is not UTF-8", self.payload(&spoil(&claims))),
            ("a header that is not UTF-8", self.header(&spoil(&header))),
            ("half a surrogate pair", self.payload(surrogate.as_bytes())),
            ("a control character in a claim", self.payload(control.as_bytes())),
            ("a byte order mark", self.payload(bom.as_bytes())),
            ("a payload that is a list", self.payload(b"[]")),
            ("a payload that is null", self.payload(b"null")),
            ("an empty payload", self.payload(b"")),
            ("two payloads", self.payload(format!("{claims}{claims}").as_bytes())),
            ("a payload with a comment", self.payload(format!("{claims}// x").as_bytes())),
            (
                "a trailing comma",
                self.payload(format!("{},}}", &claims[..claims.len() - 1]).as_bytes()),
            ),
            ("a header that is a list", self.header(b"[]")),
            ("an empty header", self.header(b"")),
            ("two headers", self.header(format!("{header}{header}").as_bytes())),
        ];
        for (name, token) in tokens {
            self.add(name, false, &token);
        }
    }

    pub(super) fn odd_authorization(&mut self) {
        let (good, other) =
            (self.good_token(), self.issuer.sign_claims(&self.with("jti", json!("2"))));
        // Another signature, whatever the first one is.
        let (rest, end) = good.split_at(good.len() - 20);
        let forged = format!("{rest}{}", end.chars().rev().collect::<String>());
        assert_ne!(forged, good);
        let value = |text: String| HeaderValue::from_str(&text).unwrap();
        let lists = [
            ("no Authorization", false, vec![]),
            ("an empty Authorization", false, vec![value(String::new())]),
            ("a scheme in lower case", true, vec![value(format!("bearer {good}"))]),
            ("a scheme in capitals", true, vec![value(format!("BEARER {good}"))]),
            ("two spaces", true, vec![value(format!("Bearer  {good}"))]),
            ("a tab", false, vec![value(format!("Bearer\t{good}"))]),
            ("a space behind", true, vec![value(format!("Bearer {good} "))]),
            ("no scheme", false, vec![value(good.clone())]),
            ("only the scheme", false, vec![value("Bearer".into())]),
            ("another scheme", false, vec![value(format!("Basic {good}"))]),
            ("the scheme twice", false, vec![value(format!("Bearer Bearer {good}"))]),
            ("a word behind", false, vec![value(format!("Bearer {good} x"))]),
            ("a comma behind", false, vec![value(format!("Bearer {good},"))]),
            (
                "two tokens in one header",
                false,
                vec![value(format!("Bearer {good}, Bearer {other}"))],
            ),
            ("two tokens in two headers", false, vec![bearer(&good), bearer(&other)]),
            ("a good token and a forged one", false, vec![bearer(&good), bearer(&forged)]),
            ("a forged token and a good one", false, vec![bearer(&forged), bearer(&good)]),
            ("a token in quotes", false, vec![value(format!("Bearer \"{good}\""))]),
            (
                "a byte that is not UTF-8",
                false,
                vec![HeaderValue::from_bytes(format!("Bearer {good}\u{ff}").as_bytes()).unwrap()],
            ),
        ];
        for (name, is_valid, values) in lists {
            self.add_raw(name, is_valid, values);
        }
    }
}

/// The same bytes, if loose bits are ignored, in other characters.
fn with_loose_bits(part: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = part.bytes().last().unwrap();
    let place = ALPHABET.iter().position(|byte| *byte == last).unwrap();
    format!("{}{}", &part[..part.len() - 1], char::from(ALPHABET[place ^ 1]))
}
