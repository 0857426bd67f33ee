//! `remint doctor`: the program, for deployments in which much is wrong at once.

use std::process::Command;
use std::time::Duration;

use remint_emulator::scheduler::JobConfig;
use remint_emulator::{
    Agent, Config, Emulator, HttpTarget, Ingress, OidcToken, Service, ServiceRegion, Subscription,
};
use remint_idtoken::policy::GCLOUD_CLIENT;
use remint_idtoken::{Reason, Teller};
use remint_tests::chain::REGIONS;
use remint_tests::shipped::built;
use serde_json::{Value, json};

use crate::told::{Told, reason, said, unfilled};

const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
const PUSHER: &str = "pusher@demo-project.iam.gserviceaccount.com";
const OTHER: &str = "other@demo-project.iam.gserviceaccount.com";
const HOST: &str = "orders.example.com";
const AUDIENCE: &str = "https://orders.example.com";
const US: &str = "https://orders-123456789012.us-central1.run.app";

/// Senders of which each has one thing wrong: its name, what it calls, its
/// account if any, its audience, and the reason.
const SENDERS: [(&str, &str, Option<&str>, &str, &str); 16] = [
    ("mismatch", "/push", Some(PUSHER), "https://other.example", "aud_mismatch"),
    (
        "elsewhere",
        "/push",
        Some(PUSHER),
        "https://orders-123456789012.asia-east1.run.app",
        "aud_other_region",
    ),
    ("path", "/push", Some(PUSHER), "https://orders.example.com/push", "aud_has_path"),
    ("slash", "/push", Some(PUSHER), "https://orders.example.com/", "aud_trailing_slash"),
    ("scheme", "/push", Some(PUSHER), "orders.example.com", "aud_no_scheme"),
    ("port", "/push", Some(PUSHER), "https://orders.example.com:443", "aud_has_port"),
    ("client", "/push", Some(PUSHER), "1-a.apps.googleusercontent.com", "aud_is_iap_client"),
    ("person", "/push", Some(PUSHER), GCLOUD_CLIENT, "aud_is_gcloud_client"),
    (
        "invented",
        "/push",
        Some(PUSHER),
        "https://internal-orders.us-central1.run.app",
        "aud_invented_host",
    ),
    ("called", "/here", Some(PUSHER), "https://orders.example.com/here", "aud_is_load_balancer"),
    ("stranger", "/push", Some(OTHER), AUDIENCE, "caller_not_allowed"),
    ("silent", "/push", None, "", "token_missing"),
    ("lost", "/nowhere", Some(PUSHER), AUDIENCE, "no_rule"),
    ("twisted", "/push//x", Some(PUSHER), AUDIENCE, "target_unsafe"),
    ("foreign", "/own", Some(PUSHER), "here", "iss_unknown"),
    ("claims", "/claims", Some(PUSHER), "here", "claim_mismatch"),
];

fn google() -> Config {
    let mut google = Config::demo();
    google.accounts = [GATEWAY, PUSHER, OTHER].map(str::to_owned).to_vec();
    google.services[0].invokers = vec![GATEWAY.to_owned()];
    google
}

/// A configuration with this policy and these services, and the way to Google.
fn configuration(emulator: &Emulator, policy: &Value, services: &Value) -> Value {
    let google = emulator.google_addr().to_string();
    let mut ways = serde_json::Map::new();
    let apis = ["run", "pubsub", "cloudtasks", "cloudscheduler", "iam", "iamcredentials"];
    for name in apis.iter().chain(&["cloudresourcemanager", "www", "compute", "eventarc"]) {
        ways.insert(format!("{name}.googleapis.com:443"), json!(google));
    }
    for region in emulator.regions() {
        let host = region.url().trim_start_matches("https://");
        ways.insert(format!("{host}:443"), json!(region.addr().to_string()));
    }
    json!({
        "listen": "127.0.0.1:0",
        "admin": "127.0.0.1:0",
        "policy": policy,
        "identity": {"metadata": {"host": google}},
        "services": services,
        "upstream": {"ca_file": "ca.pem", "connect_to": ways},
    })
}

/// What it finds: the reason and the command of each finding, by subject.
async fn findings(emulator: &Emulator, config: &Value, arguments: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), emulator.ca_pem()).unwrap();
    let file = folder.path().join("remint.yaml");
    std::fs::write(&file, config.to_string()).unwrap();
    let run = |more: Vec<String>| {
        let mut command = Command::new(built("remint").unwrap());
        command.env_remove("GOOGLE_CLOUD_PROJECT").arg("doctor").arg(&file).args(more);
        tokio::task::spawn_blocking(move || said(&mut command))
    };
    let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
    let output = run([arguments.clone(), vec!["--json".to_owned()]].concat()).await.unwrap();
    let text = String::from_utf8([output.stdout.clone(), output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("ya29") && !text.contains("eyJ"), "{text}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // The same stands in the words for people.
    let words = String::from_utf8(run(arguments).await.unwrap().stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().clone();
    for finding in findings.iter().filter(|it| it["reason"].is_string()) {
        let [code, command] =
            ["reason", "command"].map(|name| finding[name].as_str().unwrap_or_default());
        assert!(words.contains(code) && words.contains(command), "{finding}\n{words}");
    }
    findings
}

/// The finding of a subject that has that reason.
fn found<'f>(findings: &'f [Value], subject: &str, code: &str) -> &'f Value {
    let is_it = |it: &&Value| it["subject"] == subject && it["reason"] == code;
    findings.iter().find(is_it).unwrap_or_else(|| panic!("{subject} {code} in {findings:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_every_reason_that_a_deployment_has_with_the_command_that_mends_it() {
    let mut told = Told::by(Teller::Doctor);
    for code in of_senders().await {
        told.add(reason(&code));
    }
    for code in of_services().await {
        told.add(reason(&code));
    }
    told.add(of_a_role_that_is_on_the_way().await);
    told.hears_all();
}

async fn of_senders() -> Vec<String> {
    let mut google = google();
    google.pubsub.topics = vec!["orders".to_owned()];
    let subscription =
        |(name, path, account, audience, _): &(&str, &str, Option<&str>, &str, _)| {
            let mut it = Subscription::new(*name, "orders");
            let endpoint = format!("https://{HOST}{path}");
            match account {
                Some(account) => {
                    it = it.pushing(endpoint, *account);
                    it.audience = Some((*audience).to_owned());
                }
                None => it.endpoint = Some(endpoint),
            }
            it
        };
    google.pubsub.subscriptions = SENDERS.iter().map(subscription).collect();
    let mut target = HttpTarget::new(format!("https://{HOST}/push").parse().unwrap());
    let audience = Some(AUDIENCE.to_owned());
    target.oidc = Some(OidcToken { account: PUSHER.to_owned(), audience });
    google.scheduler = vec![JobConfig::new("nightly", "us-central1", "0 3 * * *", target)];
    google.agents = vec![Agent::PubSub, Agent::CloudTasks, Agent::Eventarc];
    let emulator = Emulator::start(google).await.unwrap();
    let rule = |name: &str, path: &str, more: Value| {
        let paths = json!([{"prefix": path}]);
        let mut rule = json!({"name": name, "match": {"hosts": [HOST], "paths": paths},
            "issuers": ["google"], "callers": {"emails": [PUSHER]}});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let policy = json!({
        "issuers": [
            {"preset": "google"},
            {"name": "own", "issuer": "https://own.example", "jwks_uri": "https://own.example/keys",
             "algorithms": ["RS256"]},
        ],
        "rules": [
            rule("push", "/push", json!({"audiences": [AUDIENCE, US]})),
            rule("here", "/here", json!({"audiences": [US]})),
            rule("own", "/own", json!({"audiences": ["here"], "issuers": ["own"]})),
            rule("claims", "/claims", json!({"audiences": ["here"], "claims": {"level": 3}})),
        ],
    });
    let services = json!([{"name": "orders", "rules": ["push", "here", "own", "claims"],
        "regions": [{"name": REGIONS[0], "url": US}]}]);
    let mut config = configuration(&emulator, &policy, &services);
    config["upstream"]["connect_to"]["own.example:443"] = json!("127.0.0.1:1");
    let findings = findings(&emulator, &config, &[]).await;
    let mut codes = Vec::new();
    for (name, _, _, _, code) in SENDERS {
        let finding = found(&findings, &format!("subscription {name}"), code);
        let command = finding["command"].as_str().unwrap();
        let mends = match code {
            "iss_unknown" | "claim_mismatch" => format!("remint reasons {code}"),
            _ => format!("gcloud pubsub subscriptions modify-push-config {name} "),
        };
        assert!(command.starts_with(&mends), "{finding}");
        assert_eq!(unfilled(command), [""; 0], "{finding}");
        codes.push(code.to_owned());
    }
    for (subject, code) in
        [("keys of own", "keys_unavailable"), ("job nightly", "sender_may_not_mint")]
    {
        let finding = found(&findings, subject, code);
        assert_eq!(unfilled(finding["command"].as_str().unwrap()), [""; 0], "{finding}");
        codes.push(code.to_owned());
    }
    emulator.shutdown().await;
    codes
}

async fn of_services() -> Vec<String> {
    let mut google = google();
    let service = |name: &str| Service {
        name: name.to_owned(),
        regions: vec![ServiceRegion::new(REGIONS[0])],
        invokers: vec![GATEWAY.to_owned()],
        ..Service::default()
    };
    google.services = vec![
        Service { invokers: vec![OTHER.to_owned()], ..service("closed") },
        Service { ingress: Ingress::Internal, ..service("inside") },
        service("borrowed"),
    ];
    let emulator = Emulator::start(google).await.unwrap();
    let metadata = json!({"metadata": {"host": emulator.google_addr().to_string()}});
    let cases = [
        ("region closed/us-central1", "invoker_missing"),
        ("region inside/us-central1", "ingress_refused"),
        ("identity of borrowed", "mint_denied"),
    ];
    let names = ["closed", "inside", "borrowed"];
    let rule = |name: &&str| {
        json!({"name": name, "match": {"hosts": [HOST], "paths": [{"prefix": format!("/{name}")}]},
            "audiences": [AUDIENCE], "callers": {"emails": [PUSHER]}})
    };
    let rules: Vec<Value> = names.iter().map(rule).collect();
    let service = |name: &&str| {
        let url = emulator.region(name, REGIONS[0]).unwrap().url().to_owned();
        let mut service = json!({"name": name, "rules": [name],
            "regions": [{"name": REGIONS[0], "url": url}]});
        if *name == "borrowed" {
            service["identity"] =
                json!({"impersonate": {"service_account": PUSHER, "source": metadata}});
        }
        service
    };
    let services: Vec<Value> = names.iter().map(service).collect();
    let config = configuration(&emulator, &json!({"rules": rules}), &json!(services));
    let findings = findings(&emulator, &config, &[]).await;
    let mut codes = Vec::new();
    for (subject, code) in cases {
        let finding = found(&findings, subject, code);
        assert_eq!(unfilled(finding["command"].as_str().unwrap()), [""; 0], "{finding}");
        codes.push(code.to_owned());
    }
    emulator.shutdown().await;
    codes
}

/// The role is granted, and the front end does not know it yet.
async fn of_a_role_that_is_on_the_way() -> Reason {
    let mut google = google();
    google.iam_propagation = Duration::from_secs(3600);
    google.services[0].invokers = vec![OTHER.to_owned()];
    let emulator = Emulator::start(google).await.unwrap();
    emulator.region("orders", REGIONS[0]).unwrap().set_invokers([GATEWAY]);
    let rules = json!([{"name": "push", "match": {"hosts": [HOST]},
        "audiences": [AUDIENCE], "callers": {"emails": [PUSHER]}}]);
    let services = json!([{"name": "orders", "rules": ["push"],
        "regions": [{"name": REGIONS[0], "url": US}]}]);
    let config = configuration(&emulator, &json!({"rules": rules}), &services);
    let findings = findings(&emulator, &config, &["--probe=/"]).await;
    let code = Reason::IamPropagating.code();
    let finding = found(&findings, &format!("region orders/{}", REGIONS[0]), code);
    assert!(finding["advice"].as_str().unwrap().contains("wait"), "{finding}");
    emulator.shutdown().await;
    Reason::IamPropagating
}
