//! Google's APIs as JSON over HTTP: errors and bodies.

use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::answers::{self, Answer};

/// Pub/Sub's bound on a request (Pub/Sub, "Quotas and limits"), with room for
/// base64.
const MAX_BODY: usize = 14_000_000;

/// An answer with this document, or the error.
pub(crate) fn answer<T: Serialize>(result: Result<T, Status>) -> Answer {
    let document = result.and_then(|it| {
        serde_json::to_value(it).map_err(|error| Status::internal(error.to_string()))
    });
    match document {
        Ok(document) => answers::json(StatusCode::OK, &document),
        Err(status) => refusal(&status),
    }
}

/// An error as Google's APIs write it (AIP-193), with the status that
/// `google.rpc.Code` gives each code.
pub(crate) fn refusal(status: &Status) -> Answer {
    let (code, name) = match status.code() {
        Code::InvalidArgument => (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"),
        Code::FailedPrecondition => (StatusCode::BAD_REQUEST, "FAILED_PRECONDITION"),
        Code::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        Code::AlreadyExists => (StatusCode::CONFLICT, "ALREADY_EXISTS"),
        Code::Unimplemented => (StatusCode::NOT_IMPLEMENTED, "UNIMPLEMENTED"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
    };
    let error = json!({ "code": code.as_u16(), "message": status.message(), "status": name });
    answers::json(code, &json!({ "error": error }))
}

/// The body as JSON; none is an empty object.
pub(crate) async fn body<T: DeserializeOwned>(body: Incoming) -> Result<T, Status> {
    let bytes = bytes(body).await?;
    let parsed = match bytes.is_empty() {
        true => serde_json::from_value(Value::Object(serde_json::Map::default())),
        false => serde_json::from_slice(&bytes),
    };
    parsed.map_err(|error| {
        Status::invalid_argument(format!("Invalid JSON payload received: {error}"))
    })
}

/// The whole body.
pub(crate) async fn bytes(body: Incoming) -> Result<bytes::Bytes, Status> {
    let collected = Limited::new(body, MAX_BODY).collect().await;
    let too_long = |_| Status::invalid_argument("The request is too long.");
    Ok(collected.map_err(too_long)?.to_bytes())
}
