//! Who reaches a service, by the network that it comes from.

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use remint_emulator::{
    Ingress, Kind, Message, Origin, PushSubscription, Service, ServiceRegion, Verdict,
};

use crate::support::{PUSHER, Reply, World, get, host, last_call};

const REFUSED: Verdict = Verdict::Refused { status: 404, code: "ingress_refused" };

async fn world(ingress: Ingress) -> World {
    World::with(|config| config.services[0].ingress = ingress).await
}

/// Calls us-central1 by its URL at that address, with a good token.
async fn call(world: &World, addr: SocketAddr) -> Reply {
    let url = world.us().url();
    get("/").header("host", host(url)).bearer(&world.token(url)).send(addr).await
}

/// The status that Pub/Sub gets for a push to that URL, by its host name.
async fn push(world: &World, url: &str) -> u16 {
    let push = PushSubscription {
        give_up_after: Some(1),
        min_backoff: Duration::from_millis(1),
        ..PushSubscription::new("push", url.parse().unwrap(), PUSHER)
    };
    let report = world.emulator.push(&push, [Message::new("m")]).await;
    *report.first_statuses().keys().next().unwrap()
}

#[tokio::test]
async fn internal_lets_in_the_vpc_network_and_senders_and_nobody_else() {
    let world = world(Ingress::Internal).await;
    for outside in [world.us().addr(), world.emulator.google_addr()] {
        assert_eq!(call(&world, outside).await.status, StatusCode::NOT_FOUND);
        let seen = last_call(&world);
        assert_eq!((seen.verdict, seen.origin), (REFUSED, Some(Origin::Internet)));
    }
    assert_eq!(call(&world, world.emulator.vpc_addr()).await.status, StatusCode::OK);
    assert_eq!(last_call(&world).origin, Some(Origin::Vpc));
    assert_eq!(push(&world, world.us().url()).await, 200);
    assert_eq!(last_call(&world).origin, Some(Origin::Sender));
}

#[tokio::test]
async fn with_load_balancers_let_in_the_internet_still_is_not() {
    let world = world(Ingress::InternalAndLoadBalancing).await;
    assert_eq!(call(&world, world.us().addr()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(call(&world, world.emulator.vpc_addr()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refusal_is_google_s_page_and_comes_before_the_token_is_looked_at() {
    let world = world(Ingress::Internal).await;
    let reply = get("/").bearer("no.token.atall").send(world.us().addr()).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.headers["content-type"], "text/html; charset=UTF-8");
    assert!(!reply.headers.contains_key("www-authenticate"));
    assert!(reply.text.contains("<h1>Error: Page not found</h1>"), "{}", reply.text);
    assert_eq!(call(&world, world.us().addr()).await.status, StatusCode::NOT_FOUND);
    assert_eq!((last_call(&world).audience, last_call(&world).caller), (None, None));
}

#[tokio::test]
async fn a_region_s_own_setting_goes_before_the_service_s() {
    let world = World::with(|config| {
        config.services[0].ingress = Ingress::Internal;
        config.services[0].regions[0].ingress = Some(Ingress::All);
    });
    let world = world.await;
    assert_eq!(call(&world, world.us().addr()).await.status, StatusCode::OK);
    let eu = world.eu();
    let reply = get("/").bearer(&world.token(eu.url())).send(eu.addr()).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pub_sub_does_not_reach_an_internal_function_though_it_reaches_such_a_service() {
    let world = World::with(|config| {
        config.services[0].ingress = Ingress::Internal;
        config.services.push(Service {
            name: "first".into(),
            kind: Kind::Function,
            regions: vec![ServiceRegion::new("us-central1")],
            ..config.services[0].clone()
        });
    });
    let world = world.await;
    let function = world.emulator.region("first", "us-central1").unwrap();
    assert_eq!(push(&world, function.url()).await, 404);
    assert_eq!(last_call(&world).verdict, REFUSED);
    let call = get("/first").header("host", host(function.url()));
    let call = call.bearer(&world.token(function.url()));
    assert_eq!(call.send(world.emulator.vpc_addr()).await.status, StatusCode::OK);
    assert_eq!(push(&world, world.us().url()).await, 200);
}
