//! What can be made to go wrong, while it runs.

mod regions;
mod setting;

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::answers::{Answer, answer, json as json_answer, passed, reset, text};
use crate::clock::{Clock, OffsetClock};
use crate::sync::lock;
pub use regions::FaultError;
pub(crate) use regions::Regions;
pub use setting::{FaultSetting, RegionSetting, Server, TokenFault};

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
    /// It answers with what was asked for, and calls it a page of HTML.
    WrongContentType,
    /// It answers 200 with what was asked for, behind [`OVERSIZE`] bytes of
    /// white space: nothing but the size is wrong.
    Oversized,
    /// It takes the request and resets the connection, over HTTP/2 the stream.
    Reset,
    /// It answers 403, as to somebody who lacks a role.
    PermissionDenied,
    /// It answers 403, as in a project in which the API was not enabled.
    ApiDisabled,
}

/// How much longer an [oversized](Fault::Oversized) body is: Google's key
/// documents have a few kilobytes, and nobody should read a quarter of a
/// megabyte of them.
pub const OVERSIZE: usize = 256 * 1024;

/// The faults in force. None is, to begin with.
#[derive(Debug, Default)]
pub struct Faults {
    servers: Mutex<BTreeMap<Server, Fault>>,
    without_exp: AtomicBool,
    unmintable: Mutex<Option<String>>,
    /// How far Google's clock is ahead, in seconds.
    clock_offset: Arc<AtomicI64>,
}

impl Faults {
    /// Sets or ends a fault of a server.
    pub fn set(&self, server: Server, fault: Option<Fault>) {
        let mut servers = lock(&self.servers);
        match fault {
            Some(fault) => drop(servers.insert(server, fault)),
            None => drop(servers.remove(&server)),
        }
    }

    /// Sets or ends a fault of Google's key documents.
    pub fn set_keys(&self, fault: Option<Fault>) {
        self.set(Server::Keys, fault);
    }

    /// Google's key documents answer 503.
    pub fn keys_down(&self) {
        self.set_keys(Some(Fault::Status(StatusCode::SERVICE_UNAVAILABLE)));
    }

    /// Sets or ends a fault of IAP's key documents.
    pub fn set_iap_keys(&self, fault: Option<Fault>) {
        self.set(Server::IapKeys, fault);
    }

    /// Sets or ends a fault of the metadata server.
    pub fn set_metadata(&self, fault: Option<Fault>) {
        self.set(Server::Metadata, fault);
    }

    /// Sets or ends a fault of IAM Credentials.
    pub fn set_iam(&self, fault: Option<Fault>) {
        self.set(Server::IamCredentials, fault);
    }

    /// Sets or ends a fault of the token endpoint.
    pub fn set_token_endpoint(&self, fault: Option<Fault>) {
        self.set(Server::TokenEndpoint, fault);
    }

    /// Sets or ends a fault of STS.
    pub fn set_sts(&self, fault: Option<Fault>) {
        self.set(Server::Sts, fault);
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

    /// Google's time is ahead of this machine's by so many seconds, or behind
    /// if the number is negative: for all that it mints, publishes and checks.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.clock_offset.store(seconds, Ordering::Relaxed);
    }

    /// Ends all faults but those of regions.
    pub fn clear(&self) {
        lock(&self.servers).clear();
        self.leave_out_exp(false);
        self.mint_nothing_for(None);
        self.set_clock_offset(0);
    }

    /// A clock that goes wrong as it is told here.
    pub(crate) fn clock(&self, clock: Arc<dyn Clock>) -> Arc<dyn Clock> {
        Arc::new(OffsetClock::new(clock, Arc::clone(&self.clock_offset)))
    }

    /// The fault of a server that is in force.
    pub(crate) fn of(&self, server: Server) -> Option<Fault> {
        lock(&self.servers).get(&server).copied()
    }

    pub(crate) fn leaves_out_exp(&self) -> bool {
        self.without_exp.load(Ordering::Relaxed)
    }

    /// Whether ID tokens for that audience can be had.
    pub(crate) fn mints_for(&self, audience: &str) -> bool {
        lock(&self.unmintable).as_deref() != Some(audience)
    }

    /// All that are in force but those of regions.
    fn in_force(&self) -> Vec<FaultSetting> {
        let servers = lock(&self.servers);
        let mut all: Vec<_> =
            servers.iter().map(|(server, fault)| FaultSetting::Server(*server, *fault)).collect();
        if self.leaves_out_exp() {
            all.push(FaultSetting::Tokens(TokenFault::LeaveOutExp));
        }
        if let Some(audience) = &*lock(&self.unmintable) {
            all.push(FaultSetting::Tokens(TokenFault::MintNothingFor(audience.clone())));
        }
        match self.clock_offset.load(Ordering::Relaxed) {
            0 => {}
            offset => all.push(FaultSetting::Clock { offset }),
        }
        all
    }

    /// Puts a fault in force that is no region's.
    fn put(&self, setting: &FaultSetting) {
        match setting {
            FaultSetting::Server(server, fault) => self.set(*server, Some(*fault)),
            FaultSetting::Tokens(TokenFault::LeaveOutExp) => self.leave_out_exp(true),
            FaultSetting::Tokens(TokenFault::MintNothingFor(audience)) => {
                self.mint_nothing_for(Some(audience));
            }
            FaultSetting::Clock { offset } => self.set_clock_offset(*offset),
            FaultSetting::Region { .. } => {}
        }
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
    /// What is answered instead of what was asked for, which is made only where
    /// it is needed.
    pub(crate) async fn answer(self, asked_for: impl Future<Output = Answer>) -> Answer {
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
            Self::WrongContentType => {
                let mut answer = asked_for.await;
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                answer.headers_mut().insert(CONTENT_TYPE, html);
                answer
            }
            Self::Oversized => oversized(asked_for.await).await,
            Self::Reset => reset(),
            Self::PermissionDenied => forbidden("The caller does not have permission", &json!([])),
            Self::ApiDisabled => {
                let why = "The API has not been used in this project before or it is disabled.";
                forbidden(why, &json!([disabled()]))
            }
        }
    }
}

/// An error of Google's APIs (AIP-193).
fn forbidden(message: &str, details: &Value) -> Answer {
    let status = "PERMISSION_DENIED";
    let error = json!({ "code": 403, "message": message, "status": status, "details": details });
    json_answer(StatusCode::FORBIDDEN, &json!({ "error": error }))
}

/// By which programs tell it from a lack of roles (`google.rpc.ErrorInfo`,
/// googleapis `google/api/error_reason.proto`).
fn disabled() -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
    })
}

/// The answer behind a lot of white space, as a success, whatever it was.
async fn oversized(answer: Answer) -> Answer {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut long = vec![b' '; OVERSIZE];
    long.extend_from_slice(&body);
    head.status = StatusCode::OK;
    head.headers.remove(CONTENT_LENGTH);
    Answer::from_parts(head, passed(Full::new(Bytes::from(long))))
}
