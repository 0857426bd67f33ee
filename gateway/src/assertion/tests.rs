use super::*;
use crate::test_callers::{CALLER, Callers};
use http::HeaderMap;
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::policy::Issuer;
use remint_idtoken::{Admission, Authority, AwsLc, UnverifiedToken};
use serde_json::Value;

const AUDIENCE: &str = "https://orders-1.us-central1.run.app";

struct World {
    callers: Callers,
    asserter: Asserter,
}

impl World {
    fn new() -> Self {
        let keys = Arc::new(AssertionKeys::generate().unwrap());
        let settings = Assertion { issuer: "https://gateway.example".into(), keys };
        Self { callers: Callers::new(), asserter: Asserter::new(&settings) }
    }

    fn admitted(&self, account: &str) -> Admission {
        let token = self.callers.token_of(account);
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        self.callers.admit("usual", &headers)
    }

    fn assertion(&self, account: &str, region: &str, now: UnixTime) -> String {
        let admission = self.admitted(account);
        let caller = admission.caller().unwrap();
        let made = self.asserter.assertion(caller, region, AUDIENCE, now).unwrap();
        made.to_str().unwrap().to_owned()
    }
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn an_assertion_says_who_called_whom_by_which_rule_and_is_signed() {
    let world = World::new();
    let now = world.callers.now();
    let token = world.assertion(CALLER, "us-central1", now);
    let said = claims(&token);
    let expected = json!({
        "iss": "https://gateway.example", "aud": AUDIENCE,
        "sub": said["sub"], "email": CALLER, "email_verified": true,
        "original_iss": "https://accounts.google.com", "original_aud": "https://a.example",
        "rule": "usual", "region": "us-central1", "iat": now.0, "exp": now.0 + 60,
    });
    assert_eq!(said, expected);
    assert!(said["sub"].is_string());
    assert!(is_signed(&token, &world.asserter.jwks, now));
    let other = world.assertion("eve@evil.example", "us-central1", now);
    let parts = |token: &str| token.rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned()));
    let mixed = format!("{}.{}", parts(&other).unwrap().0, parts(&token).unwrap().1);
    assert!(!is_signed(&mixed, &world.asserter.jwks, now));
}

/// By the core's own verifier, with the keys as they are published.
fn is_signed(token: &str, published: &[u8], now: UnixTime) -> bool {
    let jwks = parse_jwks(published).unwrap();
    let mut authority = Authority::of(&[es256_issuer()], remint_idtoken::Timing::default(), AwsLc);
    let keys = KeySet::load(&AwsLc, &jwks).unwrap().0;
    authority.set_keys("gateway", Some(Arc::new(keys)));
    authority.authenticate(UnverifiedToken::parse(token.as_bytes()).unwrap(), now).is_ok()
}

fn es256_issuer() -> Issuer {
    let policy = r#"{"issuers": [{"name": "gateway", "issuer": "https://gateway.example",
        "jwks_uri": "https://gateway.example/keys", "algorithms": ["ES256"]}],
        "rules": [{"name": "r", "match": {}, "issuers": ["gateway"], "audiences": ["x"],
        "callers": {"anyone": true}}]}"#;
    remint_idtoken::Policy::from_json(policy).unwrap().issuers()[0].clone()
}

#[test]
fn one_is_sent_again_for_half_of_its_life_and_for_nobody_else() {
    let world = World::new();
    let now = world.callers.now();
    let at = |seconds| now.plus(Duration::from_secs(seconds));
    let first = world.assertion(CALLER, "us-central1", now);
    assert_eq!(world.assertion(CALLER, "us-central1", at(29)), first);
    let second = world.assertion(CALLER, "us-central1", at(30));
    assert_eq!(claims(&second)["iat"], at(30).0);
    assert_eq!(world.assertion(CALLER, "us-central1", at(59)), second);
    assert_eq!(claims(&world.assertion(CALLER, "us-central1", now))["iat"], now.0, "set back");
    assert_eq!(claims(&world.assertion(CALLER, "europe-west1", now))["region"], "europe-west1");
    assert_eq!(
        claims(&world.assertion("eve@evil.example", "us-central1", now))["email"],
        "eve@evil.example"
    );
}

#[test]
fn the_keys_are_published_without_their_private_halves() {
    let world = World::new();
    let get = Request::get(KEYS_PATH).body(()).unwrap();
    let answer = world.asserter.published(&get).unwrap();
    assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
    let jwks: Value = serde_json::from_slice(&world.asserter.jwks).unwrap();
    let names: Vec<_> = jwks["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = ["kty", "crv", "use", "alg", "kid", "x", "y"];
    expected.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, expected);
    let post = Request::post(KEYS_PATH).body(()).unwrap();
    assert_eq!(world.asserter.published(&post).unwrap().status(), 405);
    let other = Request::get("/.well-known/remint/jwks.json/x").body(()).unwrap();
    assert!(world.asserter.published(&other).is_none());
}

/// RFC 7515, appendix A.3.
const JWK: &str = r#"{"kty":"EC","crv":"P-256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

fn ids(text: &str) -> Result<Vec<String>, String> {
    let keys = AssertionKeys::parse(text.as_bytes()).map_err(|error| error.to_string())?;
    let jwks = keys.jwks();
    let list = jwks["keys"].as_array().unwrap();
    Ok(list.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn keys_are_read_from_pem_and_from_jwk_sets_and_the_first_one_signs() {
    let id = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U";
    assert_eq!(ids(&format!(r#"{{"keys":[{JWK}]}}"#)).unwrap(), [id]);
    let (one, other) = (new_key().unwrap(), new_key().unwrap());
    let both = ids(&format!("# new\n{one}\n{other}")).unwrap();
    assert_eq!(both, [ids(&one).unwrap(), ids(&other).unwrap()].concat());
    let keys = AssertionKeys::parse(format!("{one}{other}").as_bytes()).unwrap();
    assert_eq!(keys.signer().id(), both[0]);
    assert_eq!(format!("{keys:?}"), format!("{both:?}"), "nothing else is shown");
}

/// As the documentation has it: the new key after the old one, then before it,
/// then alone. Whoever cached the page of the step before still checks, and the
/// instances of a fleet may be one step apart.
#[test]
fn keys_change_step_by_step_without_a_refusal() {
    let (old, new) = (new_key().unwrap(), new_key().unwrap());
    let callers = Callers::new();
    let steps = [old.clone(), format!("{old}{new}"), format!("{new}{old}"), new];
    let steps = steps.map(|file| {
        let keys = Arc::new(AssertionKeys::parse(file.as_bytes()).unwrap());
        Asserter::new(&Assertion { issuer: "https://gateway.example".into(), keys })
    });
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", callers.token()).parse().unwrap());
    let admission = callers.admit("usual", &headers);
    let (caller, now) = (admission.caller().unwrap(), callers.now());
    for pair in steps.windows(2) {
        for (signer, published) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            let token = signer.assertion(caller, "us-central1", AUDIENCE, now).unwrap();
            assert!(is_signed(token.to_str().unwrap(), &published.jwks, now));
        }
    }
    let token = steps[0].assertion(caller, "us-central1", AUDIENCE, now).unwrap();
    assert!(!is_signed(token.to_str().unwrap(), &steps[3].jwks, now), "the old key is gone");
}

#[test]
fn a_file_that_holds_something_else_is_refused_with_a_word_why() {
    let key = new_key().unwrap();
    let swapped = JWK.replacen('j', "k", 1);
    for (text, why) in [
        (String::new(), "it holds no private key"),
        ("hello".to_owned(), "it holds no private key"),
        ("{".to_owned(), "it is neither PEM nor a JWK set"),
        (r#"{"keys":[]}"#.to_owned(), "it holds no private key"),
        (format!(r#"{{"keys":[{swapped}]}}"#), "its private key number 1 is no key on P-256"),
        (format!("{key}{key}"), "its private key number 2 is in it twice"),
        ((0..17).map(|_| new_key().unwrap()).collect(), "it holds more than 16 keys"),
    ] {
        assert_eq!(ids(&text).unwrap_err(), why);
    }
}
