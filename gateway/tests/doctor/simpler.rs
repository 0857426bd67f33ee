//! Where plain custom audiences would do.

use crate::support::{CRON, Case, PUSHER, TASKS};

#[tokio::test]
async fn the_commands_for_custom_audiences_loop_over_the_regions() {
    let report = Case::new("right").report().await;
    let command = |rest: &str| {
        let (verb, flags) = rest.split_once(' ').unwrap();
        format!(
            "for region in us-central1 europe-west1; do gcloud run services {verb} orders --region=\"$region\" --project=demo-project {flags}; done"
        )
    };
    let mut expected = vec![command("update --add-custom-audiences=https://orders.example.com")];
    expected.extend([CRON, PUSHER, TASKS].map(|caller| {
        command(&format!(
            "add-iam-policy-binding --member=serviceAccount:{caller} --role=roles/run.invoker"
        ))
    }));
    assert_eq!(report.recommendations[0].commands, expected, "{report}");
}

#[tokio::test]
async fn the_gateway_is_said_to_be_needed_by_nobody_only_where_cloud_run_can_ask_for_the_same() {
    let push = r#"callers: { emails: ["pusher@demo-project.iam.gserviceaccount.com"] }"#;
    let alike = "      - { rule: push, sender: pubsub }";
    for (name, from, to) in [
        (
            "callers by domain",
            push,
            "callers: { email_domains: [demo-project.iam.gserviceaccount.com] }",
        ),
        ("anyone", push, "callers: { anyone: true }"),
        (
            "a claim",
            "      callers:",
            "      claims: { email: pusher@demo-project.iam.gserviceaccount.com, azp: \"1\" }\n      callers:",
        ),
        ("by the origin", "      callers:", "      audience_match: origin\n      callers:"),
        ("no token", alike, "      - { rule: open }\n      - { rule: push, sender: pubsub }"),
    ] {
        let case = Case::new(name).says(from, to).text(move |text, _| match name {
            "no token" => text.replace("  rules:\n    - name: push", "  rules:\n    - { name: open, match: { paths: [{ exact: /open }] }, anonymous: true }\n    - name: push"),
            _ => text,
        });
        let report = case.report().await;
        assert!(report.recommendations.is_empty(), "{name}: {report}");
    }
}
