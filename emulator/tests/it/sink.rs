//! A push endpoint that keeps what it is sent.

use std::net::SocketAddr;

use bytes::Bytes;
use http::request::Parts;
use serde_json::Value;

use crate::recorder::Recorder;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The endpoint. It answers with the statuses that it is given, then with 204.
pub(crate) struct Sink {
    pub(crate) addr: SocketAddr,
    recorder: Recorder,
}

impl Sink {
    pub(crate) async fn start(statuses: &[u16]) -> Self {
        let recorder = Recorder::answering(statuses, 204, None).await;
        Self { addr: recorder.addr, recorder }
    }

    pub(crate) fn url(&self) -> String {
        self.recorder.url("/push")
    }

    /// Waits until that many requests have come, and gives all.
    pub(crate) async fn wait(&self, count: usize) -> Vec<Got> {
        let all = self.recorder.wait(count).await;
        all.into_iter().map(|(head, body)| Got { head, body }).collect()
    }

    /// What has come until now.
    pub(crate) fn count(&self) -> usize {
        self.recorder.seen().len()
    }
}
