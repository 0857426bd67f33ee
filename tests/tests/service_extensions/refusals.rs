//! Who gets in and who doesn't.

use super::*;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_emulator::{Issuer, SystemClock};
use remint_idtoken::Algorithm;
use remint_tests::attack;
use remint_tests::client::send;

use narrow::{World, module};

#[tokio::test(flavor = "multi_thread")]
async fn who_may_pass_passes_and_the_backend_is_told_who_it_is() {
    let world = World::new().await;
    let envoy = world.host(2, &module(), &world.rendered(&document()).await).await;
    let (token, assertion) = (token(&world.google), assertion(&world.google));
    for (host, token, assertion, caller) in [
        (DOMAIN, Some(&*token), None, PUSHER),
        (PEOPLE, None, Some(&*assertion), PERSON),
        (BOTH, Some(&*token), Some(&*assertion), PUSHER),
    ] {
        let answer = send(envoy.address(), request(host, token, assertion)).await.unwrap();
        assert_eq!(answer.status, 200, "{host}");
        assert_eq!(answer.header("x-seen-caller"), caller, "{host}");
        assert!(matches!(answer.header("x-seen-token"), "" | "-"), "{host}: {answer:?}");
        let payload = URL_SAFE_NO_PAD.decode(answer.header("x-seen-payload")).unwrap();
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(payload["email"], caller, "{host}");
    }
    assert!(envoy.refusals().is_empty());
    envoy.stop().await.unwrap();
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_is_refused_and_told_in_one_line_of_json() {
    let world = World::new().await;
    let mut envoy = world.host(1, &module(), &world.rendered(&document()).await).await;
    let issuer = world.google.issuer();
    let impostor = Issuer::new(Algorithm::Rs256, Arc::new(SystemClock)).unwrap();
    let attacks = attack::all(issuer, &impostor, issuer.now().0);
    for (place, attack) in attacks.into_iter().enumerate() {
        let mut request = request(DOMAIN, None, None);
        for value in attack.authorization {
            request.headers_mut().append(header::AUTHORIZATION, value);
        }
        let answer = send(envoy.address(), request).await.unwrap();
        let refusal = envoy.refusal_number(place).await.unwrap();
        assert_eq!(answer.status, attack.status, "{}", attack.name);
        assert_eq!(refusal["reason"], attack.reason, "{}: {refusal}", attack.name);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{}", attack.name);
    }
    envoy.stop().await.unwrap();
    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_tokens_is_not_enough() {
    let world = World::new().await;
    let mut envoy = world.host(1, &module(), &world.rendered(&document()).await).await;
    let (token, assertion) = (token(&world.google), assertion(&world.google));
    let forged = Issuer::new(Algorithm::Es256, Arc::new(SystemClock)).unwrap();
    let forged = forged.mint_assertion(&AssertionRequest::new(PERSON, APP));
    let attempts = [
        (BOTH, Some(&*token), None, "token_missing"),
        (BOTH, None, Some(&*assertion), "token_missing"),
        (BOTH, Some(&*token), Some(&*forged), "kid_unknown"),
        (PEOPLE, Some(&*token), None, "token_missing"),
        (PEOPLE, None, Some(&*forged), "kid_unknown"),
        ("elsewhere.example.com", Some(&*token), None, "no_rule"),
    ];
    for (place, (host, token, assertion, reason)) in attempts.into_iter().enumerate() {
        let answer = send(envoy.address(), request(host, token, assertion)).await.unwrap();
        let refusal = envoy.refusal_number(place).await.unwrap();
        assert_eq!(refusal["reason"], reason, "{host}: {refusal}");
        assert_eq!(answer.status.as_u16(), refusal["status"], "{host}: {refusal}");
        assert!(answer.status.is_client_error(), "{host}: {refusal}");
    }
    envoy.stop().await.unwrap();
    world.close().await;
}

/// Without this the tests above would say nothing of a narrow host.
#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_for_a_host_that_can_do_more_lets_nobody_pass_here() {
    let world = World::new().await;
    let mut plugin = document();
    plugin["keys"]["iap"]["cluster"] = json!("google_keys");
    let mut config = world.wide_config(&module(), &plugin);
    let token = token(&world.google);
    let envoy = world.start(1, &config).await.unwrap();
    let answer = send(envoy.address(), request(DOMAIN, Some(&token), None)).await.unwrap();
    assert_eq!(answer.status, 200);
    envoy.stop().await.unwrap();
    narrow::restrict(&mut config);
    // The module can't be configured, so there is no listener: nothing is served.
    let Err(error) = world.start(1, &config).await else { panic!("it is served") };
    assert!(error.to_string().contains("listens on nothing"), "{error}");
    world.close().await;
}
