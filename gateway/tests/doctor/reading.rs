//! As whom it reads, and what becomes of what may not or can't be read.

use std::path::Path;
use std::time::{Duration, Instant};

use http::StatusCode;
use remint_emulator::{Emulator, Fault, FaultSetting, Grant, Provider, Server, User};
use serde_json::{Value, json};

use crate::cli::{out, run};
use crate::support::{Case, Folder, GATEWAY, configuration, google};

const READER: &str = "reader@demo-project.iam.gserviceaccount.com";
const PERSON: &str = "person@example.com";
const REFRESH_TOKEN: &str = "refresh-of-person";
const POOL: &str =
    "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool";
const IN_US: &str = "region orders/us-central1";

/// A right deployment in which there is also somebody else to read as.
async fn emulator() -> Emulator {
    let mut google = google();
    google.accounts.push(READER.to_owned());
    google.users = vec![User { email: PERSON.to_owned(), refresh_token: REFRESH_TOKEN.to_owned() }];
    google.providers = vec![Provider {
        pool: "pool".to_owned(),
        id: "laptop".to_owned(),
        issuer: "https://laptop.example".to_owned(),
    }];
    let grant = |member: &str, role: &str| Grant {
        member: member.to_owned(),
        role: format!("roles/iam.{role}"),
        account: READER.to_owned(),
    };
    let workload = format!("principal:{POOL}/subject/me");
    google.grants = vec![
        grant(&workload, "workloadIdentityUser"),
        grant(&format!("user:{PERSON}"), "serviceAccountTokenCreator"),
    ];
    Emulator::start(google).await.unwrap()
}

fn person() -> Value {
    json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "secret",
        "refresh_token": REFRESH_TOKEN, "quota_project_id": "demo-project",
    })
}

/// A credential's file of each kind, and who it is read as.
fn credentials(
    emulator: &Emulator,
    folder: &Path,
) -> Vec<(&'static str, Value, Option<&'static str>)> {
    let key = emulator.new_account_key(READER).unwrap();
    let key = key.file("https://oauth2.googleapis.com/token");
    let impersonation = format!(
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{READER}:generateAccessToken"
    );
    let token = emulator.external_token("pool", "laptop", "me").unwrap();
    let file = folder.join("token");
    std::fs::write(&file, token).unwrap();
    let federated = json!({
        "type": "external_account",
        "audience": format!("{POOL}/providers/laptop"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": { "file": file },
    });
    let mut of_account = federated.clone();
    of_account["service_account_impersonation_url"] = impersonation.clone().into();
    let impersonated = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": impersonation,
        "delegates": [],
        "source_credentials": person(),
    });
    vec![
        ("a key", serde_json::from_str(&key).unwrap(), Some(READER)),
        ("a person", person(), None),
        ("a federated identity", federated, None),
        ("a federated identity's account", of_account, Some(READER)),
        ("an impersonated account", impersonated, Some(READER)),
    ]
}

/// The configuration with a way to the servers that give tokens.
fn with_ways(emulator: &Emulator) -> String {
    let google = emulator.google_addr();
    let ways = ["oauth2.googleapis.com", "sts.googleapis.com"]
        .map(|name| format!("    \"{name}:443\": \"{google}\"\n"));
    configuration(emulator).replace("  connect_to:\n", &format!("  connect_to:\n{}", ways.concat()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_default_credentials_reads_all_there_is() {
    let (emulator, folder) = (emulator().await, Folder::new());
    for (name, credential, reader) in credentials(&emulator, &folder.0) {
        let file = folder.0.join("credentials.json");
        std::fs::write(&file, credential.to_string()).unwrap();
        let variables = [("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap())];
        let output = run(&emulator, with_ways(&emulator), &["--adc", "--json"], &variables).await;
        let text = out(&output);
        assert_eq!(output.status.code(), Some(0), "{name}: {text}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["level"], "green", "{name}: {text}");
        assert_eq!(report["reader"], json!(reader), "{name}");
        assert_eq!(report["project"], "demo-project", "{name}");
        for secret in ["ya29", "eyJ", REFRESH_TOKEN, "PRIVATE KEY"] {
            assert!(!text.contains(secret), "{name}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn default_credentials_are_those_of_gcloud_and_then_the_machine_s() {
    let emulator = emulator().await;
    let folder = Folder::new();
    let file = folder.0.join("application_default_credentials.json");
    std::fs::write(&file, person().to_string()).unwrap();
    let gcloud = [("CLOUDSDK_CONFIG", folder.0.to_str().unwrap())];
    let output = run(&emulator, with_ways(&emulator), &["--adc"], &gcloud).await;
    assert!(out(&output).starts_with("project: demo-project\n"), "{}", out(&output));
    let host = emulator.google_addr().to_string();
    let machine = [("GCE_METADATA_HOST", host.as_str())];
    let output = run(&emulator, with_ways(&emulator), &["--adc"], &machine).await;
    let start = format!("project: demo-project, read as {GATEWAY}\n");
    assert!(out(&output).starts_with(&start), "{}", out(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_s_key_reads_as_its_account() {
    let (emulator, folder) = (emulator().await, Folder::new());
    let key = emulator.new_account_key(GATEWAY).unwrap();
    let file = folder.0.join("key.json");
    std::fs::write(&file, key.file("https://oauth2.googleapis.com/token")).unwrap();
    let google = emulator.google_addr();
    let text = with_ways(&emulator).replace(
        &format!("identity: {{ metadata: {{ host: \"{google}\" }} }}"),
        &format!("identity: {{ service_account_key: {{ file: {} }} }}", file.display()),
    );
    let output = run(&emulator, text, &[], &[]).await;
    let start = format!("project: demo-project, read as {GATEWAY}\nok");
    assert!(out(&output).starts_with(&start), "{}", out(&output));
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_gateway_s_account_given_nothing_is_minted() {
    let (emulator, folder) = (emulator().await, Folder::new());
    emulator.faults().set_metadata(Some(Fault::Status(StatusCode::NOT_FOUND)));
    let file = folder.0.join("credentials.json");
    std::fs::write(&file, person().to_string()).unwrap();
    let variables = [("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap())];
    let account = ["--adc", "--account", GATEWAY];
    let output = run(&emulator, with_ways(&emulator), &account, &variables).await;
    let text = out(&output);
    assert!(text.ends_with("8 ok, 0 to look at, 0 wrong\n"), "{text}");
    assert_eq!(emulator.identity_fetches(), 0);
    let other = ["--adc", "--account", READER];
    let output = run(&emulator, with_ways(&emulator), &other, &variables).await;
    assert_eq!(output.status.code(), Some(1));
    let missing = format!("invoker_missing: {READER} has no role");
    assert!(out(&output).contains(&missing), "{}", out(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_not_there_or_not_taken_end_with_1_and_one_line() {
    let (emulator, folder) = (emulator().await, Folder::new());
    let mut gone = person();
    gone["refresh_token"] = "1//revoked".into();
    let file = folder.0.join("credentials.json");
    std::fs::write(&file, gone.to_string()).unwrap();
    let missing = folder.0.join("nowhere.json");
    for (file, said) in [
        (&file, "gcloud auth application-default login"),
        (&missing, "GOOGLE_APPLICATION_CREDENTIALS: "),
    ] {
        let variables = [("GOOGLE_APPLICATION_CREDENTIALS", file.to_str().unwrap())];
        let output = run(&emulator, with_ways(&emulator), &["--adc"], &variables).await;
        let text = out(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("remint: ") && text.contains(said), "{text}");
        assert!(!text.contains("1//revoked"), "{text}");
    }
}

fn failing(name: &'static str, server: Server, fault: Fault) -> Case {
    Case::new(name).google(move |it| it.faults = vec![FaultSetting::Server(server, fault)])
}

/// Each API, the role that is missing where it answers 403, and of what that is
/// said.
const APIS: [(Server, &str, &str, &str); 6] = [
    (Server::RunAdmin, "run.googleapis.com", "roles/run.viewer", IN_US),
    (Server::Pubsub, "pubsub.googleapis.com", "roles/pubsub.viewer", "subscriptions"),
    (
        Server::CloudTasks,
        "cloudtasks.googleapis.com",
        "roles/cloudtasks.viewer",
        "queues in europe-west1",
    ),
    (
        Server::CloudScheduler,
        "cloudscheduler.googleapis.com",
        "roles/cloudscheduler.viewer",
        "jobs in us-central1",
    ),
    (
        Server::ResourceManager,
        "cloudresourcemanager.googleapis.com",
        "roles/iam.securityReviewer",
        "project",
    ),
    (Server::Iam, "iam.googleapis.com", "roles/iam.securityReviewer", "subscription push"),
];

#[tokio::test]
async fn a_role_that_is_missing_to_read_is_amber_with_the_command_that_grants_it() {
    for (server, _, role, subject) in APIS {
        let agents = server == Server::Iam;
        let command = format!(
            "gcloud projects add-iam-policy-binding demo-project --member=serviceAccount:{GATEWAY} --role={role}"
        );
        failing(role, server, Fault::PermissionDenied)
            .google(move |it| {
                // Without a role in the project those on the account count.
                it.agents.retain(|_| !agents);
            })
            .turns_amber(["unread", subject, &command])
            .await;
    }
}

#[tokio::test]
async fn an_api_that_is_off_is_amber_with_the_command_that_turns_it_on() {
    for (server, host, _, subject) in APIS {
        let agents = server == Server::Iam;
        failing(host, server, Fault::ApiDisabled)
            .google(move |it| it.agents.retain(|_| !agents))
            .turns_amber([
                "unread",
                subject,
                &format!("gcloud services enable {host} --project=demo-project"),
            ])
            .await;
    }
}

#[tokio::test]
async fn answers_that_are_none_are_amber_and_the_rest_is_read() {
    for fault in [Fault::Status(StatusCode::INTERNAL_SERVER_ERROR), Fault::NotJson, Fault::Reset] {
        let report = failing("answers", Server::RunAdmin, fault).report().await;
        let unread: Vec<_> = report.findings.iter().map(|it| &*it.subject).collect();
        assert_eq!(unread, [IN_US, "region orders/europe-west1"], "{report}");
        assert!(report.passed.iter().any(|it| it == "subscription push"), "{report}");
    }
}

#[tokio::test]
async fn who_may_read_nothing_gets_a_table_that_says_each_thing_once() {
    let case = Case::new("nothing").google(|it| {
        let denied = APIS.map(|(server, ..)| (server, Fault::PermissionDenied));
        it.faults = denied.map(|(server, fault)| FaultSetting::Server(server, fault)).to_vec();
    });
    let report = case.report().await;
    assert!(report.findings.iter().all(|it| it.check.entry().code == "unread"), "{report}");
    let table = report.to_string();
    let of_run = "--role=roles/run.viewer";
    assert_eq!(table.matches(of_run).count(), 1, "{table}");
    assert!(table.ends_with(" to look at, 0 wrong\n"), "{table}");
}

#[tokio::test]
async fn an_api_that_never_answers_is_waited_for_once() {
    let started = Instant::now();
    let case = failing("hanging", Server::RunAdmin, Fault::Hang).text(|text, _| {
        let more: String = (0..30)
            .map(|number| {
                format!(
                    "      - {{ name: r{number}, url: \"https://orders{number}-123456789012.us-central1.run.app\" }}\n"
                )
            })
            .collect();
        text.replace("    regions:\n", &format!("    regions:\n{more}"))
    });
    let report = case.report().await;
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let unread = report.findings.iter().filter(|it| it.cause.contains("no answer within 5s"));
    assert_eq!(unread.count(), 32, "{report}");
}

#[tokio::test]
async fn a_location_that_does_not_exist_has_no_service() {
    Case::new("misspelt location")
        .text(|text, _| text.replace("123456789012.us-central1.run", "123456789012.us-centrall1.run"))
        .turns_red([
            "wrong_region",
            "",
            IN_US,
            "gcloud run services describe orders --region=us-central1 --project=demo-project --format='value(urls,customAudiences)'",
        ])
        .await;
}
