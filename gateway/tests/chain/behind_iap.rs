//! IAP that refuses the gateway before it refuses anybody, and one that nobody
//! has told the gateway of.

use remint_emulator::{Iap, IapIdentity, LoadBalancer, Picking};

use crate::client::Answer;
use crate::page::status;
use crate::support::{Chain, Google};

const US: &str = "us-central1";
const CLIENT: &str = "123-abc.apps.googleusercontent.com";
const DOMAIN: &str = "us.orders.example.com";
const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
const REFUSALS: &str = "remint_front_end_refusals_total";
const RETRIES: &str = "remint_retries_total";

/// A gateway before two regions: the first with these members, behind IAP, which
/// lets `users` in; the other at Cloud Run. The first is asked first.
async fn beside(region: &str, users: &[&str]) -> Chain {
    let google = Google::with(|config| {
        config.services[0].invokers = vec![
            GATEWAY.to_owned(),
            "service-123456789012@gcp-sa-iap.iam.gserviceaccount.com".to_owned(),
        ];
        config.load_balancers = vec![LoadBalancer {
            host: DOMAIN.to_owned(),
            port: 0,
            service: "orders".to_owned(),
            picking: Picking::Weighted(vec![(US.to_owned(), 1)]),
            iap: Some(Iap {
                enabled: true,
                client_id: CLIENT.to_owned(),
                backend_service: 42,
                users: users.iter().map(|it| (*it).to_owned()).collect(),
                identity: IapIdentity::ServiceAgent,
            }),
        }];
    })
    .await;
    let address = google.emulator.load_balancer(DOMAIN).unwrap();
    let eu = google.emulator.region("orders", "europe-west1").unwrap().url().to_owned();
    let change = |text: String| {
        let regions = format!(
            "    regions:\n      - {{ name: r0, url: \"https://{DOMAIN}\", {region} }}\n      \
             - {{ name: r1, url: \"{eu}\" }}\n"
        );
        let way = format!("  connect_to:\n    \"{DOMAIN}:443\": \"{address}\"\n");
        text.replace("    regions:\n", &regions).replace("  connect_to:\n", &way) + "region: r0\n"
    };
    let chain = Chain::before(google, &[], change).await;
    chain.ready().await;
    chain
}

async fn post(chain: &Chain) -> Answer {
    chain.send(chain.request("/").method("POST").header("content-length", "0")).await
}

#[tokio::test]
async fn iap_that_lets_the_gateway_in_is_passed() {
    let chain = beside(&format!("kind: iap, client_id: {CLIENT}"), &[GATEWAY]).await;
    let answer = post(&chain).await;
    assert_eq!((answer.status.as_u16(), answer.json()["region"].clone()), (200, US.into()));
    assert_eq!(chain.figure(REFUSALS, "").await, 0);
}

#[tokio::test]
async fn what_iap_refuses_goes_elsewhere_and_the_operator_is_told_whose_word_it_was() {
    for (client, users, labels, cause) in [
        (
            "other.example",
            &[GATEWAY][..],
            "status=\"401\",reason=\"iap_token_refused\"",
            "iap_token",
        ),
        (CLIENT, &["a@b.example"], "status=\"403\",reason=\"iap_access_missing\"", "iap_caller"),
    ] {
        let chain = beside(&format!("kind: iap, client_id: {client}"), users).await;
        let answer = post(&chain).await;
        assert_eq!(answer.json()["region"], "europe-west1", "{}", answer.text());
        let counted = chain.figure(REFUSALS, &format!("region=\"r0\",{labels}")).await;
        assert!(counted >= 1, "{labels}");
        assert_eq!(chain.figure(REFUSALS, "").await, counted);
        assert!(chain.figure(RETRIES, &format!("cause=\"{cause}\"")).await >= 1);
        let told = status(&chain).await;
        let refuses = &told["services"][0]["regions"][0]["refuses_gateway"];
        let entry = &told["refusals"]["recent"][0]["refusal"];
        assert!(labels.contains(refuses["reason"].as_str().unwrap()), "{refuses}");
        assert_eq!((&entry["reason"], &entry["region"]), (&refuses["reason"], &"r0".into()));
        assert_eq!((&entry["rule"], &entry["command"]), (&"push".into(), &refuses["command"]));
        assert!(entry["command"].as_str().unwrap().starts_with("gcloud "), "{entry}");
        assert!(told["headline"]["text"].as_str().unwrap().contains("IAP does not"), "{told:#}");
    }
}

#[tokio::test]
async fn iap_where_none_is_expected_is_named_and_may_have_been_passed_on() {
    // Cloud Run's own audience, and its header, as if nothing stood before it.
    let chain = beside("kind: cloud_run", &[GATEWAY]).await;
    let answer = post(&chain).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("x-remint-reason"), Some("region_refused_gateway"));
    assert!(answer.text().starts_with("Invalid IAP credentials"), "{}", answer.text());
    assert_eq!(chain.get("/").await.json()["region"], "europe-west1", "it does no harm");
    assert_eq!(chain.figure(REFUSALS, "reason=\"iap_token_refused\"").await, 2);
    assert_eq!(chain.figure(RETRIES, "cause=\"iap_likely\"").await, 1);
}
