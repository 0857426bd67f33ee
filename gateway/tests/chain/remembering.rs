//! Callers' tokens that were verified before.

use std::net::SocketAddr;
use std::time::Duration;

use http::Request;
use remint_emulator::{AssertionRequest, IapResource};

use crate::support::{Chain, Google, HOST, eventually};

const RESOURCE: IapResource = IapResource::BackendService { project: 1, id: 2 };

/// IAP's keys, so that the gateway's own tokens stay good when they change.
fn for_iap(configuration: &str, keys: SocketAddr) -> String {
    let callers = format!("audiences: [{RESOURCE}]\n      callers: {{ emails: [a@b.example] }}");
    let (before, rest) = configuration.split_once("audiences:").unwrap();
    let rest = rest.split_once("\nidentity:").unwrap().1;
    let text = format!(
        "{before}issuers: [iap]\n      {callers}\n  issuers: [{{ preset: iap }}]\nidentity:{rest}"
    );
    let keys = format!("\"www.gstatic.com:443\": \"{keys}\"");
    text.replace("connect_to:\n", &format!("connect_to:\n    {keys}\n"))
}

#[tokio::test]
async fn a_signature_is_checked_once_and_counts_for_nothing_when_its_key_is_gone() {
    let google = Google::start().await;
    google.emulator.set_keys_max_age(Duration::from_secs(60));
    let regions = google.regions();
    let keys = google.emulator.google_addr();
    let chain = Chain::before(google, &regions, |text| for_iap(&text, keys)).await;
    chain.ready().await;
    let mint =
        || chain.emulator.iap().mint_assertion(&AssertionRequest::new("a@b.example", RESOURCE));
    let send = async |token: &str| {
        let request = Request::get("/").header("host", HOST);
        chain.send(request.header("x-goog-iap-jwt-assertion", token)).await.status
    };
    let token = mint();
    for _ in 0..3 {
        assert_eq!(send(&token).await, 200);
    }
    assert_eq!(chain.figure("remint_unknown_tokens_total", "").await, 1);
    assert_eq!(chain.figure("remint_remembered_tokens_total", "").await, 2);

    chain.emulator.iap().rotate().unwrap();
    chain.emulator.iap().retire_old();
    // Well before the token's end: it is the key that is gone.
    chain.clock.jump(Duration::from_secs(400));
    // A token of the new key makes the gateway look for it.
    eventually("new keys are there", async || send(&mint()).await == 200).await;
    assert_eq!(send(&token).await, 401);
}
