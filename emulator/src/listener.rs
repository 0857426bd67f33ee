//! A listener that speaks plain HTTP and TLS, HTTP/1.1 and HTTP/2, on one
//! port, and that can die and come back.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::answers::{Answer, Reset, without_body};
use crate::network::Place;
use crate::origin::Origin;
use crate::peer::Peer;
use crate::socket::{Scissors, Socket};
use crate::takeover::Takeover;

/// The first byte of a TLS connection: a record that holds a handshake
/// (RFC 8446, section 5.1). No HTTP method begins with it.
pub(crate) const TLS_HANDSHAKE: u8 = 0x16;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// How much is under way on a connection inside the process.
const WITHIN: usize = 64 * 1024;

/// The pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    fn handle(self: Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;
}

/// A listener and all connections that it has accepted. They end with it.
pub(crate) struct Listener<H> {
    addr: SocketAddr,
    server: Server<H>,
    state: Mutex<State>,
}

/// What its connections need.
struct Server<H> {
    tls: TlsAcceptor,
    handler: Arc<H>,
    /// The network that is behind its port.
    origin: Origin,
}

enum State {
    Running {
        stop: oneshot::Sender<()>,
        within: mpsc::UnboundedSender<(DuplexStream, Origin)>,
        task: JoinSet<()>,
    },
    /// Bound but not listening. The kernel refuses connections, and gives the
    /// port neither to another listener nor to an outgoing connection, which
    /// could otherwise come to talk to itself.
    Stopped(Option<TcpSocket>),
}

impl<H: Handler> Listener<H> {
    /// Listens on that address; port 0 means any free port.
    pub(crate) fn start(
        addr: SocketAddr,
        tls: Arc<ServerConfig>,
        origin: Origin,
        handler: Arc<H>,
    ) -> io::Result<Self> {
        let socket = reserve(addr)?;
        let addr = socket.local_addr()?;
        let server = Server { tls: TlsAcceptor::from(tls), handler, origin };
        let state = run(socket, server.clone())?;
        Ok(Self { addr, server, state: Mutex::new(state) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether it listens.
    pub(crate) async fn is_running(&self) -> bool {
        matches!(*self.state.lock().await, State::Running { .. })
    }

    /// Closes the listener and its connections, whatever they are doing.
    pub(crate) async fn stop(&self) {
        let mut state = self.state.lock().await;
        if let State::Running { stop, mut task, .. } =
            std::mem::replace(&mut *state, State::Stopped(None))
        {
            let _ = stop.send(());
            while task.join_next().await.is_some() {}
            *state = State::Stopped(reserve(self.addr).ok());
        }
    }

    pub(crate) async fn is_stopped(&self) -> bool {
        matches!(&*self.state.lock().await, State::Stopped(_))
    }

    /// Listens again, on the same port.
    pub(crate) async fn restart(&self) -> io::Result<()> {
        let mut state = self.state.lock().await;
        if let State::Stopped(socket) = &mut *state {
            let socket = match socket.take() {
                Some(socket) => socket,
                None => reserve(self.addr)?,
            };
            *state = run(socket, self.server.clone())?;
        }
        Ok(())
    }
}

fn reserve(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of the stopped listener may still linger in the kernel.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

impl<H: Handler> Place for Listener<H> {
    fn connect(
        &self,
        origin: Origin,
    ) -> Pin<Box<dyn Future<Output = io::Result<DuplexStream>> + Send + '_>> {
        Box::pin(async move {
            let (ours, theirs) = duplex(WITHIN);
            match &*self.state.lock().await {
                State::Running { within, .. } if within.send((ours, origin)).is_ok() => Ok(theirs),
                _ => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }
}

impl<H> Clone for Server<H> {
    fn clone(&self) -> Self {
        let (tls, handler) = (self.tls.clone(), Arc::clone(&self.handler));
        Self { tls, handler, origin: self.origin }
    }
}

fn run<H: Handler>(socket: TcpSocket, server: Server<H>) -> io::Result<State> {
    let listener = socket.listen(BACKLOG)?;
    let (stop, stopped) = oneshot::channel();
    let (within, asked) = mpsc::unbounded_channel();
    let mut task = JoinSet::new();
    task.spawn(accept(listener, server, asked, stopped));
    Ok(State::Running { stop, within, task })
}

async fn accept<H: Handler>(
    listener: TcpListener,
    server: Server<H>,
    mut within: mpsc::UnboundedReceiver<(DuplexStream, Origin)>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            Some((stream, origin)) = within.recv() => {
                let scissors = Scissors::default();
                connections.spawn(server.clone().connection(stream, origin, scissors, None));
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    // Small answers must not wait for more to send.
                    let _ = stream.set_nodelay(true);
                    let scissors = Scissors::default();
                    let (stream, origin) = (Socket::new(stream, scissors.clone()), server.origin);
                    let ip = Some(from.ip());
                    connections.spawn(server.clone().connection(stream, origin, scissors, ip));
                }
                // Without a free descriptor every further attempt fails too,
                // until a connection ends.
                Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

impl<H: Handler> Server<H> {
    async fn connection(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        origin: Origin,
        scissors: Scissors,
        ip: Option<IpAddr>,
    ) {
        let mut stream = BufReader::new(stream);
        let Ok(Some(first)) = stream.fill_buf().await.map(|read| read.first().copied()) else {
            return;
        };
        let peer = Peer { ip, is_tls: first == TLS_HANDSHAKE };
        if peer.is_tls {
            if let Ok(stream) = self.tls.accept(stream).await {
                serve(stream, self.handler, (origin, peer), scissors).await;
            }
        } else {
            serve(stream, self.handler, (origin, peer), scissors).await;
        }
    }
}

async fn serve<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    handler: Arc<H>,
    (origin, peer): (Origin, Peer),
    scissors: Scissors,
) {
    let switched = Arc::new(OnceLock::new());
    let switch = Arc::clone(&switched);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(origin);
        request.extensions_mut().insert(peer);
        let (handler, scissors) = (Arc::clone(&handler), scissors.clone());
        let switch = Arc::clone(&switch);
        let is_bare = request.version() == Version::HTTP_2 && request.method() == Method::HEAD;
        async move {
            let answer = handler.handle(request).await;
            let answer = if is_bare { without_body(answer) } else { answer };
            if let Some(takeover) = answer.extensions().get::<Takeover>() {
                // A connection changes only once.
                let _ = switch.set(takeover.clone());
            }
            match answer.extensions().get::<Reset>() {
                None => Ok(answer),
                Some(_) => {
                    scissors.cut();
                    // To hyper an error means: close the connection as it is.
                    Err("the emulator was told to reset the connection")
                }
            }
        }
    });
    // A connection that breaks concerns the client, who sees it too.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
    // Here, so that it ends with the listener as everything else does.
    if let Some(takeover) = switched.get() {
        takeover.run().await;
    }
}
