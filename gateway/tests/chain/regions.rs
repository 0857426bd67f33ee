//! Which region is asked, and how each kind of them is.

use std::collections::BTreeMap;

use remint_emulator::{Emulator, ServiceRegion, TokenRequest};

use crate::raw_region::{Habit, RawRegion};
use crate::support::{AUDIENCE, CALLER, Chain, Google, HOST, eventually};

/// A gateway before regions with these members, with these settings of their
/// service.
pub(crate) async fn chain(google: Google, regions: &[String], service: &str) -> Chain {
    chain_within(google, regions, service, "5m").await
}

/// The same, with so much time for an answer.
pub(crate) async fn chain_within(
    google: Google,
    regions: &[String],
    service: &str,
    response_timeout: &str,
) -> Chain {
    let functions = google.emulator.regions().iter().map(|it| {
        let host = it.function_url().split('/').nth(2).unwrap();
        format!("    \"{host}:443\": \"{}\"\n", it.addr())
    });
    let functions: String = functions.collect();
    let upstream = format!("  response_timeout: {response_timeout}\n  connect_to:\n{functions}");
    let listed: String = regions.iter().map(|it| format!("      - {{ {it} }}\n")).collect();
    let change = |text: String| {
        let regions = format!("    {service}\n    regions:\n{listed}");
        text.replace("    regions:\n", &regions).replace("  connect_to:\n", &upstream)
    };
    let chain = Chain::before(google, &[], change).await;
    chain.ready().await;
    let all_have_tokens = async || {
        let minted = chain.figure("remint_mints_total", "outcome=\"minted\"").await;
        minted >= regions.len() as u64
    };
    eventually("each region has its token", all_have_tokens).await;
    chain
}

/// A region of `orders` at Cloud Run, with more members.
pub(crate) fn run(emulator: &Emulator, region: &str, more: &str) -> String {
    let url = emulator.region("orders", region).unwrap().url();
    format!("name: {region}, url: \"{url}\", {more}")
}

/// How many of so many requests each region answered.
pub(crate) async fn counts(chain: &Chain, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let answer = chain.get("/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let region = answer.json()["region"].as_str().unwrap().to_owned();
        *counts.entry(region).or_default() += 1;
    }
    counts
}

const US: &str = "us-central1";
const EU: &str = "europe-west1";

#[tokio::test]
async fn a_function_gets_requests_below_its_path_and_a_token_for_its_whole_url() {
    let google = Google::start().await;
    let url = google.emulator.region("orders", US).unwrap().function_url().to_owned();
    let function = format!("name: {US}, kind: cloud_function, url: \"{url}\"");
    let chain = chain(google, &[function], "").await;
    let answer = chain.get("/7?a=b").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!((&seen["path"], &seen["query"]), (&"/7".into(), &"a=b".into()));
    assert_eq!(seen["audience"], url);
    assert_eq!(seen["host"], "us-central1-demo-project.cloudfunctions.net");
    assert_eq!(seen["headers"]["authorization"]["claims"]["aud"], url);
    assert!(seen["headers"].get("x-serverless-authorization").is_none());
}

#[tokio::test]
async fn an_attempt_in_another_kind_of_region_keeps_nothing_of_the_one_before() {
    let google = Google::start().await;
    let [us, eu] = [US, EU].map(|it| google.emulator.region("orders", it).unwrap());
    us.stop().await;
    let (function_url, run_url) = (us.function_url().to_owned(), eu.url().to_owned());
    let function = format!("name: {US}, kind: cloud_function, url: \"{function_url}\"");
    let other = run(&google.emulator, EU, "priority: 1");
    let chain = chain(google, &[function, other], "").await;
    let seen = chain.get("/7?a=b").await.json();
    assert_eq!(chain.figure("remint_retries_total", "").await, 1);
    assert_eq!((&seen["path"], &seen["query"]), (&"/7".into(), &"a=b".into()));
    assert_eq!(seen["audience"], run_url);
    assert!(seen["headers"].get("authorization").is_none(), "{seen}");
    assert_eq!(seen["headers"]["x-serverless-authorization"]["claims"]["aud"], run_url);
}

#[tokio::test]
async fn behind_iap_the_token_is_for_the_client_id_and_in_the_header_that_was_chosen() {
    for (setting, name, other) in [
        ("", "authorization", "proxy-authorization"),
        (", iap_header: proxy_authorization", "proxy-authorization", "\r\nauthorization"),
    ] {
        let region = RawRegion::start(Habit::Answer).await;
        let url = region.entry().0;
        let iap = format!("name: r0, kind: iap, url: \"{url}\", client_id: 7-a.example{setting}");
        let chain = chain(Google::start().await, &[iap], "").await;
        assert_eq!(chain.get("/").await.status, 200);
        let text = region.text();
        let line = text.lines().find(|line| line.starts_with(&format!("{name}: Bearer ")));
        let token = line.unwrap().rsplit(' ').next().unwrap();
        let parsed = remint_idtoken::UnverifiedToken::parse(token.as_bytes()).unwrap();
        assert_eq!(parsed.claims().audiences, ["7-a.example"]);
        assert!(!text.contains(&format!("{other}:")), "one token, in one header");
        assert!(!text.contains("x-serverless-authorization"));
    }
}

#[tokio::test]
async fn weights_are_obeyed_and_a_drained_region_gets_nothing() {
    let google = Google::start().await;
    let regions = [run(&google.emulator, US, "weight: 3"), run(&google.emulator, EU, "weight: 1")];
    let chain_of_both = chain(google, &regions, "").await;
    let counts_of_both = counts(&chain_of_both, 40).await;
    assert!((27..=33).contains(&counts_of_both[US]), "{counts_of_both:?}");
    let google = Google::start().await;
    let regions = [run(&google.emulator, US, "weight: 0"), run(&google.emulator, EU, "")];
    let chain = chain(google, &regions, "").await;
    assert_eq!(counts(&chain, 10).await, [(EU.to_owned(), 10)].into());
}

#[tokio::test]
async fn the_local_region_is_asked_first_told_or_found_out() {
    for (setting, local) in [("region: auto", US), ("region: europe-west1", EU)] {
        let google = Google::start().await;
        let regions = google.regions();
        let named = |text: String| {
            let text = text.replace("name: r0", &format!("name: {US}"));
            format!("{setting}\n{}", text.replace("name: r1", &format!("name: {EU}")))
        };
        let chain = Chain::before(google, &regions, named).await;
        chain.ready().await;
        let all_are_local = async || counts(&chain, 4).await.get(local) == Some(&4);
        eventually("all requests go to the local region", all_are_local).await;
        assert_eq!(counts(&chain, 10).await, [(local.to_owned(), 10)].into());
        chain.emulator.region("orders", local).unwrap().stop().await;
        let counts = counts(&chain, 5).await;
        assert_eq!(counts.values().sum::<usize>(), 5, "then the other one");
    }
}

#[tokio::test]
async fn a_priority_takes_over_from_the_one_before_and_gives_back() {
    let google = Google::start().await;
    let regions = [run(&google.emulator, US, ""), run(&google.emulator, EU, "priority: 1")];
    let chain = chain(google, &regions, "outlier_detection: { base_ejection_time: 100ms }").await;
    assert_eq!(counts(&chain, 10).await, [(US.to_owned(), 10)].into());
    let us = chain.emulator.region("orders", US).unwrap();
    us.stop().await;
    assert_eq!(counts(&chain, 10).await, [(EU.to_owned(), 10)].into());
    us.start().await.unwrap();
    let is_back = async || counts(&chain, 1).await.contains_key(US);
    eventually("the first priority is used again", is_back).await;
    assert_eq!(counts(&chain, 10).await, [(US.to_owned(), 10)].into());
}

#[tokio::test]
async fn what_a_priority_can_not_take_overflows_into_the_next() {
    let asia = "asia-east1";
    let google =
        Google::with(|config| config.services[0].regions.push(ServiceRegion::new(asia))).await;
    let regions = [
        run(&google.emulator, US, ""),
        run(&google.emulator, EU, ""),
        run(&google.emulator, asia, "priority: 1"),
    ];
    let chain = chain(google, &regions, "outlier_detection: { base_ejection_time: 1h }").await;
    let before = counts(&chain, 10).await;
    assert_eq!(before.get(asia), None, "{before:?}");
    chain.emulator.region("orders", US).unwrap().stop().await;
    // The first of them finds out.
    counts(&chain, 10).await;
    let after = counts(&chain, 40).await;
    // Half of the weight is left, and can take 1.4 times its share.
    assert!((25..=31).contains(&after[EU]) && after[EU] + after[asia] == 40, "{after:?}");
}

#[tokio::test]
async fn a_caller_allowed_for_one_service_is_refused_at_the_other() {
    const OTHER: &str = "other@demo-project.iam.gserviceaccount.com";
    let google = Google::with(|config| {
        let mut users = config.services[0].clone();
        users.name = "users".to_owned();
        config.services.push(users);
    })
    .await;
    let orders = run(&google.emulator, US, "");
    let users = google.emulator.region("users", US).unwrap().url().to_owned();
    let (host, audience) = ("users.example.com", "https://users.example.com/");
    let rule = format!(
        "  rules:\n    - name: users\n      match: {{ hosts: [{host}] }}\n      audiences: \
         [\"{audience}\"]\n      callers: {{ emails: [\"{OTHER}\"] }}\n"
    );
    let service = format!(
        "services:\n  - {{ name: users, rules: [users], regions: [{{ name: {US}, url: \"{users}\" \
         }}] }}\n"
    );
    let change = |text: String| {
        let regions = format!("    regions:\n      - {{ {orders} }}\n");
        text.replace("    regions:\n", &regions)
            .replace("  rules:\n", &rule)
            .replace("services:\n", &service)
    };
    let chain = Chain::before(google, &[], change).await;
    chain.ready().await;
    for (account, token_for, to, expected) in [
        (CALLER, AUDIENCE, HOST, (200, "orders")),
        (OTHER, audience, host, (200, "users")),
        (CALLER, audience, host, (403, "not permitted")),
        (OTHER, AUDIENCE, HOST, (403, "not permitted")),
        (CALLER, AUDIENCE, host, (401, "")),
    ] {
        let token = chain.emulator.issuer().mint(&TokenRequest::new(account, token_for));
        let request = http::Request::get("/").header("host", to);
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = chain.send(request).await;
        assert_eq!(answer.status, expected.0, "{account} {to}: {}", answer.text());
        match answer.status.as_u16() {
            200 => assert_eq!(answer.json()["service"], expected.1),
            _ => assert!(answer.text().contains(expected.1), "{}", answer.text()),
        }
    }
    assert_eq!(chain.emulator.timeline().calls().len(), 2, "the refused ones went nowhere");
}
