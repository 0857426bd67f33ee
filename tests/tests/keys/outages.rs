//! A key server that is down: at the start, for a while, for too long.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_server_that_is_down_at_the_start_is_asked_by_one_worker_at_a_time() {
    for workers in [1, 2] {
        let keys = keys().await;
        keys.goes_down();
        let edge = edge(workers, &keys, json!({})).await;
        let start = Instant::now();
        let waiting = load(&edge, &keys.issuer);
        until("three attempts", || keys.hits() >= 3).await;
        // After 1 s and 2 s more, less what whole seconds leave out.
        assert!(start.elapsed() >= Duration::from_millis(1900), "{:?}", start.elapsed());
        assert_eq!((waiting.answered(), edge.passed()), (0, 0));
        keys.answers(None);
        until("they pass", || waiting.answered() > 200).await;
        nothing_was_refused(waiting).await;
        assert_eq!(keys.hits(), 4, "{workers} workers");
        edge.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_shorter_than_keep_stale_refuses_nobody() {
    for workers in [1, 2] {
        let keys = keys().await;
        let edge = edge(workers, &keys, short_lived()).await;
        let load = load(&edge, &keys.issuer);
        until("the first keys", || load.answered() > 20).await;
        keys.goes_down();
        let before = keys.hits();
        until("three attempts", || keys.hits() >= before + 3).await;
        keys.answers(None);
        let before = keys.hits();
        until("keys again", || keys.hits() >= before + 2).await;
        nothing_was_refused(load).await;
        edge.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_longer_than_keep_stale_keys_are_dropped_until_there_are_new_ones() {
    for workers in [1, 2] {
        let keys = keys().await;
        let mut times = short_lived();
        times["keep_stale"] = json!("4s");
        let issuers = [("google", GOOGLE, &keys)];
        let edge = Edge::start(workers, &issuers, times, |config| {
            config.plugin()["wait_for_keys"] = json!("0s");
        });
        let edge = edge.await.unwrap();
        let good = token(&keys.issuer);
        let start = Instant::now();
        let mut last_good = None;
        // The first requests do not wait for the first keys.
        let mut rhythm = tokio::time::interval(Duration::from_millis(20));
        while last_good.is_none_or(|at: Instant| at.elapsed() < Duration::from_millis(1500)) {
            rhythm.tick().await;
            match status(&edge, &good).await {
                StatusCode::OK if last_good.is_none() => keys.goes_down(),
                StatusCode::SERVICE_UNAVAILABLE => {
                    assert!(start.elapsed() < PATIENCE, "no end");
                    continue;
                }
                other => assert_eq!(other, StatusCode::OK),
            }
            last_good = Some(Instant::now());
            assert!(start.elapsed() < PATIENCE, "keys are never dropped");
        }
        keys.answers(None);
        let (mut again, deadline) = (StatusCode::IM_A_TEAPOT, Instant::now() + PATIENCE);
        while again != StatusCode::OK {
            assert!(Instant::now() < deadline, "no keys again");
            rhythm.tick().await;
            again = status(&edge, &good).await;
        }
        edge.stop().await.unwrap();
    }
}
