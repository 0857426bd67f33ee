//! Other plugin configurations while requests go on.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_takes_over_the_keys_and_refuses_nobody() {
    for workers in [1, 2] {
        let keys = keys().await;
        let edge = edge(workers, &keys, json!({})).await;
        let load = load(&edge, &keys.issuer);
        until("the first keys", || load.answered() > 20).await;
        for change in 1..=3 {
            let mut config = edge.config.clone();
            let audiences =
                json!([format!("https://{DOMAIN}"), format!("https://{change}.example")]);
            config.plugin()["policy"]["rules"][0]["audiences"] = audiences;
            config.replace_listeners(&edge.listeners).unwrap();
            edge.envoy
                .stat_reaches("listener_manager.lds.update_success", change + 1)
                .await
                .unwrap();
            // The new configuration is in force, on new connections and old.
            let audience = format!("https://{change}.example");
            let token = keys.issuer.mint(&TokenRequest::new(PUSHER, audience));
            let deadline = Instant::now() + PATIENCE;
            while status(&edge, &token).await != StatusCode::OK {
                assert!(Instant::now() < deadline, "the configuration does not change");
            }
            let answered = load.answered();
            until("more answers", || load.answered() > answered + 100).await;
        }
        nothing_was_refused(load).await;
        assert_eq!(keys.hits(), 1, "{workers} workers");
        edge.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_rejected_and_the_old_one_goes_on() {
    for workers in [1, 2] {
        let keys = keys().await;
        let edge = edge(workers, &keys, json!({})).await;
        let load = load(&edge, &keys.issuer);
        until("the first keys", || load.answered() > 20).await;
        let mut config = edge.config.clone();
        let rule = &mut config.plugin()["policy"]["rules"][0];
        rule["audience"] = rule["audiences"].take();
        config.plugin()["wait_for_keys"] = json!("soon");
        config.replace_listeners(&edge.listeners).unwrap();
        edge.envoy.stat_reaches("listener_manager.lds.update_rejected", 1).await.unwrap();
        for mistake in ["policy.rules[0].audience", "policy.rules[0].audiences", "wait_for_keys"] {
            let line = format!("configuration: {mistake}");
            assert!(edge.lines_with(&line) > 0, "{line}: {:#?}", edge.envoy.lines());
        }
        let answered = load.answered();
        until("more answers", || load.answered() > answered + 100).await;
        nothing_was_refused(load).await;
        assert_eq!((keys.hits(), status(&edge, &token(&keys.issuer)).await), (1, StatusCode::OK));
        edge.stop().await.unwrap();
    }
}

/// A cluster is part of what keys belong to: behind another one there may be
/// another server.
#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_cluster_are_not_taken_over() {
    let (keys, other) = (keys().await, keys().await);
    let issuers = [("google", GOOGLE, &keys)];
    let edge = Edge::start(2, &issuers, json!({}), |config| {
        *config = config.clone().plain_cluster("elsewhere", other.address());
    });
    let edge = edge.await.unwrap();
    assert_eq!(status(&edge, &token(&keys.issuer)).await, StatusCode::OK);
    let mut config = edge.config.clone();
    config.plugin()["keys"]["google"]["cluster"] = json!("elsewhere");
    config.replace_listeners(&edge.listeners).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while status(&edge, &token(&other.issuer)).await != StatusCode::OK {
        assert!(Instant::now() < deadline, "the other keys are not used");
    }
    assert_eq!(status(&edge, &token(&keys.issuer)).await, StatusCode::UNAUTHORIZED);
    assert_eq!((keys.hits(), other.hits()), (1, 1));
    edge.stop().await.unwrap();
}

/// Whoever had the lease for a fetch may be gone before its answer is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_under_way_when_the_configuration_changes_holds_nobody_up_for_long() {
    for workers in [1, 2] {
        let keys = keys().await;
        keys.hangs();
        let edge = edge(workers, &keys, json!({})).await;
        let waiting = load(&edge, &keys.issuer);
        until("a fetch under way", || keys.hits() == 1).await;
        let mut config = edge.config.clone();
        config.plugin()["policy"]["max_lifetime"] = json!("2h");
        config.replace_listeners(&edge.listeners).unwrap();
        edge.envoy.stat_reaches("listener_manager.lds.update_success", 2).await.unwrap();
        keys.answers(None);
        until("answers", || waiting.answered() > 200).await;
        nothing_was_refused(waiting).await;
        assert_eq!(keys.hits(), 2, "{workers} workers");
        edge.stop().await.unwrap();
    }
}
