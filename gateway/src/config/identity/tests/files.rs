//! Files of credentials.

use proptest::prelude::*;

use super::*;

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
