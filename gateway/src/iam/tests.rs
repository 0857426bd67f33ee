use std::path::Path;

use super::*;
use crate::config::{AccessSource, Environment, HostPort, Origin};

const POLICY: &str = r#"
listen: 127.0.0.1:0
policy:
  rules:
    - name: one
      match: { hosts: [one.example.com] }
      anonymous: true
    - name: two
      match: { hosts: [two.example.com] }
      anonymous: true
"#;

fn script(rest: &str) -> String {
    let environment = Environment::default();
    let config = Config::read(&format!("{POLICY}{rest}"), Path::new("/nowhere"), &environment);
    Bindings::of(&config.unwrap()).to_string()
}

fn commands(script: &str) -> Vec<&str> {
    script.lines().filter(|line| line.starts_with("gcloud ")).collect()
}

#[test]
fn what_several_services_need_is_listed_once() {
    let script = script(
        r#"
identity: { metadata: {} }
services:
  - name: "first\nreboot"
    rules: [one]
    regions:
      - { name: a, url: "https://orders-1.us-central1.run.app" }
      - { name: b, url: "https://tag---orders-1.europe-west1.run.app" }
  - name: second
    rules: [two]
    regions:
      - { name: a, url: "https://green---orders-1.us-central1.run.app" }
      - { name: b, kind: other, url: "https://other.example", audience: other }
"#,
    );
    let expected = r#"# The bindings of IAM that the gateway's configuration needs.
# GATEWAY_SERVICE_ACCOUNT: the e-mail address of the account that the gateway runs as.

# The gateway may call the service "first\nreboot".
gcloud run services add-iam-policy-binding orders --region=us-central1 --member=serviceAccount:GATEWAY_SERVICE_ACCOUNT --role=roles/run.invoker
gcloud run services add-iam-policy-binding orders --region=europe-west1 --member=serviceAccount:GATEWAY_SERVICE_ACCOUNT --role=roles/run.invoker
"#;
    assert_eq!(script, expected);
}

#[test]
fn names_that_a_url_does_not_tell_stand_in_capitals_for_each_url() {
    let script = script(
        r#"
identity: { impersonate: { service_account: g@p.iam.gserviceaccount.com, source: { metadata: {} } } }
services:
  - name: first
    rules: [one, two]
    regions:
      - { name: a, url: "https://orders-abcdefghij-uc.a.run.app" }
      - { name: b, url: "https://orders-abcdefghij-ew.a.run.app" }
      - { name: c, kind: iap, url: "https://iap.example", client_id: x }
"#,
    );
    let run = "gcloud run services add-iam-policy-binding SERVICE --region=REGION \
               --member=serviceAccount:g@p.iam.gserviceaccount.com --role=roles/run.invoker";
    let iap = "gcloud iap web add-iam-policy-binding --resource-type=backend-services \
               --service=BACKEND_SERVICE --member=serviceAccount:g@p.iam.gserviceaccount.com \
               --role=roles/iap.httpsResourceAccessor";
    let own = "gcloud iam service-accounts add-iam-policy-binding g@p.iam.gserviceaccount.com \
               --member='serviceAccount:ACCOUNT_OF_THIS_MACHINE' \
               --role=roles/iam.serviceAccountOpenIdTokenCreator";
    assert_eq!(commands(&script), [own, run, run, iap]);
    for line in [
        "# ACCOUNT_OF_THIS_MACHINE: the e-mail address of the account that the gateway's machine has.",
        "# SERVICE: the name of the Cloud Run service.",
        "# REGION: the region in which it runs.",
        "# BACKEND_SERVICE: the backend service behind IAP.",
        "# SERVICE and REGION: what https://orders-abcdefghij-ew.a.run.app leads to; that URL does not tell.",
    ] {
        assert!(script.lines().any(|it| it == line), "{line}\nnot in\n{script}");
    }
    assert!(!script.contains("# GATEWAY_SERVICE_ACCOUNT"), "{script}");
}

#[test]
fn a_numeric_id_is_no_member_of_a_binding() {
    let script = script(
        r#"
identity: { impersonate: { service_account: "104", delegates: [m@p], source: { metadata: {} } } }
services:
  - { name: s, rules: [one, two], regions: [{ name: a, url: "https://s-1.us-east1.run.app" }] }
"#,
    );
    let [first, second, run] = commands(&script).try_into().unwrap();
    assert!(first.contains("-binding m@p --member='serviceAccount:ACCOUNT_OF_THIS_MACHINE'"));
    assert!(second.contains("-binding 104 --member='serviceAccount:m@p'"), "{second}");
    assert!(run.contains("--member=serviceAccount:GATEWAY_SERVICE_ACCOUNT "), "{run}");
}

#[test]
fn no_name_of_a_pool_gets_out_of_its_quotes() {
    let member = "principalSet:it's; reboot/*".to_owned();
    let grant = Grant { account: "g@p".to_owned(), member, role: "roles/r" };
    assert!(grant.to_string().contains(r"--member='principalSet:it'\''s; reboot/*' --role"));
}

#[test]
fn what_an_impersonation_begins_with_takes_its_own_roles_first() {
    let impersonating = |account: &str, source| Impersonation {
        account: account.to_owned(),
        delegates: Vec::new(),
        endpoint: Origin::of(true, "iam.example").unwrap(),
        source,
    };
    let machine = AccessSource::Metadata { host: HostPort::parse("m:80", None).unwrap() };
    let inner = impersonating("inner@p", machine);
    let outer = impersonating("outer@p", AccessSource::Impersonated(Box::new(inner)));
    let all: Vec<_> = outer.all_grants().iter().map(ToString::to_string).collect();
    let expected = [
        "gcloud iam service-accounts add-iam-policy-binding inner@p \
         --member='serviceAccount:ACCOUNT_OF_THIS_MACHINE' \
         --role=roles/iam.serviceAccountTokenCreator",
        "gcloud iam service-accounts add-iam-policy-binding outer@p \
         --member='serviceAccount:inner@p' --role=roles/iam.serviceAccountOpenIdTokenCreator",
    ];
    assert_eq!(all, expected);
}
