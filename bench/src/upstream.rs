//! What stands behind the proxies: a server that says 200, and counts who came
//! with a token for it.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use remint_idtoken::UnverifiedToken;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where Google's key set is.
const KEYS: &str = "/oauth2/v3/certs";

/// The header in which proxies send tokens that they have minted.
const MINTED: &str = "x-serverless-authorization";

/// A running upstream; it ends when it is dropped.
pub struct Upstream {
    address: SocketAddr,
    task: JoinHandle<()>,
    arrivals: Arc<Arrivals>,
}

/// The requests that have arrived.
#[derive(Default)]
struct Arrivals {
    all: AtomicU64,
    minted: AtomicU64,
    /// The last header with a right token, which saves reading the same again.
    right: Mutex<Option<HeaderValue>>,
}

/// How many requests have arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// All of them.
    pub all: u64,
    /// Those with a token for [`Upstream::AUDIENCE`].
    pub minted: u64,
}

impl Arrived {
    /// What came after another count.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self { all: self.all - before.all, minted: self.minted - before.minted }
    }
}

impl Arrivals {
    fn note(&self, token: Option<&HeaderValue>) {
        self.all.fetch_add(1, Ordering::Relaxed);
        if token.is_some_and(|token| self.is_right(token)) {
            self.minted.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_right(&self, token: &HeaderValue) -> bool {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.as_ref() == Some(token) {
            return true;
        }
        let bare = token.as_bytes().strip_prefix(b"Bearer ").unwrap_or_default();
        let is_right = UnverifiedToken::parse(bare)
            .is_ok_and(|token| token.claims().audiences == [Upstream::AUDIENCE]);
        if is_right {
            *right = Some(token.clone());
        }
        is_right
    }
}

impl Upstream {
    /// Whom tokens for it are for.
    pub const AUDIENCE: &'static str = "https://orders-123456789012.us-central1.run.app";

    /// Starts it on a free port. It also serves this key set, to setups that
    /// need another one than the emulator's.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start(keys: String) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let arrivals = Arc::new(Arrivals::default());
        let site = Arc::new((Bytes::from(keys), Arc::clone(&arrivals)));
        let task = tokio::spawn(serve(listener, site));
        Ok(Self { address, task, arrivals })
    }

    /// How many requests have arrived so far.
    #[must_use]
    pub fn arrived(&self) -> Arrived {
        let Arrivals { all, minted, .. } = &*self.arrivals;
        Arrived { all: all.load(Ordering::Relaxed), minted: minted.load(Ordering::Relaxed) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The key set, and who has come.
type Site = (Bytes, Arc<Arrivals>);

async fn serve(listener: TcpListener, site: Arc<Site>) {
    while let Ok((stream, _)) = listener.accept().await {
        // An error of one connection is seen by the proxy, and counted there.
        tokio::spawn(connection(stream, Arc::clone(&site)));
    }
}

async fn connection(stream: TcpStream, site: Arc<Site>) -> hyper::Result<()> {
    // A small answer must not wait for the next one.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| answer(request, &site));
    http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await
}

async fn answer(
    request: Request<Incoming>,
    (keys, arrivals): &Site,
) -> Result<Response<Full<Bytes>>, Infallible> {
    arrivals.note(request.headers().get(MINTED));
    let body = match request.uri().path() {
        KEYS => keys.clone(),
        _ => Bytes::from_static(b"ok\n"),
    };
    // A body that is cut off is the sender's own doing.
    let _ = request.into_body().collect().await;
    Ok(Response::new(Full::new(body)))
}
