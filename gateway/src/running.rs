//! A gateway with its listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::admin;
use crate::clock::Clock;
use crate::config::{Config, Limits, LogFormat};
use crate::doorbell::Task;
use crate::gateway::Drain;
use crate::instance::Instance;
use crate::reload::{Follower, Reloader};
use crate::server::{Connections, Door, Peer, Rest, Server};
use crate::upstream::ConnectorError;

/// How long callers have, once nothing more is accepted, to send another
/// request over a connection that they have: its answer says that it is the
/// last one. To close at once would meet requests on their way.
const LAST_REQUESTS: Duration = Duration::from_secs(1);

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
    /// As they were asked for, with the port 0 for any.
    listens_on: [(&'static str, SocketAddr); 2],
    log_format: Option<LogFormat>,
    instance: Arc<Instance>,
    stop: watch::Sender<bool>,
    front: JoinHandle<Rest>,
    reload_interval: Duration,
    follower: Option<(Task, mpsc::Sender<()>)>,
    _admin: [Task; 2],
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
        let instance = Arc::new(Instance::start(config, clock).map_err(Cause::Connector)?);
        let (stop, stopping) = watch::channel(false);
        let front = front_task(listener, &instance, stopping);
        let admin = [
            admin_task(admin_listener, admin_address, &instance),
            Task::spawn(admin::keep_looking(Arc::clone(&instance))),
        ];
        info!(%address, %admin_address, tls = config.tls.is_some(), "listening");
        Ok(Self {
            address,
            admin_address,
            listens_on: [("listen", config.listen), ("admin", config.admin)],
            log_format: config.logs.format,
            instance,
            stop,
            front,
            reload_interval: config.reload_interval,
            follower: None,
            _admin: admin,
        })
    }

    /// From now on the configuration is read again when its files change: if
    /// it is right, it holds for the requests that come then; else the old one
    /// stays.
    #[must_use]
    pub fn following(mut self, reloader: Reloader) -> Self {
        self.instance.started_from(reloader.source());
        let follower = Follower {
            instance: Arc::clone(&self.instance),
            reloader: Mutex::new(reloader),
            interval: self.reload_interval,
            listens_on: self.listens_on,
            log_format: self.log_format,
        };
        let (ask, asked) = mpsc::channel(1);
        self.follower = Some((Task::spawn(follower.follow(asked)), ask));
        self
    }

    /// Has the configuration read again now, if it comes from a file.
    pub fn reload(&self) {
        if let Some((_, ask)) = &self.follower {
            // One that waits to be heard says the same.
            let _ = ask.try_send(());
        }
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
        let Drain { delay, limit } = self.instance.gateway().drain;
        info!(?delay, "stopping: not ready any more");
        self.instance.start_draining();
        sleep(delay).await;
        info!(?limit, "stopping: requests under way are finished");
        self.stop.send_replace(true);
        let connections = &self.instance.connections;
        let none = || connections.until(|count| count == 0);
        let finished = async {
            if let Ok(rest) = self.front.await {
                let _ = timeout(LAST_REQUESTS, none()).await;
                rest.finish().await;
            }
            // Tunnels are connections still, though not HTTP's.
            none().await;
        };
        let is_done = timeout(limit, finished).await.is_ok();
        match is_done {
            true => info!("stopped"),
            false => warn!("stopped with requests under way: the time was up"),
        }
        is_done
    }
}

fn front_task(
    listener: TcpListener,
    instance: &Arc<Instance>,
    stopping: watch::Receiver<bool>,
) -> JoinHandle<Rest> {
    let (doors, answering) = (Arc::clone(instance), Arc::clone(instance));
    let server = Server {
        listener,
        connections: instance.connections.clone(),
        door: move || doors.door(),
        handler: move |peer: Arc<Peer>, request| {
            let instance = Arc::clone(&answering);
            async move { instance.answer(&peer, request).await }
        },
    };
    tokio::spawn(server.serve(stopping))
}

fn admin_task(listener: TcpListener, bound: SocketAddr, instance: &Arc<Instance>) -> Task {
    let (instance, door) = (Arc::clone(instance), Arc::new(Door::new(&admin_limits(), None)));
    let server = Server {
        listener,
        connections: Connections::default(),
        door: move || Arc::clone(&door),
        handler: move |_, request| {
            let instance = Arc::clone(&instance);
            async move { admin::answer(&instance, bound.ip(), request).await }
        },
    };
    let (never, keep_on) = watch::channel(false);
    Task::spawn(async move {
        server.serve(keep_on).await;
        drop(never);
    })
}

/// What those may ask for who look after the gateway: they are few, and none of
/// them sends a body but a short one to have a request explained.
fn admin_limits() -> Limits {
    Limits {
        max_header_bytes: 16 << 10,
        max_connections: 100,
        max_streams: 10,
        ..Limits::default()
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Cause> {
    let failed = |error| Cause::Listen(address, error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
