//! Keys that stand in the configuration.

use super::*;

use std::time::{SystemTime, UNIX_EPOCH};

use remint_idtoken::UnixTime;

/// All that the module needs of a host then. A host that refuses the rest, as
/// Google's load balancer does, must be good enough: the module's library
/// traps on such a refusal.
const FEW: [&str; 16] = [
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_done",
    "proxy_on_log",
    "proxy_on_delete",
    "proxy_log",
    "proxy_get_log_level",
    "proxy_get_buffer_bytes",
    "proxy_get_header_map_pairs",
    "proxy_get_current_time_nanoseconds",
    "proxy_send_local_response",
    "proxy_call_foreign_function",
];

/// An edge whose keys were put into its configuration so long ago, to be used
/// for ten hours, in a host that can do little.
async fn edge_with_keys_of(age: Duration, keys: &KeyServer) -> Edge {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let as_of = UnixTime(now).minus(age).to_string();
    let issuers = [("google", GOOGLE, keys)];
    let edge = Edge::start(2, &issuers, json!({}), |config| {
        let plugin = config.plugin();
        let issuer = &mut plugin["policy"]["issuers"][0];
        let inline = json!({"jwks": keys.issuer.jwks(), "as_of": as_of, "valid_for": "10h"});
        issuer["inline_keys"] = inline;
        issuer.as_object_mut().unwrap().remove("jwks_uri");
        plugin["token"] = json!("forward");
        plugin["host"] = json!("service-extensions");
        for name in ["keys", "wait_for_keys"] {
            plugin.as_object_mut().unwrap().remove(name);
        }
        config.allow_only(&FEW);
    });
    edge.await.unwrap()
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_in_the_configuration_are_used_by_a_host_that_can_fetch_none() {
    let keys = keys().await;
    let edge = edge_with_keys_of(hours(1), &keys).await;
    for _ in 0..10 {
        assert_eq!(status(&edge, &token(&keys.issuer)).await, StatusCode::OK);
        let stranger = self::keys().await;
        let forged = status(&edge, &token(&stranger.issuer)).await;
        assert_eq!(forged, StatusCode::UNAUTHORIZED);
    }
    assert_eq!((keys.hits(), edge.lines_with("in the configuration are")), (0, 0));
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn old_keys_in_the_configuration_are_used_with_a_warning() {
    let keys = keys().await;
    let edge = edge_with_keys_of(hours(6), &keys).await;
    for _ in 0..10 {
        assert_eq!(status(&edge, &token(&keys.issuer)).await, StatusCode::OK);
    }
    let warnings = edge.lines_with("are getting old: they are used until");
    // Two workers, Envoy's main thread, and its trial of the configuration.
    assert!((1..=4).contains(&warnings), "{warnings}");
    edge.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_keys_in_the_configuration_are_used_no_longer_and_an_error() {
    let keys = keys().await;
    let edge = edge_with_keys_of(hours(11), &keys).await;
    let answer = status(&edge, &token(&keys.issuer)).await;
    assert_eq!(answer, StatusCode::SERVICE_UNAVAILABLE);
    assert!(edge.lines_with("are too old, and its tokens are refused since") > 0);
    edge.stop().await.unwrap();
}
