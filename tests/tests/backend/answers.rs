//! What callers are told: little, and in their own protocol.

use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::*;

/// A call of gRPC's, which is one of HTTP/2.
async fn grpc(world: &World, path: &str, token: Option<&str>) -> http::HeaderMap {
    let stream = tokio::net::TcpStream::connect(world.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://{DOMAIN}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::new()))
        .unwrap();
    if let Some(token) = token {
        let value = HeaderValue::from_str(&bearer(token)).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200, "gRPC tells its status in a header of its own");
    let headers = answer.headers().clone();
    assert!(answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_calls_are_refused_with_statuses_of_grpc() {
    let world = World::start(2, json!({"wait_for_keys": "0s"})).await;
    let stranger = world.token("stranger@example.com");
    // UNAUTHENTICATED and PERMISSION_DENIED (gRPC, "Status codes").
    for (path, token, status) in [
        ("/push", None, "16"),
        ("/push", Some("not.a.token"), "16"),
        ("/push", Some(stranger.as_str()), "7"),
        ("/nowhere", Some(stranger.as_str()), "7"),
    ] {
        let headers = grpc(&world, path, token).await;
        assert_eq!(headers["grpc-status"], status, "{path}");
        assert!(!headers["grpc-message"].to_str().unwrap().contains('%'), "{headers:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_calls_without_keys_may_be_repeated() {
    let world = World::start(
        1,
        json!({"wait_for_keys": "0s",
        "keys": {"google": {"cluster": "nowhere"}, "iap": {"cluster": "nowhere"}}}),
    )
    .await;
    let token = world.token(PUSHER);
    // UNAVAILABLE.
    assert_eq!(grpc(&world, "/push", Some(&token)).await["grpc-status"], "14");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_the_caller_an_id_that_is_in_the_log_and_nothing_else() {
    let mut world = World::start(2, json!({})).await;
    let stranger = bearer(&world.token("stranger@example.com"));
    for (place, (headers, status, challenge)) in [
        (vec![], 401, "Bearer"),
        (vec![("authorization", "Bearer x.y.z")], 401, "Bearer error=\"invalid_token\""),
        (vec![("authorization", stranger.as_str())], 403, "Bearer error=\"insufficient_scope\""),
    ]
    .iter()
    .enumerate()
    {
        let answer = world.post("/push", headers).await;
        assert_eq!(answer.status.as_u16(), *status);
        assert_eq!(answer.header("www-authenticate"), *challenge);
        let id = answer.header("x-request-id").to_owned();
        assert!(!id.is_empty());
        let refusal = world.envoy.refusal_number(place).await.unwrap();
        assert_eq!(refusal["request_id"], id);
        let told = format!("{:?}{}", answer.headers, answer.text());
        for word in ["push", PUSHER, "stranger", DOMAIN, "malformed", "caller_not_allowed"] {
            assert!(!told.contains(word), "{word}: {told}");
        }
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_a_caller_made_up_is_repeated_only_if_it_is_plain() {
    let world = World::start(1, json!({})).await;
    let odd = "a b\"><script>";
    let answer = world.post("/push", &[("x-request-id", odd)]).await;
    assert!(!answer.header("x-request-id").contains('<'), "{:?}", answer.headers);
    world.stop().await;
}
