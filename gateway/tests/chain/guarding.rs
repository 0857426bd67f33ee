//! What keeps browsers from being used to read the admin listener.

use http::Method;
use serde_json::json;

use crate::client::get;
use crate::page::{FILES, ask, post};
use crate::support::Chain;

#[tokio::test]
async fn every_answer_keeps_browsers_from_using_it_elsewhere() {
    let chain = Chain::start().await;
    for path in
        FILES.iter().chain(&["/status", "/reasons.json", "/metrics", "/explain", "/nowhere"])
    {
        let answer = ask(&chain, "GET", path, &[("host", "localhost")]).await;
        let is_there = !["/explain", "/nowhere"].contains(path);
        assert_eq!(answer.status == 200, is_there, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path} {policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    let page = get(chain.gateway.admin_address(), "/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(!page.text().contains("http://") && !page.text().contains("style="));
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused_everywhere() {
    let chain = Chain::start().await;
    let question = json!({"url": "https://orders.example.com/"}).to_string();
    let own = chain.gateway.admin_address().to_string();
    let json = ("content-type", "application/json");
    for path in FILES.iter().chain(&["/status", "/reasons.json", "/metrics", "/explain"]) {
        let method = if *path == "/explain" { "POST" } else { "GET" };
        let foreign = [("host", "evil.example"), json];
        let answer = post(&chain, method, path, &foreign, &question).await;
        assert_eq!(answer.status, 421, "{path}");
        for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"] {
            let headers = [("host", own.as_str()), ("origin", origin), json];
            let answer = post(&chain, method, path, &headers, &question).await;
            assert_eq!(answer.status, 403, "{path} {origin}");
            assert!(answer.header("access-control-allow-origin").is_none());
        }
    }
}

#[tokio::test]
async fn parts_of_other_sites_pages_get_nothing_and_links_are_followed() {
    let chain = Chain::start().await;
    let fetched = async |path: &'static str, fetch: [&'static str; 3]| {
        let [site, mode, dest] = fetch;
        let headers = [
            ("host", "localhost"),
            ("sec-fetch-site", site),
            ("sec-fetch-mode", mode),
            ("sec-fetch-dest", dest),
        ];
        ask(&chain, "GET", path, &headers).await.status.as_u16()
    };
    for path in ["/", "/status", "/metrics", "/page.js", "/readyz"] {
        for site in ["cross-site", "same-site"] {
            for (mode, dest) in
                [("no-cors", "script"), ("no-cors", "image"), ("navigate", "iframe")]
            {
                assert_eq!(fetched(path, [site, mode, dest]).await, 403, "{path} {site} {dest}");
            }
            assert_eq!(fetched(path, [site, "navigate", "document"]).await, 200, "{path} {site}");
        }
        assert_eq!(fetched(path, ["same-origin", "cors", "empty"]).await, 200, "{path}");
    }
}

#[tokio::test]
async fn nothing_but_an_explanation_is_asked_for_by_post_and_not_by_a_form() {
    let chain = Chain::start().await;
    let (host, json) = (("host", "localhost"), ("content-type", "application/json"));
    for path in FILES.iter().chain(&["/status", "/reasons.json", "/metrics", "/healthz"]) {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let answer = post(&chain, method.as_str(), path, &[host, json], "{}").await;
            assert_eq!(answer.status, 405, "{method} {path}");
        }
    }
    for method in ["GET", "PUT", "OPTIONS"] {
        let answer = post(&chain, method, "/explain", &[host, json], "{}").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")));
    }
    let question = json!({"url": "https://orders.example.com/"}).to_string();
    for (headers, status) in [
        (&[host, json][..], 200),
        (&[host, json, ("sec-fetch-site", "same-origin")], 200),
        (&[host, json, ("sec-fetch-site", "cross-site")], 403),
        (&[host, json, ("sec-fetch-site", "same-site")], 403),
        (&[host, ("content-type", "text/plain")], 403),
        (&[host, ("content-type", "application/x-www-form-urlencoded")], 403),
        (&[host], 403),
    ] {
        let answer = post(&chain, "POST", "/explain", headers, &question).await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
    let long = json!({"url": "x".repeat(70_000)}).to_string();
    let answer = post(&chain, "POST", "/explain", &[host, json], &long).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["error"], "more than 64 KiB");
}
