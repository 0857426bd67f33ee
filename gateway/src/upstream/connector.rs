//! Connections: TCP, and TLS where the URL says `https`.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::config::{HostPort, Origin, Upstream};

/// The protocols by their names in ALPN.
pub(super) const HTTP_1: &[u8] = b"http/1.1";
pub(super) const HTTP_2: &[u8] = b"h2";

/// What all connections have in common.
pub(crate) struct Connector {
    tls: ClientConfig,
    timeout: Duration,
    connect_to: HashMap<HostPort, HostPort>,
}

/// Why a connector can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectorError {
    /// The TLS settings contradict each other.
    #[error("TLS can't be set up")]
    Tls(#[from] rustls::Error),
    /// A host that no certificate can be for.
    #[error("{0:?} is no name that a certificate can have")]
    Name(String),
}

/// Why there is no connection. Nothing of a request has been sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// No TCP connection.
    #[error("no connection to {0}")]
    Tcp(HostPort, #[source] io::Error),
    /// No TLS session.
    #[error("no TLS with {0}")]
    Tls(HostPort, #[source] io::Error),
    /// No HTTP over the new connection.
    #[error("no HTTP with {0}")]
    Http(HostPort, #[source] hyper::Error),
    /// It did not agree to HTTP/2, and nothing else was allowed.
    #[error("{0} does not speak HTTP/2 over TLS")]
    NotHttp2(HostPort),
    /// It does not speak HTTP/2, or says nothing.
    #[error("{0} did not begin to speak HTTP/2")]
    NoSettings(HostPort),
    /// It left the request alone.
    #[error("{0} refused the request unseen")]
    Refused(HostPort, #[source] hyper::Error),
    /// It took too long.
    #[error("no connection to {0} within {1:?}")]
    TimedOut(HostPort, Duration),
}

/// `ENOMEM`, `ENFILE` and `EMFILE`, the same on all Unix systems.
const OWN_TROUBLE: [i32; 3] = [12, 23, 24];

impl ConnectError {
    /// Whether it is this machine that has no room for another connection.
    pub(crate) fn is_own_trouble(&self) -> bool {
        match self {
            Self::Tcp(_, error) => {
                error.raw_os_error().is_some_and(|code| OWN_TROUBLE.contains(&code))
            }
            _ => false,
        }
    }
}

impl Connector {
    pub(crate) fn new(settings: &Upstream) -> Result<Self, ConnectorError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // They were tried when the configuration was read.
        roots.add_parsable_certificates(settings.extra_roots.iter().cloned());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls, timeout: settings.connect_timeout, connect_to: settings.connect_to.clone() })
    }

    /// All that an HTTP/1.1 connection to this origin needs, worked out once.
    pub(crate) fn dialer(&self, origin: &Origin) -> Result<Dialer, ConnectorError> {
        self.dialer_for(origin, &[HTTP_1])
    }

    /// The same for one of these protocols, the first of which is the best.
    pub(super) fn dialer_for(
        &self,
        origin: &Origin,
        protocols: &[&[u8]],
    ) -> Result<Dialer, ConnectorError> {
        let asked = origin.address();
        let tls = match origin.is_https() {
            true => {
                let mut config = self.tls.clone();
                config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
                Some((TlsConnector::from(Arc::new(config)), server_name(origin.host())?))
            }
            false => None,
        };
        Ok(Dialer {
            address: self.connect_to.get(&asked).cloned().unwrap_or(asked),
            tls,
            timeout: self.timeout,
        })
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, ConnectorError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    ServerName::try_from(bare).map_err(|_| ConnectorError::Name(host.to_owned()))
}

/// Connects to one origin.
pub(crate) struct Dialer {
    address: HostPort,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

impl Dialer {
    pub(crate) async fn connect(&self) -> Result<Stream, ConnectError> {
        timeout(self.timeout, self.connect_untimed())
            .await
            .unwrap_or_else(|_| Err(ConnectError::TimedOut(self.address.clone(), self.timeout)))
    }

    async fn connect_untimed(&self) -> Result<Stream, ConnectError> {
        let host = self.address.host.trim_start_matches('[').trim_end_matches(']');
        let failed = |error| ConnectError::Tcp(self.address.clone(), error);
        let tcp = connect(host, self.address.port).await.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        let Some((connector, name)) = &self.tls else {
            return Ok(Stream::Plain(tcp));
        };
        let tls = connector.connect(name.clone(), tcp).await;
        tls.map(|tls| Stream::Tls(Box::new(tls.into())))
            .map_err(|error| ConnectError::Tls(self.address.clone(), error))
    }

    /// How long a connection may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where connections really go.
    pub(crate) fn address(&self) -> &HostPort {
        &self.address
    }
}

/// Connects to the first address of the host that lets itself be connected to.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut result = Err(io::Error::other("the name has no address"));
    for address in lookup_host((host, port)).await? {
        result = socket(address)?.connect(address).await;
        if result.is_ok() {
            break;
        }
    }
    result
}

/// A socket that asks after its peer when nothing is said for long: a request
/// whose answer takes minutes must not wait for a machine that is gone.
fn socket(to: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_keepalive(true)?;
    Ok(socket)
}

/// A connection, with TLS or without.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Whether both sides agreed on HTTP/2.
    pub(super) fn has_agreed_on_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(HTTP_2),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_region_is_to_blame_when_the_gateway_has_no_room() {
        let to = || HostPort { host: "a.example".to_owned(), port: 1 };
        let tcp = |code| ConnectError::Tcp(to(), io::Error::from_raw_os_error(code));
        for code in OWN_TROUBLE {
            assert!(tcp(code).is_own_trouble(), "{code}");
        }
        // ECONNREFUSED, on Linux.
        assert!(!tcp(111).is_own_trouble());
        assert!(!ConnectError::Tcp(to(), io::Error::other("no address")).is_own_trouble());
        assert!(!ConnectError::TimedOut(to(), Duration::ZERO).is_own_trouble());
    }

    #[tokio::test]
    async fn sockets_ask_after_their_peers() {
        for address in ["127.0.0.1:1", "[::1]:1"] {
            assert!(socket(address.parse().unwrap()).unwrap().keepalive().unwrap(), "{address}");
        }
    }

    #[tokio::test]
    async fn each_address_of_a_name_is_tried() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Where it stands for ::1 too, that is refused first.
        let port = listener.local_addr().unwrap().port();
        assert!(connect("localhost", port).await.is_ok());
    }
}
