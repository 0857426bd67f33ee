//! Regions that are not as the configuration has them.

use remint_emulator::Ingress;
use remint_idtoken::UnixTime;

use crate::support::{Case, EU, GATEWAY, PUSHER, US};

const DESCRIBE_US: &str = "gcloud run services describe orders --region=us-central1 --project=demo-project --format='value(urls,customAudiences)'";
const DESCRIBE_EU: &str = "gcloud run services describe orders --region=europe-west1 --project=demo-project --format='value(urls,customAudiences)'";
const IN_US: &str = "region orders/us-central1";
const IN_EU: &str = "region orders/europe-west1";
const US_LINE: &str =
    r#"{ name: us-central1, url: "https://orders-123456789012.us-central1.run.app" }"#;
const EU_LINE: &str =
    r#"{ name: europe-west1, url: "https://orders-123456789012.europe-west1.run.app" }"#;

/// The second region has this audience.
fn audience(name: &'static str, audience: &'static str) -> Case {
    Case::new(name).text(move |text, _| {
        assert!(text.contains(EU_LINE));
        let line = EU_LINE.replace(" }", &format!(", audience: \"{audience}\" }}"));
        text.replace(EU_LINE, &line)
    })
}

#[tokio::test]
async fn a_right_deployment_gets_no_complaint() {
    let report = Case::new("right").report().await;
    assert!(report.findings.is_empty(), "{report}");
    for subject in [
        IN_US,
        IN_EU,
        "subscription push",
        "queue work",
        "job nightly",
        "identity of orders",
        "keys of google",
        "clock",
    ] {
        assert!(report.passed.iter().any(|it| it == subject), "{subject}: {report}");
    }
    let report = Case::new("probed").options(|it| it.probe = Some(None)).report().await;
    assert!(report.findings.is_empty(), "{report}");
}

#[tokio::test]
async fn the_older_form_of_urls_is_as_right() {
    let case = Case::new("hash").text(|text, emulator| {
        text.replace(
            &format!("url: \"{US}\""),
            &format!("url: \"{}\"", emulator.regions()[0].hash_url()),
        )
    });
    let report = case.report().await;
    assert!(report.findings.is_empty(), "{report}");
}

#[tokio::test]
async fn one_custom_audience_in_all_regions_is_right_and_nothing_could_be_simpler() {
    let case = Case::new("custom")
        .google(|it| {
            it.services[0].custom_audiences = vec!["https://orders.example.com".to_owned()];
        })
        .text(|text, _| {
            let custom = ", audience: \"https://orders.example.com\" }";
            text.replace(US_LINE, &US_LINE.replace(" }", custom))
                .replace(EU_LINE, &EU_LINE.replace(" }", custom))
        });
    let report = case.report().await;
    assert!(report.findings.is_empty() && report.recommendations.is_empty(), "{report}");
}

#[tokio::test]
async fn regions_of_another_project_are_looked_for_there() {
    let case = Case::new("another project's number")
        .options(|it| it.project = Some("demo-project".to_owned()))
        .says("orders-123456789012.us-central1", "orders-999999999999.us-central1");
    case.turns_red(["wrong_url", "", IN_US, DESCRIBE_US]).await;
}

#[tokio::test]
async fn urls_that_lead_elsewhere_are_told_apart() {
    Case::new("wrong region in the URL")
        .says(
            EU_LINE,
            r#"{ name: europe-west1, url: "https://orders-123456789012.us-east1.run.app" }"#,
        )
        .turns_red(["wrong_region", "", IN_EU, DESCRIBE_EU])
        .await;
    Case::new("wrong project number")
        .says(
            US_LINE,
            r#"{ name: us-central1, url: "https://orders-999999999999.us-central1.run.app" }"#,
        )
        .turns_red(["wrong_url", "", IN_US, DESCRIBE_US])
        .await;
    Case::new("wrong hash")
        .says(US_LINE, r#"{ name: us-central1, url: "https://orders-zzzzzzzzzz-uc.a.run.app" }"#)
        .turns_red(["wrong_url", "", IN_US, DESCRIBE_US])
        .await;
    Case::new("misspelt service")
        .says(
            US_LINE,
            r#"{ name: us-central1, url: "https://order-123456789012.us-central1.run.app" }"#,
        )
        .turns_red([
            "service_missing",
            "",
            IN_US,
            "gcloud run services list --project=demo-project --filter=metadata.name=order",
        ])
        .await;
    Case::new("not deployed in the second region")
        .google(|it| drop(it.services[0].regions.pop()))
        .turns_red([
            "service_missing",
            "",
            IN_EU,
            "gcloud run services list --project=demo-project --filter=metadata.name=orders",
        ])
        .await;
    Case::new("a function that is a service")
        .says(US_LINE, r#"{ name: us-central1, kind: cloud_function, url: "https://us-central1-demo-project.cloudfunctions.net/orders" }"#)
        .turns_red(["function_is_service", "", IN_US, DESCRIBE_US])
        .await;
    Case::new("one region by two URLs")
        .text(|text, emulator| {
            let hash = emulator.regions()[0].hash_url();
            let first = US_LINE.replace("name: us-central1", "name: primary");
            let second = format!("{{ name: us-central1, url: \"{hash}\" }}");
            text.replace(US_LINE, &first).replace(EU_LINE, &second)
        })
        .turns_red(["region_twice", "", IN_US, DESCRIBE_US])
        .await;
}

#[tokio::test]
async fn audiences_that_the_region_does_not_take_are_told_by_how_they_miss() {
    for (name, wrong, reason) in [
        ("path", "https://orders-123456789012.europe-west1.run.app/push", "aud_has_path"),
        ("port", "https://orders-123456789012.europe-west1.run.app:443", "aud_has_port"),
        ("scheme", "orders-123456789012.europe-west1.run.app", "aud_no_scheme"),
        ("two slashes", "https://orders-123456789012.europe-west1.run.app//", "aud_trailing_slash"),
        ("other region", US, "aud_other_region"),
        ("invented", "https://orders.europe-west1.run.app", "aud_invented_host"),
    ] {
        audience(name, wrong).turns_red(["audience_refused", reason, IN_EU, DESCRIBE_EU]).await;
    }
}

#[tokio::test]
async fn a_custom_audience_is_set_where_it_is_minted_for() {
    let add = "gcloud run services update orders --region=europe-west1 --project=demo-project --add-custom-audiences=https://orders.example.com";
    audience("missing", "https://orders.example.com")
        .turns_red(["custom_audience_missing", "aud_mismatch", IN_EU, add])
        .await;
    audience("only in the other region", "https://orders.example.com")
        .google(|it| {
            let custom = Some(vec!["https://orders.example.com".to_owned()]);
            it.services[0].regions[0].custom_audiences = custom;
        })
        .turns_red(["custom_audience_missing", "aud_mismatch", IN_EU, add])
        .await;
    audience("with a slash", "https://orders.example.com/")
        .google(|it| {
            it.services[0].custom_audiences = vec!["https://orders.example.com".to_owned()];
        })
        .turns_red(["audience_refused", "aud_trailing_slash", IN_EU, DESCRIBE_EU])
        .await;
    Case::new("in one region alone")
        .google(|it| {
            let custom = Some(vec!["https://orders.example.com".to_owned()]);
            it.services[0].regions[0].custom_audiences = custom;
        })
        .turns_amber(["custom_audiences_differ", IN_EU, add])
        .await;
}

#[tokio::test]
async fn iap_s_audience_is_for_what_is_behind_iap() {
    audience("client ID", "1234-abc.apps.googleusercontent.com")
        .turns_red(["iap_off", "aud_is_iap_client", IN_EU, DESCRIBE_EU])
        .await;
    Case::new("kind iap")
        .says(EU_LINE, r#"{ name: europe-west1, kind: iap, client_id: 1234-abc.apps.googleusercontent.com, url: "https://orders-123456789012.europe-west1.run.app" }"#)
        .turns_red(["iap_off", "aud_is_iap_client", IN_EU, DESCRIBE_EU])
        .await;
}

#[tokio::test]
async fn who_may_call_is_looked_at_region_by_region() {
    let bind = |verb: &str, member: &str| {
        format!(
            "gcloud run services {verb}-iam-policy-binding orders --region=europe-west1 --project=demo-project --member={member} --role=roles/run.invoker"
        )
    };
    let add = bind("add", &format!("serviceAccount:{GATEWAY}"));
    Case::new("somebody else may")
        .google(|it| it.services[0].regions[1].invokers = Some(vec![PUSHER.to_owned()]))
        .turns_red(["invoker_missing", "invoker_missing", IN_EU, &add])
        .await;
    Case::new("nobody may")
        .google(|it| it.services[0].regions[1].invokers = Some(Vec::new()))
        .turns_red(["invoker_missing", "invoker_missing", IN_EU, &add])
        .await;
    for everybody in ["allUsers", "allAuthenticatedUsers"] {
        Case::new(everybody)
            .google(|it| it.services[0].regions[1].invokers = Some(vec![everybody.to_owned()]))
            .turns_amber(["open_to_all", IN_EU, &bind("remove", everybody)])
            .await;
    }
    Case::new("no check")
        .google(|it| it.services[0].invoker_iam_disabled = true)
        .text(|text, _| text.replace(&format!("      - {EU_LINE}\n"), ""))
        .turns_red([
            "invoker_check_off",
            "",
            IN_US,
            "gcloud run services update orders --region=us-central1 --project=demo-project --invoker-iam-check",
        ])
        .await;
}

#[tokio::test]
async fn ingress_must_fit_where_the_gateway_comes_from() {
    let update = |region: &str, ingress: &str| {
        format!(
            "gcloud run services update orders --region={region} --project=demo-project --ingress={ingress}"
        )
    };
    Case::new("internal")
        .google(|it| it.services[0].regions[0].ingress = Some(Ingress::Internal))
        .turns_red(["ingress_refuses", "ingress_refused", IN_US, &update("us-central1", "all")])
        .await;
    Case::new("internal and load balancers")
        .google(|it| {
            it.services[0].regions[1].ingress = Some(Ingress::InternalAndLoadBalancing);
        })
        .turns_red(["ingress_refuses", "ingress_refused", IN_EU, &update("europe-west1", "all")])
        .await;
    Case::new("open, and the gateway is inside")
        .options(|it| it.is_gateway_in_vpc = true)
        .turns_amber(["ingress_open", IN_EU, &update("europe-west1", "internal")])
        .await;
    let inside = Case::new("both inside")
        .google(|it| it.services[0].ingress = Ingress::Internal)
        .options(|it| it.is_gateway_in_vpc = true);
    let report = inside.report().await;
    assert!(report.findings.is_empty(), "{report}");
}

#[tokio::test]
async fn a_probe_finds_what_no_setting_tells() {
    let curl = |url: &str, path: &str| {
        format!(
            "curl --silent --show-error --include --header \"Authorization: Bearer $(gcloud auth print-identity-token --impersonate-service-account={GATEWAY} --audiences={url})\" {url}{path}"
        )
    };
    Case::new("tokens are not believed")
        .after(|emulator| emulator.regions()[1].refuse_tokens_before(UnixTime(4_000_000_000)))
        .options(|it| it.probe = Some(Some("/healthz".to_owned())))
        .turns_red(["probe_refused", "aud_mismatch", IN_EU, &curl(EU, "/healthz")])
        .await;
    Case::new("nobody is there")
        .text(|text, emulator| {
            let there = emulator.regions()[0].addr().to_string();
            text.replace(
                &format!("us-central1.run.app:443\": \"{there}\""),
                "us-central1.run.app:443\": \"127.0.0.1:1\"",
            )
        })
        .options(|it| it.probe = Some(None))
        .turns_red(["probe_failed", "", IN_US, &curl(US, "/")])
        .await;
}
