//! IAP on load balancers: in front of the gateway, and in front of a region.

use remint_emulator::{Agent, Config as Google, Grant, Iap, IapIdentity, LoadBalancer, Picking};
use remint_emulator::{Service, ServiceRegion, Subscription};

use crate::support::{CRON, Case, GATEWAY, PUSHER};

const CLIENT: &str = "123456789012-people.apps.googleusercontent.com";
const OTHER_CLIENT: &str = "123456789012-orders.apps.googleusercontent.com";
const AGENT: &str = "service-123456789012@gcp-sa-iap.iam.gserviceaccount.com";
const PERSON: &str = "person@example.com";
const PEOPLE: &str = "IAP of rule people";
const ORDERS: &str = "region orders/behind-iap";
const LIST: &str = "gcloud compute backend-services list --project=demo-project --format='table(name,region,id,iap.enabled,iap.oauth2ClientId)'";

fn balancer(host: &str, client: &str, id: u64, users: &[&str]) -> LoadBalancer {
    LoadBalancer {
        host: host.to_owned(),
        port: 0,
        service: "front".to_owned(),
        picking: Picking::Nearest,
        iap: Some(Iap {
            enabled: true,
            client_id: client.to_owned(),
            backend_service: id,
            users: users.iter().map(|user| (*user).to_owned()).collect(),
            identity: IapIdentity::ServiceAgent,
        }),
    }
}

/// The gateway behind a load balancer with IAP, and a region behind another.
fn behind_iap(name: &'static str) -> Case {
    Case::new(name)
        .google(|google| {
            google.services.push(Service {
                name: "front".to_owned(),
                regions: ["us-central1", "europe-west1"].map(ServiceRegion::new).into(),
                invokers: vec![AGENT.to_owned()],
                ..Service::default()
            });
            let plain = LoadBalancer { iap: None, ..balancer("front.example.com", CLIENT, 0, &[]) };
            google.load_balancers = vec![
                plain,
                balancer("people.example.com", CLIENT, 42, &[PERSON, PUSHER]),
                balancer("orders.internal.example", OTHER_CLIENT, 43, &[GATEWAY]),
            ];
            google.pubsub.subscriptions.push(Subscription {
                audience: Some(CLIENT.to_owned()),
                ..Subscription::new("people", "orders")
                    .pushing("https://people.example.com/push", PUSHER)
            });
        })
        .text(|text, _| {
            let of_google = "      issuers: [google]\n      audiences: [\"https://";
            text.replace("      audiences: [\"https://", of_google)
                .replace("  rules:\n    - name: push", &format!("{PEOPLE_RULE}    - name: push"))
                .replace("    rules:\n", "    rules:\n      - { rule: people, timeout: 10s }\n")
                .replace("    regions:\n", &format!("    regions:\n{REGION}"))
        })
}

const PEOPLE_RULE: &str = r#"  issuers: [{ preset: google }, { preset: iap }]
  rules:
    - name: people
      match: { hosts: [people.example.com] }
      issuers: [iap]
      audiences: ["/projects/123456789012/global/backendServices/42"]
      callers: { emails: ["person@example.com", "pusher@demo-project.iam.gserviceaccount.com"] }
"#;
const REGION: &str = "      - { name: behind-iap, kind: iap, client_id: 123456789012-orders.apps.googleusercontent.com, url: \"https://orders.internal.example\", priority: 1 }\n";

/// In front of the gateway (0), or of a region (1).
fn iap(google: &mut Google, at: usize) -> &mut Iap {
    google.load_balancers[at + 1].iap.as_mut().unwrap()
}

fn let_through(service: &str, member: &str) -> String {
    format!(
        "gcloud iap web add-iam-policy-binding --resource-type=backend-services --service={service} --project=demo-project --member={member} --role=roles/iap.httpsResourceAccessor"
    )
}

#[tokio::test]
async fn a_right_deployment_gets_no_complaint() {
    let report = behind_iap("right").report().await;
    assert!(report.findings.is_empty(), "{report}");
    for subject in [PEOPLE, ORDERS, "subscription people", "keys of iap"] {
        assert!(report.passed.iter().any(|it| it == subject), "{subject}: {report}");
    }
}

#[tokio::test]
async fn an_audience_of_assertions_names_a_backend_service_of_the_project() {
    for (name, wrong) in [
        ("another number", "/projects/123456789012/global/backendServices/44"),
        ("another project's number", "/projects/999999999999/global/backendServices/42"),
    ] {
        behind_iap(name)
            .says("/projects/123456789012/global/backendServices/42", wrong)
            .turns_red(["iap_audience", "aud_mismatch", PEOPLE, LIST])
            .await;
    }
}

#[tokio::test]
async fn what_is_right_of_an_audience_is_said() {
    let report = behind_iap("advice")
        .says("/projects/123456789012/global/", "/projects/999999999999/global/")
        .report()
        .await;
    let advice = report.findings[0].advice.as_deref().unwrap();
    assert!(advice.contains("/projects/123456789012/global/backendServices/42"), "{report}");
}

#[tokio::test]
async fn iap_that_was_turned_off_is_red_in_front_of_the_gateway_and_of_a_region() {
    for (at, subject, service) in
        [(0, PEOPLE, "people-example-com"), (1, ORDERS, "orders-internal-example")]
    {
        let command = format!(
            "gcloud compute backend-services update {service} --global --project=demo-project --iap=enabled"
        );
        behind_iap("off")
            .google(move |google| iap(google, at).enabled = false)
            .turns_red(["iap_backend_off", "", subject, &command])
            .await;
    }
    behind_iap("never on")
        .google(|google| google.load_balancers[1].iap = None)
        .turns_red(["iap_audience", "aud_mismatch", PEOPLE, LIST])
        .await;
}

#[tokio::test]
async fn an_oauth_client_belongs_to_a_backend_service() {
    behind_iap("misspelt")
        .says("-orders.apps.googleusercontent.com", "-order.apps.googleusercontent.com")
        .turns_red(["iap_client", "aud_mismatch", ORDERS, LIST])
        .await;
    behind_iap("changed")
        .google(|google| iap(google, 1).client_id = "123456789012-new.apps".to_owned())
        .turns_red(["iap_client", "aud_mismatch", ORDERS, LIST])
        .await;
    behind_iap("another project's")
        .says("123456789012-orders.apps.googleusercontent", "999-orders.apps.googleusercontent")
        .turns_amber(["unread", ORDERS, ""])
        .await;
}

#[tokio::test]
async fn whoever_calls_is_let_through_by_iap() {
    let gateway = let_through("orders-internal-example", &format!("serviceAccount:{GATEWAY}"));
    behind_iap("somebody else")
        .google(|google| iap(google, 1).users = vec![PUSHER.to_owned()])
        .turns_red(["iap_access_missing", "", ORDERS, &gateway])
        .await;
    behind_iap("nobody")
        .google(|google| iap(google, 1).users.clear())
        .turns_red(["iap_access_missing", "", ORDERS, &gateway])
        .await;
    behind_iap("nobody to the gateway")
        .google(|google| {
            iap(google, 0).users.clear();
            google.pubsub.subscriptions.pop();
        })
        .turns_red([
            "iap_access_missing",
            "",
            PEOPLE,
            &let_through("people-example-com", &format!("user:{PERSON}")),
        ])
        .await;
    behind_iap("not the sender")
        .google(|google| iap(google, 0).users = vec![PERSON.to_owned()])
        .turns_red([
            "iap_access_missing",
            "",
            "subscription people",
            &let_through("people-example-com", &format!("serviceAccount:{PUSHER}")),
        ])
        .await;
}

#[tokio::test]
async fn a_sender_s_tokens_are_for_the_oauth_client() {
    let mended = format!(
        "gcloud pubsub subscriptions modify-push-config people --project=demo-project --push-endpoint=https://people.example.com/push --push-auth-service-account={PUSHER} --push-auth-token-audience={CLIENT}"
    );
    for (name, audience) in [
        ("the endpoint by default", None),
        ("the gateway's host", Some("https://people.example.com")),
        ("the other client", Some(OTHER_CLIENT)),
    ] {
        behind_iap(name)
            .google(move |google| {
                google.pubsub.subscriptions[1].audience = audience.map(str::to_owned);
            })
            .turns_red(["sender_audience", "aud_mismatch", "subscription people", &mended])
            .await;
    }
    behind_iap("no token")
        .google(|google| {
            let it = &mut google.pubsub.subscriptions[1];
            (it.service_account, it.audience) = (None, None);
        })
        .turns_red([
            "sender_no_token",
            "token_missing",
            "subscription people",
            &mended.replace(PUSHER, "SERVICE_ACCOUNT_EMAIL"),
        ])
        .await;
}

#[tokio::test]
async fn iap_s_service_agent_may_call_each_region_behind_it() {
    let bind = format!(
        "gcloud run services add-iam-policy-binding front --region=europe-west1 --project=demo-project --member=serviceAccount:{AGENT} --role=roles/run.invoker"
    );
    let only_people = |google: &mut Google| drop(google.load_balancers.pop());
    behind_iap("in one region alone")
        .google(move |google| {
            only_people(google);
            google.services[1].regions[1].invokers = Some(vec![GATEWAY.to_owned()]);
        })
        .text(|text, _| text.replace(REGION, ""))
        .turns_red(["iap_invoker_missing", "iap_invoker_missing", PEOPLE, &bind])
        .await;
    let open = behind_iap("no check behind it").google(|google| {
        google.services[1].invokers.clear();
        google.services[1].invoker_iam_disabled = true;
    });
    let report = open.report().await;
    assert!(report.findings.is_empty(), "{report}");
}

#[tokio::test]
async fn without_iap_in_the_configuration_load_balancers_are_not_read() {
    use remint_emulator::{Fault, FaultSetting, Server};
    let report = Case::new("plain")
        .google(|it| it.faults = vec![FaultSetting::Server(Server::Compute, Fault::ApiDisabled)])
        .report()
        .await;
    assert!(report.findings.is_empty(), "{report}");
}

#[tokio::test]
async fn a_sender_s_service_agent_may_mint_what_iap_takes() {
    let command = format!(
        "gcloud iam service-accounts add-iam-policy-binding {CRON} --member=serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com --role=roles/iam.serviceAccountTokenCreator"
    );
    behind_iap("no role")
        .google(|google| {
            google.agents.retain(|agent| *agent != Agent::PubSub);
            google.grants = vec![Grant {
                member: format!("serviceAccount:{}", Agent::PubSub.email(google.project_number)),
                role: "roles/iam.serviceAccountTokenCreator".to_owned(),
                account: PUSHER.to_owned(),
            }];
            google.pubsub.subscriptions[1].service_account = Some(CRON.to_owned());
            iap(google, 0).users.push(CRON.to_owned());
        })
        .turns_red(["sender_may_not_mint", "sender_may_not_mint", "subscription people", &command])
        .await;
}
