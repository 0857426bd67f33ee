//! The page's parts, and what keeps browsers from doing more with them.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;

/// The page has its own parts and nothing else: what comes from outside is text
/// wherever it is shown, and a mistake there would still run nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The file of that path, with its type.
pub(super) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    Some(match path {
        "/" => ("text/html; charset=utf-8", include_str!("page.html")),
        "/page.css" => ("text/css; charset=utf-8", include_str!("page.css")),
        "/page.js" => (SCRIPT, include_str!("page.js")),
        "/make.js" => (SCRIPT, include_str!("make.js")),
        "/pace.js" => (SCRIPT, include_str!("pace.js")),
        "/rates.js" => (SCRIPT, include_str!("rates.js")),
        "/flow.js" => (SCRIPT, include_str!("flow.js")),
        "/refusals.js" => (SCRIPT, include_str!("refusals.js")),
        "/walk.js" => (SCRIPT, include_str!("walk.js")),
        "/icon.svg" => ("image/svg+xml", include_str!("icon.svg")),
        _ => return None,
    })
}

/// All answers carry these, so that none can be used by another site's page. What
/// may be kept for a while says so itself: public keys.
pub(super) fn hardened(mut answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (OPENER, "same-origin"),
        (RESOURCE, "same-origin"),
    ] {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}
