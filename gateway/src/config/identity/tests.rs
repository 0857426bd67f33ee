use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use remint_emulator::AccountKey;
use remint_idtoken::config::{Node, Problems, Reader};
use serde_json::{Value, json};

use super::*;
use crate::config::Environment;

const EMAIL: &str = "gateway@p.iam.gserviceaccount.com";
const POOL: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool";

static KEY: LazyLock<AccountKey> = LazyLock::new(|| AccountKey::generate(EMAIL).unwrap());

/// A folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("remint-identity-{:x}", crate::random::bits());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join(".config/gcloud")).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: String) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    fn environment(&self) -> Environment {
        Environment { home: Some(self.0.clone()), ..Environment::default() }
    }

    /// The identity of a service in a document with these members.
    fn read(&self, document: &Value, environment: &Environment) -> Result<Identity, Vec<String>> {
        let node: Node = serde_json::from_value(document.clone()).unwrap();
        let problems = Problems::default();
        let root = Reader::root(&node, &problems);
        let mut object = root.object().unwrap();
        let identities = Identities::read(&mut object, &self.0, environment);
        let mut service =
            object.get("service").map_or_else(|| root.object(), |it| it.object()).unwrap();
        let identity = identities.of_service(&mut service);
        drop((service, object));
        problems.finish(identity).map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    fn identity(&self, identity: Value) -> Result<Identity, Vec<String>> {
        let mut document = json!({ "service": {} });
        document["identity"] = identity;
        self.read(&document, &self.environment())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn key_file() -> String {
    KEY.file("https://oauth2.googleapis.com/token")
}

fn external(change: impl FnOnce(&mut Value)) -> String {
    let mut file = json!({
        "type": "external_account",
        "audience": format!("{POOL}/providers/provider"),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"),
        "credential_source": { "file": "/var/run/token" },
        "unknown": "is left alone",
    });
    change(&mut file);
    file.to_string()
}

fn user() -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "secret-of-client",
        "refresh_token": "secret-to-refresh",
    })
}

fn impersonated(identity: Result<Identity, Vec<String>>) -> Impersonation {
    match identity.unwrap() {
        Identity::Impersonated(impersonation) => impersonation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_file_is_read_and_its_token_endpoint_can_be_overridden() {
    let folder = Folder::new();
    folder.write("key.json", key_file());
    for (settings, url) in [
        (json!({ "file": "key.json" }), "https://oauth2.googleapis.com/token"),
        (
            json!({ "file": "key.json", "token_url": "http://127.0.0.1:1/t" }),
            "http://127.0.0.1:1/t",
        ),
    ] {
        let Identity::Key(key) =
            folder.identity(json!({ "service_account_key": settings })).unwrap()
        else {
            panic!("no key")
        };
        assert_eq!((key.email.as_str(), key.key.id()), (EMAIL, KEY.id.as_str()));
        assert_eq!(key.token_url.to_string(), url);
        assert!(key.key.sign(b"x").is_some());
    }
}

#[test]
fn a_bad_key_file_is_told_with_its_fault_and_without_its_secrets() {
    let folder = Folder::new();
    let good: Value = serde_json::from_str(&key_file()).unwrap();
    for (name, value, expected) in [
        ("private_key", json!("hush"), "\"private_key\" is no private key in PEM (PKCS #8)"),
        ("private_key", json!(["hush"]), "\"private_key\" is no text, or empty"),
        ("private_key", Value::Null, "\"private_key\" is missing"),
        ("client_email", json!("a/b"), "\"a/b\" is no address of a service account"),
        ("token_uri", json!("http://h/t"), "tokens would travel in clear text"),
        ("type", json!("gdch"), "\"type\" is \"gdch\"; supported are service_account"),
        ("type", json!("authorized_user"), "\"client_secret\" is missing"),
    ] {
        let mut file = good.clone();
        file[name] = value;
        folder.write("key.json", file.to_string());
        let problems = folder.identity(json!({ "service_account_key": { "file": "key.json" } }));
        let problems = problems.unwrap_err();
        assert!(problems[0].contains(expected), "{problems:?}");
        assert!(problems[0].contains("key.json") && !problems[0].contains("hush"), "{problems:?}");
    }
    for (text, expected) in
        [("", "as JSON"), ("[]", "no JSON object"), (&*" ".repeat(70_000), "bytes")]
    {
        folder.write("key.json", text.to_owned());
        let problems = folder.identity(json!({ "service_account_key": { "file": "key.json" } }));
        assert!(problems.unwrap_err()[0].contains(expected), "{expected}");
    }
}

#[test]
fn secrets_are_shown_to_nobody() {
    let folder = Folder::new();
    folder.write("key.json", key_file());
    let key = folder.identity(json!({ "service_account_key": { "file": "key.json" } })).unwrap();
    folder.write(".config/gcloud/application_default_credentials.json", user().to_string());
    let of_user = folder.identity(json!({ "impersonate": { "service_account": EMAIL } })).unwrap();
    let shown = format!("{key:?} {of_user:?}");
    assert!(!shown.contains("secret-") && !shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn an_external_account_is_impersonated_as_its_file_says() {
    let folder = Folder::new();
    folder.write("external.json", external(|_| {}));
    let plain = json!({ "external_account": { "file": "external.json" } });
    let settings = impersonated(folder.identity(plain));
    assert_eq!(settings.account, EMAIL);
    assert_eq!(settings.endpoint.to_string(), "https://iamcredentials.googleapis.com");
    let AccessSource::External(account) = &settings.source else { panic!("{settings:?}") };
    assert_eq!(account.place, SubjectPlace::File("/var/run/token".into()));
    assert_eq!(account.field, None);
    assert_eq!(
        settings.id_token_grants()[0].to_string(),
        format!(
            "gcloud iam service-accounts add-iam-policy-binding {EMAIL} \
             --member='principalSet:{POOL}/*' --role=roles/iam.workloadIdentityUser"
        )
    );
    let elsewhere = json!({ "external_account": {
        "file": "external.json", "token_url": "http://127.0.0.1:1/sts", "endpoint": "http://127.0.0.1:2",
    }});
    let settings = impersonated(folder.identity(elsewhere));
    assert_eq!(settings.endpoint.to_string(), "http://127.0.0.1:2");
    let AccessSource::External(account) = &settings.source else { panic!("{settings:?}") };
    assert_eq!(account.token_url.to_string(), "http://127.0.0.1:1/sts");
}

#[test]
fn a_token_at_a_url_may_be_beside_the_machine_and_in_a_document() {
    let folder = Folder::new();
    let text = external(|file| {
        file["credential_source"] = json!({
            "url": "http://169.254.169.254/token?x=y",
            "headers": { "Metadata": "True" },
            "format": { "type": "json", "subject_token_field_name": "access_token" },
        });
    });
    folder.write("external.json", text);
    let file = json!({ "external_account": { "file": "external.json" } });
    let settings = impersonated(folder.identity(file));
    let AccessSource::External(account) = &settings.source else { panic!("{settings:?}") };
    assert_eq!(account.field.as_deref(), Some("access_token"));
    let SubjectPlace::Url { url, headers } = &account.place else { panic!("{account:?}") };
    assert_eq!(url.to_string(), "http://169.254.169.254/token?x=y");
    assert_eq!(headers[0].0, "metadata");
}

#[test]
fn other_kinds_of_external_accounts_are_told_what_is_supported() {
    let folder = Folder::new();
    for (source, kind) in [
        (json!({ "environment_id": "aws1", "url": "http://169.254.169.254/x" }), "AWS"),
        (json!({ "executable": { "command": "x" } }), "executable"),
        (json!({ "certificate": {} }), "certificate"),
        (json!({}), "unknown"),
    ] {
        folder.write("external.json", external(|file| file["credential_source"] = source));
        let file = json!({ "external_account": { "file": "external.json" } });
        let problem = &folder.identity(file).unwrap_err()[0];
        let expected =
            format!("of the kind {kind:?}; supported are those with \"file\" or \"url\"");
        assert!(problem.contains(&expected), "{problem}");
    }
    let lone = external(|file| file["service_account_impersonation_url"] = Value::Null);
    folder.write("external.json", lone);
    let file = json!({ "external_account": { "file": "external.json" } });
    assert!(folder.identity(file.clone()).unwrap_err()[0].contains("--service-account"));
    let source = json!({ "impersonate": { "service_account": EMAIL, "source": file } });
    let settings = impersonated(folder.identity(source));
    assert!(matches!(settings.source, AccessSource::External(_)));
}

#[test]
fn an_impersonation_names_every_grant_of_its_chain() {
    let folder = Folder::new();
    folder.write("key.json", key_file());
    let settings = |delegates: Value| {
        let mut settings = json!({ "impersonate": {
            "service_account": "target@p",
            "source": { "service_account_key": { "file": "key.json" } },
        }});
        if !delegates.is_null() {
            settings["impersonate"]["delegates"] = delegates;
        }
        impersonated(folder.identity(settings))
    };
    let of = |grants: Vec<Grant>| -> Vec<(String, String, &str)> {
        let short = |role: &'static str| role.trim_start_matches("roles/iam.");
        grants.into_iter().map(|it| (it.member, it.account, short(it.role))).collect()
    };
    let member = format!("serviceAccount:{EMAIL}");
    let direct = settings(Value::Null);
    assert_eq!(direct.endpoint.to_string(), "https://iamcredentials.googleapis.com");
    let expected = (member.clone(), "target@p".into(), "serviceAccountOpenIdTokenCreator");
    assert_eq!(of(direct.id_token_grants()), [expected]);
    let expected = (member.clone(), "target@p".into(), "serviceAccountTokenCreator");
    assert_eq!(of(direct.access_token_grants()), [expected]);
    let chained = settings(json!(["middle@p"]));
    let expected = [
        (member, "middle@p".to_owned(), "serviceAccountTokenCreator"),
        ("serviceAccount:middle@p".to_owned(), "target@p".to_owned(), "serviceAccountTokenCreator"),
    ];
    assert_eq!(of(chained.id_token_grants()), expected);
}

#[test]
fn default_credentials_are_looked_for_in_the_order_of_google_s_libraries() {
    let folder = Folder::new();
    let nothing = json!({ "service": {} });
    let read = |environment: &Environment| folder.read(&nothing, environment);
    let mut environment = folder.environment();
    let found = read(&environment).unwrap();
    let host = |text| HostPort::parse(text, None).unwrap();
    assert_eq!(found, Identity::Metadata { host: host("metadata.google.internal:80") });
    environment.metadata_host = Some("127.0.0.1:1".into());
    assert_eq!(read(&environment).unwrap(), Identity::Metadata { host: host("127.0.0.1:1") });

    let of_gcloud = ".config/gcloud/application_default_credentials.json";
    folder.write(of_gcloud, external(|_| {}));
    assert_eq!(impersonated(read(&environment)).account, EMAIL);
    let other = external(|file| {
        let url = file["service_account_impersonation_url"].as_str().unwrap().replace(EMAIL, "o@p");
        file["service_account_impersonation_url"] = url.into();
    });
    folder.write("application_default_credentials.json", other);
    environment.gcloud_folder = Some(folder.0.clone());
    assert_eq!(impersonated(read(&environment)).account, "o@p");

    environment.credentials_file = Some(folder.write("key.json", key_file()));
    assert!(matches!(read(&environment).unwrap(), Identity::Key(_)));
    environment.credentials_file = Some("/nowhere/key.json".into());
    let problem = &read(&environment).unwrap_err()[0];
    assert!(
        problem.contains("$GOOGLE_APPLICATION_CREDENTIALS: /nowhere/key.json can't be read"),
        "{problem}"
    );
}

#[test]
fn a_person_s_credentials_serve_for_an_impersonation_alone() {
    let folder = Folder::new();
    let of_gcloud = ".config/gcloud/application_default_credentials.json";
    folder.write(of_gcloud, user().to_string());
    for document in [json!({ "service": {} }), json!({ "identity": { "default": {} } })] {
        let problem = &folder.read(&document, &folder.environment()).unwrap_err()[0];
        assert!(problem.contains("impersonate: { service_account: EMAIL }"), "{problem}");
        assert!(problem.contains("--impersonate-service-account=EMAIL"), "{problem}");
    }
    let settings =
        json!({ "impersonate": { "service_account": EMAIL, "source": { "default": null } } });
    let settings = impersonated(folder.identity(settings));
    assert!(matches!(settings.source, AccessSource::User(_)));
    let file = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url": format!("https://i.example/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"),
        "delegates": ["projects/-/serviceAccounts/middle@p"],
        "source_credentials": user(),
    });
    folder.write(of_gcloud, file.to_string());
    let settings = impersonated(folder.identity(json!({ "default": {} })));
    assert_eq!(
        (settings.account.as_str(), &*settings.delegates),
        (EMAIL, &["middle@p".into()][..])
    );
    assert_eq!(settings.endpoint.to_string(), "https://i.example");
}

#[test]
fn a_service_may_have_an_identity_of_its_own() {
    let folder = Folder::new();
    let read = |document: Value| {
        folder.read(
            &document,
            &Environment {
                // Of no use; but nobody needs it.
                credentials_file: Some(Path::new("/nowhere").to_owned()),
                ..Environment::default()
            },
        )
    };
    let metadata = |host| json!({ "metadata": { "host": host } });
    let host = |text| Identity::Metadata { host: HostPort::parse(text, Some(80)).unwrap() };
    let both = json!({ "identity": metadata("all"), "service": { "identity": metadata("own") } });
    assert_eq!(read(both).unwrap(), host("own"));
    assert_eq!(read(json!({ "identity": metadata("all"), "service": {} })).unwrap(), host("all"));
    assert_eq!(read(json!({ "service": { "identity": metadata("own") } })).unwrap(), host("own"));
    assert!(read(json!({ "service": {} })).unwrap_err()[0].contains("no \"identity\""));
}

#[test]
fn a_file_of_another_type_is_none() {
    let folder = Folder::new();
    folder.write("key.json", key_file());
    folder.write("external.json", external(|_| {}));
    for (member, file) in
        [("external_account", "key.json"), ("service_account_key", "external.json")]
    {
        let problems = folder.identity(json!({ member: { "file": file } })).unwrap_err();
        assert!(
            problems[0].contains("of the type") && problems[0].contains("another"),
            "{problems:?}"
        );
    }
}

#[test]
fn there_is_one_source_and_only_one() {
    let folder = Folder::new();
    for bad in [json!({}), json!({ "metadata": {}, "default": {} })] {
        let problems = folder.identity(bad).unwrap_err();
        let expected = "identity: needs one of these, and only one: metadata, ";
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
    let bad = json!({ "impersonate": { "service_account": EMAIL, "source": {} } });
    let problems = folder.identity(bad).unwrap_err();
    assert!(problems[0].starts_with("identity.impersonate.source: needs one of"), "{problems:?}");
}

proptest! {
    #[test]
    fn whatever_a_file_holds_is_read_or_refused_without_a_word_of_its_secrets(
        kind in 0..4_usize,
        name in "type|private_key|private_key_id|client_email|token_uri|client_id|client_secret|refresh_token|audience|subject_token_type|token_url|credential_source|service_account_impersonation_url|source_credentials|delegates",
        value in prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "(https?://)?.{0,30}".prop_map(Value::from),
            Just(json!([])),
            Just(json!([7])),
            Just(json!({ "file": 7 })),
            Just(json!({ "url": "http://169.254.0.1", "headers": { "a b": "c" } })),
            Just(json!({ "type": "authorized_user" })),
        ],
    ) {
        static FOLDER: LazyLock<Folder> = LazyLock::new(Folder::new);
        let impersonated = json!({
            "type": "impersonated_service_account",
            "service_account_impersonation_url": format!("https://i.example/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"),
            "source_credentials": user(),
        });
        let files = [key_file(), external(|_| {}), user().to_string(), impersonated.to_string()];
        let mut file: Value = serde_json::from_str(&files[kind]).unwrap();
        let secret = file["private_key"].as_str().unwrap_or("secret-").to_owned();
        file[&name] = value;
        FOLDER.write("any.json", file.to_string());
        let environment =
            Environment { credentials_file: Some(FOLDER.0.join("any.json")), ..Environment::default() };
        let document = json!({ "service": {}, "identity": { "impersonate": { "service_account": EMAIL } } });
        if let Err(problems) = FOLDER.read(&document, &environment) {
            prop_assert!(problems.iter().all(|it| !it.contains("secret-") && !it.contains(&secret)));
        }
    }
}
