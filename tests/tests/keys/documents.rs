//! What a key server may answer instead of good keys.

use super::*;
use http::Response;
use remint_idtoken::keys::MAX_JWKS_BYTES;
use remint_tests::server::{json as document, status as answer};

fn bad_answers() -> Vec<(Response<Bytes>, &'static str)> {
    let mut redirection = answer(StatusCode::FOUND);
    redirection.headers_mut().insert(header::LOCATION, "/elsewhere".parse().unwrap());
    let weak = json!({"keys": [{"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"}]});
    vec![
        (document("<html>"), "not a JSON object"),
        (document(vec![b' '; MAX_JWKS_BYTES + 1]), "which is more than"),
        (redirection, "the key server answered 302"),
        (answer(StatusCode::NOT_FOUND), "the key server answered 404"),
        (document(weak.to_string()), "no usable key among 1"),
        (document(r#"{"keys": []}"#), "no usable key among 0"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_answers_leave_the_last_good_keys_and_are_named_in_the_log() {
    for workers in [1, 2] {
        let keys = keys().await;
        let mut edge = edge(workers, &keys, short_lived()).await;
        let load = load(&edge, &keys.issuer);
        until("the first keys", || load.answered() > 20).await;
        for (bad, why) in bad_answers() {
            keys.answers(Some(bad));
            let find = |line: &str| {
                (line.contains("could not be fetched") && line.contains(why)).then_some(())
            };
            edge.envoy.wait_for(find).await.unwrap();
            keys.answers(None);
            let before = keys.hits();
            until("good keys again", || keys.hits() > before).await;
        }
        nothing_was_refused(load).await;
        edge.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn weak_keys_among_good_ones_are_left_out_and_named_once() {
    for workers in [1, 2] {
        let keys = keys().await;
        let weak = json!({"kty": "RSA", "kid": "weak-key", "n": "AQAB", "e": "AQAB"});
        let mut mixed = keys.issuer.jwks();
        mixed["keys"].as_array_mut().unwrap().push(weak);
        keys.answers(Some(document(mixed.to_string())));
        let edge = edge(workers, &keys, short_lived()).await;
        let load = load(&edge, &keys.issuer);
        until("some fetches", || keys.hits() >= 4 && load.answered() > 200).await;
        nothing_was_refused(load).await;
        assert_eq!(edge.lines_with("\"weak-key\" is left out"), 1, "{workers} workers");
        edge.stop().await.unwrap();
    }
}
