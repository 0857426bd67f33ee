mod files;

use std::path::Path;
use std::sync::LazyLock;

use remint_emulator::AccountKey;
use remint_idtoken::config::{Node, Problems, Reader};
use serde_json::{Value, json};

use super::*;
use crate::config::Environment;
use crate::config::files::Files;

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
        self.read_with(document, environment, &Files::new(&self.0))
    }

    fn read_with(
        &self,
        document: &Value,
        environment: &Environment,
        files: &Files,
    ) -> Result<Identity, Vec<String>> {
        let node: Node = serde_json::from_value(document.clone()).unwrap();
        let problems = Problems::default();
        let root = Reader::root(&node, &problems);
        let mut object = root.object().unwrap();
        let identities = Identities::read(&mut object, files, environment);
        let mut service =
            object.get("service").map_or_else(|| root.object(), |it| it.object()).unwrap();
        let identity = identities.of_service(&mut service);
        drop((service, object));
        problems.finish(identity).map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    /// What the files that this environment leads to are, and what is odd.
    fn found(
        &self,
        environment: &Environment,
    ) -> (Result<Identity, Vec<String>>, Vec<PathBuf>, Vec<String>) {
        let files = Files::new(&self.0.join("elsewhere"));
        let read = self.read_with(&json!({ "service": {} }), environment, &files);
        let (named, warnings) = files.into_parts();
        (read, named, warnings)
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
    let problems = read(json!({ "service": {} })).unwrap_err();
    assert!(problems[0].contains("no \"identity\""), "{problems:?}");
}

/// The path of a file from the working directory.
fn relative(file: &Path) -> PathBuf {
    let ups = std::env::current_dir().unwrap().components().count() - 1;
    PathBuf::from("../".repeat(ups)).join(file.strip_prefix("/").unwrap())
}

#[test]
fn paths_of_the_environment_count_from_the_working_directory_and_are_watched() {
    let folder = Folder::new();
    let file = relative(&folder.write("key.json", key_file()));
    let (found, named, _) = folder
        .found(&Environment { credentials_file: Some(file.clone()), ..Environment::default() });
    assert!(matches!(found, Ok(Identity::Key(_))), "{found:?}");
    assert_eq!(named, [file]);
    folder.write("application_default_credentials.json", key_file());
    let gcloud_folder = Some(relative(&folder.0));
    let (found, named, _) = folder.found(&Environment { gcloud_folder, ..Environment::default() });
    assert!(matches!(found, Ok(Identity::Key(_))), "{found:?}");
    assert_eq!(named, [relative(&folder.0).join("application_default_credentials.json")]);
    // One that is not there yet may come.
    let empty = Folder::new();
    let (found, named, warnings) = empty.found(&empty.environment());
    assert!(matches!(found, Ok(Identity::Metadata { .. })), "{found:?}");
    assert_eq!((named.len(), warnings.len()), (1, 0));
}

#[cfg(unix)]
#[test]
fn a_file_of_gclouds_that_cant_be_looked_for_is_not_taken_for_absent() {
    let folder = Folder::new();
    let of_gcloud = folder.0.join(".config/gcloud/application_default_credentials.json");
    std::os::unix::fs::symlink(&of_gcloud, &of_gcloud).unwrap();
    let (found, _, warnings) = folder.found(&folder.environment());
    assert!(matches!(found, Ok(Identity::Metadata { .. })), "{found:?}");
    assert!(warnings[0].contains("can't be looked for"), "{warnings:?}");
    let gcloud_folder = of_gcloud.parent().map(Path::to_owned);
    let (found, ..) = folder.found(&Environment { gcloud_folder, ..Environment::default() });
    let problems = found.unwrap_err();
    assert!(problems[0].contains("$CLOUDSDK_CONFIG: "), "{problems:?}");
    // Where the home is no folder, nothing is in it.
    let home = Some(folder.write("file", String::new()));
    let (found, _, warnings) = folder.found(&Environment { home, ..Environment::default() });
    assert!(found.is_ok() && warnings.is_empty(), "{found:?} {warnings:?}");
}

#[test]
fn servers_that_are_not_googles_are_mentioned_unless_the_configuration_names_them() {
    let folder = Folder::new();
    let of = |text: String, settings: Value| {
        folder.write("credentials.json", text);
        let files = Files::new(&folder.0);
        let document = json!({ "service": {}, "identity": settings });
        folder.read_with(&document, &Environment::default(), &files).unwrap();
        files.into_parts().1
    };
    let key = json!({ "service_account_key": { "file": "credentials.json" } });
    let file = json!({ "external_account": { "file": "credentials.json" } });
    assert_eq!(of(key_file(), key.clone()), Vec::<String>::new());
    assert_eq!(of(external(|_| {}), file.clone()), Vec::<String>::new());
    let elsewhere = KEY.file("https://oauth2.googleapis.com.evil.example/token");
    let warnings = of(elsewhere.clone(), key);
    assert!(warnings[0].contains("https://oauth2.googleapis.com.evil.example"), "{warnings:?}");
    let named = json!({ "service_account_key": {
        "file": "credentials.json", "token_url": "https://mine.example/token",
    }});
    assert_eq!(of(elsewhere, named), Vec::<String>::new());
    let both = external(|file| {
        file["token_url"] = json!("https://evilgoogleapis.com/v1/token");
        let url =
            format!("https://i.example/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken");
        file["service_account_impersonation_url"] = json!(url);
    });
    let warnings = of(both, file);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("https://evilgoogleapis.com"), "{warnings:?}");
    assert!(warnings[1].contains("https://i.example"), "{warnings:?}");
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
