//! Stopping without refusing anybody.

use crate::client::{get, send};
use crate::load::Load;
use crate::support::{Chain, Google, eventually};
use crate::wire::Wire;

#[tokio::test]
async fn before_it_closes_it_says_so_and_still_serves() {
    let google = Google::start().await;
    let regions = google.regions();
    let chain = Chain::before(google, &regions, |text| text + "drain_delay: 2s\n").await;
    chain.ready().await;
    assert_eq!(chain.get("/").await.header("connection"), None);
    let (front, admin) = (chain.gateway.address(), chain.gateway.admin_address());
    let request = || chain.request("/").body(Default::default()).unwrap();
    let requests = [request(), request()];
    let draining = tokio::spawn(chain.gateway.drain());
    eventually("it says so", async || get(admin, "/readyz").await.status == 503).await;
    for request in requests {
        let answer = send(front, request).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("connection"), Some("close"), "another instance is better");
    }
    assert!(draining.await.unwrap());
    assert!(tokio::net::TcpStream::connect(front).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_dropped_though_callers_keep_calling() {
    for (http_1, http_2) in [(8, 0), (0, 4), (4, 4)] {
        let chain = Chain::start().await;
        let load = Load::start(&chain, http_1, http_2);
        eventually("requests come through", async || load.answered() > 40).await;
        assert!(chain.gateway.drain().await, "all were finished");
        // Every caller goes on until nobody accepts its connection.
        let answered = load.finish_refused().await;
        let called = chain.emulator.timeline().calls().len();
        assert_eq!(answered, called, "whatever reached a region was answered");
    }
}

#[tokio::test]
async fn connections_that_are_there_get_one_more_answer_after_the_listener_has_closed() {
    let chain = Chain::start().await;
    let front = chain.gateway.address();
    let (mut used, mut fresh) = (Wire::connect(front).await, Wire::connect(front).await);
    let head = Wire::head(&chain, "content-length: 0\r\n");
    // Its answer has no body, so that nothing is left to read.
    let head = head.replace("POST / ", "POST /status/204 ");
    used.say(&head).await;
    assert_eq!(used.status().await, "HTTP/1.1 204 No Content");
    let draining = tokio::spawn(chain.gateway.drain());
    let refused = async || tokio::net::TcpStream::connect(front).await.is_err();
    eventually("nothing more is accepted", refused).await;
    for caller in [&mut used, &mut fresh] {
        caller.say(&head).await;
        assert_eq!(caller.status().await, "HTTP/1.1 204 No Content");
    }
    assert!(used.is_closed().await && fresh.is_closed().await);
    assert!(draining.await.unwrap());
}
