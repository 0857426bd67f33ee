//! Where the gateway's own tokens come from: each source serves requests in
//! each region, with that region's audience.

use std::collections::BTreeSet;
use std::path::Path;

use remint_emulator::{Config as EmulatorConfig, Grant, Provider, User};
use remint_gateway::config::Environment;
use serde_json::{Value, json};

use crate::support::{Chain, Folder, Google, eventually};

pub(crate) const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
pub(crate) const RUNNER: &str = "runner@demo-project.iam.gserviceaccount.com";
pub(crate) const MIDDLE: &str = "middle@demo-project.iam.gserviceaccount.com";
const ID_TOKENS: &str = "roles/iam.serviceAccountOpenIdTokenCreator";
const ALL_TOKENS: &str = "roles/iam.serviceAccountTokenCreator";
const WORKLOADS: &str = "roles/iam.workloadIdentityUser";
const PROVIDER: &str = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool/providers/laptop";
const WORKLOAD: &str = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool/subject/workload-7";
const USER: &str = "dev@example.com";
const REFRESH_TOKEN: &str = "1//refresh";

pub(crate) fn grant(member: &str, role: &str, account: &str) -> Grant {
    Grant { member: member.to_owned(), role: role.to_owned(), account: account.to_owned() }
}

/// A Google where the machine's own account may call nothing.
pub(crate) async fn google(grants: &[Grant]) -> Google {
    google_with(grants, |_| {}).await
}

/// The same with a configuration as `change` leaves it.
pub(crate) async fn google_with(
    grants: &[Grant],
    change: impl FnOnce(&mut EmulatorConfig),
) -> Google {
    Google::with(|config| {
        config.accounts = [GATEWAY, RUNNER, MIDDLE].map(str::to_owned).to_vec();
        config.default_account = RUNNER.to_owned();
        config.grants = grants.to_vec();
        config.providers = vec![Provider {
            pool: "pool".to_owned(),
            id: "laptop".to_owned(),
            issuer: "https://issuer.example".to_owned(),
        }];
        config.users =
            vec![User { email: USER.to_owned(), refresh_token: REFRESH_TOKEN.to_owned() }];
        change(config);
    })
    .await
}

/// A gateway with this `identity`.
pub(crate) async fn chain(google: Google, identity: &Value) -> Chain {
    let regions = google.regions();
    Chain::before(google, &regions, |text| with_identity(&text, identity)).await
}

/// A configuration with this `identity`.
pub(crate) fn with_identity(text: &str, identity: &Value) -> String {
    let (before, after) = text.split_once("identity:\n").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    format!("{before}identity: {identity}\n{after}")
}

/// Without any `identity`.
fn without_identity(text: &str) -> String {
    let (before, after) = text.split_once("identity:\n").unwrap();
    format!("{before}{}", after.split_once('\n').unwrap().1)
}

/// Each region gets requests, with its own audience, in the name of `account`.
async fn serves_everywhere(chain: &Chain, account: &str) {
    chain.ready().await;
    let mut regions = BTreeSet::new();
    for _ in 0..4 {
        let answer = chain.get("/").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = answer.json();
        let region = seen["region"].as_str().unwrap().to_owned();
        let claims = &seen["headers"]["x-serverless-authorization"]["claims"];
        assert_eq!(claims["aud"], chain.emulator.region("orders", &region).unwrap().url());
        assert_eq!(claims["email"], account);
        regions.insert(region);
    }
    assert_eq!(regions.len(), 2);
    assert_eq!(chain.figure("remint_requests_total", "outcome=\"2xx\"").await, 4);
}

fn key_file(google: &Google, folder: &Folder, account: &str) -> String {
    let key = google.emulator.new_account_key(account).unwrap();
    let file = folder.write("key.json", &key.file("https://oauth2.googleapis.com/token"));
    file.to_str().unwrap().to_owned()
}

fn external_file(folder: &Folder, source: &Value) -> String {
    let file = json!({
        "type": "external_account",
        "audience": PROVIDER,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{GATEWAY}:generateAccessToken"),
        "credential_source": source,
    });
    let file = folder.write("external.json", &file.to_string());
    file.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_service_accounts_key_serves_each_region() {
    let (google, folder) = (google(&[]).await, Folder::new());
    let file = key_file(&google, &folder, GATEWAY);
    let chain = chain(google, &json!({ "service_account_key": { "file": file } })).await;
    serves_everywhere(&chain, GATEWAY).await;
    assert_eq!((chain.emulator.fetches("/token"), chain.emulator.identity_fetches()), (2, 0));
}

#[tokio::test]
async fn a_token_endpoint_may_be_elsewhere() {
    let (google, folder) = (google(&[]).await, Folder::new());
    let token_url = format!("http://{}/token", google.emulator.google_addr());
    let file = key_file(&google, &folder, GATEWAY);
    let identity = json!({ "service_account_key": { "file": file, "token_url": token_url } });
    serves_everywhere(&chain(google, &identity).await, GATEWAY).await;
}

#[tokio::test]
async fn the_machines_account_impersonates_another_one() {
    let google = google(&[grant(&format!("serviceAccount:{RUNNER}"), ID_TOKENS, GATEWAY)]).await;
    let host = google.emulator.google_addr().to_string();
    let identity = json!({ "impersonate": {
        "service_account": GATEWAY,
        "source": { "metadata": { "host": host } },
    }});
    let chain = chain(google, &identity).await;
    serves_everywhere(&chain, GATEWAY).await;
    let access = "/computeMetadata/v1/instance/service-accounts/default/token";
    assert_eq!(chain.emulator.fetches(access), 1, "one access token for all audiences");
}

#[tokio::test]
async fn a_chain_of_delegates_needs_every_grant() {
    let of = |account: &str| format!("serviceAccount:{account}");
    let google = google(&[grant(&of(RUNNER), ALL_TOKENS, MIDDLE)]).await;
    let folder = Folder::new();
    let file = key_file(&google, &folder, RUNNER);
    let identity = json!({ "impersonate": {
        "service_account": GATEWAY,
        "delegates": [MIDDLE],
        "source": { "service_account_key": { "file": file } },
        "endpoint": format!("http://{}", google.emulator.google_addr()),
    }});
    let chain = chain(google, &identity).await;
    eventually("minting has failed", async || {
        chain.figure("remint_mints_total", "outcome=\"failed\"").await >= 2
    })
    .await;
    chain.emulator.grant(grant(&of(MIDDLE), ALL_TOKENS, GATEWAY));
    serves_everywhere(&chain, GATEWAY).await;
}

#[tokio::test]
async fn a_workload_of_another_issuer_serves_each_region_by_its_token_in_a_file() {
    let (google, folder) = (google(&[grant(WORKLOAD, WORKLOADS, GATEWAY)]).await, Folder::new());
    let token = google.emulator.external_token("pool", "laptop", "workload-7").unwrap();
    let token = folder.write("token", &format!("{token}\n"));
    let file = external_file(&folder, &json!({ "file": token }));
    let chain = chain(google, &json!({ "external_account": { "file": file } })).await;
    serves_everywhere(&chain, GATEWAY).await;
    assert_eq!(chain.emulator.fetches("/v1/token"), 1);
}

#[tokio::test]
async fn a_workload_of_another_issuer_serves_each_region_by_its_token_at_a_url() {
    let everybody =
        WORKLOAD.replace("principal:", "principalSet:").replace("subject/workload-7", "*");
    let (google, folder) = (google(&[grant(&everybody, WORKLOADS, GATEWAY)]).await, Folder::new());
    let addr = google.emulator.google_addr();
    let source = json!({
        "url": format!("http://{addr}/emulator/external-token?pool=pool&provider=laptop&subject=workload-9"),
        "headers": { "Metadata": "True" },
        "format": { "type": "json", "subject_token_field_name": "value" },
    });
    let file = external_file(&folder, &source);
    let identity = json!({ "external_account": {
        "file": file,
        "token_url": format!("http://{addr}/v1/token"),
        "endpoint": format!("http://{addr}"),
    }});
    serves_everywhere(&chain(google, &identity).await, GATEWAY).await;
}

#[tokio::test]
async fn a_federated_account_may_impersonate_another_one() {
    let grants = [
        grant(WORKLOAD, WORKLOADS, GATEWAY),
        grant(&format!("serviceAccount:{GATEWAY}"), ID_TOKENS, GATEWAY),
    ];
    let (google, folder) = (google(&grants).await, Folder::new());
    let token = google.emulator.external_token("pool", "laptop", "workload-7").unwrap();
    let file = external_file(&folder, &json!({ "file": folder.write("token", &token) }));
    let identity = json!({ "impersonate": {
        "service_account": GATEWAY,
        "source": { "external_account": { "file": file } },
    }});
    let chain = chain(google, &identity).await;
    serves_everywhere(&chain, GATEWAY).await;
    let path = format!("/v1/projects/-/serviceAccounts/{GATEWAY}:generateAccessToken");
    assert_eq!(chain.emulator.fetches(&path), 1);
}

/// A file as gcloud writes it for a person who impersonates an account.
fn gcloud_file(folder: &Path) {
    let file = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{MIDDLE}:generateAccessToken"),
        "delegates": [],
        "source_credentials": {
            "type": "authorized_user",
            "client_id": "id",
            "client_secret": "secret",
            "refresh_token": REFRESH_TOKEN,
        },
    });
    let folder = folder.join(".config/gcloud");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("application_default_credentials.json"), file.to_string()).unwrap();
}

#[tokio::test]
async fn default_credentials_are_a_file_of_the_environment_then_gclouds_then_the_machines() {
    for (place, account) in [("environment", GATEWAY), ("gcloud", MIDDLE), ("machine", RUNNER)] {
        let grants = [grant(&format!("user:{USER}"), ALL_TOKENS, MIDDLE)];
        let google = google_with(&grants, |config| {
            config.services[0].invokers.clone_from(&config.accounts);
        })
        .await;
        let folder = Folder::new();
        let key = key_file(&google, &folder, GATEWAY);
        if place != "machine" {
            gcloud_file(folder.path());
        }
        let environment = Environment {
            credentials_file: (place == "environment").then(|| key.into()),
            home: Some(folder.path().to_owned()),
            metadata_host: Some(google.emulator.google_addr().to_string()),
            ..Environment::default()
        };
        let regions = google.regions();
        let change = |text: String, _: &Folder| without_identity(&text);
        let chain = Chain::in_environment(google, &regions, &environment, change).await;
        serves_everywhere(&chain, account).await;
    }
}

#[tokio::test]
async fn services_with_different_identities_have_tokens_of_their_own_for_the_same_audience() {
    let google = Google::start().await;
    let folder = Folder::new();
    let account = "pusher@demo-project.iam.gserviceaccount.com";
    let file = key_file(&google, &folder, account);
    let regions = google.regions();
    let url = regions[0].0.clone();
    let chain = Chain::before(google, &regions, |text| {
        let rule = "    - name: push\n      match: { hosts: [";
        let before = "    - name: own\n      match: { hosts: [own.example.com] }\n      audiences: [\"https://own.example.com\"]\n      callers: { anyone: true }\n";
        let service = format!(
            "services:\n  - name: other\n    rules: [own]\n    identity: {{ service_account_key: {{ file: \"{file}\" }} }}\n    regions: [{{ name: r9, url: \"{url}\" }}]\n"
        );
        text.replacen(rule, &format!("{before}{rule}"), 1).replacen("services:\n", &service, 1)
    })
    .await;
    chain.ready().await;
    let token = chain
        .emulator
        .issuer()
        .mint(&remint_emulator::TokenRequest::new(account, "https://own.example.com"));
    let request = http::Request::get("/")
        .header("host", "own.example.com")
        .header("authorization", format!("Bearer {token}"));
    let seen = chain.send(request).await.json();
    assert_eq!(seen["headers"]["x-serverless-authorization"]["claims"]["email"], account);
    let seen = chain.get("/").await.json();
    assert_eq!(seen["headers"]["x-serverless-authorization"]["claims"]["email"], GATEWAY);
}

#[test]
fn the_program_reads_the_variables_that_googles_libraries_read() {
    let folder = Folder::new();
    folder.write("application_default_credentials.json", "of CLOUDSDK_CONFIG");
    gcloud_file(folder.path());
    let text = "policy:\n  rules:\n    - { name: r, match: {}, audiences: [a], callers: { anyone: true } }\nservices:\n  - { name: s, rules: [r], regions: [{ name: here, url: \"http://127.0.0.1:1\" }] }\n";
    let file = folder.write("remint.yaml", text);
    let path = folder.path();
    let check = |variables: &[(&str, &Path)]| {
        let mut command = crate::binary::remint();
        command.arg("check").arg(&file).env_clear().envs(variables.iter().copied());
        let output = crate::kept::said(&mut command);
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let home = ("HOME", path);
    assert!(check(&[home]).0);
    let (is_good, said) = check(&[home, ("CLOUDSDK_CONFIG", path)]);
    let expected = path.join("application_default_credentials.json can't be read as JSON");
    assert!(!is_good && said.contains(expected.to_str().unwrap()), "{said}");
    let nowhere = Path::new("/nowhere.json");
    let (is_good, said) = check(&[home, ("GOOGLE_APPLICATION_CREDENTIALS", nowhere)]);
    let expected = "$GOOGLE_APPLICATION_CREDENTIALS: /nowhere.json can't be read";
    assert!(!is_good && said.contains(expected), "{said}");
    let (is_good, said) = check(&[("GCE_METADATA_HOST", Path::new("a b"))]);
    assert!(!is_good && said.contains("$GCE_METADATA_HOST: \"a b\" is no host"), "{said}");
}
