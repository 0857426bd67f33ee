//! Functions of the first generation.

use http::StatusCode;
use remint_emulator::{Kind, Region, Service, ServiceRegion, Verdict};
use serde_json::Value;

use crate::support::{World, get, host, last_call, post};
use crate::tls;

const HOST: &str = "us-central1-demo-project.cloudfunctions.net";

/// The functions `first` and `other` beside the demo's service.
async fn world() -> World {
    let function = |name: &str, from: &Service| Service {
        name: name.into(),
        kind: Kind::Function,
        regions: vec![ServiceRegion::new("us-central1")],
        custom_audiences: vec!["https://custom.example".into()],
        tags: vec!["canary".into()],
        ..from.clone()
    };
    World::with(|config| {
        let demo = config.services[0].clone();
        config.services.extend(["first", "other"].map(|name| function(name, &demo)));
    })
    .await
}

fn first(world: &World) -> &Region {
    world.emulator.region("first", "us-central1").unwrap()
}

#[tokio::test]
async fn its_one_url_is_its_audience_and_the_container_does_not_see_its_path() {
    let world = world().await;
    let function = first(&world);
    let url = format!("https://{HOST}/first");
    assert_eq!([function.url(), function.hash_url(), function.function_url()], [&*url; 3]);
    let call =
        |path: &str, audience: &str| get(path).header("host", HOST).bearer(&world.token(audience));
    for (asked, seen) in [("/first/7?a=b", "/7"), ("/first", "/")] {
        let reply = call(asked, &url).send(function.addr()).await.json();
        assert_eq!((&reply["path"], &reply["audience"]), (&seen.into(), &url.clone().into()));
        assert_eq!(reply["service"], "first");
    }
    let number = "123456789012";
    for wrong in [
        format!("https://{HOST}"),
        format!("{url}/"),
        format!("https://first-{number}.us-central1.run.app"),
        "https://custom.example".to_owned(),
    ] {
        let reply = call("/first", &wrong).send(function.addr()).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{wrong}");
    }
}

#[tokio::test]
async fn it_has_no_run_app_host_and_no_tags() {
    let world = world().await;
    let function = first(&world);
    let run = host(world.us().url()).replace("orders", "first");
    for named in [run.clone(), format!("canary---{run}")] {
        let call = get("/").header("host", &named).bearer(&world.token(function.url()));
        assert_eq!(call.send(function.addr()).await.status, StatusCode::NOT_FOUND);
        assert!(tls::connect(&world, function.addr(), &named, "h2").await.is_err());
    }
    assert!(tls::connect(&world, function.addr(), HOST, "h2").await.is_ok());
}

#[tokio::test]
async fn functions_of_a_region_share_a_host_and_the_path_tells_them_apart() {
    let world = world().await;
    let google = world.emulator.google_addr();
    for name in ["first", "other", "orders"] {
        let function = world.emulator.region(name, "us-central1").unwrap();
        let token = world.token(function.function_url());
        let call = || get(&format!("/{name}/a")).header("host", HOST).bearer(&token);
        let reply = call().send(google).await.json();
        assert_eq!((&reply["service"], &reply["path"]), (&name.into(), &"/a".into()));
        function.stop().await;
        assert_eq!(call().send(google).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let reply = get("/unknown").header("host", HOST).send(google).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_serverless_header_is_just_a_header_to_it() {
    let world = world().await;
    let function = first(&world);
    let (good, other) = (world.token(function.url()), world.token("https://lb.example"));
    let serverless = |token: &str| {
        get("/first")
            .header("host", HOST)
            .header("x-serverless-authorization", &format!("Bearer {token}"))
    };
    assert_eq!(serverless(&good).send(function.addr()).await.status, StatusCode::FORBIDDEN);
    let reply = serverless(&other).bearer(&good).send(function.addr()).await.json();
    let headers = &reply["headers"];
    assert_eq!(headers["authorization"]["signature"], "SIGNATURE_REMOVED_BY_GOOGLE");
    assert_eq!(headers["x-serverless-authorization"]["signature"], "(kept)");
}

#[tokio::test]
async fn behind_another_host_the_whole_path_is_its_own() {
    let world = world().await;
    let function = first(&world);
    let call = get("/first/7").header("host", "lb.example").bearer(&world.token(function.url()));
    let reply = call.send(function.addr()).await.json();
    assert_eq!((&reply["path"], &reply["tag"]), (&"/first/7".into(), &Value::Null));
}

#[tokio::test]
async fn it_takes_no_more_than_ten_megabytes() {
    let world = world().await;
    let function = first(&world);
    let call = |size| post("/first", vec![7_u8; size]).header("host", HOST);
    let call = |size| call(size).bearer(&world.token(function.url())).send(function.addr());
    assert_eq!(call(10 << 20).await.status, StatusCode::OK);
    assert_eq!(call((10 << 20) + 1).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let too_large = Verdict::Refused { status: 413, code: "request_too_large" };
    assert_eq!(last_call(&world).verdict, too_large);
}
