//! What backends, access logs and statistics are told.

use super::*;

const FORGED: &str = "ceo@example.com";

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_gets_claims_that_were_verified_and_none_that_were_made_up() {
    let world = World::start(
        2,
        json!({
            "claim_headers": [
                {"claim": "email", "header": "x-caller"},
                {"claim": "email", "header": "x-user", "issuer": "iap"},
                {"claim": "absent", "header": "x-absent"},
            ],
            "payload_header": "x-payload",
        }),
    )
    .await;
    let token = world.token(PUSHER);
    let made_up =
        ["x-caller", "x-user", "x-absent", "x-payload", "x-goog-authenticated-user-email"];
    let forged = made_up.map(|name| (name, FORGED));
    let token_header = bearer(&token);
    let headers = [&forged[..], &[("authorization", token_header.as_str())]].concat();
    let seen = world.post("/push", &headers).await.json().unwrap();
    assert_eq!(seen["x-caller"], PUSHER);
    assert_eq!(seen["x-payload"], token.split('.').nth(1).unwrap());
    for name in ["x-user", "x-absent", "x-goog-authenticated-user-email", "authorization"] {
        assert!(seen[name].is_null(), "{name}: {seen}");
    }
    // Without a token there is nothing to say of the caller.
    let seen = world.post("/open", &forged).await.json().unwrap();
    assert!(made_up.iter().all(|name| seen[name].is_null()), "{seen}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn iap_and_google_tokens_are_verified_together_and_apart_with_one_worker_and_with_two() {
    for workers in [1, 2] {
        let world = World::start(
            workers,
            json!({"token": "forward", "claim_headers": [
                {"claim": "email", "header": "x-user", "issuer": "iap"},
                {"claim": "email", "header": "x-service", "issuer": "google"},
            ]}),
        )
        .await;
        let (assertion, token) = (world.assertion(), bearer(&world.token(PUSHER)));
        let assertion = ("x-goog-iap-jwt-assertion", assertion.as_str());
        let token = ("authorization", token.as_str());
        let seen = world.post("/both", &[assertion, token]).await.json().unwrap();
        assert_eq!((&seen["x-user"], &seen["x-service"]), (&json!(USER), &json!(PUSHER)));
        assert_eq!(seen["x-goog-iap-jwt-assertion"], assertion.1, "what is verified is forwarded");
        let seen = world.post("/people", &[assertion, token]).await.json().unwrap();
        assert_eq!(seen["x-user"], USER);
        for headers in [&[assertion][..], &[token]] {
            assert_eq!(world.post("/both", headers).await.status, 401);
        }
        assert_eq!(world.post("/people", &[token]).await.status, 401);
        assert_eq!(world.emulator.iap_jwks_fetches(), 1);
        assert_eq!(world.emulator.jwks_fetches(), 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_can_be_moved_to_another_header() {
    let world = World::start(2, json!({"token": {"move_to": "x-caller-token"}})).await;
    let token = bearer(&world.token(PUSHER));
    let headers = [("authorization", token.as_str()), ("x-caller-token", "Bearer made.up.one")];
    let seen = world.post("/push", &headers).await.json().unwrap();
    assert_eq!(seen["x-caller-token"], token);
    assert!(seen["authorization"].is_null(), "{seen}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_only_reports_lets_through_and_says_what_it_would_refuse() {
    // A rule that only reports holds nobody up until keys are there; one that
    // enforces does.
    let mut world = World::start(1, json!({})).await;
    let good = bearer(&world.token(PUSHER));
    assert_eq!(world.post("/push", &[("authorization", &good)]).await.status, 200);
    let stranger = bearer(&world.token("stranger@example.com"));
    let headers = [("authorization", stranger.as_str()), ("x-goog-iap-x", FORGED)];
    let answer = world.post("/trial", &headers).await;
    assert_eq!(answer.status, 200);
    let seen = answer.json().unwrap();
    assert_eq!(seen["authorization"], stranger, "a trial changes nothing about the token");
    assert!(seen["x-goog-iap-x"].is_null(), "identities from outside never pass");
    let line = world
        .envoy
        .wait_for(|line| line.split_once("remint: would be refused: ").map(|(_, it)| it.to_owned()))
        .await
        .unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["reason"], &line["rule"]), (&json!("caller_not_allowed"), &json!("trial")));
    assert!(world.envoy.refusals().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_access_log_tells_each_verdict() {
    let mut world = World::start(1, json!({})).await;
    let good = bearer(&world.token(PUSHER));
    let stranger = bearer(&world.token("stranger@example.com"));
    let domain = format!("https://{DOMAIN}");
    for (path, token, expected) in [
        ("/push", good.as_str(), ["verified", "push", PUSHER, &domain, ""]),
        (
            "/push/b",
            &stranger,
            ["refused", "push", "stranger@example.com", "", "caller_not_allowed"],
        ),
        (
            "/trial",
            &stranger,
            ["reported", "trial", "stranger@example.com", "", "caller_not_allowed"],
        ),
        ("/open", &good, ["anonymous", "open", "", "", ""]),
        ("/nowhere", &good, ["refused", "", "", "", "no_rule"]),
    ] {
        world.post(path, &[("authorization", token)]).await;
        let is_it = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["path"] == path).then_some(line)
        };
        let line = world.envoy.wait_for(is_it).await.unwrap();
        let names = ["verdict", "rule", "caller", "audience", "reason"];
        let told = names.map(|name| line[name].as_str().unwrap_or_default());
        assert_eq!(told, expected, "{line}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_tell_verdicts_by_rule_and_reason_in_labels() {
    let world = World::start(1, json!({})).await;
    let good = bearer(&world.token(PUSHER));
    for _ in 0..3 {
        world.post("/push", &[("authorization", &good)]).await;
    }
    world.post("/push", &[]).await;
    let text = || async {
        remint_tests::client::get(world.envoy.admin(), "/stats/prometheus").await.unwrap().text()
    };
    let deadline = tokio::time::Instant::now() + remint_tests::process::PATIENCE;
    let mut pause = tokio::time::interval(std::time::Duration::from_millis(50));
    // Envoy is told at the next tick, and shows histograms some time after.
    let last = [
        "remint_keys_age_seconds{issuer=\"google\"}",
        "remint_cached_tokens{result=\"hit\"}",
        r#"reason="token_missing"} 1"#,
        "remint_wait_ms_count{} 1",
    ];
    let all = loop {
        let all = text().await;
        if last.iter().all(|it| all.contains(it)) {
            break all;
        }
        assert!(tokio::time::Instant::now() < deadline, "{all}");
        pause.tick().await;
    };
    for line in [
        r#"remint_requests{rule="push",verdict="verified",reason="none"} 3"#,
        r#"remint_requests{rule="push",verdict="refused",reason="token_missing"} 1"#,
        r#"remint_key_fetches{issuer="google",result="ok"} 1"#,
        r#"remint_key_fetches{issuer="iap",result="ok"} 1"#,
        "remint_waits{} 1",
    ] {
        assert!(all.contains(line), "{line} is missing:\n{all}");
    }
    let counted = |name: &str| {
        let values = all.lines().filter(|line| line.starts_with(name));
        values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum::<u64>()
    };
    // Before the first keys the token was looked for in vain, perhaps often.
    let (hits, misses) = (
        counted(r#"remint_cached_tokens{result="hit"}"#),
        counted(r#"remint_cached_tokens{result="miss"}"#),
    );
    assert_eq!(hits, 2, "{all}");
    assert!(misses >= 1, "{all}");
    world.stop().await;
}
