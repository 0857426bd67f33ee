//! A listener that speaks plain HTTP and TLS, HTTP/1.1 and HTTP/2, on one
//! port, and that can die and come back.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::answers::{Answer, Reset, without_body};
use crate::socket::{Scissors, Socket};
use crate::websocket;

/// The first byte of a TLS connection: a record that holds a handshake
/// (RFC 8446, section 5.1). No HTTP method begins with it.
const TLS_HANDSHAKE: [u8; 1] = [0x16];

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    fn handle(self: Arc<Self>, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;
}

/// A listener and all connections that it has accepted. They end with it.
pub(crate) struct Listener<H> {
    addr: SocketAddr,
    tls: TlsAcceptor,
    handler: Arc<H>,
    state: Mutex<State>,
}

enum State {
    Running {
        stop: oneshot::Sender<()>,
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
        handler: Arc<H>,
    ) -> io::Result<Self> {
        let socket = reserve(addr)?;
        let addr = socket.local_addr()?;
        let tls = TlsAcceptor::from(tls);
        let state = run(socket, tls.clone(), Arc::clone(&handler))?;
        Ok(Self { addr, tls, handler, state: Mutex::new(state) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the listener and its connections, whatever they are doing.
    pub(crate) async fn stop(&self) {
        let mut state = self.state.lock().await;
        if let State::Running { stop, mut task } =
            std::mem::replace(&mut *state, State::Stopped(None))
        {
            let _ = stop.send(());
            while task.join_next().await.is_some() {}
            *state = State::Stopped(reserve(self.addr).ok());
        }
    }

    /// Listens again, on the same port.
    pub(crate) async fn restart(&self) -> io::Result<()> {
        let mut state = self.state.lock().await;
        if let State::Stopped(socket) = &mut *state {
            let socket = match socket.take() {
                Some(socket) => socket,
                None => reserve(self.addr)?,
            };
            *state = run(socket, self.tls.clone(), Arc::clone(&self.handler))?;
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

fn run<H: Handler>(socket: TcpSocket, tls: TlsAcceptor, handler: Arc<H>) -> io::Result<State> {
    let listener = socket.listen(BACKLOG)?;
    let (stop, stopped) = oneshot::channel();
    let mut task = JoinSet::new();
    task.spawn(accept(listener, tls, handler, stopped));
    Ok(State::Running { stop, task })
}

async fn accept<H: Handler>(
    listener: TcpListener,
    tls: TlsAcceptor,
    handler: Arc<H>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, tls.clone(), Arc::clone(&handler)));
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

async fn connection<H: Handler>(stream: TcpStream, tls: TlsAcceptor, handler: Arc<H>) {
    // Small answers must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) if first == TLS_HANDSHAKE => {
            let scissors = Scissors::default();
            if let Ok(stream) = tls.accept(Socket::new(stream, scissors.clone())).await {
                serve(stream, handler, scissors).await;
            }
        }
        Ok(1..) => {
            let scissors = Scissors::default();
            serve(Socket::new(stream, scissors.clone()), handler, scissors).await;
        }
        Ok(0) | Err(_) => {}
    }
}

async fn serve<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    handler: Arc<H>,
    scissors: Scissors,
) {
    let switched = Arc::new(OnceLock::new());
    let switch = Arc::clone(&switched);
    let service = service_fn(move |request| {
        let (handler, scissors) = (Arc::clone(&handler), scissors.clone());
        let switch = Arc::clone(&switch);
        let is_bare = request.version() == Version::HTTP_2 && request.method() == Method::HEAD;
        async move {
            let answer = handler.handle(request).await;
            let answer = if is_bare { without_body(answer) } else { answer };
            if let Some(upgrade) = answer.extensions().get::<OnUpgrade>() {
                // A connection changes only once.
                let _ = switch.set(upgrade.clone());
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
    if let Some(upgrade) = switched.get() {
        websocket::echo(upgrade.clone()).await;
    }
}
