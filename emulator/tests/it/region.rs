//! Regions that die and come back.

use std::io::ErrorKind;
use std::time::Duration;

use http::StatusCode;
use remint_emulator::{RegionFault, Verdict};
use tokio::net::TcpStream;

use crate::support::{World, connect, eventually, get};

const DEADLINE: Duration = Duration::from_secs(20);

async fn is_refused(addr: std::net::SocketAddr) -> bool {
    let error = TcpStream::connect(addr).await.err();
    error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[tokio::test]
async fn a_dead_region_refuses_connections_and_comes_back_on_its_port() {
    let world = World::start().await;
    let (us, addr) = (world.us(), world.us().addr());
    let token = world.token(us.url());
    for _ in 0..3 {
        assert_eq!(get("/").bearer(&token).send(addr).await.status, StatusCode::OK);
        us.stop().await;
        assert!(is_refused(addr).await);
        us.stop().await;
        us.start().await.unwrap();
        us.start().await.unwrap();
    }
    assert_eq!(us.addr(), addr);
    assert!(!is_refused(world.eu().addr()).await);
}

#[tokio::test]
async fn open_connections_die_with_their_region_busy_or_not() {
    let world = World::start().await;
    let us = world.us();
    let token = world.token(us.url());
    let mut idle = connect(us.addr()).await;
    get("/").bearer(&token).send_on(&mut idle).await.unwrap();
    let mut busy = connect(us.addr()).await;
    let waiting = get("/delay/60000").bearer(&token).send_on(&mut busy);
    let death = async {
        while world.emulator.timeline().calls().len() < 2 {
            tokio::task::yield_now().await;
        }
        us.stop().await;
    };
    let (waited, ()) =
        tokio::time::timeout(DEADLINE, async { tokio::join!(waiting, death) }).await.unwrap();
    assert!(waited.is_err());
    assert!(get("/").bearer(&token).send_on(&mut idle).await.is_err());
}

#[tokio::test]
async fn after_a_shutdown_all_ports_are_closed() {
    let world = World::start().await;
    let addrs = [world.emulator.google_addr(), world.us().addr(), world.eu().addr()];
    world.emulator.shutdown().await;
    for addr in addrs {
        assert!(is_refused(addr).await);
    }
}

#[tokio::test]
async fn an_emulator_that_is_dropped_closes_its_ports() {
    let world = World::start().await;
    let emulator = &world.emulator;
    let addrs = [emulator.google_addr(), emulator.vpc_addr(), world.us().addr()];
    drop(world);
    for addr in addrs {
        eventually(|| is_refused(addr), |refused| *refused).await;
    }
}

#[tokio::test]
async fn a_region_can_be_told_to_fail_and_the_others_do_not() {
    let world = World::start().await;
    let (us, addr) = (world.us(), world.us().addr());
    let token = world.token(us.url());
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
        us.set_fault(Some(RegionFault::FrontEnd(status)));
        let reply = get("/").bearer(&token).send(addr).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.headers["content-type"], "text/html; charset=UTF-8");
        assert!(!reply.headers.contains_key("www-authenticate"));
    }
    us.set_fault(Some(RegionFault::Reset));
    let mut connection = connect(addr).await;
    assert!(get("/").bearer(&token).send_on(&mut connection).await.is_err());
    us.set_fault(Some(RegionFault::Latency(Duration::from_millis(1))));
    assert_eq!(get("/").bearer(&token).send(addr).await.status, StatusCode::OK);
    us.set_fault(Some(RegionFault::Hang));
    let mut connection = connect(addr).await;
    let answer = get("/").bearer(&token).send_on(&mut connection);
    let seen = async {
        while world.emulator.timeline().count(|call| call.verdict == Verdict::Failed) < 4 {
            tokio::task::yield_now().await;
        }
        let eu = world.eu();
        get("/").bearer(&world.token(eu.url())).send(eu.addr()).await
    };
    tokio::select! {
        _ = answer => panic!("it hangs"),
        reply = seen => assert_eq!(reply.status, StatusCode::OK),
    }
    us.set_fault(None);
    assert_eq!(get("/").bearer(&token).send(addr).await.status, StatusCode::OK);
}

#[tokio::test]
async fn at_its_own_host_a_function_wants_its_whole_url_and_serves_what_is_below_it() {
    let world = World::start().await;
    let (us, addr) = (world.us(), world.us().addr());
    let host = "us-central1-demo-project.cloudfunctions.net";
    assert_eq!(us.function_url(), format!("https://{host}/orders"));
    let call =
        |path: &str, audience: &str| get(path).header("host", host).bearer(&world.token(audience));
    for (asked, seen) in [("/orders/7", "/7"), ("/orders", "/"), ("/orders/", "/")] {
        let reply = call(asked, us.function_url()).send(addr).await;
        assert_eq!(reply.status, StatusCode::OK, "{asked}");
        assert_eq!(reply.json()["path"], seen);
    }
    for other in ["/", "/ordersx", "/users/7"] {
        let reply = call(other, us.function_url()).send(addr).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{other}");
    }
    let origin = format!("https://{host}");
    for wrong in [us.url(), &origin, &format!("{}/", us.function_url())] {
        assert_eq!(call("/orders", wrong).send(addr).await.status, StatusCode::UNAUTHORIZED);
    }
    let reply = get("/").bearer(&world.token(us.function_url())).send(addr).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "the service is no function");
}

#[tokio::test]
async fn all_listeners_close_when_the_emulator_is_dropped() {
    let world = World::start().await;
    let emulator = &world.emulator;
    let addrs = [emulator.google_addr(), emulator.vpc_addr(), world.us().addr()];
    drop(world);
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(10));
    let closed = async {
        for addr in addrs {
            while tokio::net::TcpStream::connect(addr).await.is_ok() {
                tick.tick().await;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), closed).await.expect("closed ports");
}
