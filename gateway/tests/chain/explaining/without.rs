//! Without a configuration, and with those of other programs.

use super::*;

fn root(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

#[tokio::test]
async fn without_a_configuration_a_token_is_read_and_checked_as_far_as_that_goes() {
    let world = World::new().await;
    let token = world.token("https://orders-123456789012.europe-west1.run.app");
    let output = world.explain_by(None, token.as_bytes(), &["token", "-"]);
    assert_eq!(output.status.code(), NOT_DECIDED, "{}", text(&output));
    begins(&output, &["NOT DECIDED", "name a configuration", "hosts: [\"HOST\"]"]);
    let told = text(&output);
    let service = "(the Cloud Run service orders in europe-west1 of the project 123456789012)";
    for part in
        [service, "ok     signature", "?      audience", "(a service account of the project"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("audience.invalid"), "{told}");
}

#[tokio::test]
async fn the_rule_that_is_shown_lets_the_request_in() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com/push");
    let arguments = ["token", "-", "--url", URL];
    let json = [&arguments[..], &["--json"]].concat();
    let output = world.explain_by(None, token.as_bytes(), &json);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["outcome"], "unchecked");
    assert_eq!(told["may_be_wrong"], "aud_has_path");
    let config = world.folder.write("shown.yaml", told["suggestion"].as_str().unwrap());
    let output = world.explain_by(Some(&config), token.as_bytes(), &arguments);
    assert_eq!(output.status.code(), ADMITTED, "{}", text(&output));
}

#[tokio::test]
async fn without_a_configuration_what_no_policy_would_take_is_refused() {
    let world = World::new().await;
    let late = world.claims(&json!({"iat": now() - 7200, "exp": now() - 3600}));
    let other = world.claims(&json!({"iss": "https://token.actions.githubusercontent.com"}));
    for (token, said) in
        [(late, "expired"), (other, "GitHub Actions"), ("ya29.x".to_owned(), "access token")]
    {
        let output = world.explain_by(None, token.as_bytes(), &["token", "-"]);
        assert_eq!(output.status.code(), REFUSED, "{}", text(&output));
        begins(&output, &[said]);
        assert!(!text(&output).contains("audience.invalid"), "{}", text(&output));
    }
}

#[tokio::test]
async fn configurations_of_envoy_and_istio_are_read_for_the_filter_s() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    for file in ["envoy/envoy.yaml", "envoy/remint.yaml", "deploy/istio/wasm-plugin.yaml"] {
        let arguments = ["token", "-", "--url", URL];
        let output = world.explain_by(Some(&root(file)), token.as_bytes(), &arguments);
        assert_eq!(output.status.code(), ADMITTED, "{file}: {}", text(&output));
    }
}

#[tokio::test]
async fn a_configuration_that_can_not_be_read_is_told_with_its_place() {
    let world = World::new().await;
    let wrong = world.folder.write("wrong.yaml", "policy:\n  rules:\n    - name: 7\n");
    let other = world.folder.write("other.yaml", "kind: Deployment\n");
    for (config, said) in [
        (wrong, "wrong.yaml:3:"),
        (other, "\"policy\" is missing"),
        (world.folder.path().join("none.yaml"), "can't be read"),
    ] {
        let output = world.explain_by(Some(&config), b"eyJ.eyJ.x", &["token", "-", "--url", URL]);
        assert_eq!(output.status.code(), UNREADABLE);
        assert!(text(&output).contains(said), "{}", text(&output));
    }
}

#[tokio::test]
async fn without_a_url_the_only_rule_s_is_taken_or_some_are_named() {
    let world = World::new().await;
    let token = world.token("https://orders.example.com");
    let output = world.explain(&token, &["token", "-"]);
    assert_eq!(output.status.code(), ADMITTED, "{}", text(&output));
    assert!(text(&output).contains("note: no --url was given"), "{}", text(&output));
    let rule = |name: &str| {
        format!(
            "    - name: {name}\n      match: {{ hosts: [{name}.example.com] }}\n      \
             audiences: [a]\n      callers: {{ anyone: true }}\n"
        )
    };
    let two = format!("policy:\n  rules:\n{}{}", rule("a"), rule("b"));
    let two = world.folder.write("two.yaml", &two);
    let output = world.explain_by(Some(&two), token.as_bytes(), &["token", "-"]);
    assert_eq!(output.status.code(), UNREADABLE);
    let such = "such as https://a.example.com/ or https://b.example.com/";
    assert!(text(&output).contains(such), "{}", text(&output));
}
