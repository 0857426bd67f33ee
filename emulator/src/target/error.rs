//! Errors of Google's APIs, and the one place that writes them on the wire.

use http::StatusCode;
use serde_json::json;
use tonic::{Code, Status};

use crate::answers::{Answer, json};

/// Why a call of an API fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    code: Code,
    message: String,
}

impl ApiError {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new(Code::AlreadyExists, message)
    }

    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, message)
    }

    /// The code of gRPC.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// As the JSON of an error (AIP-193), with the HTTP status that goes with
    /// its code (`google/rpc/code.proto`).
    pub(crate) fn answer(&self) -> Answer {
        let (status, name) = match self.code {
            Code::InvalidArgument => (StatusCode::BAD_REQUEST, "INVALID_ARGUMENT"),
            Code::FailedPrecondition => (StatusCode::BAD_REQUEST, "FAILED_PRECONDITION"),
            Code::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Code::AlreadyExists => (StatusCode::CONFLICT, "ALREADY_EXISTS"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
        };
        let error = json!({ "code": status.as_u16(), "message": self.message, "status": name });
        json(status, &json!({ "error": error }))
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        Self::new(error.code, error.message)
    }
}
