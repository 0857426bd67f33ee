//! A gateway with its listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::admin;
use crate::clock::Clock;
use crate::config::Config;
use crate::doorbell::Task;
use crate::gateway::Gateway;
use crate::server::serve;
use crate::upstream::ConnectorError;

/// Why a gateway can't start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StartError(#[from] Cause);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("can't listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("connections can't be set up")]
    Connector(#[from] ConnectorError),
}

/// A gateway at work.
pub struct Running {
    address: SocketAddr,
    admin_address: SocketAddr,
    gateway: Arc<Gateway>,
    stop: watch::Sender<bool>,
    front: JoinHandle<GracefulShutdown>,
    drain_delay: Duration,
    drain_timeout: Duration,
    _admin: Task,
}

impl Running {
    /// Listens, and begins to fetch keys and tokens. Requests that come before
    /// them wait a little.
    ///
    /// # Errors
    /// If an address can't be listened on, or the TLS settings can't be used.
    pub async fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let (listener, address) = listen(config.listen).await?;
        let (admin_listener, admin_address) = listen(config.admin).await?;
        let gateway = Arc::new(Gateway::start(config, &clock).map_err(Cause::Connector)?);
        let (stop, stopping) = watch::channel(false);
        let proxy = Arc::clone(&gateway);
        let front = tokio::spawn(serve(listener, stopping, move |peer, request| {
            let gateway = Arc::clone(&proxy);
            async move { gateway.answer(&peer.address, request).await }
        }));
        let admin_gateway = Arc::clone(&gateway);
        let (never, keep_on) = watch::channel(false);
        let admin = Task::spawn(async move {
            let answer = move |_, request| {
                let gateway = Arc::clone(&admin_gateway);
                async move { admin::answer(&gateway, &request) }
            };
            serve(admin_listener, keep_on, answer).await;
            drop(never);
        });
        info!(%address, %admin_address, "listening");
        Ok(Self {
            address,
            admin_address,
            gateway,
            stop,
            front,
            drain_delay: config.drain_delay,
            drain_timeout: config.drain_timeout,
            _admin: admin,
        })
    }

    /// Where requests arrive.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are served.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Says at `/readyz` that it stops, and goes on for as long as those who
    /// send requests take to notice. Then it accepts nothing more and waits for
    /// the requests under way, at most for the configured time. True if all
    /// were finished.
    pub async fn drain(self) -> bool {
        info!(delay = ?self.drain_delay, "stopping: not ready any more");
        self.gateway.is_draining.store(true, Ordering::Relaxed);
        sleep(self.drain_delay).await;
        info!(limit = ?self.drain_timeout, "stopping: requests under way are finished");
        self.stop.send_replace(true);
        let finished = async {
            if let Ok(connections) = self.front.await {
                connections.shutdown().await;
            }
        };
        let is_done = timeout(self.drain_timeout, finished).await.is_ok();
        match is_done {
            true => info!("stopped"),
            false => warn!("stopped with requests under way: the time was up"),
        }
        is_done
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Cause> {
    let failed = |error| Cause::Listen(address, error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
