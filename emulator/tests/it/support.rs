//! An emulator, a client and a flaky server.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use remint_emulator::timeline::Call as Seen;
use remint_emulator::{Config, Emulator, ManualClock, Region, TokenRequest};
use remint_idtoken::UnixTime;
use remint_kept::{keep, keep_answer, source};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

pub(crate) const NOW: UnixTime = UnixTime(1_790_000_000);
pub(crate) const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
pub(crate) const PUSHER: &str = "pusher@demo-project.iam.gserviceaccount.com";
const DEADLINE: Duration = Duration::from_secs(20);

/// The demo, with a clock that stands still.
pub(crate) struct World {
    pub(crate) emulator: Told,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let mut config = Config { clock: clock.clone(), ..Config::demo() };
        config.control_hosts.push("host.example".to_owned());
        change(&mut config);
        let emulator = Emulator::start(config).await.unwrap();
        // A clock that is paused would run on while keys are made.
        emulator.ready().await.unwrap();
        Self { emulator: Told(Some(emulator)), clock }
    }

    pub(crate) fn us(&self) -> &Region {
        self.emulator.region("orders", "us-central1").unwrap()
    }

    pub(crate) fn eu(&self) -> &Region {
        self.emulator.region("orders", "europe-west1").unwrap()
    }

    /// A token of the gateway's account.
    pub(crate) fn token(&self, audience: &str) -> String {
        let request = TokenRequest::new(GATEWAY, audience);
        self.emulator.issuer().mint(&request)
    }
}

/// An emulator whose timeline is kept in the end.
pub(crate) struct Told(Option<Emulator>);

impl Told {
    pub(crate) async fn shutdown(mut self) {
        self.keep();
        self.0.take().unwrap().shutdown().await;
    }

    fn keep(&self) {
        if let Some(emulator) = &self.0 {
            keep(source::TIMELINE, format!("{:?}", emulator.timeline().calls()));
        }
    }
}

impl Deref for Told {
    type Target = Emulator;

    fn deref(&self) -> &Emulator {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.keep();
    }
}

/// The host of a URL.
pub(crate) fn host(url: &str) -> &str {
    url.split('/').nth(2).unwrap()
}

/// The newest call that a front end has seen.
pub(crate) fn last_call(world: &World) -> Seen {
    world.emulator.timeline().calls().pop().unwrap()
}

/// Tries again until `is_right` holds of what comes back.
pub(crate) async fn eventually<T, F: Future<Output = T>>(
    mut attempt: impl FnMut() -> F,
    is_right: impl Fn(&T) -> bool,
) -> T {
    let trying = async {
        let mut pause = tokio::time::interval(Duration::from_millis(5));
        loop {
            pause.tick().await;
            let found = attempt().await;
            if is_right(&found) {
                return found;
            }
        }
    };
    tokio::time::timeout(DEADLINE, trying).await.expect("it becomes right in time")
}

/// A request under construction.
pub(crate) struct Call(Request<Full<Bytes>>);

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

pub(crate) fn get(path: &str) -> Call {
    Call(Request::get(path).body(Full::default()).unwrap())
}

pub(crate) fn call(method: Method, path: &str, body: impl Into<Bytes>) -> Call {
    let request = Request::builder().method(method).uri(path);
    Call(request.body(Full::new(body.into())).unwrap())
}

pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Call {
    Call(Request::post(path).body(Full::new(body.into())).unwrap())
}

impl Call {
    pub(crate) fn of(request: http::request::Builder) -> Self {
        Self(request.body(Full::default()).unwrap())
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers_mut().append(name, value.parse().unwrap());
        self
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        *self.0.method_mut() = method.parse().unwrap();
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) async fn send(self, addr: SocketAddr) -> Reply {
        self.send_on(&mut connect(addr).await).await.unwrap()
    }

    pub(crate) async fn send_on(
        mut self,
        connection: &mut SendRequest<Full<Bytes>>,
    ) -> hyper::Result<Reply> {
        // Its own endpoints answer only to names of this machine.
        let is_own = self.0.uri().path().starts_with("/emulator");
        let host = if is_own { "localhost" } else { "host.example" }.parse().unwrap();
        self.0.headers_mut().entry("host").or_insert(host);
        let path = self.0.uri().path().to_owned();
        let exchange = async {
            let (parts, body) = connection.send_request(self.0).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let headers = parts.headers.iter();
            let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
            keep_answer(source::EMULATOR_ANSWERS, &path, parts.status.as_u16(), headers, &body);
            Ok(Reply {
                status: parts.status,
                headers: parts.headers,
                text: String::from_utf8(body.into()).unwrap(),
            })
        };
        let within = tokio::time::timeout(DEADLINE, exchange).await;
        within.expect("an answer in time")
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

pub(crate) async fn connect(addr: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(addr).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A server that answers with these statuses, then with 200, and closes its
/// connection after each answer if told to. Counts its requests.
pub(crate) async fn flaky(
    statuses: &'static [u16],
    keep_alive: bool,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counter = counter.clone();
            let service = service_fn(move |_| {
                let turn = counter.fetch_add(1, Ordering::Relaxed);
                let status = statuses.get(turn).copied().unwrap_or(200);
                let answer = Response::builder().status(status);
                async move { Ok::<_, Infallible>(answer.body(Full::<Bytes>::default()).unwrap()) }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .keep_alive(keep_alive)
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (addr, asked)
}
