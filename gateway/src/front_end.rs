//! What Cloud Run's front end says itself, told apart from the service's own
//! answers.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use remint_idtoken::Reason;

use crate::config::Kind;
use crate::retry::Cause;

/// How much of a page is looked at. Google's say what matters in the first few
/// hundred bytes, or behind a kilobyte of style.
pub(crate) const LOOKED_AT: usize = 2048;
/// No page of the front end is longer; what is known to be is not looked at.
const LONGEST_PAGE: u64 = 16 * 1024;

/// How the plain error pages of Google's front ends go on after their title.
const PLAIN_PAGE: &str = "<body text=#000000 bgcolor=#ffffff>\n<h1>Error: ";
/// How the title of the others ends.
const STYLED_TITLE: &str = ")!!1</title>";
/// What it says to those who may not, before the URL that they asked for.
const NO_PERMISSION: &str = "Your client does not have permission to get URL <code>";

/// What it says where nothing is, before the URL if it names that.
const NOT_FOUND: &str = "The requested URL <code>";
/// What Cloud Run says instead: where there is no such service, and to whom the
/// service's `ingress` does not let in, who shall not tell the one from the other.
const NOTHING_HERE: &str = "The requested URL was not found on this server.";

/// Whether an answer may be the front end's own, so that its page is worth a
/// look: HTML, and with 401 the challenge that Google sends.
pub(crate) fn may_be_its_own(status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> bool {
    let text = |name| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_page = text(CONTENT_TYPE).starts_with("text/html")
        && !headers.contains_key(CONTENT_ENCODING)
        && length.is_none_or(|length| length <= LONGEST_PAGE);
    is_page
        && match status.as_u16() {
            401 => text(WWW_AUTHENTICATE).starts_with("Bearer"),
            403 | 404 | 429 | 500 | 502..=504 => true,
            _ => false,
        }
}

/// What the front end says to a request for `path`, if it is the one who
/// speaks: by the page of an answer that [may be its own](may_be_its_own).
///
/// A refusal names what was asked for. One that names something else is
/// another service's, which the application passes on: it has processed the
/// request.
pub(crate) fn cause(status: StatusCode, beginning: &[u8], path: &str) -> Option<Cause> {
    let page = beginning.get(..LOOKED_AT).unwrap_or(beginning);
    let has = |text: &str| page.windows(text.len()).any(|part| part == text.as_bytes());
    let is_styled = || has(STYLED_TITLE) && has(&format!("<title>Error {} (", status.as_u16()));
    if !has(PLAIN_PAGE) && !is_styled() {
        return None;
    }
    match status {
        StatusCode::UNAUTHORIZED => names(page, NO_PERMISSION, path).then_some(Cause::TokenRefused),
        StatusCode::FORBIDDEN => names(page, NO_PERMISSION, path).then_some(Cause::CallerRefused),
        StatusCode::NOT_FOUND if names(page, NOT_FOUND, path) => Some(Cause::NotFound),
        StatusCode::NOT_FOUND => has(NOTHING_HERE).then_some(Cause::MaybeNotFound),
        _ => Some(Cause::FrontEndFailed),
    }
}

/// Whether the page names that path behind these words: with its query, which
/// may be left out.
fn names(page: &[u8], words: &str, path: &str) -> bool {
    let length = words.len();
    let found = page.windows(length).position(|part| part == words.as_bytes());
    let named = found.and_then(|at| page.get(at.checked_add(length)?..));
    let rest = named.and_then(|text| path.bytes().try_fold(text, without));
    rest.is_some_and(|rest| rest.starts_with(b"?") || rest.starts_with(b"</code>"))
}

/// What follows this letter, which HTML may write in several ways.
fn without(text: &[u8], letter: u8) -> Option<&[u8]> {
    let name = match letter {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        _ => "",
    };
    let named = text.strip_prefix(name.as_bytes()).filter(|_| !name.is_empty());
    let numbered = || match text.first() {
        Some(b'&') => text.strip_prefix(format!("&#{letter};").as_bytes()),
        _ => None,
    };
    named.or_else(numbered).or_else(|| text.strip_prefix(&[letter]))
}

/// The statuses with which it refuses the gateway, whatever the request: they
/// are the operator's affair.
pub(crate) const REFUSALS: [u16; 4] = [401, 403, 404, 429];

/// Why a region of that kind did not let a request in, as its operator knows it.
///
/// Behind IAP it is Cloud Run's page that is recognised, which shows that IAP
/// let the gateway through: what it says is said to IAP's own agent. IAP's
/// refusals are no pages of Cloud Run's.
pub(crate) fn reason(cause: Cause, kind: Kind) -> Option<Reason> {
    match cause {
        Cause::TokenRefused => Some(Reason::AudienceMismatch),
        Cause::CallerRefused if kind == Kind::Iap => Some(Reason::IapInvokerMissing),
        Cause::CallerRefused => Some(Reason::InvokerMissing),
        Cause::NotFound | Cause::MaybeNotFound => Some(Reason::IngressRefused),
        _ => None,
    }
}

/// What is most likely wrong where a refusal has that reason.
pub(crate) fn likely_cause(reason: Option<Reason>) -> &'static str {
    match reason {
        Some(Reason::InvokerMissing) => {
            "the gateway's account lacks roles/run.invoker on this service (a new binding takes \
             minutes to work); if it has it, the audience is wrong"
        }
        Some(Reason::IapInvokerMissing) => {
            "IAP let the gateway through, and IAP's service agent lacks roles/run.invoker on the \
             service behind it"
        }
        Some(Reason::IngressRefused) => {
            "the service's ingress setting does not let the gateway in, or there is no such \
             service: send the gateway's calls through the VPC, or change the setting"
        }
        Some(_) => "the audience is neither the service's own URL nor one of its custom audiences",
        None => "the service has as many instances as it may have, and all of them are busy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(kind: &'static str, challenge: Option<&'static str>) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        headers
    }

    fn may(status: u16, headers: &HeaderMap, length: Option<u64>) -> bool {
        may_be_its_own(StatusCode::from_u16(status).unwrap(), headers, length)
    }

    fn told(status: u16, page: &str) -> Option<Cause> {
        cause(StatusCode::from_u16(status).unwrap(), page.as_bytes(), "/")
    }

    #[test]
    fn a_401_needs_html_and_a_challenge_to_be_looked_at() {
        let html = "text/html; charset=UTF-8";
        let challenge = Some("Bearer error=\"invalid_token\"");
        assert!(may(401, &headers(html, challenge), Some(300)));
        assert!(!may(401, &headers(html, None), None));
        assert!(!may(401, &headers(html, Some("Basic")), None));
        assert!(!may(401, &headers("application/json", challenge), None));
        assert!(!may(401, &headers(html, challenge), Some(1 << 20)));
        let mut packed = headers(html, challenge);
        packed.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!may(401, &packed, None));
        for status in [403, 404, 429, 500, 502, 503, 504] {
            assert!(may(status, &headers(html, None), None), "{status}");
        }
        for status in [200, 204, 302, 400, 410, 501] {
            assert!(!may(status, &headers(html, challenge), None), "{status}");
        }
    }

    fn refusing(url: &str) -> String {
        format!(
            "Your client does not have permission to get URL <code>{url}</code> from this server."
        )
    }

    #[test]
    fn a_refusal_names_what_was_asked_for() {
        for (path, named) in [
            ("/", "/"),
            ("/", "/?name=blabla"),
            ("/orders/7", "/orders/7"),
            ("/a%20b;c=d", "/a%20b;c=d?e"),
            ("/a&b'c", "/a&amp;b&#39;c"),
            ("/a&b=c", "/a&#38;b&#61;c"),
            ("/a&amp;", "/a&amp;amp;"),
        ] {
            assert!(names(refusing(named).as_bytes(), NO_PERMISSION, path), "{path} {named}");
        }
        for (path, named) in [
            ("/", "/other"),
            ("/orders/7", "/orders"),
            ("/orders", "/orders/7"),
            ("/orders", "/v1/orders"),
            ("/orders", ""),
            ("/a<b", "/a&gt;b"),
        ] {
            assert!(!names(refusing(named).as_bytes(), NO_PERMISSION, path), "{path} {named}");
        }
        let cut = refusing("/orders/7");
        assert!(!names(cut.split_at(cut.len() - 40).0.as_bytes(), NO_PERMISSION, "/orders/7"));
        assert!(!names(b"", NO_PERMISSION, "/"));
    }

    #[test]
    fn only_google_s_page_makes_an_answer_the_front_end_s() {
        let page = |title: &str, text: &str| {
            format!(
                "<html><head>\n<meta http-equiv=\"content-type\" \
                 content=\"text/html;charset=utf-8\">\n<title>{title}</title>\n</head>\n\
                 <body text=#000000 bgcolor=#ffffff>\n<h1>Error: {title}</h1>\n<h2>{text}</h2>\n"
            )
        };
        let refusal = page("Unauthorized", &refusing("/"));
        assert_eq!(told(401, &refusal), Some(Cause::TokenRefused));
        assert_eq!(told(403, &refusal), Some(Cause::CallerRefused));
        let failure = page("Server Error", "The service you requested is not available yet.");
        assert_eq!(told(503, &failure), Some(Cause::FrontEndFailed));
        assert_eq!(told(401, &failure), None);
        let styled = |title: &str, text: &str| {
            let style = "*{margin:0;padding:0}".repeat(50);
            format!(
                "<!DOCTYPE html>\n<html lang=en>\n<title>Error {title}!!1</title>\n\
                 <style>{style}</style>\n<p><b>{title}.</b>\n<p>{text}"
            )
        };
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
    fn a_404_is_sure_only_if_it_names_the_path() {
        let plain = |text: &str| {
            format!(
                "<html><head>\n<title>404 Page not found</title>\n</head>\n\
                 <body text=#000000 bgcolor=#ffffff>\n<h1>Error: Page not found</h1>\n\
                 <h2>{text}</h2>\n"
            )
        };
        assert_eq!(told(404, &plain(NOTHING_HERE)), Some(Cause::MaybeNotFound));
        assert_eq!(told(404, &plain("No such order.")), None);
        let styled = |path: &str| {
            format!(
                "<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>\n\
                 <p>The requested URL <code>{path}</code> was not found on this server."
            )
        };
        assert_eq!(told(404, &styled("/")), Some(Cause::NotFound));
        assert_eq!(told(404, &styled("/another")), None, "that is another's page");
        assert_eq!(told(404, NOTHING_HERE), None);
        assert!(Cause::NotFound.is_unprocessed() && !Cause::MaybeNotFound.is_unprocessed());
    }

    #[test]
    fn a_refusal_behind_iap_is_said_to_iap() {
        let of = |cause, kind| reason(cause, kind).map(Reason::code);
        assert_eq!(of(Cause::CallerRefused, Kind::CloudRun), Some("invoker_missing"));
        assert_eq!(of(Cause::CallerRefused, Kind::Iap), Some("iap_invoker_missing"));
        assert_eq!(of(Cause::MaybeNotFound, Kind::CloudRun), Some("ingress_refused"));
        assert_eq!(of(Cause::TokenRefused, Kind::CloudRun), Some("aud_mismatch"));
        assert_eq!(of(Cause::FrontEndFailed, Kind::CloudRun), None);
    }
}
