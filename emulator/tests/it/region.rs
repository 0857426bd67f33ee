//! Regions that die and come back.

use std::io::ErrorKind;
use std::time::Duration;

use http::StatusCode;
use tokio::net::TcpStream;

use crate::support::{World, connect, get};

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
