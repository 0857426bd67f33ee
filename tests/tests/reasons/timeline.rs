//! The emulator's timeline: what its parts of Google refuse.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use remint_emulator::issuer::testing::{Flaw, Form, TestToken};
use remint_emulator::timeline::Call;
use remint_emulator::{
    Agent, Config, Emulator, Iap, IapIdentity, Ingress, LoadBalancer, Picking, PushSubscription,
    Service, ServiceRegion, TokenRequest, Verdict,
};
use remint_idtoken::policy::GCLOUD_CLIENT;
use remint_idtoken::{Reason, Teller};
use remint_tests::attack::bearer;
use remint_tests::chain::{PUSHER, REGIONS, SERVICE};
use remint_tests::client::send;
use serde_json::json;

use crate::told::{Told, holds_none_of, reason};

const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
const US: &str = "https://orders-123456789012.us-central1.run.app";
const EU: &str = "https://orders-123456789012.europe-west1.run.app";
const CUSTOM: &str = "https://orders.example.com";
const CLIENT: &str = "123-abc.apps.googleusercontent.com";
const BALANCER: &str = "lb.example.com";
const BEHIND_IAP: &str = "iap.example.com";

fn google() -> Config {
    let mut google = Config::demo();
    google.services[0].custom_audiences = vec![CUSTOM.to_owned()];
    google.services[0].invokers = vec![GATEWAY.to_owned()];
    let balancer = |host: &str, iap| LoadBalancer {
        host: host.to_owned(),
        port: 0,
        service: SERVICE.to_owned(),
        picking: Picking::Weighted(vec![(REGIONS[0].to_owned(), 1)]),
        iap,
    };
    let iap = Iap {
        enabled: true,
        client_id: CLIENT.to_owned(),
        backend_service: 42,
        users: vec![GATEWAY.to_owned()],
        identity: IapIdentity::ServiceAgent,
    };
    google.load_balancers = vec![balancer(BALANCER, None), balancer(BEHIND_IAP, Some(iap))];
    let service = |name: &str| Service {
        name: name.to_owned(),
        regions: vec![ServiceRegion::new(REGIONS[0])],
        invokers: vec![GATEWAY.to_owned()],
        ..Service::default()
    };
    google.services.push(Service { concurrency: Some(0), ..service("full") });
    google.services.push(Service { ingress: Ingress::Internal, ..service("inside") });
    // All but Pub/Sub's may mint for the project's accounts.
    google.agents = vec![Agent::CloudTasks, Agent::CloudScheduler, Agent::Eventarc];
    google
}

/// The timeline's word of the last call that was not well: its verdict's code, or
/// what its note begins with.
fn last_code(emulator: &Emulator, token: &str) -> String {
    let calls = emulator.timeline().all();
    let shown = serde_json::to_string(&calls).unwrap();
    holds_none_of(&shown, std::iter::once(token));
    let code = |call: &Call| match (call.verdict, &call.note) {
        (Verdict::Refused { code, .. }, _) => Some(code.to_owned()),
        (Verdict::Answered(_) | Verdict::NotSent, Some(note)) => {
            note.split_once(": ").map(|(code, _)| code.to_owned())
        }
        _ => None,
    };
    calls.iter().rev().find_map(code).unwrap_or_else(|| panic!("{calls:?}"))
}

/// Calls that host there with these values of `Authorization`.
async fn call(emulator: &Emulator, to: SocketAddr, host: &str, tokens: &[String]) -> String {
    emulator.timeline().clear();
    let mut request = Request::get("/").header("host", host);
    for token in tokens {
        request = request.header("authorization", bearer(token));
    }
    send(to, request.body(Bytes::new()).unwrap()).await.unwrap();
    last_code(emulator, tokens.first().map_or("", String::as_str))
}

/// The same at a service's front end.
async fn call_region(emulator: &Emulator, service: &str, tokens: &[String]) -> String {
    let region = emulator.region(service, REGIONS[0]).unwrap();
    let host = region.url().trim_start_matches("https://");
    call(emulator, region.addr(), host, tokens).await
}

/// The same at a load balancer.
async fn call_balancer(emulator: &Emulator, host: &str, tokens: &[String]) -> String {
    call(emulator, emulator.load_balancer(host).unwrap(), host, tokens).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_every_reason_that_google_has_and_no_token() {
    let mut told = Told::by(Teller::Emulator);
    let emulator = Emulator::start(google()).await.unwrap();
    for code in of_tokens(&emulator).await {
        told.add(reason(&code));
    }
    for code in of_settings(&emulator).await {
        told.add(reason(&code));
    }
    emulator.shutdown().await;
    told.add(of_an_invoker_who_is_on_the_way().await);
    told.hears_all();
}

/// What is wrong with a token.
async fn of_tokens(emulator: &Emulator) -> Vec<String> {
    let google = emulator.issuer();
    let mint = |audience: &str| google.mint(&TokenRequest::new(GATEWAY, audience));
    let flawed = |flaw| {
        let claims = json!({"aud": US, "email": GATEWAY}).as_object().cloned().unwrap();
        google.mint_for_testing(
            Form::IdToken,
            &TestToken { claims, flaw: Some(flaw), ..TestToken::default() },
        )
    };
    let mut long = google.claims(&TokenRequest::new(GATEWAY, US));
    long.insert("exp".to_owned(), (google.now().0 + 25 * 3600).into());
    let (one, other) = (mint(US), mint(EU));
    let mut codes = Vec::new();
    for (tokens, expected) in [
        (vec![], "token_missing"),
        (vec![one, other], "token_twice"),
        (vec!["x".to_owned()], "malformed"),
        (vec![flawed(Flaw::SignatureRemoved)], "sig_removed_by_google"),
        (vec![flawed(Flaw::AlgNone)], "alg_not_allowed"),
        (vec![flawed(Flaw::WrongIssuer)], "iss_unknown"),
        (vec![flawed(Flaw::UnknownKeyId)], "kid_unknown"),
        (vec![flawed(Flaw::BadSignature)], "sig_bad"),
        (vec![flawed(Flaw::Expired)], "expired"),
        (vec![flawed(Flaw::NotYetValid)], "not_yet_valid"),
        (vec![google.sign_claims(&long.into())], "lifetime_too_long"),
        (vec![mint("https://other.example")], "aud_mismatch"),
        (vec![mint(EU)], "aud_other_region"),
        (vec![mint(&format!("{US}/push"))], "aud_has_path"),
        (vec![mint(&format!("{CUSTOM}/"))], "aud_trailing_slash"),
        (vec![mint(CUSTOM.trim_start_matches("https://"))], "aud_no_scheme"),
        (vec![mint(&format!("{US}:443"))], "aud_has_port"),
        (vec![mint(CLIENT)], "aud_is_iap_client"),
        (vec![mint("https://internal-orders.us-central1.run.app")], "aud_invented_host"),
    ] {
        assert_eq!(call_region(emulator, SERVICE, &tokens).await, expected);
        codes.push(expected.to_owned());
    }
    let called = mint(&format!("https://{BALANCER}"));
    codes.push(call_balancer(emulator, BALANCER, &[called]).await);
    codes.push(call_balancer(emulator, BEHIND_IAP, &[mint(GCLOUD_CLIENT)]).await);
    assert!(codes.ends_with(&["aud_is_load_balancer", "aud_is_gcloud_client"].map(str::to_owned)));
    codes
}

/// What is wrong with how Google is set up.
async fn of_settings(emulator: &Emulator) -> Vec<String> {
    let google = emulator.issuer();
    let mint = |account: &str, audience: &str| google.mint(&TokenRequest::new(account, audience));
    let url = |service: &str| emulator.region(service, REGIONS[0]).unwrap().url().to_owned();
    let codes = vec![
        call_region(emulator, SERVICE, &[mint(PUSHER, US)]).await,
        call_region(emulator, "full", &[mint(GATEWAY, &url("full"))]).await,
        call_region(emulator, "inside", &[mint(GATEWAY, &url("inside"))]).await,
        call_balancer(emulator, BEHIND_IAP, &[mint(PUSHER, CLIENT)]).await,
        call_balancer(emulator, BEHIND_IAP, &[mint(GATEWAY, CLIENT)]).await,
        a_push(emulator).await,
        a_mint(emulator).await,
    ];
    let expected = [
        "invoker_missing",
        "region_full",
        "ingress_refused",
        "iap_access_missing",
        "iap_invoker_missing",
        "sender_may_not_mint",
        "mint_denied",
    ];
    assert_eq!(codes, expected);
    codes
}

/// A message, of a subscription whose service agent may not mint.
async fn a_push(emulator: &Emulator) -> String {
    emulator.timeline().clear();
    let endpoint = format!("{US}/push").parse().unwrap();
    let subscription = PushSubscription {
        give_up_after: Some(1),
        ..PushSubscription::new("push", endpoint, PUSHER)
    };
    emulator.push(&subscription, ["an order".into()]).await;
    last_code(emulator, "")
}

/// The machine's account asks for a token of another one.
async fn a_mint(emulator: &Emulator) -> String {
    emulator.timeline().clear();
    let google = emulator.google_addr();
    let own = Request::get("/computeMetadata/v1/instance/service-accounts/default/token")
        .header("host", "metadata.google.internal")
        .header("metadata-flavor", "Google")
        .body(Bytes::new());
    let own = send(google, own.unwrap()).await.unwrap().json().unwrap();
    let access = own["access_token"].as_str().unwrap();
    let path = format!("/v1/projects/-/serviceAccounts/{PUSHER}:generateIdToken");
    let asked = Request::post(path)
        .header("host", "iamcredentials.googleapis.com")
        .header("authorization", bearer(access))
        .header("content-type", "application/json")
        .body(Bytes::from_static(br#"{"audience": "a"}"#));
    assert_eq!(send(google, asked.unwrap()).await.unwrap().status, 403);
    let calls = serde_json::to_string(&emulator.timeline().all()).unwrap();
    assert!(!calls.contains(access), "{calls}");
    last_code(emulator, "")
}

/// An account that was granted the role a moment ago, which few front ends know.
async fn of_an_invoker_who_is_on_the_way() -> Reason {
    let mut google = google();
    google.iam_propagation = Duration::from_secs(3600);
    google.services[0].invokers = vec![PUSHER.to_owned()];
    let emulator = Emulator::start(google).await.unwrap();
    emulator.region(SERVICE, REGIONS[0]).unwrap().set_invokers([GATEWAY]);
    let token = emulator.issuer().mint(&TokenRequest::new(GATEWAY, US));
    assert_eq!(call_region(&emulator, SERVICE, &[token]).await, "iam_propagating");
    emulator.shutdown().await;
    Reason::IamPropagating
}
