//! What can be made to go wrong, while it runs.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use http::StatusCode;

use crate::answers::{Answer, answer, reset, text};
use crate::sync::lock;

/// How a part of the Google listener fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers with this status.
    Status(StatusCode),
    /// It takes the request and never answers.
    Hang,
    /// It answers 200 with a page of HTML that is called JSON, as a captive
    /// portal or a misled proxy does.
    NotJson,
    /// It answers 200 with what was asked for, behind [`OVERSIZE`] bytes of
    /// white space: nothing but the size is wrong.
    Oversized,
    /// It takes the request and resets the connection, over HTTP/2 the stream.
    Reset,
}

/// How much longer an [oversized](Fault::Oversized) body is: Google's key
/// documents have a few kilobytes, and nobody should read a quarter of a
/// megabyte of them.
pub const OVERSIZE: usize = 256 * 1024;

/// The faults in force. None is, to begin with.
#[derive(Debug, Default)]
pub struct Faults {
    keys: Mutex<Option<Fault>>,
    iap_keys: Mutex<Option<Fault>>,
    metadata: Mutex<Option<Fault>>,
}

impl Faults {
    /// Sets or ends a fault of Google's key documents.
    pub fn set_keys(&self, fault: Option<Fault>) {
        *lock(&self.keys) = fault;
    }

    /// Google's key documents answer 503.
    pub fn keys_down(&self) {
        self.set_keys(Some(Fault::Status(StatusCode::SERVICE_UNAVAILABLE)));
    }

    /// Sets or ends a fault of IAP's key documents.
    pub fn set_iap_keys(&self, fault: Option<Fault>) {
        *lock(&self.iap_keys) = fault;
    }

    /// Sets or ends a fault of the metadata server.
    pub fn set_metadata(&self, fault: Option<Fault>) {
        *lock(&self.metadata) = fault;
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.set_keys(None);
        self.set_iap_keys(None);
        self.set_metadata(None);
    }

    /// The fault of Google's key documents that is in force.
    pub(crate) fn of_keys(&self) -> Option<Fault> {
        *lock(&self.keys)
    }

    /// The same for IAP's.
    pub(crate) fn of_iap_keys(&self) -> Option<Fault> {
        *lock(&self.iap_keys)
    }

    /// The same for the metadata server.
    pub(crate) fn of_metadata(&self) -> Option<Fault> {
        *lock(&self.metadata)
    }
}

/// How a service fails in one region. That it is down altogether is
/// [`Region::stop`](crate::Region::stop).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionFault {
    /// Each call waits for so long before it is served.
    Latency(Duration),
    /// It takes calls and never answers.
    Hang,
    /// It takes calls and resets the connection, over HTTP/2 the stream.
    Reset,
    /// Google's front end answers with this status and its page, such as 503
    /// where no instance can be started, or 429 where there may be no more.
    FrontEnd(StatusCode),
}

/// The fault of one region that is in force, if any is.
#[derive(Debug, Default)]
pub(crate) struct RegionFaults(Mutex<Option<RegionFault>>);

impl RegionFaults {
    pub(crate) fn set(&self, fault: Option<RegionFault>) {
        *lock(&self.0) = fault;
    }

    pub(crate) fn now(&self) -> Option<RegionFault> {
        *lock(&self.0)
    }
}

impl Fault {
    /// What is answered instead of this JSON document.
    pub(crate) async fn answer(self, instead_of: &str) -> Answer {
        const JSON: &str = "application/json; charset=UTF-8";
        match self {
            Self::Status(status) => text(status, "a fault that the emulator was told to have\n"),
            Self::Hang => pending().await,
            Self::NotJson => answer(StatusCode::OK, JSON, "<!DOCTYPE html><title>Hello</title>\n"),
            Self::Oversized => {
                let body = " ".repeat(OVERSIZE) + instead_of;
                answer(StatusCode::OK, JSON, body)
            }
            Self::Reset => reset(),
        }
    }
}
