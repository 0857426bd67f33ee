//! The proxy for programs whose libraries hard-wire Google's hosts: with
//! `HTTPS_PROXY=http://127.0.0.1:PORT`, where the port is the Google
//! listener's, and the emulator's CA among those that they trust, they talk to
//! the emulator without knowing (RFC 9110, section 9.3.6; for `HTTP_PROXY`, RFC
//! 9112, section 3.2.2).
//!
//! It leads to the emulator's own names, to the user's `hosts` and to loopback
//! addresses, and nowhere else.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, copy_bidirectional};
use tokio_rustls::TlsAcceptor;

use crate::answers::{Answer, text};
use crate::ca::{Ca, CaError};
use crate::config::HostMapping;
use crate::forward::{Protocol, forward};
use crate::google::Google;
use crate::listener::{Handler, TLS_HANDSHAKE};
use crate::network::{Stream, Unreachable};
use crate::origin::Origin;
use crate::redact::shown;
use crate::takeover::Takeover;
use crate::timeline::{Call, Part, Verdict};

/// Where Google's hosts listen, and so the emulator's names: all of them with
/// and without TLS.
const WEB_PORTS: [u16; 2] = [443, 80];

/// The proxy, and Google for whatever is not for a proxy: both share a port.
pub(crate) struct Proxy {
    google: Arc<Google>,
    /// TLS in the place of the user's own servers, which are spoken to in clear
    /// text.
    tls: HashMap<String, TlsAcceptor>,
}

/// Where a request wants to go.
struct Target {
    host: String,
    port: u16,
}

/// Why it does not get there.
enum Refusal {
    /// It must not, and what the caller is told.
    Forbidden(&'static str, String),
    /// Nobody answers there now.
    Dead(Unreachable),
}

impl Proxy {
    pub(crate) fn new(
        google: Arc<Google>,
        hosts: &[HostMapping],
        ca: &Ca,
    ) -> Result<Self, (String, CaError)> {
        let tls = |it: &HostMapping| {
            let mut config =
                ca.server(&[&it.host]).map_err(|error| (it.host.clone(), error))?.as_ref().clone();
            // What is behind it need not speak HTTP/2.
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok((it.host.to_ascii_lowercase(), TlsAcceptor::from(Arc::new(config))))
        };
        let tls = hosts.iter().map(tls).collect::<Result<_, _>>()?;
        Ok(Self { google, tls })
    }

    /// `CONNECT host:port`: a tunnel, in which the part that has the name speaks
    /// TLS with its own certificate.
    async fn tunnel(&self, mut request: Request<Incoming>) -> Answer {
        if request.version() == Version::HTTP_2 {
            return text(StatusCode::NOT_IMPLEMENTED, "tunnels are opened by HTTP/1.1 alone\n");
        }
        let Some(target) = Target::of(&request, None) else {
            return text(StatusCode::BAD_REQUEST, "CONNECT takes a host and a port\n");
        };
        let connected = self.connect(&target, &request).await;
        self.note(&target, &request, connected.as_ref().err());
        match connected {
            Ok(server) => {
                let tls = self.tls.get(&target.host).cloned();
                let upgrade = hyper::upgrade::on(&mut request);
                let mut answer =
                    Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
                answer.extensions_mut().insert(Takeover::new(upgrade, |client| async move {
                    // A connection that breaks concerns both ends, who see it.
                    let _ = lead(client, server, tls).await;
                }));
                answer
            }
            Err(refusal) => refusal.answer(),
        }
    }

    /// `GET http://host/…`: the same for one request in clear text.
    async fn pass(&self, request: Request<Incoming>) -> Answer {
        let Some(target) = Target::of(&request, Some(80)) else {
            return text(StatusCode::BAD_REQUEST, "a request to a proxy names a host\n");
        };
        let connected = self.connect(&target, &request).await;
        self.note(&target, &request, connected.as_ref().err());
        match connected {
            Ok(server) => {
                let (parts, body) = request.into_parts();
                let answered = forward(server, Protocol::Http1, parts, body).await;
                answered.unwrap_or_else(|error| {
                    text(StatusCode::BAD_GATEWAY, format!("{}: {error}\n", target.host))
                })
            }
            Err(refusal) => refusal.answer(),
        }
    }

    async fn connect(
        &self,
        target: &Target,
        request: &Request<Incoming>,
    ) -> Result<Stream, Refusal> {
        let Target { host, port } = target;
        let network = &self.google.network;
        if network.place(host).is_some() && !WEB_PORTS.contains(port) {
            let why = format!("{host} listens on the ports 443 and 80 alone, not on {port}");
            return Err(Refusal::Forbidden("port_closed", why));
        }
        let origin = request.extensions().get::<Origin>().copied().unwrap_or(Origin::Internet);
        network.connect(host, *port, origin).await.map_err(|error| match error {
            Unreachable::Unknown(_) => Refusal::Forbidden("host_unknown", error.to_string()),
            Unreachable::Connect(_) => Refusal::Dead(error),
        })
    }

    fn note(&self, target: &Target, request: &Request<Incoming>, refusal: Option<&Refusal>) {
        let Target { host, port } = target;
        let verdict = match refusal {
            None => Verdict::Accepted,
            Some(Refusal::Forbidden(code, _)) => {
                Verdict::Refused { status: StatusCode::FORBIDDEN.as_u16(), code }
            }
            Some(Refusal::Dead(_)) => Verdict::Failed,
        };
        self.google.senders.timeline.add(Call {
            at: self.google.issuer.now(),
            part: Part::Proxy,
            service: shown(&format!("{host}:{port}")),
            region: String::new(),
            method: request.method().to_string(),
            path: shown(request.uri().path()),
            host: Some(shown(host)),
            audience: None,
            caller: None,
            origin: request.extensions().get().copied(),
            verdict,
            note: refusal.map(|it| shown(&it.message())),
            request_id: None,
        });
    }
}

impl Target {
    fn of<B>(request: &Request<B>, port: Option<u16>) -> Option<Self> {
        let authority = request.uri().authority()?;
        let port = authority.port_u16().or(port)?;
        // A name may say that it is whole (RFC 1034, section 3.1), as that of
        // the metadata server does in Node's library.
        let host = Authority::host(authority).trim_end_matches('.').to_ascii_lowercase();
        Some(Self { host, port })
    }
}

impl Refusal {
    fn message(&self) -> String {
        match self {
            Self::Forbidden(_, why) => why.clone(),
            Self::Dead(error) => error.to_string(),
        }
    }

    fn answer(&self) -> Answer {
        let status = match self {
            Self::Forbidden(..) => StatusCode::FORBIDDEN,
            Self::Dead(_) => StatusCode::BAD_GATEWAY,
        };
        text(status, format!("{}\n", self.message()))
    }
}

/// Leads a client to a server until both have closed.
async fn lead(
    client: TokioIo<Upgraded>,
    server: Stream,
    tls: Option<TlsAcceptor>,
) -> io::Result<()> {
    let Some(tls) = tls else {
        return join(client, server).await;
    };
    let mut client = BufReader::new(client);
    match client.fill_buf().await?.first() {
        Some(&TLS_HANDSHAKE) => join(tls.accept(client).await?, server).await,
        _ => join(client, server).await,
    }
}

async fn join(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut server: Stream,
) -> io::Result<()> {
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

impl Handler for Proxy {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        if request.method() == Method::CONNECT {
            return self.tunnel(request).await;
        }
        // In HTTP/2 all requests name their scheme.
        if request.uri().scheme().is_some() && request.version() <= Version::HTTP_11 {
            return self.pass(request).await;
        }
        Arc::clone(&self.google).handle(request).await
    }
}
