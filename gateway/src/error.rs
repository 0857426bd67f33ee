//! What can go wrong with a request, and the one map to what its caller is
//! told.

use std::error::Error;
use std::fmt::Write;

use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use remint_idtoken::Refusal;

use crate::upstream::ResponseBody;

/// The request id in an answer of the gateway's own.
const ANSWER_ID: HeaderName = HeaderName::from_static("x-remint-request-id");
/// Tells the gateway's own errors from a region's.
pub(crate) const ANSWER_REASON: HeaderName = HeaderName::from_static("x-remint-reason");

/// Why a request got no answer from a region.
#[derive(Debug)]
pub(crate) enum ProxyError {
    /// The policy does not let it through.
    Refused(Refusal),
    /// There is no token for any region, and none goes out without one.
    NoToken,
    /// No region could be reached; nothing was sent.
    NoRegion,
    /// The connection broke after the request was sent.
    Lost,
    /// The caller broke its own request off.
    CallerGone,
    /// No answer in time.
    TimedOut,
}

/// An answer in HTTP's terms.
struct Answer {
    status: u16,
    reason: Option<&'static str>,
    challenge: Option<&'static str>,
    retry_after: Option<&'static str>,
    body: &'static str,
}

impl ProxyError {
    /// Never a success: a sender takes that for an acknowledgement.
    fn answer(&self) -> Answer {
        let own = |status, reason, retry_after, body| Answer {
            status,
            reason: Some(reason),
            challenge: None,
            retry_after,
            body,
        };
        match self {
            // No reason: it would help an attacker.
            Self::Refused(refusal) => {
                let answer = refusal.answer();
                Answer {
                    status: answer.status(),
                    reason: None,
                    challenge: answer.challenge(),
                    retry_after: answer.retry_after(),
                    body: answer.body(),
                }
            }
            Self::NoToken => {
                own(503, "no_token", Some("5"), "not available for the moment, try again\n")
            }
            Self::NoRegion => {
                own(503, "no_region", Some("5"), "not available for the moment, try again\n")
            }
            // Whether to send again is for the sender to decide: the request
            // may have done its work.
            Self::Lost => {
                own(502, "connection_lost", None, "the service broke the connection off\n")
            }
            // Most likely nobody hears this.
            Self::CallerGone => own(400, "request_incomplete", None, "the request broke off\n"),
            Self::TimedOut => own(504, "timeout", None, "the service did not answer in time\n"),
        }
    }

    /// The answer to the caller.
    pub(crate) fn response(&self, id: HeaderValue) -> Response<ResponseBody> {
        let answer = self.answer();
        let mut response = Response::new(ResponseBody::from(answer.body));
        *response.status_mut() =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(ANSWER_ID, id);
        let optional = [
            (ANSWER_REASON, answer.reason),
            (WWW_AUTHENTICATE, answer.challenge),
            (RETRY_AFTER, answer.retry_after),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        response
    }
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use remint_idtoken::Reason;

    fn headers(error: &ProxyError) -> (u16, Option<String>, Option<String>, Option<String>) {
        let response = error.response(HeaderValue::from_static("id-1"));
        assert_eq!(response.headers()[ANSWER_ID], "id-1");
        let value = |name| response.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        (status, value(ANSWER_REASON), value(WWW_AUTHENTICATE), value(RETRY_AFTER))
    }

    #[test]
    fn no_failure_is_ever_answered_with_a_success() {
        let own =
            [ProxyError::NoToken, ProxyError::NoRegion, ProxyError::Lost, ProxyError::TimedOut];
        let refused = Reason::ALL.map(|reason| ProxyError::Refused(reason.into()));
        for error in own.iter().chain(&refused) {
            assert!(error.answer().status >= 400, "{error:?}");
        }
    }

    #[test]
    fn a_refusal_tells_its_caller_no_reason_and_a_failure_does() {
        let refused = headers(&ProxyError::Refused(Reason::AudienceMismatch.into()));
        let challenge = Some("Bearer error=\"invalid_token\"".to_owned());
        assert_eq!(refused, (401, None, challenge, None));
        let no_token = headers(&ProxyError::NoToken);
        assert_eq!(no_token, (503, Some("no_token".into()), None, Some("5".into())));
        assert_eq!(headers(&ProxyError::Lost).0, 502);
        assert_eq!(headers(&ProxyError::TimedOut).0, 504);
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        let cause = std::io::Error::other("reset");
        let address = crate::config::HostPort::parse("h:1", None).unwrap();
        let error = crate::upstream::ConnectError::Tcp(address, cause);
        assert_eq!(chain(&error), "no connection to h:1: reset");
    }
}
