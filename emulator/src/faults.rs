//! What can be made to go wrong, while it runs.

use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;

use crate::answers::{Answer, answer, reset, text};
use crate::sync::lock;

/// How a part of the Google listener fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers with this status.
    Status(StatusCode),
    /// It answers 429 and asks to be left alone for so many seconds.
    SlowDown(u32),
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
    iam: Mutex<Option<Fault>>,
    token_endpoint: Mutex<Option<Fault>>,
    sts: Mutex<Option<Fault>>,
    without_exp: AtomicBool,
    unmintable: Mutex<Option<String>>,
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

    /// Sets or ends a fault of IAM Credentials.
    pub fn set_iam(&self, fault: Option<Fault>) {
        *lock(&self.iam) = fault;
    }

    /// Sets or ends a fault of the token endpoint.
    pub fn set_token_endpoint(&self, fault: Option<Fault>) {
        *lock(&self.token_endpoint) = fault;
    }

    /// Sets or ends a fault of STS.
    pub fn set_sts(&self, fault: Option<Fault>) {
        *lock(&self.sts) = fault;
    }

    /// Whether the metadata server leaves `exp` out of its ID tokens.
    pub fn leave_out_exp(&self, is_left_out: bool) {
        self.without_exp.store(is_left_out, Ordering::Relaxed);
    }

    /// From now on nobody gets an ID token for that audience, if one is given:
    /// 500 is answered instead.
    pub fn mint_nothing_for(&self, audience: Option<&str>) {
        *lock(&self.unmintable) = audience.map(str::to_owned);
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.set_keys(None);
        self.set_iap_keys(None);
        self.set_metadata(None);
        self.set_iam(None);
        self.set_token_endpoint(None);
        self.set_sts(None);
        self.leave_out_exp(false);
        self.mint_nothing_for(None);
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

    /// The same for IAM Credentials.
    pub(crate) fn of_iam(&self) -> Option<Fault> {
        *lock(&self.iam)
    }

    /// The same for the token endpoint.
    pub(crate) fn of_token_endpoint(&self) -> Option<Fault> {
        *lock(&self.token_endpoint)
    }

    /// The same for STS.
    pub(crate) fn of_sts(&self) -> Option<Fault> {
        *lock(&self.sts)
    }

    pub(crate) fn leaves_out_exp(&self) -> bool {
        self.without_exp.load(Ordering::Relaxed)
    }

    /// Whether ID tokens for that audience can be had.
    pub(crate) fn mints_for(&self, audience: &str) -> bool {
        lock(&self.unmintable).as_deref() != Some(audience)
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
            Self::SlowDown(seconds) => {
                let mut answer = text(StatusCode::TOO_MANY_REQUESTS, "too many requests\n");
                answer.headers_mut().insert(RETRY_AFTER, seconds.into());
                answer
            }
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
