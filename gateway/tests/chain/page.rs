//! The admin listener's page: what it says, to whom, and what it takes.

use std::fmt::Write;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use remint_emulator::TokenRequest;
use serde_json::{Value, json};

use crate::client::{Answer, get, send};
use crate::support::{AUDIENCE, CALLER, Chain, Google, HOST, eventually};

pub(crate) const FILES: [&str; 11] = [
    "/",
    "/reasons",
    "/page.css",
    "/page.js",
    "/make.js",
    "/pace.js",
    "/rates.js",
    "/flow.js",
    "/refusals.js",
    "/walk.js",
    "/icon.svg",
];

pub(crate) async fn ask(
    chain: &Chain,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    post(chain, method, path, headers, "").await
}

pub(crate) async fn post(
    chain: &Chain,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::from(body.to_owned()));
    send(chain.gateway.admin_address(), request.body(body).unwrap()).await
}

/// Has a request explained, as the page does.
async fn explain(chain: &Chain, question: &Value) -> Answer {
    let host = chain.gateway.admin_address().to_string();
    let origin = format!("http://{host}");
    let headers = [
        ("host", host.as_str()),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/json"),
    ];
    post(chain, "POST", "/explain", &headers, &question.to_string()).await
}

pub(crate) async fn status(chain: &Chain) -> Value {
    get(chain.gateway.admin_address(), "/status").await.json()
}

#[tokio::test]
async fn a_rule_that_refuses_much_is_in_the_headline_with_its_numbers_and_a_command() {
    let chain = Chain::start().await;
    for _ in 0..60 {
        chain.get("/").await;
    }
    let wrong = TokenRequest::new(CALLER, "https://elsewhere.example.com");
    let bearer = format!("Bearer {}", chain.emulator.issuer().mint(&wrong));
    // More than the log has lines for.
    for _ in 0..140 {
        let request = Request::get("/").header("host", HOST);
        chain.send(request.header("authorization", &bearer)).await;
    }
    let headline = status(&chain).await["headline"].take();
    assert_eq!(headline["level"], "warning", "{headline:#}");
    let text = headline["text"].as_str().unwrap();
    let start = "orders: the rule push refused 140 of 200 requests in the last minute, for \
                 aud_mismatch (";
    assert!(text.starts_with(start), "{text}");
    let trouble = &headline["troubles"][0];
    assert_eq!(
        (&trouble["service"], &trouble["reason"]),
        (&json!("orders"), &json!("aud_mismatch"))
    );
    assert!(trouble["command"].is_string(), "{trouble}");
}

#[tokio::test]
async fn a_request_is_explained_by_the_rules_and_keys_that_run() {
    let chain = Chain::start().await;
    let mint = |audience: &str| chain.emulator.issuer().mint(&TokenRequest::new(CALLER, audience));
    let url = format!("https://{HOST}/push");
    let told = explain(&chain, &json!({"url": url, "token": mint(AUDIENCE)})).await.json();
    assert_eq!((&told["admitted"], &told["rule"]), (&json!(true), &json!("push")), "{told:#}");
    assert_eq!((&told["verdict"], &told["outcome"]), (&json!("verified"), &json!("admitted")));
    let pasted = format!(" Bearer {}\n", mint(AUDIENCE));
    let told = explain(&chain, &json!({"url": url, "token": pasted, "method": "GET"})).await.json();
    assert_eq!(told["admitted"], true);
    let region = chain.emulator.regions()[0].url().to_owned();
    let told = explain(&chain, &json!({"url": url, "token": mint(&region)})).await.json();
    assert_eq!(told["admitted"], false);
    assert!(told["refusal"]["reason"].as_str().unwrap().starts_with("aud_"), "{told:#}");
    let steps = told["tokens"][0]["checks"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["outcome"] == "failed").unwrap();
    let note = "it is that of orders in r0, where this configuration sends requests";
    assert_eq!((&failed["note"], &told["refusal"]["note"]), (&json!(note), &json!(note)));
    let command = format!("curl -X POST {url} -H 'Authorization: Bearer {}'", mint(AUDIENCE));
    let told = explain(&chain, &json!({"curl": command})).await.json();
    assert_eq!(told["admitted"], true, "{told:#}");
    let told = explain(&chain, &json!({"url": "https://other.example.com/"})).await.json();
    assert_eq!(told["refusal"]["reason"], "no_rule");
    for (question, error) in [
        (json!({"url": "nothing"}), "https://HOST/PATH"),
        (json!({"curl": "wget x"}), "curl"),
        (json!({"url": url, "token": "{\"access_token\": \"ya29.x\"}"}), "no ID token"),
        (json!({"token": "x"}), "expected an object"),
        (json!([]), "expected an object"),
    ] {
        let answer = explain(&chain, &question).await;
        assert_eq!(answer.status, 400);
        assert!(answer.json()["error"].as_str().unwrap().contains(error), "{}", answer.text());
    }
}

#[tokio::test]
async fn what_is_explained_is_neither_sent_nor_counted_nor_kept() {
    let chain = Chain::start().await;
    let requests = chain.figure("remint_requests_total", "").await;
    let looks = chain.figure("remint_unknown_tokens_total", "").await;
    let before = status(&chain).await;
    let token = chain.token();
    let url = format!("https://{HOST}/a-path-to-be-forgotten");
    for token in [&token, "a.b.c"] {
        explain(&chain, &json!({"url": url, "token": token})).await;
    }
    let after = status(&chain).await;
    assert_eq!(chain.figure("remint_requests_total", "").await, requests);
    assert_eq!(chain.figure("remint_unknown_tokens_total", "").await, looks);
    assert_eq!(chain.figure("remint_refusals_total", "").await, 0);
    assert_eq!(chain.emulator.timeline().calls().len(), 0);
    for member in ["rules", "refusals", "key_sets", "refused_without_rule"] {
        let without_time = |it: &Value| it[member].to_string().replace("age_seconds", "");
        let [before, after] = [&before, &after].map(without_time);
        assert_eq!(before.len(), after.len(), "{member}");
    }
    assert!(!after.to_string().contains("a-path-to-be-forgotten"));
}

#[tokio::test]
async fn no_part_of_a_token_is_in_any_answer() {
    let chain = Chain::start().await;
    let good = chain.token();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let spoilt = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    let url = format!("https://{HOST}/");
    let mut answers = Vec::new();
    for token in [good.clone(), spoilt, signed.to_owned(), format!("{good} {good}")] {
        let header = format!("Bearer {token}");
        let request = Request::get("/").header("host", HOST).header("authorization", &header);
        chain.send(request).await;
        for question in [
            json!({"url": url, "token": token}),
            json!({"url": url, "headers": [format!("Authorization: {header}")]}),
            json!({"url": token, "token": url}),
            json!({"url": url, "method": token}),
            json!({"curl": token}),
            json!({"curl": format!("curl {url} -X {token}")}),
            json!({"curl": format!("curl {url}?token={token} -H 'authorization: {header}'")}),
            json!({"curl": format!("curl -H 'authorization: {header}")}),
            json!({"token": token}),
            json!({ token: "token" }),
        ] {
            answers.push(explain(&chain, &question).await.text());
        }
    }
    for path in ["/status", "/metrics", "/reasons", "/reasons.json", "/"] {
        answers.push(get(chain.gateway.admin_address(), path).await.text());
    }
    for answer in answers {
        for part in [signature, &signed[..20], "eyJ"] {
            // What a paste looks like stands in the page as an example.
            let answer = answer.replace("placeholder=\"eyJ…\"", "").to_uppercase();
            assert!(!answer.contains(&part.to_uppercase()), "{answer}");
        }
    }
}

#[tokio::test]
async fn refusals_are_told_with_what_was_wrong_and_by_number() {
    let chain = Chain::start().await;
    let issuer = chain.emulator.issuer();
    let wrong = issuer.mint(&TokenRequest::new(CALLER, "https://elsewhere.example.com"));
    let request = Request::get("/x").header("host", HOST).header("x-request-id", "the-one");
    let request = request.header("user-agent", "CloudPubSub-Google");
    chain.send(request.header("authorization", format!("Bearer {wrong}"))).await;
    chain.send(Request::get("/").header("host", "nobody.example.com")).await;
    let told = status(&chain).await;
    let refusals = &told["refusals"];
    let [first, second] = refusals["recent"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!((&first["number"], &first["request_id"]), (&json!(1), &json!("the-one")));
    let refusal = &first["refusal"];
    assert_eq!((&refusal["reason"], &refusal["rule"]), (&json!("aud_mismatch"), &json!("push")));
    assert_eq!(refusal["received"], "https://elsewhere.example.com");
    assert_eq!(refusal["expected"], json!([AUDIENCE]));
    assert_eq!(refusal["looks_like"], "Pub/Sub push");
    assert!(refusal["remedy"].is_string() && refusal["command"].is_string(), "{refusal:#}");
    assert_eq!(second["refusal"]["reason"], "no_rule");
    let admin = chain.gateway.admin_address();
    let newer = get(admin, "/status?refusals_after=1").await.json();
    assert_eq!(newer["refusals"]["recent"].as_array().unwrap().len(), 1);
    assert_eq!(told["refused_without_rule"], 1);
    assert_eq!(told["rules"][0]["requests"]["refused"], 1);
    assert_eq!(told["rules"][0]["senders"]["Pub/Sub push"], 1);
    let headline = told["headline"]["text"].as_str().unwrap();
    assert!(headline.starts_with("All is well, but 2 requests were refused"), "{headline}");
    // They outlive the configuration under which they came.
    chain.rewrite(&format!("{}\n# changed\n", chain.text), "applied").await;
    assert_eq!(status(&chain).await["refusals"]["newest"], 2);
}

#[tokio::test]
async fn refusals_are_told_also_where_the_log_is_off_and_a_flood_is_bounded() {
    let google = Google::start().await;
    let regions = google.regions();
    let off = |text: String| format!("{text}logs: {{ access: off }}\n");
    let chain = Chain::before(google, &regions, off).await;
    for _ in 0..300 {
        chain.send(Request::get("/").header("host", HOST)).await;
    }
    let told = status(&chain).await;
    let recent = told["refusals"]["recent"].as_array().unwrap();
    assert_eq!(recent.len(), 200);
    assert_eq!(recent[199]["refusal"]["reason"], "token_missing");
    assert_eq!(told["rules"][0]["requests"]["refused"], 300);
}

#[tokio::test]
async fn a_region_that_refuses_the_gateway_is_in_the_headline_until_it_lets_it_in() {
    let chain = Chain::start().await;
    let us = chain.emulator.region("orders", "us-central1").unwrap();
    us.set_invokers([]);
    let refuses = |told: &Value| told["services"][0]["regions"][0]["refuses_gateway"].clone();
    eventually("it refuses the gateway", async || {
        chain.get("/").await;
        !refuses(&status(&chain).await).is_null()
    })
    .await;
    let told = status(&chain).await;
    assert_eq!(refuses(&told)["status"], 403, "{told:#}");
    let headline = &told["headline"];
    assert_eq!(headline["level"], "warning");
    let text = headline["text"].as_str().unwrap();
    assert!(text.starts_with("orders: 1 of 2 regions refuses the gateway (403): r0;"), "{text}");
    let command = headline["troubles"][0]["command"].as_str().unwrap();
    assert!(command.starts_with("gcloud run services add-iam-policy-binding"), "{command}");
    us.set_invokers(["gateway@demo-project.iam.gserviceaccount.com"]);
    eventually("it lets the gateway in", async || {
        chain.get("/").await;
        refuses(&status(&chain).await).is_null()
    })
    .await;
}

#[tokio::test]
async fn fifty_regions_and_two_hundred_rules_are_told() {
    let google = Google::with(|config| {
        let names = (0..50).map(|number| format!("europe-test{number}"));
        config.services[0].regions =
            names.map(|name| remint_emulator::ServiceRegion::new(&name)).collect();
    })
    .await;
    let regions = google.regions();
    let chain = Chain::before(google, &regions, |text| {
        let mut rules = String::from("  rules:\n");
        let mut names = String::new();
        for number in 0..200 {
            let _ = writeln!(
                rules,
                "    - {{ name: rule-{number}, match: {{ hosts: [h{number}.example.com] }}, \
                 audiences: [\"{AUDIENCE}\"], callers: {{ emails: [\"{CALLER}\"] }} }}"
            );
            let _ = write!(names, ", rule-{number}");
        }
        text.replace("  rules:\n", &rules)
            .replace("rules: [push]", &format!("rules: [push{names}]"))
    })
    .await;
    chain.ready().await;
    let answer = get(chain.gateway.admin_address(), "/status").await;
    let followed = get(chain.gateway.admin_address(), "/status?refusals_after=7").await;
    assert!(followed.body.len() < 192 << 10, "{} bytes are asked for often", followed.body.len());
    assert_eq!(followed.json()["rules"], answer.json()["rules"]);
    let told = answer.json();
    assert_eq!(told["rules"].as_array().unwrap().len(), 201);
    assert_eq!(told["services"][0]["regions"].as_array().unwrap().len(), 50);
    let text = "All is well: 1 service in 50 regions, with fresh tokens and keys.";
    assert_eq!(told["headline"]["text"], text);
}
