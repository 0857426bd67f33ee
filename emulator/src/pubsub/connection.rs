//! HTTP/1.1 connections to one endpoint, kept alive between messages.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::PushSubscription;
use crate::sync::lock;

type Sender = SendRequest<Full<Bytes>>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("an https endpoint can't be reached without connect_to")]
    Https,
    #[error("no connection: {0}")]
    Connect(#[from] io::Error),
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
}

/// The connections of one push. They close with it.
pub(super) struct Connections {
    target: Target,
    idle: Mutex<Vec<Sender>>,
}

enum Target {
    Addr(SocketAddr),
    Name { host: String, port: u16 },
    Unreachable,
}

impl Connections {
    pub(super) fn new(subscription: &PushSubscription) -> Self {
        let endpoint = &subscription.endpoint;
        let target = match subscription.connect_to {
            Some(addr) => Target::Addr(addr),
            None if endpoint.is_https => Target::Unreachable,
            None => Target::of(&endpoint.authority),
        };
        Self { target, idle: Mutex::default() }
    }

    /// Sends on an idle connection or a new one. A connection that the server
    /// closed while it was idle never took the request: the next one does.
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Sender), SendError> {
        loop {
            let idle = lock(&self.idle).pop();
            let was_idle = idle.is_some();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.target.connect().await?,
            };
            if sender.ready().await.is_err() && was_idle {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if was_idle => request = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    /// Takes a connection back once its answer has been read.
    pub(super) fn give_back(&self, sender: Sender) {
        if !sender.is_closed() {
            lock(&self.idle).push(sender);
        }
    }
}

impl Target {
    fn of(authority: &str) -> Self {
        let without_user = authority.rsplit('@').next().unwrap_or_default();
        let named = without_user.rsplit_once(':');
        let numbered = named.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = numbered.unwrap_or((without_user, 80));
        let host = host.trim_matches(['[', ']']).to_owned();
        Self::Name { host, port }
    }

    async fn connect(&self) -> Result<Sender, SendError> {
        let stream = match self {
            Self::Addr(addr) => TcpStream::connect(addr).await?,
            Self::Name { host, port } => TcpStream::connect((host.as_str(), *port)).await?,
            Self::Unreachable => return Err(SendError::Https),
        };
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
