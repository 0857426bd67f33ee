use super::super::tests::{problems_of, read};
use super::*;

const RULES: &str = "    rules: [orders-push, admin]";

fn service(more: &str) -> super::super::Service {
    let text = super::super::tests::GOOD.replacen(RULES, &format!("{RULES}\n    {more}"), 1);
    read(&text).unwrap().services[0].clone()
}

fn problem(more: &str) -> String {
    problems_of(RULES, &format!("{RULES}\n    {more}")).join("\n")
}

#[test]
fn what_is_not_said_is_as_in_envoy_and_there_are_no_probes() {
    let plain = service("outlier_detection: {}");
    assert_eq!((plain.outlier, plain.probe), (Outlier::default(), None));
    let some = service("outlier_detection: { panic_threshold: 0, base_ejection_time: 400s }");
    assert_eq!(some.outlier.panic_threshold, 0);
    assert_eq!(some.outlier.max_ejection_time, Duration::from_secs(400));
    let probe = service("probe: { path: /healthz, interval: 1s }").probe.unwrap();
    assert_eq!((&*probe.path, probe.interval), ("/healthz", Duration::from_secs(1)));
    assert_eq!((probe.healthy_after, probe.unhealthy_after), (2, 3));
    assert_eq!(probe.timeout, Duration::from_secs(5));
}

#[test]
fn settings_that_can_not_be_meant_are_mistakes() {
    for (more, expected) in [
        ("outlier_detection: { consecutive_failures: 0 }", "out of bounds"),
        ("outlier_detection: { panic_threshold: 101 }", "from 0 to 100"),
        ("outlier_detection: { window: 0s }", "out of bounds"),
        ("outlier_detection: { max_ejection_time: 1s }", "must not be shorter"),
        ("outlier_detection: { panic: 1 }", "known here"),
        ("probe: {}", "\"path\" is missing"),
        ("probe: { path: healthz }", "is no path"),
        ("probe: { path: \"/a b\" }", "is no path"),
        ("probe: { path: / , interval: 1us }", "out of bounds"),
    ] {
        assert!(problem(more).contains(expected), "{more}: {}", problem(more));
    }
}
