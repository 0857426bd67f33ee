//! The gateway's own errors, as callers read them: as a problem in JSON
//! (RFC 9457), or as a gRPC status.

use http::header::{CONTENT_TYPE, RETRY_AFTER, TE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use remint_idtoken::Sender;
use serde::Serialize;

use super::{Answer, ProxyError};
use crate::headers::has_token;
use crate::percent::encoded;
use crate::upstream::ResponseBody;

/// The request id in an answer of the gateway's own.
const ANSWER_ID: HeaderName = HeaderName::from_static("x-remint-request-id");
/// Tells the gateway's own errors from a region's.
pub(crate) const ANSWER_REASON: HeaderName = HeaderName::from_static("x-remint-reason");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC: &str = "application/grpc";

/// How an error is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a problem, with the HTTP status that it has.
    Problem,
    /// As a gRPC status. The HTTP status is 200, whatever went wrong: only for
    /// callers who certainly speak gRPC, since others take it for a success.
    Grpc,
}

/// The members of a problem.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: String,
}

/// Whether a request is a gRPC call by all its marks, and by none of those of
/// senders that push: with these somebody else may have chosen its headers
/// (gRPC over HTTP/2, "Requests").
pub(crate) fn is_grpc<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let rest = kind.and_then(|kind| kind.strip_prefix(GRPC));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
        && request.version() == Version::HTTP_2
        && request.method() == Method::POST
        && has_token(headers, &TE, "trailers")
        && Sender::guess(headers).is_none()
}

impl ProxyError {
    /// The answer to the caller.
    pub(crate) fn response(&self, id: &HeaderValue, form: Form) -> Response<ResponseBody> {
        let answer = self.answer();
        let mut response = match form {
            Form::Problem => answer.problem(id),
            Form::Grpc => answer.grpc(),
        };
        let headers = response.headers_mut();
        headers.insert(ANSWER_ID, id.clone());
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

impl Answer {
    fn problem(&self, id: &HeaderValue) -> Response<ResponseBody> {
        let problem = Problem {
            r#type: format!("urn:remint:problem:{}", self.kind),
            title: self.title,
            status: self.status,
            detail: self.detail,
            // It may come from outside.
            instance: format!("urn:remint:request:{}", encoded(id.as_bytes())),
        };
        // Texts and a number: nothing that JSON could not hold.
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = Response::new(ResponseBody::from(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }

    /// Without a body: the status is in the headers, which are the trailers too
    /// (gRPC over HTTP/2, "Trailers-Only").
    fn grpc(&self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::from(""));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
        headers.insert(GRPC_STATUS, HeaderValue::from(self.grpc as u16));
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(self.detail));
        response
    }
}

#[cfg(test)]
mod tests;
