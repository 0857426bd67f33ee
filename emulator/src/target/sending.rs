//! Sending the requests of tasks and jobs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use remint_idtoken::UnixTime;

use super::{HttpTarget, sendable};
use crate::attempt::Attempt;
use crate::config::Agent;
use crate::outgoing::Connections;
use crate::senders::{Credential, Senders, Shot};
use crate::sync::lock;

/// Beyond so many hosts connections that nobody uses are closed.
const MOST_HOSTS: usize = 256;

/// One sender's way to all targets.
pub(crate) struct Targets {
    senders: Arc<Senders>,
    agent: Agent,
    /// By host and port.
    connections: Mutex<HashMap<(String, u16), Arc<Connections>>>,
}

impl Targets {
    pub(crate) fn new(senders: Arc<Senders>, agent: Agent) -> Self {
        Self { senders, agent, connections: Mutex::default() }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> UnixTime {
        self.senders.issuer.now()
    }

    /// Sends one request. `marks` are Google's own headers, which win over the
    /// user's.
    pub(crate) async fn send(
        &self,
        from: &str,
        target: &HttpTarget,
        marks: HeaderMap,
        deadline: Duration,
    ) -> (Attempt, HeaderMap) {
        let mut headers = match sendable(target) {
            Ok(headers) => headers,
            Err(error) => return (Attempt::NotSent(error.to_string()), HeaderMap::new()),
        };
        headers.extend(marks);
        let credential = target.oidc.as_ref().map(|oidc| Credential {
            account: oidc.account.clone(),
            audience: oidc.audience.clone().unwrap_or_else(|| target.endpoint.to_string()),
        });
        let shot = Shot {
            agent: self.agent,
            from,
            endpoint: &target.endpoint,
            connections: &self.connections(target),
            method: target.method.clone(),
            headers,
            body: Bytes::from(target.body.clone()),
            credential: credential.as_ref(),
            deadline,
        };
        self.senders.send(shot).await
    }

    fn connections(&self, target: &HttpTarget) -> Arc<Connections> {
        let (host, port) = target.endpoint.host_and_port();
        let mut all = lock(&self.connections);
        if all.len() >= MOST_HOSTS {
            // Those that somebody is sending over stay.
            all.retain(|_, it| Arc::strong_count(it) > 1);
        }
        let connections = all.entry((host.to_owned(), port)).or_insert_with(|| {
            let network = Arc::clone(&self.senders.network);
            Arc::new(Connections::new(network, &target.endpoint, None))
        });
        Arc::clone(connections)
    }
}
