//! Keys that change while requests go on.

use super::*;

const ROTATIONS: u32 = 3;

/// As Google does it: new keys are published before they sign, old ones for as
/// long as they may have signed.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_published_ahead_rotate_without_a_wrong_refusal() {
    for workers in [1, 2] {
        let keys = keys().await;
        let edge = edge(workers, &keys, short_lived()).await;
        let load = load(&edge, &keys.issuer);
        for _ in 0..ROTATIONS {
            keys.issuer.rotate().unwrap();
            // The second fetch from now begins at least a second after the
            // first one has ended, and by then each worker has looked.
            let published = keys.hits();
            until("the new key spreads", || keys.hits() >= published + 3).await;
            load.sends(request(&token(&keys.issuer)));
            let answered = load.answered();
            until("the new key is in use", || load.answered() > answered + 200).await;
            keys.issuer.retire_old();
            let retired = keys.hits();
            until("the old key is gone", || keys.hits() >= retired + 3).await;
        }
        nothing_was_refused(load).await;
        edge.stop().await.unwrap();
    }
}

/// A key that signs at once is asked for once, while the requests wait.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_sign_at_once_are_fetched_once_while_requests_wait() {
    for workers in [1, 2] {
        let keys = keys().await;
        let edge = edge(workers, &keys, json!({"unknown_key_interval": "1s"})).await;
        let load = load(&edge, &keys.issuer);
        until("the first keys", || load.answered() > 20).await;
        for _ in 0..ROTATIONS {
            // Longer than the interval, in whole seconds.
            passes(Duration::from_millis(2100)).await;
            keys.issuer.rotate().unwrap();
            keys.issuer.retire_old();
            load.sends(request(&token(&keys.issuer)));
            let answered = load.answered();
            until("the new key is in use", || load.answered() > answered + 200).await;
        }
        nothing_was_refused(load).await;
        assert_eq!(keys.hits(), u64::from(1 + ROTATIONS), "{workers} workers");
        edge.stop().await.unwrap();
    }
}
