//! IAP on load balancers and on services of Cloud Run.

use super::*;
use crate::doctor::facts::{BackendService, Behind};

/// A rule for what comes through IAP, and the backend service that it names.
fn behind_iap_text() -> String {
    let text = config_text(&format!("{{ name: us, url: \"{URL}\" }}")).replace(
        "  rules:\n",
        "  issuers: [{ preset: google }, { preset: iap }]\n  rules:\n    - name: people\n      \
         match: { hosts: [people.example.com] }\n      issuers: [iap]\n      \
         audiences: [/projects/12/global/backendServices/42]\n      \
         callers: { hosted_domains: [example.com] }\n",
    );
    text.replace("      audiences: [\"https", "      issuers: [google]\n      audiences: [\"https")
        .replace("rules: [push]", "rules: [push, people]")
}

fn behind_iap() -> (Config, Facts) {
    let text = behind_iap_text();
    let config = Config::read(&text, Path::new("/nowhere"), &Environment::default()).unwrap();
    let mut facts = facts();
    facts.backends = Some(Read::Is(vec![BackendService {
        name: "people".to_owned(),
        id: "42".to_owned(),
        location: None,
        iap_enabled: true,
        client_id: None,
        let_through: Read::Is(policy("roles/iap.httpsResourceAccessor", &["domain:example.com"])),
        behind: Vec::new(),
    }]));
    (config, facts)
}

fn backend(facts: &mut Facts) -> &mut BackendService {
    match &mut facts.backends {
        Some(Read::Is(all)) => &mut all[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_for_a_regional_backend_service_name_its_region() {
    let (config, mut facts) = behind_iap();
    assert!(found(&config, &facts).is_empty());
    backend(&mut facts).iap_enabled = false;
    backend(&mut facts).location = Some("us-east1".to_owned());
    let looked = Looked { config: &config, facts: &facts, is_gateway_in_vpc: false, ignored: &[] };
    let report = report(&looked);
    assert_eq!(
        report.findings[0].command.as_deref().unwrap(),
        "gcloud compute backend-services update people --region=us-east1 --project=p --iap=enabled"
    );
}

#[test]
fn iap_may_be_on_a_service_of_cloud_run_itself() {
    let (config, mut facts) = behind_iap();
    let audience = "/projects/12/locations/us-east1/services/front";
    let text = behind_iap_text().replace("/projects/12/global/backendServices/42", audience);
    drop(config);
    let config = Config::read(&text, Path::new("/nowhere"), &Environment::default()).unwrap();
    facts.backends = None;
    let mut look = |run: Read<RunService>, members: &[&str]| {
        let place = Place {
            project: "p".to_owned(),
            service: "front".to_owned(),
            location: "us-east1".to_owned(),
        };
        let behind = Behind { place, run, policy: invokers(members) };
        facts.direct = BTreeMap::from([(audience.to_owned(), behind)]);
        let found = found(&config, &facts);
        found.into_iter().map(|(code, _)| code).collect::<Vec<_>>()
    };
    let on = || Read::Is(RunService { iap_enabled: true, ..RunService::default() });
    assert!(look(on(), &[AGENT]).is_empty());
    assert_eq!(look(on(), &[]), ["iap_invoker_missing"]);
    assert_eq!(look(Read::Is(RunService::default()), &[AGENT]), ["iap_backend_off"]);
    assert_eq!(look(Read::Missing, &[]), ["iap_audience"]);
    assert_eq!(look(Read::Unread("403".into()), &[]), ["unread"]);
}

#[test]
fn a_backend_service_of_another_project_is_not_said_to_be_wrong() {
    let (config, mut facts) = behind_iap();
    facts.project.number = Some(13);
    backend(&mut facts).id = "43".to_owned();
    let looked = Looked { config: &config, facts: &facts, is_gateway_in_vpc: false, ignored: &[] };
    let report = report(&looked);
    assert_eq!(report.findings[0].check, Check::Unread);
    assert!(report.findings[0].advice.as_deref().unwrap().contains("--project 12"));
}

#[test]
fn load_balancers_that_may_not_be_read_are_said_once_for_each_rule() {
    let (config, mut facts) = behind_iap();
    facts.backends = Some(Read::Unread("403".into()));
    let codes: Vec<_> = found(&config, &facts).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["unread"]);
    let (config, mut facts) = behind_iap();
    backend(&mut facts).let_through = Read::Unread("403".into());
    assert_eq!(found(&config, &facts).len(), 1);
}

#[test]
fn a_role_in_another_project_than_the_region_s_counts_for_nothing() {
    let gateway = format!("serviceAccount:{GATEWAY}");
    let elsewhere = |policy: Read<Policy>| {
        codes(&plain(), |it| {
            it.project.policy = invokers(&[&gateway]);
            region(it).policy = invokers(&[]);
            region(it).place.as_mut().unwrap().project = "q".to_owned();
            let other = Project { name: Some("q".to_owned()), number: Some(13), policy };
            it.others = BTreeMap::from([("13".to_owned(), other)]);
        })
    };
    assert_eq!(elsewhere(invokers(&[])), ["invoker_missing"]);
    assert!(elsewhere(invokers(&[&gateway])).is_empty());
    assert_eq!(elsewhere(Read::Unread("403".into())), ["unread"]);
}
