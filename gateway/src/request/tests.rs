use super::*;

fn headers(entries: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in entries {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn a_request_that_names_two_hosts_names_none() {
    let of = |uri: &str, entries: &[_]| {
        authority(&uri.parse().unwrap(), &headers(entries)).map(str::to_owned)
    };
    assert_eq!(of("/a", &[("host", "one")]).as_deref(), Ok("one"));
    assert_eq!(of("http://one/a", &[]).as_deref(), Ok("one"));
    assert_eq!(of("http://one/a", &[("host", "ONE")]).as_deref(), Ok("one"));
    for wrong in [
        of("http://one/a", &[("host", "two")]),
        of("/a", &[("host", "one"), ("host", "two")]),
        of("/a", &[("host", "one"), ("host", "one")]),
        of("/a", &[]),
    ] {
        assert_eq!(wrong, Err(TargetError::Host));
    }
}

#[test]
fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let ids = RequestIds::new();
    let sane = ids.of(&headers(&[("x-request-id", "abc-1")]));
    assert_eq!(sane, "abc-1");
    let long: &'static str = Box::leak("x".repeat(129).into_boxed_str());
    for odd in ["", "a b", "ä", long, "eyJhbGciOi.e30.c2ln", "id=ya29.a0"] {
        let mut map = HeaderMap::new();
        map.insert(REQUEST_ID, HeaderValue::from_bytes(odd.as_bytes()).unwrap());
        assert_eq!(ids.of(&map).len(), 32, "{odd}");
    }
    assert_ne!(ids.of(&HeaderMap::new()), ids.of(&HeaderMap::new()));
}
