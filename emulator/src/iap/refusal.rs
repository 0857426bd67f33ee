//! How IAP refuses.

use http::header::{ACCEPT, UPGRADE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use remint_idtoken::Reason;

use crate::answers::{Answer, answer};

/// Marks answers that are IAP's and not the service's ("Query parameters and
/// headers", "Detecting responses from IAP").
const GENERATED: HeaderName = HeaderName::from_static("x-goog-iap-generated-response");
pub(super) const EMPTY_TOKEN: &str = "Invalid IAP credentials: empty token";

/// An answer of IAP's own.
pub(super) fn own(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(GENERATED, HeaderValue::from_static("true"));
    answer
}

/// Whether a client without credentials is sent to the sign-in page: for `GET`
/// if it takes HTML, and not from a script ("Troubleshooting and frequently
/// asked questions", why 401 and not 302, and why a `POST` is not redirected;
/// "Manage IAP sessions", `X-Requested-With`). IAP takes the handshake of a
/// WebSocket for a `GET`; as browsers follow no redirect there, it makes no
/// difference to them.
pub(super) fn can_be_redirected(parts: &Parts) -> bool {
    let headers = &parts.headers;
    let takes_html = headers.get_all(ACCEPT).iter().any(|value| {
        value.to_str().is_ok_and(|value| value.contains("text/html") || value.contains("*/*"))
    });
    let is_script = headers
        .get("x-requested-with")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"XMLHttpRequest"));
    let is_read = [Method::GET, Method::HEAD].contains(&parts.method);
    is_read && takes_html && !is_script && !headers.contains_key(UPGRADE)
}

/// 401 with IAP's words, in plain text that is called HTML, as it was seen.
pub(super) fn unauthorized(reason: Reason) -> Answer {
    answer(StatusCode::UNAUTHORIZED, "text/html; charset=UTF-8", words(reason))
}

/// All of these but the last were seen in answers of IAP's.
fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::TokenMissing => EMPTY_TOKEN,
        Reason::Malformed | Reason::TokenTwice => "Invalid IAP credentials: Unable to parse JWT",
        Reason::Expired => "Invalid IAP credentials: Expired JWT",
        reason if reason.is_about_audience() => {
            "Invalid IAP credentials: Invalid bearer token. Invalid JWT audience."
        }
        Reason::EmailUnverified => "Invalid IAP credentials: JWT 'email' claim isn't a string",
        Reason::SignatureBad
        | Reason::SignatureRemoved
        | Reason::KeyUnknown
        | Reason::AlgorithmNotAllowed => "Invalid IAP credentials: JWT signature is invalid",
        _ => "Invalid IAP credentials: Invalid bearer token.",
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn only_clients_that_can_show_a_page_are_sent_to_one() {
        let can = |method: &str, headers: &[(&'static str, &'static str)]| {
            let mut request = Request::builder().method(method);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            can_be_redirected(&request.body(()).unwrap().into_parts().0)
        };
        let html = ("accept", "text/html,application/xhtml+xml");
        let any = ("accept", "*/*");
        assert!(can("GET", &[html]) && can("HEAD", &[html]) && can("GET", &[any]));
        assert!(!can("POST", &[html]), "a POST can't be redirected");
        assert!(!can("GET", &[]) && !can("GET", &[("accept", "application/json")]));
        assert!(!can("GET", &[html, ("x-requested-with", "XMLHttpRequest")]));
        assert!(!can("GET", &[any, ("upgrade", "websocket")]));
    }
}
