use super::*;
use http::header::ACCEPT;

fn map(entries: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in entries {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn prepared(entries: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = map(entries);
    let arrival = Arrival {
        peer: &HeaderValue::from_static("10.0.0.1"),
        host: Some(HeaderValue::from_static("orders.example.com")),
        id: HeaderValue::from_static("id-1"),
        version: Version::HTTP_11,
    };
    prepare(&mut headers, arrival);
    headers
}

#[test]
fn what_is_for_one_hop_goes_no_further() {
    let headers = prepared(&[
        ("connection", "close, X-Secret"),
        ("connection", "accept"),
        ("x-secret", "1"),
        ("accept", "*/*"),
        ("keep-alive", "timeout=5"),
        ("proxy-authorization", "Basic x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
        ("te", "gzip"),
        ("trailer", "x-sum"),
    ]);
    for name in HOP_BY_HOP.into_iter().chain([ACCEPT, EXPECT]) {
        assert!(!headers.contains_key(&name), "{name}");
    }
    assert!(!headers.contains_key("x-secret"));
    assert_eq!(headers["trailer"], "x-sum");
}

#[test]
fn a_caller_who_takes_trailers_still_gets_them() {
    let headers = prepared(&[("te", "gzip, Trailers"), ("connection", "TE")]);
    assert_eq!(headers["te"], "trailers");
    assert_eq!(headers.get("connection"), None);
}

#[test]
fn nobody_outside_says_who_he_is() {
    let headers = prepared(&[
        ("authorization", "Bearer a.b.c"),
        ("x-serverless-authorization", "Bearer x"),
        ("x_serverless_authorization", "Bearer x"),
        ("x-goog-authenticated-user-email", "boss"),
        ("x-goog-iap-jwt-assertion", "x"),
        ("x-remint-assertion", "x"),
        ("x-remint_caller", "x"),
        ("x-goog-pubsub-message-id", "7"),
        ("x-remi", "7"),
    ]);
    let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    let own = ["via", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
    for name in &left {
        assert!(
            own.contains(name) || ["x-goog-pubsub-message-id", "x-remi"].contains(name),
            "{name}"
        );
    }
    assert_eq!(left.len(), own.len() + 2);
}

#[test]
fn the_way_of_the_request_is_written_down() {
    let headers = prepared(&[
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("via", "1.1 google"),
    ]);
    assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 10.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], "orders.example.com");
    let via: Vec<_> = headers.get_all(VIA).iter().collect();
    assert_eq!(via, ["1.1 google", "1.1 remint"]);
    let alone = prepared(&[("x-forwarded-proto", "gopher"), ("forwarded", "for=1.1.1.1")]);
    assert!(!alone.contains_key(FORWARDED), "there is one account of the way");
    assert_eq!(alone["x-forwarded-for"], "10.0.0.1");
    assert_eq!(alone["x-forwarded-proto"], "http");
}

#[test]
fn one_line_says_how_the_request_came_and_the_nearest_hop_wrote_it() {
    let of = |lines: &[_]| {
        let headers = prepared(lines);
        let protos: Vec<_> = headers.get_all(FORWARDED_PROTO).iter().cloned().collect();
        assert_eq!(protos.len(), 1);
        protos[0].clone()
    };
    let (https, http) = (("x-forwarded-proto", "https"), ("x-forwarded-proto", "http"));
    assert_eq!(of(&[https, https]), "https");
    assert_eq!(of(&[https, http]), "http");
    assert_eq!(of(&[http, https]), "https");
    assert_eq!(of(&[https, ("x-forwarded-proto", "gopher")]), "http");
}

#[test]
fn cookies_that_were_split_are_one_field_again() {
    let headers = prepared(&[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3; d=4")]);
    let cookies: Vec<_> = headers.get_all(COOKIE).iter().collect();
    assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
    assert_eq!(prepared(&[("cookie", "a=1")])[COOKIE], "a=1");
}

#[test]
fn what_a_region_says_in_the_gateways_name_is_removed() {
    let mut headers = map(&[("x-remint-reason", "no_region"), ("x-remint_id", "1"), ("x-a", "1")]);
    remove_own(&mut headers);
    let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(left, ["x-a"]);
}

#[test]
fn each_attempt_carries_its_own_token_alone_and_where_its_region_looks_for_it() {
    let places = [
        (TokenHeader::Serverless, SERVERLESS_AUTHORIZATION),
        (TokenHeader::Authorization, AUTHORIZATION),
        (TokenHeader::ProxyAuthorization, PROXY_AUTHORIZATION),
    ];
    let value = HeaderValue::from_static;
    for (_, before) in &places {
        for (place, name) in &places {
            let mut headers = HeaderMap::from_iter([(HOST, value("a"))]);
            headers.append(before, value("old"));
            headers.append(before, value("older"));
            address(&mut headers, value("b"), value("new"), *place);
            assert_eq!(headers.len(), 2, "{headers:?}");
            assert_eq!((&headers[HOST], &headers[name]), (&value("b"), &value("new")));
        }
    }
}

#[test]
fn no_token_from_where_a_rule_looked_for_one_reaches_a_region() {
    let mut headers = map(&[("x-token", "a.b.c"), ("x_token", "forged"), ("x-other", "kept")]);
    remove_places(&mut headers, &[&TokenPlace::bearer("x-token")].into_iter());
    assert_eq!(headers, map(&[("x-other", "kept")]));
}
