use super::super::tests::{problems_of, read};
use super::*;

const THIRD: &str = "url: http://127.0.0.1:9000\n        audience: https://other.example";

/// The members of a region, one a line as in the text around them.
fn lines(members: &str) -> String {
    members.replace(", ", "\n        ")
}

fn third(members: &str) -> Region {
    let text = super::super::tests::GOOD.replacen(THIRD, &lines(members), 1);
    read(&text).unwrap().services[0].regions[2].clone()
}

fn problem(members: &str) -> String {
    problems_of(THIRD, &lines(members)).join("\n")
}

#[test]
fn each_kind_has_its_audience_and_its_header() {
    let run = third("url: https://green---orders-1.us-east1.run.app");
    assert_eq!((run.kind, &*run.audience), (Kind::CloudRun, "https://orders-1.us-east1.run.app"));
    assert_eq!(run.token_header, TokenHeader::XServerlessAuthorization);
    let function = third("kind: cloud_function, url: https://us-x.cloudfunctions.net/orders/");
    assert_eq!(&*function.audience, "https://us-x.cloudfunctions.net/orders");
    assert_eq!(
        (&*function.base_path, function.token_header),
        ("/orders", TokenHeader::Authorization)
    );
    assert_eq!(function.origin.to_string(), "https://us-x.cloudfunctions.net");
    let iap = third("kind: iap, url: https://x.example, client_id: 7-a.apps.example");
    assert_eq!(
        (&*iap.audience, iap.token_header),
        ("7-a.apps.example", TokenHeader::Authorization)
    );
    let members = "kind: iap, url: https://x.example, audience: a, iap_header: proxy_authorization";
    let iap = third(members);
    assert_eq!((&*iap.audience, iap.token_header), ("a", TokenHeader::ProxyAuthorization));
    let other = third("kind: other, url: https://x.example, audience: mine");
    assert_eq!((&*other.audience, other.token_header), ("mine", TokenHeader::Authorization));
}

#[test]
fn weight_and_priority_are_read_or_one_and_zero() {
    let plain = third("url: https://x.example");
    assert_eq!((plain.weight, plain.priority), (1, 0));
    let given = third("url: https://x.example, weight: 0, priority: 2");
    assert_eq!((given.weight, given.priority), (0, 2));
    assert!(problem("url: https://x.example, weight: 1001").contains("from 0 to 1000"));
    assert!(problem("url: https://x.example, priority: 1.5").contains("a whole number"));
}

#[test]
fn what_does_not_go_with_a_kind_is_a_mistake() {
    for (members, expected) in [
        ("kind: other, url: https://x.example", "\"audience\" is missing"),
        ("kind: iap, url: https://x.example", "OAuth client ID is needed"),
        ("kind: iap, url: https://x.example, client_id: a, audience: b", "say the same: leave one"),
        ("kind: iap, url: https://x.example", "client ID is needed"),
        ("url: https://x.example, client_id: a", "\"client_id\" is for the kind iap"),
        ("url: https://x.example, iap_header: authorization", "not for cloud_run"),
        ("kind: gke, url: https://x.example", "cloud_run, cloud_function, iap, other"),
        ("kind: other, url: https://x.example/p, audience: a", "goes on after the host"),
        ("kind: iap, url: http://x.example, client_id: a", "in clear text"),
    ] {
        assert!(problem(members).contains(expected), "{members}: {}", problem(members));
    }
}

#[test]
fn a_function_s_url_has_a_plain_path_and_nothing_after_it() {
    for bad in [
        "https://x.example",
        "https://x.example/",
        "https://x.example//a",
        "https://x.example/a/../b",
        "https://x.example/a?b",
        "https://x.example/a%2fb",
        "x.example/a",
        "ftp://x.example/a",
    ] {
        let found = problem(&format!("kind: cloud_function, url: \"{bad}\""));
        assert!(found.contains("URL of a"), "{bad}: {found}");
    }
}

#[test]
fn functions_of_one_host_are_told_apart_by_their_paths() {
    let function = |name| format!("kind: cloud_function\n        url: https://x.example/{name}");
    let two = |other| {
        let text = super::super::tests::GOOD.replacen(THIRD, &function("a"), 1);
        let second = "url: https://green---orders-1.europe-west1.run.app";
        read(&text.replacen(second, &function(other), 1))
    };
    assert!(two("b").is_ok());
    assert!(two("a").unwrap_err()[0].contains("occurs twice"));
}
