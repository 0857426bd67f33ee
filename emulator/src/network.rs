//! Names on this machine: which part of the emulator, or which server of the
//! user's, is behind a host name. Nothing else is reached: the emulator never
//! calls the internet.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;

use crate::config::HostMapping;
use crate::origin::Origin;

/// A part of the emulator that answers to host names.
pub(crate) trait Place: Send + Sync + 'static {
    /// A connection inside the process, in clear text or TLS as its client
    /// likes. Refused while the part is stopped.
    fn connect(
        &self,
        origin: Origin,
    ) -> Pin<Box<dyn Future<Output = io::Result<DuplexStream>> + Send + '_>>;
}

/// A connection, whatever it is made of.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}
/// A connection to what a name stands for.
pub(crate) type Stream = Box<dyn Io>;

/// Why a name can't be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    /// Nobody answers to it.
    #[error(
        "{0} is neither a host of this emulator nor one of its \"hosts\": it is not looked up anywhere else"
    )]
    Unknown(String),
    /// Somebody does, but not now.
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
}

/// All names.
#[derive(Default)]
pub(crate) struct Network {
    /// The emulator's own, which are known when its listeners run. It owns
    /// them: those that look names up here must not keep it alive.
    places: OnceLock<HashMap<String, Weak<dyn Place>>>,
    mapped: HashMap<String, SocketAddr>,
}

impl Network {
    pub(crate) fn new(hosts: &[HostMapping]) -> Self {
        let mapped = hosts.iter().map(|it| (it.host.to_ascii_lowercase(), it.addr)).collect();
        Self { places: OnceLock::new(), mapped }
    }

    /// Says once what the emulator's own names stand for.
    pub(crate) fn open(&self, places: &HashMap<String, Arc<dyn Place>>) {
        let places = places.iter().map(|(name, place)| (name.clone(), Arc::downgrade(place)));
        let _ = self.places.set(places.collect());
    }

    /// The part of the emulator with that name.
    pub(crate) fn place(&self, host: &str) -> Option<Arc<dyn Place>> {
        self.places.get()?.get(&host.to_ascii_lowercase())?.upgrade()
    }

    /// Connects to a name, or to an address of this machine. A user's own
    /// servers are spoken to in clear text, also where the URL says https.
    pub(crate) async fn connect(
        &self,
        host: &str,
        port: u16,
        origin: Origin,
    ) -> Result<Stream, Unreachable> {
        if let Some(place) = self.place(host) {
            return Ok(Box::new(place.connect(origin).await?));
        }
        let here = || local(host).map(|ip| SocketAddr::new(ip, port));
        let mapped = self.mapped.get(&host.to_ascii_lowercase()).copied();
        match mapped.or_else(here) {
            Some(addr) => Ok(Box::new(tcp(addr).await?)),
            None => Err(Unreachable::Unknown(host.to_owned())),
        }
    }
}

/// A connection to a server of this machine.
pub(crate) async fn tcp(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether a host is this machine by its own word.
pub(crate) fn is_loopback(host: &str) -> bool {
    local(host).is_some()
}

fn local(host: &str) -> Option<IpAddr> {
    match host {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.trim_matches(['[', ']']).parse().ok().filter(IpAddr::is_loopback),
    }
}
