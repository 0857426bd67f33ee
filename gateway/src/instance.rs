//! The gateway as it lives through one configuration after the other.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use remint_idtoken::UnixTime;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::{Config, Tls};
use crate::gateway::Gateway;
use crate::kept::Kept;
use crate::server::{Connections, Door, Incoming, Peer};
use crate::upstream::{ConnectorError, ResponseBody};

/// A gateway at work, whatever its configuration.
pub(crate) struct Instance {
    current: ArcSwap<Gateway>,
    pub(crate) kept: Kept,
    pub(crate) connections: Connections,
    pub(crate) started_at: Instant,
    is_draining: AtomicBool,
    /// Whether it was ready once: its start is over.
    pub(crate) was_ready: AtomicBool,
    history: Mutex<History>,
}

/// What became of the configurations so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// Where the current one comes from, if it is from a file.
    pub(crate) source: Option<Source>,
    /// Since when it is the current one.
    pub(crate) loaded_at: UnixTime,
    /// The mistakes of the newest one, if it is not the current one for that.
    pub(crate) last_error: Option<String>,
    /// What it asks for and gets only after a restart.
    pub(crate) needs_restart: Vec<&'static str>,
}

/// A configuration's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) file: String,
    /// The start of its SHA-256.
    pub(crate) hash: String,
}

impl Instance {
    /// Must be called in a tokio runtime: keys and tokens are fetched from now
    /// on.
    pub(crate) fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, ConnectorError> {
        warn_of(config, clock.now());
        let history = History { loaded_at: clock.now(), ..History::default() };
        let kept = Kept::new(clock);
        Ok(Self {
            current: ArcSwap::from_pointee(Gateway::build(config, &kept)?),
            kept,
            connections: Connections::default(),
            started_at: Instant::now(),
            is_draining: AtomicBool::new(false),
            was_ready: AtomicBool::new(false),
            history: Mutex::new(history),
        })
    }

    /// What the newest right configuration made.
    pub(crate) fn gateway(&self) -> Arc<Gateway> {
        self.current.load_full()
    }

    pub(crate) fn door(&self) -> Arc<Door> {
        Arc::clone(&self.current.load().door)
    }

    /// Has requests answered by another configuration from now on. Those
    /// under way are finished by the old one.
    pub(crate) fn apply(&self, config: &Config) -> Result<(), ConnectorError> {
        let new = Arc::new(Gateway::build(config, &self.kept)?);
        warn_of(config, self.kept.clock.now());
        let names = new.region_names();
        let old = self.current.swap(new);
        for (service, region) in old.region_names().difference(&names) {
            self.kept.metrics.forget_region(service, region);
        }
        let is_gone = |name: &str| names.iter().all(|(service, _)| **service != *name);
        for service in old.services.iter().filter(|service| is_gone(&service.name)) {
            self.kept.metrics.forget_service(&service.name);
        }
        Ok(())
    }

    /// Answers a request. While it stops, it asks HTTP/1.1 callers to come
    /// back over a new connection, which then leads to another instance.
    /// HTTP/2 callers are told by GOAWAY when the listener closes, and what
    /// became a tunnel says `Connection: upgrade` and nothing else.
    pub(crate) async fn answer(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        let is_http_2 = request.version() == Version::HTTP_2;
        let gateway = self.gateway();
        let mut response = gateway.answer(peer, request).await;
        let is_tunnel = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !is_http_2 && !is_tunnel && self.is_draining() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    pub(crate) fn start_draining(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// A copy of what became of the configurations.
    pub(crate) fn history(&self) -> History {
        self.lock_history().clone()
    }

    /// The file of the configuration that it was started with.
    pub(crate) fn started_from(&self, source: Source) {
        self.lock_history().source = Some(source);
    }

    /// Another configuration holds from now on.
    pub(crate) fn reloaded(&self, source: Source, needs_restart: Vec<&'static str>) {
        info!(file = source.file, hash = source.hash, "configuration applied");
        if !needs_restart.is_empty() {
            warn!(?needs_restart, "these settings change only with a restart");
        }
        self.kept.metrics.reloaded(true);
        let loaded_at = self.kept.clock.now();
        let last_error = None;
        *self.lock_history() =
            History { source: Some(source), loaded_at, last_error, needs_restart };
    }

    /// The newest configuration is wrong, and the old one stays.
    pub(crate) fn rejected(&self, error: String) {
        warn!(error, "the new configuration is wrong, the old one stays");
        self.kept.metrics.reloaded(false);
        self.lock_history().last_error = Some(error);
    }

    fn lock_history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nothing of it keeps the gateway from serving: whoever renews a certificate
/// late is better served by the old one than by nothing.
fn warn_of(config: &Config, now: UnixTime) {
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let ends = config.tls.as_ref().and_then(Tls::not_after);
    if let Some(expired_at) = ends.filter(|ends| *ends <= now) {
        warn!(%expired_at, "the certificate in \"tls\" has expired");
    }
}

impl Gateway {
    fn region_names(&self) -> HashSet<(Arc<str>, Arc<str>)> {
        let regions = self.services.iter().flat_map(|service| {
            let name = |name: &Arc<str>| (Arc::clone(&service.name), Arc::clone(name));
            service.regions.iter().map(move |region| name(&region.name))
        });
        regions.collect()
    }
}
