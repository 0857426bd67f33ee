//! The pages with which Cloud Run refuses a call.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

use crate::answers::{Answer, answer};
use crate::html::escape;
use crate::redact::without_tokens;

const CHALLENGE: &str = "Bearer error=\"invalid_token\" \
     error_description=\"The access token could not be verified\"";

/// How the text of a refusal begins.
pub(crate) const NO_PERMISSION: &str = "Your client does not have permission to get URL";
/// The same where a token is not believed (pomerium/pomerium issue 1623, and many
/// quotations of the page in public repositories).
const NOT_BELIEVED: &str = "Your client does not have permission to the requested URL";

/// The refusal of a call to that path with its query. It never says why: that
/// is in the emulator's timeline, as it would be in Cloud Run's log. A token in
/// the URL is left out: pages get into logs. Only an unverifiable token is
/// challenged: no source shows a challenge beside 403.
pub(super) fn refusal(status: StatusCode, url: &str) -> Answer {
    let reason = status.canonical_reason().unwrap_or_default();
    let title = format!("{} {reason}", status.as_u16());
    let url = escape(&without_tokens(url));
    let text = match status {
        StatusCode::UNAUTHORIZED => format!("{NOT_BELIEVED} <code>{url}</code>."),
        _ => format!("{NO_PERMISSION} <code>{url}</code> from this server."),
    };
    let mut answer = page(status, &title, reason, &text);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(CHALLENGE);
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

/// Nothing is here: no such service or tag, or one whose `ingress` does not let
/// the caller in, who is not told that from each other.
pub(super) fn not_found() -> Answer {
    let text = "The requested URL was not found on this server.";
    page(StatusCode::NOT_FOUND, "404 Page not found", "Page not found", text)
}

/// The request is larger than Cloud Run takes. It sends this page for all of
/// Google's limits of that kind.
pub(super) fn too_large() -> Answer {
    let name = "Request Entity Too Large";
    let text = "Your client issued a request that was too large.";
    page(StatusCode::PAYLOAD_TOO_LARGE, &format!("413 {name}"), name, text)
}

/// That a call can't be served, which is no word of the container's. For 429
/// there are two words and no page: so it is quoted, with `Server: Google
/// Frontend`, in troubleshooting guides of several public repositories. Of which
/// type they are is not told there for sure; IAP sends its bare words as HTML.
pub(super) fn failure(status: StatusCode) -> Answer {
    let (name, text) = match status {
        StatusCode::TOO_MANY_REQUESTS => {
            return answer(status, "text/html; charset=UTF-8", "Rate exceeded.");
        }
        StatusCode::SERVICE_UNAVAILABLE => (
            "Server Error",
            "The service you requested is not available yet.<p>Please try again in 30 seconds.",
        ),
        _ => (
            "Server Error",
            "The server encountered an error and could not complete your request.\
             <p>Please try again in 30 seconds.",
        ),
    };
    page(status, &format!("{} {name}", status.as_u16()), name, text)
}

fn page(status: StatusCode, title: &str, error: &str, text: &str) -> Answer {
    let page = format!(
        "<html><head>\n\
         <meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n\
         <title>{title}</title>\n\
         </head>\n\
         <body text=#000000 bgcolor=#ffffff>\n\
         <h1>Error: {error}</h1>\n\
         <h2>{text}</h2>\n\
         <h2></h2>\n\
         </body></html>\n"
    );
    answer(status, "text/html; charset=UTF-8", page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_401_carries_a_challenge() {
        let challenged = |status| refusal(status, "/").headers().contains_key(WWW_AUTHENTICATE);
        assert!(challenged(StatusCode::UNAUTHORIZED));
        assert!(!challenged(StatusCode::FORBIDDEN));
    }
}
