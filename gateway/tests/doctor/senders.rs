//! Senders that the policy would refuse.

use remint_emulator::{Agent, Destination, Trigger};

use crate::support::{
    AUDIENCE, CRON, Case, GATEWAY, PUSHER, TASKS, US, job, queue, seconds, subscription,
};

const PUSH: &str = "subscription push";
const NIGHTLY: &str = "job nightly";
const WORK: &str = "queue work";
const URL: &str = "https://orders.example.com/push";

/// The command that sets all of the subscription.
fn push(url: &str, account: &str, audience: &str) -> String {
    format!(
        "gcloud pubsub subscriptions modify-push-config push --project=demo-project --push-endpoint={url} --push-auth-service-account={account} --push-auth-token-audience={audience}"
    )
}

/// The command that sets some of the job.
fn nightly(flags: &str) -> String {
    format!(
        "gcloud scheduler jobs update http nightly --location=us-central1 --project=demo-project {flags}"
    )
}

/// The command that sets some of the queue.
fn work(flags: &str) -> String {
    format!(
        "gcloud tasks queues update work --location=europe-west1 --project=demo-project {flags}"
    )
}

#[tokio::test]
async fn audiences_of_a_subscription_are_told_by_how_they_miss() {
    let mended = push(URL, PUSHER, AUDIENCE);
    for (name, audience, reason) in [
        ("the endpoint by default", None, "aud_has_path"),
        ("with a slash", Some("https://orders.example.com/"), "aud_trailing_slash"),
        ("with a port", Some("https://orders.example.com:443"), "aud_has_port"),
        ("without scheme", Some("orders.example.com"), "aud_no_scheme"),
        ("a region's", Some(US), "aud_mismatch"),
        ("invented", Some("https://orders.us-central1.run.app"), "aud_invented_host"),
        ("IAP's client", Some("1-a.apps.googleusercontent.com"), "aud_is_iap_client"),
        ("gcloud", Some("32555940559.apps.googleusercontent.com"), "aud_is_gcloud_client"),
    ] {
        Case::new(name)
            .google(subscription(move |it| it.audience = audience.map(str::to_owned)))
            .turns_red(["sender_audience", reason, PUSH, &mended])
            .await;
    }
    Case::new("the load balancer's, where the region's is wanted")
        .text(|text, _| {
            text.replacen(
                &format!("audiences: [\"{AUDIENCE}\"]"),
                &format!("audiences: [\"{US}\"]"),
                1,
            )
        })
        .turns_red(["sender_audience", "aud_is_load_balancer", PUSH, &push(URL, PUSHER, US)])
        .await;
}

#[tokio::test]
async fn a_subscription_s_token_is_one_that_the_rule_takes() {
    Case::new("no token")
        .google(subscription(|it| (it.service_account, it.audience) = (None, None)))
        .turns_red(["sender_no_token", "token_missing", PUSH, &push(URL, PUSHER, AUDIENCE)])
        .await;
    Case::new("another account")
        .google(subscription(|it| it.service_account = Some(GATEWAY.to_owned())))
        .turns_red(["sender_caller", "caller_not_allowed", PUSH, &push(URL, PUSHER, AUDIENCE)])
        .await;
    Case::new("a claim that it can't have")
        .says("      callers:", "      claims: { hd: example.com }\n      callers:")
        .turns_red(["sender_refused", "claim_mismatch", PUSH, "remint reasons claim_mismatch"])
        .await;
    Case::new("its account was deleted")
        .google(|it| it.accounts.retain(|account| account != PUSHER))
        .turns_red([
            "sender_account_missing",
            "sender_may_not_mint",
            PUSH,
            "gcloud iam service-accounts create pusher --project=demo-project",
        ])
        .await;
    let numbers = Case::new("an account's number can't be told").says(
        "callers: { emails: [\"pusher@demo-project.iam.gserviceaccount.com\"] }",
        "callers: { subjects: [\"104\"] }",
    );
    let report = numbers.report().await;
    assert!(report.findings.is_empty(), "{report}");
}

#[tokio::test]
async fn a_subscription_calls_what_a_rule_is_for() {
    let mended = push(URL, PUSHER, AUDIENCE);
    for (name, url, reason) in [
        ("another path", "https://orders.example.com/pull", "no_rule"),
        ("a path that goes up", "https://orders.example.com/push/../cron", "target_unsafe"),
        ("no path", "https://orders.example.com", "no_rule"),
        ("a misspelt host", "https://order.example.com/push", "no_rule"),
    ] {
        Case::new(name)
            .google(subscription(|it| it.endpoint = Some(url.to_owned())))
            .turns_red(["sender_no_rule", reason, PUSH, &mended])
            .await;
    }
    let foreign = Case::new("somebody else's")
        .google(subscription(|it| {
            it.endpoint = Some("https://billing.example.com/push".to_owned());
        }))
        .says("sender: pubsub", "timeout: 10s");
    let report = foreign.report().await;
    assert!(report.findings.is_empty(), "{report}");
    Case::new("a region itself")
        .google(subscription(|it| it.endpoint = Some(format!("{US}/push"))))
        .turns_amber(["sender_goes_past", PUSH, &mended])
        .await;
}

#[tokio::test]
async fn a_trigger_that_calls_a_region_is_not_told_to_change_its_subscription() {
    Case::new("a trigger")
        .google(|google| {
            google.eventarc = vec![Trigger {
                name: "uploads".to_owned(),
                location: "us-central1".to_owned(),
                filters: vec![("type".to_owned(), "a.b.c".to_owned())],
                service_account: Some(PUSHER.to_owned()),
                destination: Destination::CloudRun {
                    service: "orders".to_owned(),
                    region: "us-central1".to_owned(),
                    path: "/uploads".to_owned(),
                },
                topic: None,
                channel: None,
            }];
        })
        .turns_amber(["sender_goes_past", "subscription eventarc-us-central1-uploads-sub-001", ""])
        .await;
}

#[tokio::test]
async fn an_unwrapped_subscription_stays_one() {
    let mended =
        push(URL, PUSHER, AUDIENCE) + " --push-no-wrapper --push-no-wrapper-write-metadata";
    Case::new("unwrapped")
        .google(subscription(|it| {
            it.audience = None;
            it.wrapping = remint_emulator::Wrapping::Unwrapped { write_metadata: true };
        }))
        .turns_red(["sender_audience", "aud_has_path", PUSH, &mended])
        .await;
}

#[tokio::test]
async fn each_sender_s_service_agent_may_mint_for_its_account() {
    for (without, agent, subject, account) in [
        (Agent::PubSub, "gcp-sa-pubsub", PUSH, PUSHER),
        (Agent::CloudScheduler, "gcp-sa-cloudscheduler", NIGHTLY, CRON),
        (Agent::CloudTasks, "gcp-sa-cloudtasks", WORK, TASKS),
    ] {
        let command = format!(
            "gcloud iam service-accounts add-iam-policy-binding {account} --member=serviceAccount:service-123456789012@{agent}.iam.gserviceaccount.com --role=roles/iam.serviceAccountTokenCreator"
        );
        Case::new(agent)
            .google(move |it| it.agents.retain(|agent| *agent != without))
            .turns_red(["sender_may_not_mint", "sender_may_not_mint", subject, &command])
            .await;
        let with_role = Case::new("by a role on the account").google(move |it| {
            it.agents.retain(|agent| *agent != without);
            it.grants = vec![remint_emulator::Grant {
                member: format!("serviceAccount:{}", without.email(it.project_number)),
                role: "roles/iam.serviceAccountTokenCreator".to_owned(),
                account: account.to_owned(),
            }];
        });
        let report = with_role.report().await;
        assert!(report.findings.is_empty(), "{report}");
    }
}

#[tokio::test]
async fn jobs_are_held_against_the_policy_with_their_method() {
    Case::new("method")
        .google(job(|it| it.target.method = http::Method::GET))
        .turns_red(["sender_no_rule", "no_rule", NIGHTLY, &nightly("--http-method=POST")])
        .await;
    Case::new("path")
        .google(job(|it| it.target.endpoint = "https://orders.example.com/cronn".parse().unwrap()))
        .turns_red([
            "sender_no_rule",
            "no_rule",
            NIGHTLY,
            &nightly("--uri=https://orders.example.com/push"),
        ])
        .await;
    let mended =
        nightly(&format!("--oidc-service-account-email={CRON} --oidc-token-audience={AUDIENCE}"));
    Case::new("the URL by default")
        .google(job(|it| it.target.oidc.as_mut().unwrap().audience = None))
        .turns_red(["sender_audience", "aud_has_path", NIGHTLY, &mended])
        .await;
    Case::new("another account")
        .google(job(|it| it.target.oidc.as_mut().unwrap().account = PUSHER.to_owned()))
        .turns_red(["sender_caller", "caller_not_allowed", NIGHTLY, &mended])
        .await;
    Case::new("no token")
        .google(job(|it| it.target.oidc = None))
        .turns_red(["sender_no_token", "token_missing", NIGHTLY, &mended])
        .await;
    Case::new("a short deadline")
        .google(job(|it| it.attempt_deadline = seconds(20)))
        .turns_amber(["sender_deadline", NIGHTLY, &nightly("--attempt-deadline=180s")])
        .await;
    Case::new("no job")
        .google(|it| it.scheduler.clear())
        .turns_amber(["rule_unused", "rule cron", ""])
        .await;
}

#[tokio::test]
async fn queues_that_override_their_tasks_are_held_against_the_policy() {
    let mended = work(&format!(
        "--http-oidc-service-account-email-override={TASKS} --http-oidc-token-audience-override={AUDIENCE}"
    ));
    Case::new("with a slash")
        .google(queue(|it| it.oidc.as_mut().unwrap().audience = Some(format!("{AUDIENCE}/"))))
        .turns_red(["sender_audience", "aud_trailing_slash", WORK, &mended])
        .await;
    Case::new("another account")
        .google(queue(|it| it.oidc.as_mut().unwrap().account = PUSHER.to_owned()))
        .turns_red(["sender_caller", "caller_not_allowed", WORK, &mended])
        .await;
    Case::new("a misspelt host")
        .google(queue(|it| it.host = Some("orders.exemple.com".to_owned())))
        .turns_red([
            "sender_no_rule",
            "no_rule",
            WORK,
            &work(
                "--http-uri-override=scheme:https,host:orders.example.com,path:/tasks,mode:always",
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_subscription_that_gives_up_before_the_gateway_does_is_amber() {
    Case::new("ack deadline")
        .says("{ rule: push, sender: pubsub }", "{ rule: push, sender: pubsub, timeout: 60s }")
        .turns_amber([
            "sender_deadline",
            PUSH,
            "gcloud pubsub subscriptions update push --project=demo-project --ack-deadline=60",
        ])
        .await;
}

#[tokio::test]
async fn nothing_is_said_of_a_sender_that_is_to_be_left_out() {
    let case = Case::new("ignored")
        .google(subscription(|it| it.audience = None))
        .says("{ rule: push, sender: pubsub }", "{ rule: push, timeout: 10s }")
        .options(|it| it.ignored = vec!["push".to_owned()]);
    let report = case.report().await;
    assert!(report.findings.is_empty(), "{report}");
}
