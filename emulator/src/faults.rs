//! What can be made to go wrong, while it runs.

use std::future::pending;
use std::sync::Mutex;

use http::StatusCode;

use crate::answers::{Answer, text};
use crate::sync::lock;

/// How a part of the Google listener fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers with this status.
    Status(StatusCode),
    /// It takes the request and never answers.
    Hang,
}

/// The faults in force. None is, to begin with.
#[derive(Debug, Default)]
pub struct Faults {
    keys: Mutex<Option<Fault>>,
    metadata: Mutex<Option<Fault>>,
}

impl Faults {
    /// Sets or ends a fault of the key documents.
    pub fn set_keys(&self, fault: Option<Fault>) {
        *lock(&self.keys) = fault;
    }

    /// The key documents answer 503.
    pub fn keys_down(&self) {
        self.set_keys(Some(Fault::Status(StatusCode::SERVICE_UNAVAILABLE)));
    }

    /// Sets or ends a fault of the metadata server.
    pub fn set_metadata(&self, fault: Option<Fault>) {
        *lock(&self.metadata) = fault;
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.set_keys(None);
        self.set_metadata(None);
    }

    /// The answer that a fault of the key documents gives, if one is in force.
    pub(crate) async fn of_keys(&self) -> Option<Answer> {
        let fault = *lock(&self.keys);
        fail(fault?).await
    }

    /// The same for the metadata server.
    pub(crate) async fn of_metadata(&self) -> Option<Answer> {
        let fault = *lock(&self.metadata);
        fail(fault?).await
    }
}

async fn fail(fault: Fault) -> Option<Answer> {
    match fault {
        Fault::Status(status) => Some(text(status, "a fault that the emulator was told to have\n")),
        Fault::Hang => pending().await,
    }
}
