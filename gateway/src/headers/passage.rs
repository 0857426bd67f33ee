//! Which of a request's headers go on, by the rule that admitted it.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, VIA};
use http::{HeaderMap, HeaderName};
use remint_idtoken::policy::{Issuer, TokenPlace};
use remint_idtoken::{Admission, Policy, VerifiedToken, is_same_header};

use super::untold::{is_mark_of_queues, is_push, is_untold};
use super::{REQUEST_ID, TokenHeader, remove_hop_by_hop, remove_named};

/// What must not be said a second time in trailers, since some servers merge
/// these into headers (RFC 9110, section 6.5.1).
const NOT_IN_TRAILERS: [HeaderName; 6] =
    [AUTHORIZATION, CONTENT_LENGTH, COOKIE, HOST, REQUEST_ID, VIA];

/// Whose headers may pass, and where.
pub(crate) struct Passage<'a> {
    /// Why the request may pass.
    pub(crate) admission: &'a Admission,
    /// Where the gateway's own token is for regions of the service.
    pub(crate) token_headers: &'a [TokenHeader],
    /// Whether the tokens that the rule has verified go on.
    pub(crate) passes_caller_token: bool,
}

impl Passage<'_> {
    /// Removes what does not go on to any region of the service.
    ///
    /// Tokens in places that the rule looks at go, as in the filter; here also
    /// those of rules that only report, since a region learns its caller from
    /// this gateway alone. What is in other headers is the application's own
    /// affair, `Authorization` included.
    pub(super) fn clean(&self, headers: &mut HeaderMap) {
        let is_push = is_push(headers);
        remove_hop_by_hop(headers);
        if self.repeats_verified_token(headers) {
            headers.remove(AUTHORIZATION);
        }
        remove_named(headers, |name| {
            !self.is_passed_token(name)
                && (self.is_place(name)
                    || self.is_own_place(name)
                    || is_untold(name)
                    || (is_push && is_mark_of_queues(name)))
        });
    }

    /// Whether a token that was verified elsewhere is in `Authorization` once
    /// more: then it is not the application's own.
    fn repeats_verified_token(&self, headers: &HeaderMap) -> bool {
        let is_elsewhere =
            |token: &&VerifiedToken| token.place().header() != AUTHORIZATION.as_str();
        let mut tokens = self.admission.tokens().filter(is_elsewhere);
        tokens.any(|token| {
            let mut lines = headers.get_all(AUTHORIZATION).iter();
            lines.any(|line| line.to_str().is_ok_and(|line| line.contains(token.payload())))
        })
    }

    fn is_passed_token(&self, name: &str) -> bool {
        let is_verified = || self.admission.tokens().any(|token| token.place().header() == name);
        self.passes_caller_token && is_verified() && may_pass_token(name, self.token_headers)
    }

    /// Also as it is spelt with `_`, where nobody looked.
    fn is_place(&self, name: &str) -> bool {
        self.admission.rule().places().any(|place| is_same_header(name, place.header()))
    }

    fn is_own_place(&self, name: &str) -> bool {
        self.token_headers.iter().any(|own| is_same_header(name, own.name().as_str()))
    }
}

/// Whether a caller's token may go on in the header of that name: not where
/// the gateway's own token is, not where Cloud Run would look for that, and not
/// in what is for one hop alone (RFC 9110, section 11.7.2).
pub(crate) fn may_pass_token(name: &str, token_headers: &[TokenHeader]) -> bool {
    let never = [TokenHeader::XServerlessAuthorization, TokenHeader::ProxyAuthorization];
    !never.iter().chain(token_headers).any(|own| own.name() == name)
}

/// The headers in which any rule reads tokens: none passes in trailers.
#[derive(Clone, Debug)]
pub(crate) struct TokenPlaces(Arc<[String]>);

impl TokenPlaces {
    pub(crate) fn of(policy: &Policy) -> Self {
        let places = policy.issuers().iter().flat_map(Issuer::places);
        Self(places.map(|place| TokenPlace::header(place).to_owned()).collect())
    }

    /// Removes from trailers what no caller says there.
    pub(crate) fn clean_trailers(&self, trailers: &mut HeaderMap) {
        remove_hop_by_hop(trailers);
        remove_named(trailers, |name| {
            is_untold(name)
                || name.starts_with("x-forwarded-")
                || self.0.iter().any(|place| is_same_header(name, place))
        });
        NOT_IN_TRAILERS.iter().for_each(|name| drop(trailers.remove(name)));
    }
}
