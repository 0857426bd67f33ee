//! Near misses, each named with what it lacks and what mends it, in the first lines.

use super::*;

const ACCOUNT: &str = "--push-auth-service-account=pusher@demo-project.iam.gserviceaccount.com";
const PUBSUB: [&str; 2] = ["-H", "User-Agent: CloudPubSub-Google"];

/// What the first lines say of a token for that audience.
async fn says(cases: &[(&str, &[&str], &[&str])]) {
    let world = World::new().await;
    for (audience, more, parts) in cases {
        let output = world.explain_token(&world.token(audience), more);
        assert_eq!(output.status.code(), REFUSED, "{}", text(&output));
        begins(&output, parts);
    }
}

#[tokio::test]
async fn an_audience_that_is_nearly_right_is_named_with_the_right_one() {
    let right = "https://orders.example.com";
    says(&[
        (
            "https://orders.example.com/",
            &[],
            &["aud_trailing_slash", "differs from https://orders.example.com only by the slash"],
        ),
        (
            "https://order.example.com",
            &[],
            &["aud_mismatch", "only by \"s\", which it lacks", right],
        ),
        ("https://Orders.example.com", &[], &["only in upper and lower case"]),
        ("http://orders.example.com", &[], &["only by http:// in place of https://"]),
        ("orders.example.com", &[], &["aud_no_scheme"]),
        ("https://orders.example.com:443", &[], &["aud_has_port"]),
    ])
    .await;
}

#[tokio::test]
async fn a_url_of_cloud_run_is_named_by_service_region_and_project() {
    says(&[
        (
            "https://orders-123456789012.asia-east1.run.app",
            &[],
            &["aud_other_region", "the asia-east1 URL of orders", "us-central1 and europe-west1"],
        ),
        (
            "https://orders-abcdefghij-ew.a.run.app",
            &[],
            &["the other URL of orders in europe-west1", "hash: abcdefghij"],
        ),
        (
            "https://green---orders-123456789012.us-central1.run.app",
            &[],
            &["aud_mismatch", "the traffic tag green"],
        ),
        (
            "https://orders-999.us-central1.run.app",
            &[],
            &["of the project 999, not of 123456789012"],
        ),
        ("https://internal-orders.us-central1.run.app", &[], &["aud_invented_host"]),
    ])
    .await;
}

#[tokio::test]
async fn an_audience_of_one_region_in_a_request_for_another_names_both() {
    let world = World::new().await;
    let host = "orders-123456789012.us-central1.run.app";
    let config = format!(
        "policy:\n  rules:\n    - name: orders\n      match: {{ hosts: [{host}] }}\n      \
         audiences: [\"https://{host}\"]\n      callers: {{ emails: [{PUSHER}] }}\n"
    );
    let config = world.folder.write("region.yaml", &config);
    let token = world.token("https://orders-123456789012.europe-west1.run.app");
    let url = format!("https://{host}/push");
    let output = world.explain_by(Some(&config), token.as_bytes(), &["token", "-", "--url", &url]);
    let expected =
        "The audience is the europe-west1 URL of orders, but the request was for us-central1.";
    begins(&output, &["aud_other_region", expected]);
}

#[tokio::test]
async fn an_audience_of_a_configured_region_is_named_as_that_region_s() {
    let world = World::new().await;
    let shipped = std::fs::read_to_string(SHIPPED).unwrap();
    let line = "        - https://orders-123456789012.europe-west1.run.app\n";
    let config = world.folder.write("one-region.yaml", &shipped.replacen(line, "", 1));
    let token = world.token("https://orders-123456789012.europe-west1.run.app");
    let output = world.explain_by(Some(&config), token.as_bytes(), &["token", "-"]);
    begins(&output, &["aud_other_region", "where this configuration sends requests"]);
}

#[tokio::test]
async fn each_sender_s_default_audience_is_named_with_the_command_for_that_sender() {
    let tasks = ["-H", "X-CloudTasks-QueueName: orders-queue"];
    let scheduler = ["-H", "User-Agent: Google-Cloud-Scheduler"];
    let eventarc = ["-H", "ce-specversion: 1.0", "-H", "ce-type: t"];
    says(&[
        (
            URL,
            &PUBSUB,
            &[
                "aud_has_path",
                "the default audience of Pub/Sub push for that endpoint: the URL that is called",
                "--push-auth-token-audience=https://orders.example.com",
                ACCOUNT,
            ],
        ),
        (URL, &tasks, &["the default audience of Cloud Tasks", "queues update orders-queue"]),
        (
            URL,
            &scheduler,
            &["the default audience of Cloud Scheduler", "scheduler jobs update http"],
        ),
        (URL, &eventarc, &["the default audience of Eventarc", "eventarc pipelines update"]),
    ])
    .await;
}

#[tokio::test]
async fn only_people_are_told_to_have_gcloud_make_tokens() {
    let world = World::new().await;
    for marks in
        [&PUBSUB[..], &["-H", "X-CloudScheduler: true"], &["-H", "X-CloudTasks-QueueName: q"]]
    {
        let told = text(&world.explain_token(&world.token(URL), marks));
        assert!(!told.contains("print-identity-token"), "{told}");
    }
    let unknown = world.explain_token(&world.token(URL), &[]);
    begins(
        &unknown,
        &[
            "# if it comes from Pub/Sub push\n  gcloud pubsub",
            "# if it comes from Cloud Tasks\n  gcloud tasks",
            "# if it comes from Cloud Scheduler\n  gcloud scheduler",
            "# if it comes from Eventarc\n  gcloud eventarc",
            "# if it comes from a program on Google Cloud\n  curl --header 'Metadata-Flavor: Google'",
            "# if it comes from a person\n  gcloud auth print-identity-token",
        ],
    );
    let person = world.claims(&json!({
        "aud": "32555940559.apps.googleusercontent.com", "email": "jane@example.com",
    }));
    let person = world.explain_token(&person, &[]);
    begins(&person, &["aud_is_gcloud_client", &format!("--impersonate-service-account={PUSHER}")]);
    begins(&person, &["ALSO WRONG: caller_not_allowed"]);
}

#[tokio::test]
async fn times_are_told_by_how_far_they_are_off() {
    let world = World::new().await;
    let late = world.claims(&json!({"iat": now() - 7380, "exp": now() - 3780}));
    let output = world.explain_token(&late, &[]);
    assert_eq!(output.status.code(), REFUSED);
    begins(&output, &["REFUSED with 401: expired", "It expired 1 h 3 min ago", "--at "]);
    let early = json!({"nbf": now() + 630, "iat": now() + 630, "exp": now() + 900});
    let output = world.explain_token(&world.claims(&early), &[]);
    begins(&output, &["not_yet_valid", "It would be valid in ", "of which 30 s are forgiven"]);
    let just = world.claims(&json!({"iat": now() - 3610, "exp": now() - 5}));
    let output = world.explain_token(&just, &[]);
    assert_eq!(output.status.code(), ADMITTED);
    assert!(text(&output).contains("forgiven, as clocks differ"), "{}", text(&output));
}

#[tokio::test]
async fn what_is_wrong_beside_the_first_is_told_too() {
    let world = World::new().await;
    let late =
        json!({"iat": now() - 7200, "exp": now() - 3600, "aud": "https://orders.example.com/"});
    let output = world.explain_token(&world.claims(&late), &PUBSUB);
    begins(&output, &["REFUSED with 401: expired", "ALSO WRONG: aud_trailing_slash", ACCOUNT]);
    let json = world.explain_token(&world.claims(&late), &["--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["also"][0]["reason"], "aud_trailing_slash");
    assert_eq!(json["outcome"], "refused");
}

#[tokio::test]
async fn callers_that_are_nearly_right_are_named_with_the_right_one() {
    let world = World::new().await;
    let email = "pusher@demo-projct.iam.gserviceaccount.com";
    let output = world.explain_token(&world.claims(&json!({"email": email})), &PUBSUB);
    begins(&output, &["REFUSED with 403: caller_not_allowed", "only by \"e\", which it lacks"]);
}

#[tokio::test]
async fn the_rule_that_is_nearly_for_the_request_is_named() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    let to = |url: &str, method: &str| {
        world.explain(&token, &["token", "-", "--url", url, "-X", method])
    };
    let other = to("https://orders.example.com/other", "POST");
    assert_eq!(other.status.code(), REFUSED);
    begins(&other, &["no_rule", "The nearest rule is orders-push, but its path is /push/*."]);
    begins(&to(URL, "GET"), &["The nearest rule is orders-push, but its method is POST."]);
}

#[tokio::test]
async fn each_token_that_a_rule_asks_for_is_walked() {
    let world = World::new().await;
    let config = "policy:\n  issuers: [{ preset: google }, { preset: iap }]\n  rules:\n    \
         - name: health\n      match: { paths: [{ exact: /health }] }\n      anonymous: true\n    \
         - name: people\n      match: { hosts: [orders.example.com] }\n      all_of:\n        \
         - issuers: [iap]\n          audiences: [/projects/1/global/backendServices/2]\n          \
         callers: { hosted_domains: [example.com] }\n        \
         - issuers: [google]\n          audiences: [\"https://orders.example.com/\"]\n          \
         callers: { anyone: true }\n";
    let config = world.folder.write("iap.yaml", config);
    let token = world.token("https://orders.example.com");
    let arguments = ["token", "-", "--url", URL];
    let output = world.explain_by(Some(&config), token.as_bytes(), &arguments);
    let told = text(&output);
    begins(&output, &["REFUSED with 401: token_missing", "ALSO WRONG: aud_trailing_slash"]);
    assert!(!told.contains("modify-push-config") || !told.contains("=AUDIENCE"), "{told}");
    assert!(told.contains("\nx-goog-iap-jwt-assertion: TOKEN\n"), "{told}");
    assert!(told.contains("not health: its path is /health"), "{told}");
}
