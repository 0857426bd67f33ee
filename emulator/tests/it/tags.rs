//! Traffic tags: URLs of their own, audiences of the service.

use http::StatusCode;
use remint_emulator::{Config, Emulator, StartError, Verdict};

use crate::support::{World, get, host, last_call};
use crate::tls;

async fn world() -> World {
    World::with(|config| config.services[0].tags = vec!["canary".into(), "blue".into()]).await
}

#[tokio::test]
async fn a_tagged_url_wants_the_audience_without_the_tag_and_tells_the_container() {
    let world = world().await;
    let us = world.us();
    for tag in ["canary", "blue"] {
        for url in [us.url(), us.hash_url()] {
            let tagged = format!("{tag}---{}", host(url));
            let call =
                |audience: &str| get("/").header("host", &tagged).bearer(&world.token(audience));
            // At its own port, and where all of Google is.
            for addr in [us.addr(), world.emulator.google_addr()] {
                let reply = call(url).send(addr).await;
                assert_eq!(reply.status, StatusCode::OK, "{tagged}");
                let seen = reply.json();
                assert_eq!((&seen["tag"], &seen["host"]), (&tag.into(), &tagged.clone().into()));
                assert_eq!(last_call(&world).note, Some(format!("tag {tag}")));
            }
            let refused = call(&format!("https://{tagged}")).send(us.addr()).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        }
    }
    let reply = get("/").bearer(&world.token(us.url())).send(us.addr()).await;
    assert_eq!(reply.json()["tag"], serde_json::Value::Null);
}

#[tokio::test]
async fn the_certificate_is_for_tagged_hosts_too() {
    let world = world().await;
    for url in [world.us().url(), world.us().hash_url()] {
        let name = format!("canary---{}", host(url));
        let result = tls::connect(&world, world.us().addr(), &name, "http/1.1").await;
        assert!(result.is_ok(), "{name}: {result:?}");
    }
}

#[tokio::test]
async fn an_unknown_tag_or_service_is_not_found_whoever_asks() {
    let world = world().await;
    let us = world.us();
    let token = world.token(us.url());
    for (named, code) in [
        (format!("green---{}", host(us.url())), "no_such_tag"),
        (host(us.url()).replace("orders", "users"), "no_such_service"),
        (host(world.eu().url()).to_owned(), "no_such_service"),
    ] {
        let reply = get("/").header("host", &named).bearer(&token).send(us.addr()).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{named}");
        assert!(reply.text.contains("The requested URL was not found on this server."));
        assert_eq!(last_call(&world).verdict, Verdict::Refused { status: 404, code });
    }
}

#[tokio::test]
async fn a_tag_that_fits_no_host_name_is_told() {
    for tag in ["Canary", "", "a---------------------------------------b"] {
        let mut config = Config::demo();
        config.services[0].tags = vec![tag.to_owned()];
        let error = Emulator::start(config).await.err().unwrap();
        assert!(matches!(error, StartError::Tag(ref it) if it == tag), "{error}");
    }
}
