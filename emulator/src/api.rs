//! Google's APIs as JSON over HTTP: bodies, answers and errors.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::answers::{Answer, json as document};

/// An answer with this document, or the error.
pub(crate) fn answer<T: Serialize, E: Into<Status>>(result: Result<T, E>) -> Answer {
    let shown = result.map_err(Into::into).and_then(|it| {
        serde_json::to_value(it).map_err(|error| Status::internal(error.to_string()))
    });
    match shown {
        Ok(shown) => document(StatusCode::OK, &shown),
        Err(status) => refusal(status.code(), status.message(), None),
    }
}

/// An error as Google's APIs write it (AIP-193), with the HTTP status that goes
/// with its code.
pub(crate) fn refusal(code: Code, message: &str, details: Option<Value>) -> Answer {
    let status = http_status(code);
    let mut error = json!({ "code": status.as_u16(), "message": message, "status": name(code) });
    if let (Some(members), Some(details)) = (error.as_object_mut(), details) {
        members.insert("details".to_owned(), details);
    }
    document(status, &json!({ "error": error }))
}

/// The whole body.
///
/// # Errors
/// `INVALID_ARGUMENT` if it has more than `most` bytes.
pub(crate) async fn bytes(body: Incoming, most: usize) -> Result<Bytes, Status> {
    let collected = Limited::new(body, most).collect().await;
    let too_long = |_| Status::invalid_argument("Request payload size exceeds the limit.");
    Ok(collected.map_err(too_long)?.to_bytes())
}

/// The body as JSON; none is an empty object.
///
/// # Errors
/// `INVALID_ARGUMENT` if it is none of that kind or too long.
pub(crate) async fn body<T: DeserializeOwned>(body: Incoming, most: usize) -> Result<T, Status> {
    let bytes = bytes(body, most).await?;
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| {
        Status::invalid_argument(format!("Invalid JSON payload received. {error}"))
    })
}

/// The status that goes with a code, by the comments of `google/rpc/code.proto`.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        // 499, "Client Closed Request", is nobody's to be answered here.
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

/// The name of a code in `google/rpc/code.proto`.
pub(crate) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
