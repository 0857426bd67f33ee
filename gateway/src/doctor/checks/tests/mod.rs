mod iap;

use std::collections::BTreeMap;
use std::path::Path;

use remint_idtoken::{Reason, Sender};

use super::*;
use crate::config::Environment;
use crate::doctor::facts::{
    Gap, Ingress, Lack, MintFailure, OidcToken, Place, Probe, Probed, Project, Read, Reader,
    RegionFacts, SenderFacts, ServiceFacts,
};
use crate::doctor::policy::{Binding, Policy};

const URL: &str = "https://orders-12.us-central1.run.app";
const GATEWAY: &str = "gateway@p.iam.gserviceaccount.com";
const AGENT: &str = "serviceAccount:service-12@gcp-sa-iap.iam.gserviceaccount.com";

fn config(region: &str) -> Config {
    Config::read(&config_text(region), Path::new("/nowhere"), &Environment::default()).unwrap()
}

fn config_text(region: &str) -> String {
    format!(
        r#"
listen: 127.0.0.1:0
policy:
  rules:
    - name: push
      match: {{ hosts: [orders.example.com] }}
      audiences: ["https://orders.example.com"]
      callers: {{ emails: [pusher@p.iam.gserviceaccount.com] }}
identity: {{ metadata: {{}} }}
services:
  - {{ name: orders, rules: [push], regions: [{region}] }}
"#
    )
}

fn plain() -> Config {
    config(&format!("{{ name: us, url: \"{URL}\" }}"))
}

fn invokers(members: &[&str]) -> Read<Policy> {
    Read::Is(policy("roles/run.invoker", members))
}

fn policy(role: &str, members: &[&str]) -> Policy {
    let binding = |member: &&str| Binding {
        role: role.to_owned(),
        member: (*member).to_owned(),
        condition: None,
    };
    Policy(members.iter().map(binding).collect())
}

/// One region, as it should be.
fn facts() -> Facts {
    let place = Place {
        project: "p".to_owned(),
        service: "orders".to_owned(),
        location: "us-central1".to_owned(),
    };
    let run = RunService { urls: vec![URL.to_owned()], ..RunService::default() };
    let policy = invokers(&[&format!("serviceAccount:{GATEWAY}")]);
    Facts {
        project: Project {
            name: Some("p".to_owned()),
            number: Some(12),
            policy: Read::Is(Policy::default()),
        },
        others: BTreeMap::new(),
        services: vec![ServiceFacts {
            account: Some(GATEWAY.to_owned()),
            mint: Ok(()),
            regions: vec![RegionFacts {
                place: Some(place),
                run: Read::Is(run),
                policy,
                elsewhere: None,
                probe: None,
            }],
        }],
        senders: Vec::new(),
        reader: Reader::Account("reader@p.iam.gserviceaccount.com".to_owned()),
        unread: Vec::new(),
        backends: None,
        direct: BTreeMap::new(),
        accounts: BTreeMap::new(),
        keys: Vec::new(),
        google_ahead: Some(0),
    }
}

fn region(facts: &mut Facts) -> &mut RegionFacts {
    &mut facts.services[0].regions[0]
}

fn probe(outcome: Probed) -> Option<Probe> {
    Some(Probe { url: format!("{URL}/"), outcome })
}

fn run(facts: &mut Facts) -> &mut RunService {
    match &mut region(facts).run {
        Read::Is(run) => run,
        other => panic!("{other:?}"),
    }
}

/// The codes of what is found, with their reasons.
fn found(config: &Config, facts: &Facts) -> Vec<(&'static str, Option<Reason>)> {
    let looked = Looked { config, facts, is_gateway_in_vpc: false, ignored: &[] };
    let report = report(&looked);
    report.findings.iter().map(|it| (it.check.entry().code, it.reason)).collect()
}

fn codes(config: &Config, change: impl FnOnce(&mut Facts)) -> Vec<&'static str> {
    let mut facts = facts();
    change(&mut facts);
    found(config, &facts).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn what_is_right_is_passed() {
    assert!(codes(&plain(), |_| {}).is_empty());
}

#[test]
fn run_app_urls_that_are_turned_off_are_of_no_use() {
    assert_eq!(codes(&plain(), |it| run(it).default_uri_disabled = true), ["default_url_disabled"]);
}

#[test]
fn nobody_is_let_in_with_the_ingress_none_wherever_the_gateway_is() {
    assert_eq!(codes(&plain(), |it| run(it).ingress = Ingress::Nobody), ["ingress_refuses"]);
    let (config, mut facts) = (plain(), facts());
    run(&mut facts).ingress = Ingress::Nobody;
    let looked = Looked { config: &config, facts: &facts, is_gateway_in_vpc: true, ignored: &[] };
    assert_eq!(report(&looked).findings.len(), 1);
}

#[test]
fn behind_iap_it_is_iap_s_service_agent_that_may_call() {
    let config = config(&format!(
        "{{ name: us, kind: iap, client_id: a.apps.googleusercontent.com, url: \"{URL}\" }}"
    ));
    let behind = |members: &'static [&'static str]| {
        codes(&config, move |it| {
            run(it).iap_enabled = true;
            region(it).policy = invokers(members);
        })
    };
    assert!(behind(&[AGENT]).is_empty());
    assert_eq!(behind(&[]), ["iap_invoker_missing"]);
    assert_eq!(codes(&config, |_| {}), ["iap_off"]);
}

#[test]
fn a_role_may_come_from_the_project_or_a_group() {
    let without = |change: fn(&mut Facts)| {
        codes(&plain(), |it| {
            region(it).policy = invokers(&[]);
            change(it);
        })
    };
    assert_eq!(without(|_| {}), ["invoker_missing"]);
    let of_project = |it: &mut Facts| {
        it.project.policy = invokers(&[&format!("serviceAccount:{GATEWAY}")]);
    };
    assert!(without(of_project).is_empty());
    // What can't be known is not said to be wrong.
    let of_a_group = |it: &mut Facts| region(it).policy = invokers(&["group:callers@p.example"]);
    assert_eq!(codes(&plain(), of_a_group), ["unread"]);
    let answered = codes(&plain(), |it| {
        of_a_group(it);
        region(it).probe = probe(Probed::Answered(200));
    });
    assert!(answered.is_empty(), "{answered:?}");
    let owners = |it: &mut Facts| {
        it.project.policy = Read::Is(policy("roles/owner", &["group:owners@p.example"]));
    };
    assert_eq!(without(owners), ["invoker_missing"]);
    let unread = |it: &mut Facts| it.project.policy = Read::Unread("403".into());
    assert_eq!(without(unread), ["unread", "unread"]);
    assert_eq!(without(|it| it.services[0].account = None), ["unread"]);
}

#[test]
fn what_may_not_be_read_is_said_once_for_each_thing() {
    let unread = || Read::Unread("403 Forbidden".into());
    assert_eq!(codes(&plain(), |it| region(it).run = unread()), ["unread"]);
    assert_eq!(codes(&plain(), |it| region(it).policy = Read::Unread("".into())), ["unread"]);
    assert_eq!(codes(&plain(), |it| region(it).place = None), ["unread"]);
    let list = |it: &mut Facts| it.unread = vec![("queues in x".to_owned(), "403".into())];
    assert_eq!(codes(&plain(), list), ["unread"]);
}

#[test]
fn a_region_that_checks_tokens_itself_may_be_open_and_have_any_audience() {
    let config = config(&format!("{{ name: us, kind: other, audience: mine, url: \"{URL}\" }}"));
    assert!(codes(&config, |it| region(it).policy = invokers(&["allUsers"])).is_empty());
}

#[test]
fn each_answer_to_a_probe_has_its_reason() {
    for (probed, expected) in [
        (Probed::Answered(404), None),
        (Probed::Answered(500), Some(("probe_error", None))),
        (Probed::TokenRefused, Some(("probe_refused", Some(Reason::AudienceMismatch)))),
        // The role is granted.
        (Probed::CallerRefused, Some(("probe_refused", Some(Reason::IamPropagating)))),
        (Probed::NotFound, Some(("probe_refused", Some(Reason::IngressRefused)))),
        (Probed::FrontEnd(503), Some(("probe_refused", None))),
        (Probed::Failed("no connection".to_owned()), Some(("probe_failed", None))),
    ] {
        let mut facts = facts();
        region(&mut facts).probe = probe(probed);
        assert_eq!(found(&plain(), &facts), Vec::from_iter(expected));
    }
}

#[test]
fn a_refused_probe_is_for_a_missing_role_only_if_none_is_known_to_be_granted() {
    let mut facts = facts();
    region(&mut facts).probe = probe(Probed::CallerRefused);
    region(&mut facts).policy = invokers(&["serviceAccount:other@p.iam.gserviceaccount.com"]);
    let refused = ("probe_refused", Some(Reason::InvokerMissing));
    let lacking = ("invoker_missing", Some(Reason::InvokerMissing));
    // What a setting explains is not said twice.
    assert_eq!(found(&plain(), &facts), [lacking]);
    region(&mut facts).policy = Read::Unread("403".into());
    assert_eq!(found(&plain(), &facts), [("unread", None), refused]);
}

#[test]
fn a_mint_that_fails_without_a_command_says_what_else_to_do() {
    let (config, mut facts) = (plain(), facts());
    facts.services[0].mint = Err(MintFailure { said: "no".to_owned(), command: None });
    let looked = Looked { config: &config, facts: &facts, is_gateway_in_vpc: false, ignored: &[] };
    let report = report(&looked);
    assert_eq!(report.findings[0].check, Check::MintDenied);
    assert!(report.findings[0].advice.as_deref().unwrap().contains("--account"));
}

#[test]
fn clocks_may_differ_by_half_a_minute() {
    for (ahead, is_found) in [(30, false), (-30, false), (31, true), (-31, true)] {
        let codes = codes(&plain(), |it| it.google_ahead = Some(ahead));
        assert_eq!(codes == ["clock_off"], is_found, "{ahead}");
    }
}

#[test]
fn a_sender_s_token_is_never_shown() {
    let (config, mut facts) = (plain(), facts());
    let account = "stranger@p.iam.gserviceaccount.com".to_owned();
    facts.senders = vec![SenderFacts {
        kind: Sender::PubSub,
        name: "s".to_owned(),
        location: None,
        url: "https://orders.example.com/push".to_owned(),
        method: "POST".to_owned(),
        token: Some(OidcToken { account, audience: None }),
        deadline: None,
        unwrapped: None,
    }];
    let looked = Looked { config: &config, facts: &facts, is_gateway_in_vpc: false, ignored: &[] };
    let shown = report(&looked).to_json().to_string();
    assert!(shown.contains("sender_audience") && !shown.contains("eyJ"), "{shown}");
}

#[test]
fn a_role_on_a_condition_is_not_taken_for_granted() {
    let (config, mut facts) = (plain(), facts());
    if let Read::Is(policy) = &mut region(&mut facts).policy {
        policy.0[0].condition = Some("request.time < timestamp(\"2020-01-01T00:00:00Z\")".into());
    }
    let looked = Looked { config: &config, facts: &facts, is_gateway_in_vpc: false, ignored: &[] };
    let report = report(&looked);
    assert_eq!(report.findings[0].check, Check::Unread);
    assert!(report.findings[0].cause.contains("request.time"), "{report}");
}

#[test]
fn what_may_not_be_read_comes_with_the_command_that_permits_it() {
    let command = |lack: Lack, reader: Reader| {
        let (config, mut facts) = (plain(), facts());
        facts.reader = reader;
        region(&mut facts).run = Read::Unread(Gap { why: "403".to_owned(), lack: Some(lack) });
        let looked =
            Looked { config: &config, facts: &facts, is_gateway_in_vpc: false, ignored: &[] };
        report(&looked).findings.remove(0).command.unwrap()
    };
    let role = || Lack::Role("roles/run.viewer");
    assert_eq!(
        command(role(), Reader::Account("reader@p.example".to_owned())),
        "gcloud projects add-iam-policy-binding p --member=serviceAccount:reader@p.example \
         --role=roles/run.viewer"
    );
    assert_eq!(
        command(role(), Reader::Person),
        "gcloud projects add-iam-policy-binding p --member=\"user:$(gcloud config get account)\" \
         --role=roles/run.viewer"
    );
    assert_eq!(
        command(Lack::Api("run.googleapis.com"), Reader::Unknown),
        "gcloud services enable run.googleapis.com --project=p"
    );
}
