use http::HeaderValue;

use super::*;

const HTML: &str = "text/html; charset=UTF-8";
const CHALLENGE: &str = "Bearer error=\"invalid_token\"";

fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
    pairs.collect()
}

fn head(status: u16, headers: &HeaderMap, length: Option<u64>) -> Head<'_> {
    Head { status: StatusCode::from_u16(status).unwrap(), headers, length }
}

fn may(status: u16, pairs: &[(HeaderName, &'static str)], length: Option<u64>) -> bool {
    head(status, &headers(pairs), length).may_be_its_own()
}

fn told(status: u16, page: &str) -> Option<Cause> {
    head(status, &headers(&[(CONTENT_TYPE, HTML)]), None).cause(page.as_bytes(), "/")
}

#[test]
fn a_401_needs_html_and_a_challenge_to_be_looked_at() {
    let page = [(CONTENT_TYPE, HTML), (WWW_AUTHENTICATE, CHALLENGE)];
    assert!(may(401, &page, Some(300)));
    assert!(!may(401, &page[..1], None));
    assert!(!may(401, &[(CONTENT_TYPE, HTML), (WWW_AUTHENTICATE, "Basic")], None));
    assert!(!may(401, &[(CONTENT_TYPE, "application/json"), page[1].clone()], None));
    assert!(!may(401, &page, Some(1 << 20)));
    let [kind, challenge] = page.clone();
    assert!(!may(401, &[kind, challenge, (CONTENT_ENCODING, "gzip")], None));
    for status in [403, 404, 429, 500, 502, 503, 504] {
        assert!(may(status, &page[..1], None), "{status}");
    }
    for status in [200, 204, 302, 400, 410, 501] {
        assert!(!may(status, &page, None), "{status}");
    }
}

fn refusing(url: &str) -> String {
    format!("Your client does not have permission to get URL <code>{url}</code> from this server.")
}

fn plain(title: &str, text: &str) -> String {
    format!(
        "<html><head>\n<meta http-equiv=\"content-type\" \
         content=\"text/html;charset=utf-8\">\n<title>{title}</title>\n</head>\n\
         <body text=#000000 bgcolor=#ffffff>\n<h1>Error: {title}</h1>\n<h2>{text}</h2>\n"
    )
}

fn styled(title: &str, text: &str) -> String {
    let style = "*{margin:0;padding:0}".repeat(50);
    format!(
        "<!DOCTYPE html>\n<html lang=en>\n<title>Error {title}!!1</title>\n\
         <style>{style}</style>\n<p><b>{title}.</b>\n<p>{text}"
    )
}

#[test]
fn only_google_s_page_makes_an_answer_the_front_end_s() {
    let refusal = plain("Unauthorized", &refusing("/"));
    assert_eq!(told(401, &refusal), Some(Cause::TokenRefused));
    assert_eq!(told(403, &refusal), Some(Cause::CallerRefused));
    let failure = plain("Server Error", "The service you requested is not available yet.");
    assert_eq!(told(503, &failure), Some(Cause::FrontEndFailed));
    assert_eq!(told(401, &failure), None);
    let failure = styled("502 (Server Error)", "The server encountered a temporary error");
    assert_eq!(told(502, &failure), Some(Cause::FrontEndFailed));
    assert_eq!(told(503, &failure), None, "that is another's page");
    let refusal_2 = styled("403 (Forbidden)", &refusing("/"));
    assert_eq!(told(403, &refusal_2), Some(Cause::CallerRefused));
    let own = format!("<html><body>{}</body></html>", refusing("/"));
    for status in [401, 403, 503] {
        assert_eq!(told(status, &own), None);
        assert_eq!(told(status, &format!("{}{refusal}", " ".repeat(LOOKED_AT))), None);
        assert_eq!(told(status, ""), None);
    }
}

#[test]
fn a_401_says_what_cloud_run_says_of_a_token_that_it_does_not_believe() {
    let page = |url: &str| {
        let text = format!(
            "Your client does not have permission to the requested URL <code>{url}</code>."
        );
        plain("401 Unauthorized", &text)
    };
    assert_eq!(told(401, &page("/")), Some(Cause::TokenRefused));
    assert_eq!(told(401, &page("/another")), None, "that is another's page");
    assert_eq!(told(403, &page("/")), None);
}

#[test]
fn a_404_is_sure_only_if_it_names_the_path() {
    let not_found = |text: &str| plain("Page not found", text);
    let nothing = "The requested URL was not found on this server.";
    assert_eq!(told(404, &not_found(nothing)), Some(Cause::MaybeNotFound));
    assert_eq!(told(404, &not_found("No such order.")), None);
    let styled = |path: &str| {
        let text = format!("The requested URL <code>{path}</code> was not found on this server.");
        styled("404 (Not Found)", &text)
    };
    assert_eq!(told(404, &styled("/")), Some(Cause::NotFound));
    assert_eq!(told(404, &styled("/another")), None, "that is another's page");
    assert_eq!(told(404, nothing), None);
    assert!(Cause::NotFound.is_unprocessed() && !Cause::MaybeNotFound.is_unprocessed());
}

#[test]
fn a_429_is_the_front_end_s_if_it_is_its_page_or_its_few_words_alone() {
    let from = |server: &'static str, kind: &'static str, body: &str| {
        let headers = headers(&[(CONTENT_TYPE, kind), (SERVER, server)]);
        let head = head(429, &headers, u64::try_from(body.len()).ok());
        head.may_be_its_own().then(|| head.cause(body.as_bytes(), "/")).flatten()
    };
    let words = "Rate exceeded.";
    for kind in ["text/html", "text/plain; charset=utf-8"] {
        assert_eq!(from("Google Frontend", kind, words), Some(Cause::Full), "{kind}");
        assert_eq!(from("nginx", kind, words), None, "{kind}");
        for other in ["Rate exceeded", "Rate exceeded.\n", "Rate exceeded. Slow down.", ""] {
            assert_eq!(from("Google Frontend", kind, other), None, "{kind} {other:?}");
        }
    }
    assert_eq!(from("Google Frontend", "application/json", words), None);
    let page = plain("429 Too Many Requests", words);
    assert_eq!(from("", "text/html", &page), Some(Cause::Full));
    // Nothing says how long it is: it is looked at.
    let headers = headers(&[(SERVER, "Google Frontend")]);
    assert!(head(429, &headers, None).may_be_its_own());
    assert!(!Cause::Full.is_unprocessed(), "an application may have passed it on");
}

#[test]
fn iap_marks_what_it_says_and_only_where_it_is_expected_is_that_sure() {
    let of = |status, mark: &'static str, kind| {
        head(status, &headers(&[(GENERATED_BY_IAP, mark)]), None).of_iap(kind)
    };
    assert_eq!(of(401, "true", Kind::Iap), Some(Cause::IapTokenRefused));
    assert_eq!(of(302, "true", Kind::Iap), Some(Cause::IapTokenRefused));
    assert_eq!(of(403, "true", Kind::Iap), Some(Cause::IapCallerRefused));
    for status in [302, 401, 403] {
        assert_eq!(of(status, "true", Kind::CloudRun), Some(Cause::IapInTheWay), "{status}");
        assert_eq!(of(status, "false", Kind::Iap), None, "{status}");
    }
    assert_eq!(of(200, "true", Kind::Iap), None, "it answers some requests itself");
    assert!(Cause::IapTokenRefused.is_unprocessed() && Cause::IapCallerRefused.is_unprocessed());
    assert!(!Cause::IapInTheWay.is_unprocessed() && Cause::IapInTheWay.is_sure());
}

proptest::proptest! {
    #[test]
    fn no_page_is_too_strange(page in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        for status in [401, 403, 404, 429, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            let head = Head { status, headers: &HeaderMap::new(), length: None };
            proptest::prop_assert_eq!(head.cause(&page, "/"), None);
        }
    }
}
