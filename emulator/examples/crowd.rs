//! An emulator with much to see on its page: a service in 50 regions, and calls
//! of all sorts. Runs until Ctrl-C.
//!
//! `cargo run -p remint-emulator --example crowd -- 10000` makes so many
//! accepted calls first; without a number there are a few.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;

use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use remint_emulator::{
    Agent, Config, Emulator, Message, PushSubscription, RegionFault, ServiceRegion, TokenRequest,
};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const REGIONS: [&str; 10] = [
    "us-central1",
    "europe-west1",
    "asia-east1",
    "us-east1",
    "southamerica-east1",
    "australia-southeast1",
    "europe-north1",
    "us-west1",
    "asia-northeast1",
    "northamerica-northeast1",
];
const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
const PUSHER: &str = "pusher@demo-project.iam.gserviceaccount.com";
const STRANGER: &str = "a-service-with-a-rather-long-name@another-project.iam.gserviceaccount.com";

#[tokio::main]
async fn main() -> Outcome {
    let count = std::env::args().nth(1).map_or(Ok(20), |count| count.parse())?;
    let mut config = Config::demo();
    if let Some(orders) = config.services.first_mut() {
        let names = REGIONS.iter().map(|name| (*name).to_owned());
        let more = (REGIONS.len()..50).map(|number| format!("europe-test{number}"));
        orders.regions = names.chain(more).map(|name| ServiceRegion::new(&name)).collect();
        orders.custom_audiences = vec!["https://orders.example.com".to_owned()];
    }
    let emulator = Emulator::start(config).await?;
    pushes(&emulator, count).await?;
    calls(&emulator).await?;
    let mut out = io::stdout();
    writeln!(out, "http://{}/", emulator.google_addr())?;
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    emulator.shutdown().await;
    Ok(())
}

/// Accepted ones, a dead region's, and those of a sender that may not mint.
async fn pushes(emulator: &Emulator, count: usize) -> Outcome {
    let [us, eu, dead] = [0, 1, 2].map(|index| emulator.regions().get(index));
    let (Some(us), Some(eu), Some(dead)) = (us, eu, dead) else {
        return Err("the regions are missing".into());
    };
    let push = |url: String| -> Outcome<PushSubscription> {
        let mut subscription = PushSubscription::new("orders-push", url.parse()?, PUSHER);
        subscription.audience = Some(us.url().to_owned());
        subscription.give_up_after = Some(1);
        Ok(subscription)
    };
    let messages = |count: usize| (0..count).map(|number| Message::new(format!("{number}")));
    emulator.push(&push(format!("{}/push", us.url()))?, messages(count)).await;
    emulator.push(&push(format!("{}/push", eu.url()))?, messages(1)).await;
    dead.stop().await;
    emulator.push(&push(format!("{}/push", dead.url()))?, messages(1)).await;
    emulator.set_agents(&[Agent::CloudTasks]);
    emulator.push(&push(format!("{}/push", us.url()))?, messages(1)).await;
    emulator.set_agents(&Agent::ALL);
    eu.set_fault(Some(RegionFault::FrontEnd(http::StatusCode::SERVICE_UNAVAILABLE)));
    emulator.push(&push(format!("{}/push", eu.url()))?, messages(1)).await;
    Ok(())
}

/// Calls with tokens of other audiences and callers, with a stale one, with
/// none.
async fn calls(emulator: &Emulator) -> Outcome {
    let Some(us) = emulator.regions().first() else {
        return Err("the region is missing".into());
    };
    let mint =
        |account, audience: &str| emulator.issuer().mint(&TokenRequest::new(account, audience));
    let long = format!("https://a-very-long-name.example.com/{}", "and-a-long-path/".repeat(12));
    let nameless = TokenRequest::new(GATEWAY, us.url()).without_email();
    for (path, token) in [
        ("/orders/17", Some(mint(GATEWAY, us.url()))),
        ("/orders/18", Some(mint(GATEWAY, us.hash_url()))),
        ("/orders/19", Some(mint(GATEWAY, &format!("{}/orders/19", us.url())))),
        ("/orders/20", Some(mint(GATEWAY, "https://lb.example.com"))),
        ("/orders/21", Some(mint(GATEWAY, &long))),
        ("/orders/22", Some(mint(STRANGER, us.url()))),
        ("/orders/23", Some(emulator.issuer().mint(&nameless))),
        ("/orders/24", Some("no-token".to_owned())),
        ("/orders/25/with/a/long/path/that/goes/on/and/on/until/nobody/reads/it", None),
    ] {
        call(us.addr(), path, token.as_deref()).await?;
    }
    Ok(())
}

async fn call(to: SocketAddr, path: &str, token: Option<&str>) -> Outcome {
    let stream = tokio::net::TcpStream::connect(to).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::get(path).header("host", "orders.example.com");
    request = request.header("x-request-id", "8f14e45f-ceea-467f-a0e6-5d2b1c3a9f10");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = sender.send_request(request.body(Empty::<bytes::Bytes>::new())?).await?;
    answer.into_body().collect().await?;
    connection.abort();
    Ok(())
}
