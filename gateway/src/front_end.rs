//! What Google's front ends say themselves, told apart from the service's own
//! answers: Cloud Run's front end, the load balancers' and IAP.
//!
//! No header says that an answer of Cloud Run's front end is its own: `Server:
//! Google Frontend` stands in the container's answers too (GoogleCloudPlatform/esp-v2
//! issue 430). So its page is recognised, by status, type and words together,
//! and only if it names what was asked for where it names that. IAP marks what
//! it says itself. What can't be told for sure, because an application may have
//! passed it on, is never taken as proof that a request was not processed
//! ([`Cause::is_unprocessed`]).
//!
//! Not recognised, and so the service's own: an answer to `HEAD`, which has no
//! page; one with a content encoding; and the texts of proxies within Cloud Run
//! ("upstream connect error …", 503), which a container's own proxy writes too.

mod page;
mod reason;
#[cfg(test)]
mod tests;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, SERVER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, StatusCode};

pub(crate) use reason::{VERDICTS, likely_cause, reason};

use crate::config::Kind;
use crate::retry::Cause;
use page::Page;

/// How much of a page is looked at. Google's say what matters in the first few
/// hundred bytes, or behind a kilobyte of style.
pub(crate) const LOOKED_AT: usize = 2048;
/// No page of the front end is longer; what is known to be is not looked at.
const LONGEST_PAGE: u64 = 16 * 1024;

/// Cloud Run's whole answer where no instance is free. Seen with 429 and
/// `Server: Google Frontend` (troubleshooting pages and reports of incidents in
/// several public repositories); no source tells its type for sure.
const RATE_EXCEEDED: &[u8] = b"Rate exceeded.";
/// What stands in all answers of Cloud Run's.
const GOOGLE_S_SERVER: &str = "Google Frontend";

/// Marks answers that are IAP's and not the application's (IAP, "Using query
/// parameters and headers", "Detecting responses from IAP").
const GENERATED_BY_IAP: HeaderName = HeaderName::from_static("x-goog-iap-generated-response");

/// An answer without its body.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    /// How long its body is, if that is known.
    pub(crate) length: Option<u64>,
}

impl<'a> Head<'a> {
    /// What IAP says, if it is the one who speaks: it refuses with 401 or 403, or
    /// sends to its sign-in page with 302.
    ///
    /// Where the configuration has a region behind IAP, nothing behind it has
    /// seen the request. Elsewhere an application may have passed the answer of
    /// another's IAP on.
    pub(crate) fn of_iap(self, kind: Kind) -> Option<Cause> {
        if self.text(&GENERATED_BY_IAP) != "true" {
            return None;
        }
        match (self.status.as_u16(), kind) {
            (302 | 401, Kind::Iap) => Some(Cause::IapTokenRefused),
            (403, Kind::Iap) => Some(Cause::IapCallerRefused),
            (302 | 401 | 403, _) => Some(Cause::IapInTheWay),
            _ => None,
        }
    }

    /// Whether an answer may be the front end's own, so that its page is worth a
    /// look: HTML, and with 401 the challenge that Google sends; or 429 with the
    /// few words for that.
    pub(crate) fn may_be_its_own(self) -> bool {
        let fits = |longest| self.length.is_none_or(|length| length <= longest);
        if self.headers.contains_key(CONTENT_ENCODING) || !fits(LONGEST_PAGE) {
            return false;
        }
        let is_html = self.text(&CONTENT_TYPE).starts_with("text/html");
        match self.status.as_u16() {
            401 => is_html && self.text(&WWW_AUTHENTICATE).starts_with("Bearer"),
            429 => is_html || (self.is_google_s_text() && fits(RATE_EXCEEDED.len() as u64)),
            403 | 404 | 500 | 502..=504 => is_html,
            _ => false,
        }
    }

    /// What the front end says to a request for `path`, if it is the one who
    /// speaks: by the page of an answer that [may be its own](Self::may_be_its_own).
    ///
    /// A refusal names what was asked for. One that names something else is
    /// another service's, which the application passes on: it has processed the
    /// request.
    pub(crate) fn cause(self, beginning: &[u8], path: &str) -> Option<Cause> {
        let is_rate_exceeded = || beginning == RATE_EXCEEDED && self.is_google_s_text();
        if self.status == StatusCode::TOO_MANY_REQUESTS && is_rate_exceeded() {
            return Some(Cause::Full);
        }
        Page::of(self.status, beginning.get(..LOOKED_AT).unwrap_or(beginning))?.cause(path)
    }

    /// Text of one kind or another from a server of Google's.
    fn is_google_s_text(self) -> bool {
        let kind = self.text(&CONTENT_TYPE);
        (kind.is_empty() || kind.starts_with("text/")) && self.text(&SERVER) == GOOGLE_S_SERVER
    }

    fn text(self, name: &HeaderName) -> &'a str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }
}
