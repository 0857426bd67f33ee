use super::*;
use crate::test_callers::Callers;
use http::header::{ACCEPT, EXPECT, FORWARDED};

fn map(entries: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in entries {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

/// As any region gets a request of the rule that asks for no token.
fn prepared(entries: &[(&'static str, &'static str)]) -> HeaderMap {
    let callers = Callers::new();
    told(&callers, "open", Told::default(), map(entries))
}

/// What a service and a route say.
#[derive(Clone, Copy, Default)]
struct Told {
    token_header: Option<TokenHeader>,
    passes_caller_token: bool,
}

fn told(callers: &Callers, rule: &str, how: Told, mut headers: HeaderMap) -> HeaderMap {
    let token_header = how.token_header.unwrap_or(TokenHeader::XServerlessAuthorization);
    let passage = Passage {
        admission: &callers.admit(rule, &headers),
        token_headers: &[token_header],
        passes_caller_token: how.passes_caller_token,
    };
    let arrival = Arrival {
        peer: &HeaderValue::from_static("10.0.0.1"),
        host: Some(HeaderValue::from_static("orders.example.com")),
        id: HeaderValue::from_static("id-1"),
        version: Version::HTTP_11,
    };
    prepare(&mut headers, &passage, arrival);
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
    let own =
        ["host", "via", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
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

fn addressed(headers: &mut HeaderMap, own: &[TokenHeader], token_header: TokenHeader) {
    let host = HeaderValue::from_static("b");
    let token = HeaderValue::from_static("new");
    address(headers, own, Address { host: Some(&host), token_header, token, assertion: None });
}

#[test]
fn a_region_gets_its_own_host_and_token_and_no_other() {
    use TokenHeader::{Authorization, ProxyAuthorization, XServerlessAuthorization};
    let both = [XServerlessAuthorization, Authorization, ProxyAuthorization];
    let mut headers = map(&[("host", "a"), ("x-remint-assertion", "old")]);
    for token_header in both.into_iter().chain(both) {
        addressed(&mut headers, &both, token_header);
        assert_eq!(headers["host"], "b");
        let tokens = headers.iter().filter(|(_, value)| *value == "new");
        let names: Vec<_> = tokens.map(|(name, _)| name.clone()).collect();
        assert_eq!(names, [token_header.name()]);
        assert_eq!(headers.len(), 2, "{headers:?}");
    }
}

#[test]
fn a_service_may_keep_the_host_that_was_asked_for() {
    let mut headers = prepared(&[("host", "other.example.com")]);
    let token = HeaderValue::from_static("new");
    let token_header = TokenHeader::Authorization;
    let to = Address { host: None, token_header, token, assertion: None };
    address(&mut headers, &[token_header], to);
    assert_eq!(headers["host"], "orders.example.com");
}

fn bearer(token: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("Bearer {token}")).unwrap()
}

/// What is left of these two headers, by the rule.
fn left(callers: &Callers, rule: &str, how: Told, entries: [(&str, &HeaderValue); 2]) -> [bool; 2] {
    let mut headers = HeaderMap::new();
    for (name, value) in entries {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.clone());
    }
    let headers = told(callers, rule, how, headers);
    entries.map(|(name, value)| headers.get(name) == Some(value))
}

#[test]
fn the_verified_token_stays_here_unless_the_rule_passes_it() {
    let callers = Callers::new();
    let (token, other) = (bearer(&callers.token()), HeaderValue::from_static("x"));
    let sent = [("authorization", &token), ("x-own", &other)];
    let pass = Told { passes_caller_token: true, ..Told::default() };
    assert_eq!(left(&callers, "usual", Told::default(), sent), [false, false]);
    assert_eq!(left(&callers, "usual", pass, sent), [true, false], "the other one is unverified");
    // Where the gateway's own token goes, the caller's does not.
    let here = Some(TokenHeader::Authorization);
    assert_eq!(left(&callers, "usual", Told { token_header: here, ..pass }, sent), [false, false]);
    // A rule that only reports has verified nothing.
    let forged = bearer("a.b.c");
    let sent = [("authorization", &forged), ("x-own", &other)];
    assert_eq!(left(&callers, "report", pass, sent), [false, false]);
}

#[test]
fn an_applications_own_authorization_passes_untouched() {
    let callers = Callers::new();
    let own = HeaderValue::from_str(&callers.own_token()).unwrap();
    let basic = HeaderValue::from_static("Basic dXNlcjpwYXNz");
    let sent = [("authorization", &basic), ("x-own", &own)];
    assert_eq!(left(&callers, "own", Told::default(), sent), [true, false]);
    assert_eq!(left(&callers, "open", Told::default(), sent), [true, true], "it looks at none");
    // A place that the rule looks at, and in which nothing was verified.
    assert_eq!(left(&callers, "usual", Told::default(), sent), [false, false]);
    // The gateway's own token is there.
    let here = Told { token_header: Some(TokenHeader::Authorization), ..Told::default() };
    assert_eq!(left(&callers, "own", here, sent), [false, false]);
    // It is the verified token once more.
    let again = bearer(&callers.own_token());
    let sent = [("authorization", &again), ("x-own", &own)];
    assert_eq!(left(&callers, "own", Told::default(), sent), [false, false]);
}

#[test]
fn a_verified_assertion_of_iaps_kind_may_pass_and_its_other_spelling_never() {
    let callers = Callers::new();
    let own = HeaderValue::from_str(&callers.own_token()).unwrap();
    let pass = Told { passes_caller_token: true, ..Told::default() };
    assert_eq!(left(&callers, "own", pass, [("x-own", &own), ("x_own", &own)]), [true, false]);
}

#[test]
fn a_push_bears_no_marks_of_other_senders() {
    let task = ("x-cloudtasks-queuename", "q");
    let plain = prepared(&[task]);
    assert_eq!(plain["x-cloudtasks-queuename"], "q");
    let push = prepared(&[task, ("user-agent", "APIs-Google; x"), ("x_cloudscheduler", "true")]);
    assert!(!push.contains_key("x-cloudtasks-queuename") && !push.contains_key("x_cloudscheduler"));
}

#[test]
fn trailers_say_nothing_that_only_headers_say() {
    let callers = Callers::new();
    let mut trailers = map(&[
        ("authorization", "x"),
        ("x-own", "x"),
        ("x_own", "x"),
        ("x-serverless-authorization", "x"),
        ("x-forwarded-for", "x"),
        ("host", "x"),
        ("via", "x"),
        ("x-request-id", "x"),
        ("connection", "x-sum2"),
        ("x-sum2", "x"),
        ("x-sum", "7"),
        ("grpc-status", "0"),
    ]);
    TokenPlaces::of(&callers.policy).clean_trailers(&mut trailers);
    assert_eq!(trailers, map(&[("x-sum", "7"), ("grpc-status", "0")]));
}

mod properties;
