//! HTTP/1.1 connections to one endpoint, kept alive between requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

use crate::endpoint::Endpoint;
use crate::network::{Network, Unreachable, tcp};
use crate::origin::Origin;
use crate::sync::lock;

type Sender = SendRequest<Full<Bytes>>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Connect(#[from] Unreachable),
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
}

/// The connections of one sender to one endpoint. They close with it.
pub(crate) struct Connections {
    network: Arc<Network>,
    host: String,
    port: u16,
    connect_to: Option<SocketAddr>,
    idle: Mutex<Vec<Sender>>,
}

impl Connections {
    /// To the endpoint's host as the network knows it, or to `connect_to`.
    pub(crate) fn new(
        network: Arc<Network>,
        endpoint: &Endpoint,
        connect_to: Option<SocketAddr>,
    ) -> Self {
        let (host, port) = endpoint.host_and_port();
        Self { network, host: host.to_owned(), port, connect_to, idle: Mutex::default() }
    }

    /// Sends on an idle connection or a new one. A connection that the server
    /// closed while it was idle never took the request: the next one does.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Sender), SendError> {
        loop {
            let idle = lock(&self.idle).pop();
            let was_idle = idle.is_some();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.connect().await?,
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
    pub(crate) fn give_back(&self, sender: Sender) {
        if !sender.is_closed() {
            lock(&self.idle).push(sender);
        }
    }

    async fn connect(&self) -> Result<Sender, SendError> {
        let stream = match self.connect_to {
            Some(addr) => Box::new(tcp(addr).await.map_err(Unreachable::from)?),
            None => self.network.connect(&self.host, self.port, Origin::Sender).await?,
        };
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
