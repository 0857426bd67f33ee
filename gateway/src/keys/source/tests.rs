use super::*;
use crate::clock::test::TestClock;
use crate::config::Upstream;
use crate::keys::{IssuerKeys, Keyring};
use crate::token_store::TokenStore;
use remint_emulator::{Config, Emulator};
use remint_idtoken::{CacheBounds, Policy};
use tokio::net::TcpListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// A policy whose issuer's keys are at that server.
fn policy(server: impl std::fmt::Display) -> Policy {
    let issuer = serde_json::json!({
        "name": "own",
        "issuer": "https://issuer.example",
        "algorithms": ["RS256"],
        "jwks_uri": format!("http://{server}/oauth2/v3/certs"),
    });
    let rule = serde_json::json!({
        "name": "all",
        "match": { "hosts": ["a.example"] },
        "audiences": ["https://a.example"],
        "callers": { "emails": ["a@a.example"] },
    });
    let policy = serde_json::json!({ "issuers": [issuer], "rules": [rule] });
    Policy::from_json(&policy.to_string()).unwrap()
}

fn source(policy: &Policy, clock: &Arc<TestClock>) -> Arc<KeySource> {
    let connector = Connector::new(&Upstream::default()).unwrap();
    let url = policy.issuers()[0].key_url().unwrap();
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    Arc::new(KeySource::start(url, &connector, policy.key_times(), &clock, &[]).unwrap())
}

#[tokio::test]
async fn fetches_that_were_frozen_are_made_again_without_a_back_off() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let policy = policy(server.local_addr().unwrap());
    let clock = Arc::new(TestClock::new());
    let source = source(&policy, &clock);
    // With back-offs so many would take ten minutes.
    for _ in 0..15 {
        let fetch = timeout(PATIENCE, server.accept()).await.unwrap().unwrap();
        clock.jump(Duration::from_secs(600));
        drop(fetch);
    }
    let last = timeout(PATIENCE, server.accept()).await.unwrap().unwrap();
    assert!(!source.last_failed());
    let mut attempts = source.fresh.news.watch();
    // This one fails in its time.
    drop(last);
    assert!(attempts.next_end(tokio::time::Instant::now() + PATIENCE).await);
    assert!(source.last_failed());
}

#[tokio::test]
async fn the_same_document_once_more_leaves_verified_tokens_verified() {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let (policy, clock) = (policy(emulator.google_addr()), Arc::new(TestClock::new()));
    let source = source(&policy, &clock);
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let issuer = IssuerKeys { issuer: policy.issuers()[0].clone(), source: Arc::clone(&source) };
    let tokens = TokenStore::new(CacheBounds { max_entries: 1, max_bytes: 1 }, Default::default());
    let keyring = Keyring::new(&policy, vec![issuer], shared, tokens);
    let generation = || keyring.authority.load().generation();
    let fetched = async || {
        let before = source.past().fetched_at;
        clock.jump(Duration::from_secs(12 * 3600));
        let mut attempts = source.fresh.news.watch();
        source.fresh.doorbell.ring();
        while source.past().fetched_at == before {
            assert!(attempts.next_end(tokio::time::Instant::now() + PATIENCE).await);
        }
        generation()
    };
    let first = fetched().await;
    assert_eq!((fetched().await, fetched().await), (first, first));
    emulator.issuer().rotate().unwrap();
    assert_ne!(fetched().await, first);
}
