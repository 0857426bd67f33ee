//! IAP's pages: the sign-in page, and the ones that say no. They have no script
//! and nothing from elsewhere.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

use super::{CLEAR_LOGIN_COOKIE, SIGN_IN};
use crate::answers::{Answer, answer};
use crate::html::escape;

const STYLE: &str = include_str!("page.css");

/// The one style sheet, told by its hash, and forms to this host.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// What is wrong with an address, and the address as it was sent.
#[derive(Clone, Copy)]
pub(super) struct Problem<'p> {
    pub(super) why: &'static str,
    pub(super) email: &'p str,
}

/// The people to choose from, and a field for somebody else.
pub(super) fn sign_in(
    status: StatusCode,
    host: &str,
    people: &[String],
    state: &str,
    problem: Option<Problem<'_>>,
) -> Answer {
    let host = escape(host);
    let state = format!("<input type=\"hidden\" name=\"state\" value=\"{}\">", escape(state));
    let list = match people {
        [] => "<p class=\"hint\">No person is a user of this host yet.</p>".to_owned(),
        people => {
            let people: String = people.iter().map(|email| choice(email)).collect();
            format!("<form method=\"post\" action=\"{SIGN_IN}\">{state}<ul>{people}</ul></form>")
        }
    };
    let (said, invalid) = match problem {
        Some(Problem { why, email }) => (
            format!("<p class=\"problem\" id=\"problem\" role=\"alert\">{}</p>", escape(why)),
            format!(
                " value=\"{}\" aria-invalid=\"true\" aria-describedby=\"problem\" autofocus",
                escape(email)
            ),
        ),
        None => (String::new(), " aria-describedby=\"hint\"".to_owned()),
    };
    let body = format!(
        "<h1>Who are you?</h1>\n\
         <p>Sign in to <strong>{host}</strong>. This is the emulator’s Identity-Aware Proxy: \
         it asks for no password.</p>\n\
         {list}\n\
         <form method=\"post\" action=\"{SIGN_IN}\" class=\"other\">{state}\n\
         <label for=\"email\">Somebody else</label>\n\
         <p class=\"hint\" id=\"hint\">Whoever is not a user signs in and is refused.</p>\n\
         {said}\n\
         <div class=\"row\"><input id=\"email\" name=\"email\" type=\"email\" required maxlength=\"254\" \
         placeholder=\"user@example.com\" autocomplete=\"off\" spellcheck=\"false\"{invalid}>\n\
         <button type=\"submit\">Sign in</button></div></form>\n"
    );
    page(status, &format!("Sign in to {host}"), &body)
}

fn choice(email: &str) -> String {
    let initial: String = email.chars().take(1).flat_map(char::to_uppercase).collect();
    let (initial, email) = (escape(&initial), escape(email));
    // Long ones are broken behind the name first.
    let shown = email.replace('@', "@<wbr>");
    format!(
        "<li><button type=\"submit\" name=\"email\" value=\"{email}\">\
         <span class=\"initial\" aria-hidden=\"true\">{initial}</span>\
         <span class=\"email\">{shown}</span></button></li>"
    )
}

/// Google's page has the same title (codelab "User Authentication with
/// Identity-Aware Proxy").
pub(super) fn no_access(host: &str, email: &str) -> Answer {
    let (host, email) = (escape(host), escape(email));
    let body = format!(
        "<h1>You don’t have access</h1>\n\
         <p><strong>{email}</strong> is not a user of <strong>{host}</strong>.</p>\n\
         <p class=\"hint\">Users have roles/iap.httpsResourceAccessor: in the emulator’s \
         configuration they are the <code>users</code> of the load balancer’s <code>iap</code>.</p>\n\
         <p><a class=\"button\" href=\"{CLEAR_LOGIN_COOKIE}\">Sign in as somebody else</a></p>\n"
    );
    page(StatusCode::FORBIDDEN, "You don’t have access", &body)
}

/// For a form that was not begun in this browser, or too long ago.
pub(super) fn broken_off(host: &str) -> Answer {
    let body = format!(
        "<h1>Please start again</h1>\n\
         <p>This sign-in to <strong>{}</strong> was not begun in this browser, or too long ago.</p>\n\
         <p><a class=\"button\" href=\"/\">Start again</a></p>\n",
        escape(host)
    );
    page(StatusCode::FORBIDDEN, "Please start again", &body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Answer {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         <footer>Remint emulator. Nothing here leaves this machine.</footer>\n</body>\n</html>\n"
    );
    let mut answer = answer(status, "text/html; charset=utf-8", page);
    let headers = answer.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    // Without any referrer browsers do not say either where a form comes from.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    answer
}
