//! Front ends that refuse the gateway, for each reason that they have, and
//! Google that gives it no token.

use bytes::Bytes;
use http::Request;
use remint_emulator::{
    Config, Emulator, Iap, IapIdentity, Ingress, LoadBalancer, Picking, RegionFault, TokenRequest,
};
use remint_idtoken::Reason;
use remint_tests::attack::bearer;
use remint_tests::chain::{DOMAIN, Gateway, PUSHER, REGIONS, SERVICE};
use remint_tests::client::{Answer, send};
use serde_json::{Value, json};

use crate::gateway::figures;
use crate::told::{figure, holds_none_of, leads_to_the_documentation, unfilled};

const US: &str = "https://orders-123456789012.us-central1.run.app";
const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
const CLIENT: &str = "123-abc.apps.googleusercontent.com";
/// A host of a load balancer with IAP.
const IAP_HOST: &str = "iap.example.com";

/// A region whose front end refuses the gateway.
struct Case {
    reason: Reason,
    google: fn(&mut Config),
    /// The gateway's region.
    region: Value,
    /// What happens after a first request has gone well.
    then: Option<fn(&Emulator)>,
    /// What the caller gets, and the front end's status.
    status: u16,
    command: String,
}

fn with_iap(google: &mut Config, users: &[&str], invoker: &str) {
    google.services[0].invokers = vec![invoker.to_owned()];
    let picking = Picking::Weighted(vec![(REGIONS[0].to_owned(), 1)]);
    let users = users.iter().map(|&user| user.to_owned()).collect();
    let identity = IapIdentity::ServiceAgent;
    let iap =
        Iap { enabled: true, client_id: CLIENT.to_owned(), backend_service: 42, users, identity };
    google.load_balancers = vec![LoadBalancer {
        host: IAP_HOST.to_owned(),
        port: 0,
        service: SERVICE.to_owned(),
        picking,
        iap: Some(iap),
    }];
}

const BIND: &str = "gcloud run services add-iam-policy-binding";

fn case(
    reason: Reason,
    status: u16,
    google: fn(&mut Config),
    region: Value,
    command: &str,
) -> Case {
    Case { reason, google, region, then: None, status, command: command.to_owned() }
}

/// Cloud Run's own.
fn of_cloud_run() -> Vec<Case> {
    let us = || json!({"name": REGIONS[0], "url": US});
    let update = "gcloud run services update orders --region=us-central1";
    let grant = format!(
        "{BIND} orders --region=us-central1 --member=serviceAccount:{GATEWAY} \
         --role=roles/run.invoker"
    );
    vec![
        case(
            Reason::AudienceMismatch,
            401,
            |_| {},
            json!({"name": REGIONS[0], "url": US, "audience": "https://orders.example.com"}),
            &format!("{update} --add-custom-audiences=https://orders.example.com"),
        ),
        case(
            Reason::InvokerMissing,
            403,
            |google| google.services[0].invokers = vec![PUSHER.to_owned()],
            us(),
            &grant,
        ),
        Case {
            then: Some(|emulator| emulator.region(SERVICE, REGIONS[0]).unwrap().set_invokers([])),
            ..case(Reason::IamPropagating, 403, |_| {}, us(), &grant)
        },
        case(
            Reason::IngressRefused,
            404,
            |google| google.services[0].ingress = Ingress::Internal,
            us(),
            &format!("{update} --ingress=all"),
        ),
        Case {
            then: Some(|emulator| {
                let full = RegionFault::FrontEnd(http::StatusCode::TOO_MANY_REQUESTS);
                emulator.region(SERVICE, REGIONS[0]).unwrap().set_fault(Some(full));
            }),
            ..case(
                Reason::RegionFull,
                429,
                |_| {},
                us(),
                &format!("{update} --max-instances=MAX_INSTANCES"),
            )
        },
    ]
}

/// IAP's, and what Cloud Run says to IAP.
fn of_iap() -> Vec<Case> {
    let behind_iap = |client: &str| {
        let url = format!("https://{IAP_HOST}");
        json!({"name": REGIONS[0], "kind": "iap", "url": url, "client_id": client})
    };
    vec![
        case(
            Reason::IapInvokerMissing,
            403,
            |google| with_iap(google, &[GATEWAY], GATEWAY),
            behind_iap(CLIENT),
            &format!(
                "{BIND} SERVICE --region=REGION --member=serviceAccount:\
                 service-PROJECT_NUMBER@gcp-sa-iap.iam.gserviceaccount.com --role=roles/run.invoker"
            ),
        ),
        case(
            Reason::IapAccessMissing,
            403,
            |google| with_iap(google, &[PUSHER], GATEWAY),
            behind_iap(CLIENT),
            &format!(
                "gcloud iap web add-iam-policy-binding --resource-type=backend-services \
                 --service=BACKEND_SERVICE --member=serviceAccount:{GATEWAY} \
                 --role=roles/iap.httpsResourceAccessor"
            ),
        ),
        case(
            Reason::IapTokenRefused,
            401,
            |google| with_iap(google, &[GATEWAY], GATEWAY),
            behind_iap("123-other.apps.googleusercontent.com"),
            "gcloud compute backend-services describe BACKEND_SERVICE --global \
             --format='value(iap.oauth2ClientId)'",
        ),
    ]
}

/// Has each front end refuse the gateway. Returns the reasons that it told.
pub async fn are_told() -> Vec<Reason> {
    let mut told = Vec::new();
    for case in of_cloud_run().into_iter().chain(of_iap()) {
        is_told(&case).await;
        told.push(case.reason);
    }
    told
}

async fn is_told(case: &Case) {
    let (reason, code) = (case.reason, case.reason.code());
    let mut google = Config::demo();
    (case.google)(&mut google);
    let emulator = Emulator::start(google).await.unwrap();
    let launched = launch(&emulator, |config| {
        config["services"][0]["regions"] = json!([case.region]);
        if let Some(addr) = emulator.load_balancer(IAP_HOST) {
            config["upstream"]["connect_to"][format!("{IAP_HOST}:443")] = json!(addr.to_string());
        }
    });
    let mut gateway = launched.await;
    gateway.ready().await.unwrap();
    let token = token(&emulator);
    if let Some(then) = case.then {
        assert_eq!(push(&gateway, &token).await.status, 200, "{code}");
        then(&emulator);
    }
    let answer = push(&gateway, &token).await;
    assert_eq!(answer.status.as_u16(), case.status, "{code}: {}", answer.text());
    let line = line_of(&mut gateway, code, "refused the gateway").await;
    assert_eq!((&line["status"], &line["region"]), (&json!(case.status), &json!(REGIONS[0])));
    leads_to_the_documentation(&line["docs"], reason);
    assert!(!line["likely_cause"].as_str().unwrap().is_empty(), "{line}");
    assert_eq!(line["command"], case.command, "{code}");
    let status = case.status.to_string();
    let labels = [("region", REGIONS[0]), ("status", status.as_str()), ("reason", code)];
    let count = figure(&figures(&gateway).await, "remint_front_end_refusals_total", &labels);
    assert!(count > 0, "{code}");
    // The line about the request itself has the same code.
    line_of(&mut gateway, code, "answered").await;
    holds_none_of(&gateway.lines().join("\n"), std::iter::once(token.as_str()));
    gateway.stop().await.unwrap();
    emulator.shutdown().await;
}

/// The account of the gateway's machine may not speak for the account that the
/// configuration names.
pub async fn a_mint_that_is_denied_is_told() -> Reason {
    let emulator = Emulator::start(Config::demo()).await.unwrap();
    let google = emulator.google_addr().to_string();
    let launched = launch(&emulator, |config| {
        let source = json!({"metadata": {"host": google}});
        config["identity"] = json!({"impersonate": {"service_account": PUSHER, "source": source}});
        config["upstream"]["connect_to"]["iamcredentials.googleapis.com:443"] = json!(google);
    });
    let mut gateway = launched.await;
    let code = Reason::MintDenied.code();
    let line = line_of(&mut gateway, code, "no token could be minted").await;
    leads_to_the_documentation(&line["docs"], Reason::MintDenied);
    let command = line["command"].as_str().unwrap();
    let bind = format!("gcloud iam service-accounts add-iam-policy-binding {PUSHER} ");
    assert!(command.starts_with(&bind), "{command}");
    assert_eq!(unfilled(command), ["ACCOUNT_OF_THIS_MACHINE"], "{command}");
    let token = token(&emulator);
    let answer = push(&gateway, &token).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-remint-reason")), (503, "no_token"));
    let labels = [("region", REGIONS[0]), ("outcome", "failed"), ("reason", code)];
    assert!(figure(&figures(&gateway).await, "remint_mints_total", &labels) > 0);
    let status = remint_tests::client::get(gateway.admin(), "/status").await.unwrap();
    let status = status.json().unwrap();
    assert_eq!(status["services"][0]["regions"][0]["token"]["reason"], code);
    holds_none_of(&gateway.lines().join("\n"), std::iter::once(token.as_str()));
    gateway.stop().await.unwrap();
    emulator.shutdown().await;
    Reason::MintDenied
}

/// The shipped configuration with a change.
async fn launch(emulator: &Emulator, change: impl FnOnce(&mut Value)) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, emulator.ca_pem()).unwrap();
    // It has read its files when it listens.
    Gateway::launch(None, emulator, folder.path(), &ca, change).await.unwrap()
}

fn token(emulator: &Emulator) -> String {
    emulator.issuer().mint(&TokenRequest::new(PUSHER, format!("https://{DOMAIN}")))
}

async fn push(gateway: &Gateway, token: &str) -> Answer {
    let request = Request::post("/push")
        .header("host", DOMAIN)
        .header("authorization", bearer(token))
        .body(Bytes::from_static(b"{}"));
    send(gateway.address(), request.unwrap()).await.unwrap()
}

/// The line of the log with that message, or a part of it, and that reason.
async fn line_of(gateway: &mut Gateway, code: &str, message: &str) -> Value {
    let find = |line: &str| {
        let mut line: Value = serde_json::from_str(line).ok()?;
        let labels = line["logging.googleapis.com/labels"].take();
        for (name, value) in labels.as_object().into_iter().flatten() {
            line[name] = value.clone();
        }
        let is_it = line["reason"] == code && line["message"].as_str()?.contains(message);
        is_it.then_some(line)
    };
    gateway.wait_for(find).await.unwrap()
}
