//! A service calls another with a token from its metadata server, in either
//! header.

use remint_emulator::timeline::Call;
use serde_json::json;

use crate::flow::{Flow, URL};

const AUTHORIZATION: &str = "authorization";
const SERVERLESS: &str = "x-serverless-authorization";

fn region_of(flow: &Flow, call: &Call) -> String {
    flow.emulator.region("orders", &call.region).unwrap().url().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_calls_with_its_token_in_either_header() {
    let mut flow = Flow::start(|plan| {
        let tokens = [AUTHORIZATION, SERVERLESS].map(|header| json!({"header": header}));
        plan.policy["issuers"] = json!([{"preset": "google", "tokens": tokens}]);
    })
    .await;
    let other = flow.token("https://others.example.com").await;
    for header in [AUTHORIZATION, SERVERLESS] {
        let refused = flow.post(&[(header, format!("Bearer {other}"))]).await;
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").starts_with("Bearer"));
    }
    flow.refused(&["aud_mismatch", "aud_mismatch"]).await;
    flow.untouched();

    let token = flow.token(URL).await;
    for (place, header) in [AUTHORIZATION, SERVERLESS].into_iter().enumerate() {
        let answer = flow.post(&[(header, format!("Bearer {token}"))]).await;
        assert_eq!(answer.status, 200, "{header}: {}", answer.text());
        let calls = flow.calls();
        assert_eq!(calls.len(), place + 1);
        assert_eq!(calls[place].audience, Some(region_of(&flow, &calls[place])));
        assert_eq!(calls[place].caller.as_deref(), Some(crate::flow::GATEWAY));
        let got = &flow.receiver.got()[place];
        assert_eq!(
            (got.head.uri.to_string().as_str(), &*got.body),
            ("/orders?id=7", &b"an order"[..])
        );
        let tokens = got.tokens();
        assert_eq!(tokens.len(), 1, "{header}: {tokens:?}");
        assert_eq!(tokens[0].0["email"], crate::flow::GATEWAY);
        assert_eq!(got.header(AUTHORIZATION), "", "it held the caller's token or nothing");
    }
    flow.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_the_token_in_its_own_header_authorization_is_the_applications() {
    let mut flow = Flow::start(|plan| {
        plan.policy["issuers"] = json!([{"preset": "google", "tokens": [{"header": SERVERLESS}]}]);
    })
    .await;
    let token = format!("Bearer {}", flow.token(URL).await);
    assert_eq!(flow.post(&[(AUTHORIZATION, token.clone())]).await.status, 401);
    flow.refused(&["token_missing"]).await;
    flow.untouched();
    let own = "Basic b3JkZXJzOnNlY3JldA==".to_owned();
    let answer = flow.post(&[(SERVERLESS, token), (AUTHORIZATION, own.clone())]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let region = region_of(&flow, &flow.calls()[0]);
    let (got, _) = flow.accepted(&region);
    assert_eq!(got.header(AUTHORIZATION), own);
    flow.stop().await;
}
