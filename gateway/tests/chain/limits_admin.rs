//! What those may not ask for who look after the gateway.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::client::{PATIENCE, get};
use crate::support::Chain;
use crate::wire::Wire;

#[tokio::test]
async fn the_admin_listener_has_a_hundred_connections_at_most() {
    let chain = Chain::start().await;
    let admin = chain.gateway.admin_address();
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut wire = Wire::connect(admin).await;
        wire.say("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert_eq!(wire.status().await, "HTTP/1.1 200 OK");
        held.push(wire);
    }
    let mut further = tokio::spawn(async move { get(admin, "/healthz").await });
    assert!(timeout(Duration::from_millis(300), &mut further).await.is_err(), "it waits");
    held.pop();
    assert_eq!(further.await.unwrap().status, 200);
    assert_eq!(chain.get("/").await.status, 200);
}

#[tokio::test]
async fn the_admin_listener_takes_no_bodies() {
    let chain = Chain::start().await;
    let mut wire = Wire::connect(chain.gateway.admin_address()).await;
    wire.say("GET /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000000\r\n\r\n")
        .await;
    assert_eq!(wire.status().await, "HTTP/1.1 200 OK");
    let piece = vec![b'x'; 64 << 10];
    let sent = async { while wire.0.write_all(&piece).await.is_ok() {} };
    assert!(timeout(PATIENCE, sent).await.is_ok(), "it was closed");
}
