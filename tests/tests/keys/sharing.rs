//! All workers together ask as often as one would.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn all_workers_together_fetch_once() {
    for workers in [1, 2] {
        let keys = keys().await;
        let edge = edge(workers, &keys, json!({})).await;
        let load = load(&edge, &keys.issuer);
        // Longer than all tick: each would have fetched by now.
        passes(Duration::from_millis(2500)).await;
        nothing_was_refused(load).await;
        assert_eq!(keys.hits(), 1, "{workers} workers");
        edge.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_key_sets_are_fetched_once_each_and_not_mixed_up() {
    for workers in [1, 2] {
        let google = keys().await;
        let other = KeyServer::start(Algorithm::Es256).await.unwrap();
        let iss = "https://issuer.example";
        let issuers = [("google", GOOGLE, &google), ("other", iss, &other)];
        let edge = Edge::start(workers, &issuers, json!({}), |_| {}).await.unwrap();
        let audience = TokenRequest::new(PUSHER, format!("https://{DOMAIN}"));
        let claims_of = |iss: &str| {
            let mut claims = other.issuer.claims(&audience);
            claims.insert("iss".to_owned(), iss.into());
            Value::from(claims)
        };
        let (right, wrong) = (claims_of(iss), claims_of(GOOGLE));
        for _ in 0..10 {
            assert_eq!(status(&edge, &token(&google.issuer)).await, StatusCode::OK);
            assert_eq!(status(&edge, &other.issuer.sign_claims(&right)).await, StatusCode::OK);
            let forged = other.issuer.sign_claims(&wrong);
            assert_eq!(status(&edge, &forged).await, StatusCode::UNAUTHORIZED);
            let forged = google.issuer.sign_claims(&right);
            assert_eq!(status(&edge, &forged).await, StatusCode::UNAUTHORIZED);
        }
        assert_eq!((google.hits(), other.hits()), (1, 1), "{workers} workers");
        edge.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_unknown_keys_leads_to_one_fetch_per_interval_for_all_workers() {
    for workers in [1, 2] {
        let keys = keys().await;
        let edge = edge(workers, &keys, json!({"unknown_key_interval": "2s"})).await;
        assert_eq!(status(&edge, &token(&keys.issuer)).await, StatusCode::OK);
        let stranger = self::keys().await;
        let start = Instant::now();
        let storm = load(&edge, &stranger.issuer);
        until("three fetches more", || keys.hits() >= 4).await;
        let passed = start.elapsed();
        let (refused, _) = storm.stop().await;
        assert!(refused.iter().all(|status| *status == StatusCode::UNAUTHORIZED), "{refused:?}");
        assert!(refused.len() > 100, "{}", refused.len());
        // The clock of the schedule has whole seconds.
        assert!(passed >= Duration::from_secs(4), "{workers} workers: within {passed:?}");
        assert_eq!(status(&edge, &token(&keys.issuer)).await, StatusCode::OK);
        edge.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_fetch_a_storm_of_unknown_keys_leads_to_none() {
    for workers in [1, 2] {
        let keys = keys().await;
        let edge = edge(workers, &keys, json!({})).await;
        assert_eq!(status(&edge, &token(&keys.issuer)).await, StatusCode::OK);
        let storm = load(&edge, &self::keys().await.issuer);
        until("a storm", || storm.answered() > 500).await;
        storm.stop().await;
        assert_eq!(keys.hits(), 1, "{workers} workers");
        edge.stop().await.unwrap();
    }
}

/// Two listeners with policies of their own, but the same keys.
#[tokio::test(flavor = "multi_thread")]
async fn plugins_with_the_same_key_set_fetch_it_once() {
    for workers in [1, 2] {
        let keys = keys().await;
        let issuers = [("google", GOOGLE, &keys)];
        let edge = Edge::start(workers, &issuers, json!({}), |config| {
            let listeners = config.0["static_resources"]["listeners"].as_array_mut().unwrap();
            let first = listeners[0].clone();
            listeners.push(first);
            config.0["static_resources"]["listeners"][1]["name"] = json!("second");
            config.plugin()["policy"]["max_lifetime"] = json!("2h");
        });
        let edge = edge.await.unwrap();
        let good = token(&keys.issuer);
        for place in [0, 1] {
            let address = edge.envoy.listener(place).await.unwrap();
            for _ in 0..10 {
                assert_eq!(send(address, request(&good)).await.unwrap().status, StatusCode::OK);
            }
        }
        assert_eq!(keys.hits(), 1, "{workers} workers");
        edge.stop().await.unwrap();
    }
}
