//! What the libraries say of the emulator's tokens and assertions, with the
//! certificates that it publishes.

use remint_emulator::{AssertionRequest, IapResource, TokenRequest};
use serde_json::{Value, json};

use crate::world::{GATEWAY, Language, World};

const RESOURCE: IapResource = IapResource::BackendService { project: 1, id: 2 };

/// What is to be verified, and what the library must say: a claim, or words of
/// the refusal in each language, in the order of [`Language::ALL`].
struct Case {
    asked: Value,
    expected: Result<(&'static str, String), [&'static str; 3]>,
}

fn cases(world: &World) -> Vec<Case> {
    let (us, eu) = (world.us().url(), world.eu().url());
    let (google, iap) = (world.emulator.issuer(), world.emulator.iap());
    let token = google.mint(&TokenRequest::new(GATEWAY, us));
    let assertion = iap.mint_assertion(&AssertionRequest::new("user@example.com", RESOURCE));
    // More than any library's tolerance ago.
    let mut claims = google.claims(&TokenRequest::new(GATEWAY, us));
    let ended = google.now().0 - 3600;
    claims.insert("iat".into(), json!(ended - 3600));
    claims.insert("exp".into(), json!(ended));
    let stale = google.sign_claims(&claims.into());
    let id = |token: &str, audience: &str| json!({"kind": "id_token", "token": token, "audience": audience});
    let asserted =
        |token: &str, audience: &str| json!({"kind": "iap", "token": token, "audience": audience});
    let resource = RESOURCE.to_string();
    let unsigned =
        ["Could not verify token signature", "Invalid token signature", "InvalidSignature"];
    let misdirected = ["wrong audience", "Wrong recipient", "InvalidAudience"];
    let late = ["expired", "used too late", "ExpiredSignature"];
    let forged = flipped(&token);
    vec![
        Case { asked: id(&token, us), expected: Ok(("email", GATEWAY.into())) },
        Case { asked: id(&token, eu), expected: Err(misdirected) },
        Case { asked: id(&stale, us), expected: Err(late) },
        Case { asked: id(&forged, us), expected: Err(unsigned) },
        Case {
            asked: asserted(&assertion, &resource),
            expected: Ok(("email", "user@example.com".into())),
        },
        Case { asked: asserted(&assertion, "/projects/1/apps/other"), expected: Err(misdirected) },
        Case { asked: asserted(&flipped(&assertion), &resource), expected: Err(unsigned) },
    ]
}

/// With another signature.
fn flipped(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (first, rest) = signature.split_at(1);
    format!("{signed}.{}{rest}", if first == "A" { "B" } else { "A" })
}

async fn verified(world: &World, language: Language, cases: &[Case]) {
    let asked = cases.iter().map(|case| case.asked.clone()).collect();
    let answer = world.run(language, "verify", &[], &[], &Value::Array(asked)).await;
    for (case, result) in cases.iter().zip(answer.as_array().unwrap()) {
        match &case.expected {
            Ok((claim, value)) => assert_eq!(result["claims"][claim], *value, "{result}"),
            Err(words) => {
                let word = words[language as usize];
                let message = result["message"].as_str().unwrap_or_default();
                assert!(message.contains(word), "{language:?} {word}: {message}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_believes_good_tokens_and_assertions_alone() {
    let world = World::start().await;
    let mut cases = cases(&world);
    // By the address of the emulator instead of the name of Google's host.
    let certs = format!("http://{}/oauth2/v1/certs", world.google());
    let mut asked = cases[0].asked.clone();
    asked["certs_url"] = json!(certs);
    cases.push(Case { asked, expected: Ok(("email", GATEWAY.into())) });
    verified(&world, Language::Python, &cases).await;
    assert!(world.emulator.fetches("/oauth2/v1/certs") > 0);
    assert!(world.emulator.fetches("/iap/verify/public_key") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn node_believes_good_tokens_and_assertions_alone() {
    let world = World::start().await;
    verified(&world, Language::Node, &cases(&world)).await;
    assert!(world.emulator.fetches("/oauth2/v1/certs") > 0);
    assert!(world.emulator.fetches("/iap/verify/public_key") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_believes_good_tokens_and_assertions_alone() {
    let world = World::start().await;
    verified(&world, Language::Rust, &cases(&world)).await;
    assert!(world.emulator.jwks_fetches() > 0);
    assert!(world.emulator.iap_jwks_fetches() > 0);
}
