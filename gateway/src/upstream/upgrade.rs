//! Connections that change to WebSocket and become tunnels.
//!
//! Callers ask over HTTP/1.1 (RFC 6455) or for a stream of an HTTP/2
//! connection (RFC 8441); regions are asked over HTTP/1.1.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::BytesMut;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::debug;

use crate::headers::has_token;
use crate::in_flight::Place;
use crate::ongoing::Ongoing;
use crate::random;

/// How much of a tunnel is on its way at once, each way.
const PIECE: usize = 8 << 10;
/// How long both sides have to hear that it is over.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where a caller's connection finds what it has become. A request that asks
/// for a change carries it along.
#[derive(Clone)]
pub(crate) struct Switch {
    tunnel: Arc<Mutex<Option<Tunnel>>>,
    idle_timeout: Duration,
}

/// A request's wish to become a WebSocket.
#[derive(Clone)]
pub(super) enum Wish {
    /// The whole connection is to change, which is looked after there.
    Connection(Switch),
    /// One of its streams is, which may be silent for so long.
    Stream(Duration),
}

impl Switch {
    /// For a connection whose tunnels may be silent for so long.
    pub(crate) fn new(idle_timeout: Duration) -> Self {
        Self { tunnel: Arc::default(), idle_timeout }
    }

    /// Marks a request that asks to change to WebSocket. From here on it is a
    /// `GET`, as in HTTP/1.1: so rules see what the region will see. Other
    /// protocols are not passed on: nobody behind could tell what they allow.
    pub(crate) fn mark<B: Body>(&self, request: &mut Request<B>) {
        if is_asked_of_connection(request) {
            request.extensions_mut().insert(Wish::Connection(self.clone()));
        } else if is_asked_of_stream(request) {
            *request.method_mut() = Method::GET;
            request.extensions_mut().insert(Wish::Stream(self.idle_timeout));
        }
    }

    /// The tunnel, if the connection has become one.
    pub(crate) fn take(&self) -> Option<Tunnel> {
        lock(&self.tunnel).take()
    }
}

/// A request with a body asks in vain: what follows it on the connection could
/// be taken for a part of one or the other.
fn is_asked_of_connection<B: Body>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && request.body().is_end_stream()
        && has_token(request.headers(), &CONNECTION, "upgrade")
        && is_websocket(request.headers())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_asked_of_stream<B>(request: &Request<B>) -> bool {
    let protocol = request.extensions().get::<Protocol>();
    request.version() == Version::HTTP_2
        && request.method() == Method::CONNECT
        && protocol.is_some_and(|it| it.as_str().eq_ignore_ascii_case("websocket"))
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(UPGRADE).iter();
    let is_it = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    values.next().is_some_and(is_it) && values.next().is_none()
}

/// Whether a request asks for a tunnel. Over HTTP/2 a good answer to it would
/// mean that there is one (RFC 8441, section 5).
pub(crate) fn asks_for_tunnel<B>(request: &Request<B>) -> bool {
    Wish::of(request).is_some()
}

impl Wish {
    /// The wish of a request, if it has one.
    pub(super) fn of<B>(request: &Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    /// Whether the region has done what it was asked to.
    pub(super) fn is_granted<B>(response: &Response<B>) -> bool {
        response.status() == StatusCode::SWITCHING_PROTOCOLS && is_websocket(response.headers())
    }

    /// Whether the answer would mean to the caller that it was granted.
    pub(super) fn would_take_for_granted(&self, status: StatusCode) -> bool {
        matches!(self, Self::Stream(_)) && status.is_success()
    }

    /// Connects a caller with the region that has agreed, and makes the
    /// region's answer the caller's.
    pub(super) fn grant<B>(self, caller: OnUpgrade, answer: &mut Response<B>) -> Lodging {
        let (Self::Connection(Switch { idle_timeout, .. }) | Self::Stream(idle_timeout)) = self;
        let guests = Arc::<Mutex<Guests>>::default();
        let lodging = Lodging(Arc::downgrade(&guests));
        let region = hyper::upgrade::on(&mut *answer);
        let tunnel = Tunnel { caller, region, idle_timeout, _guests: guests };
        match self {
            Self::Connection(switch) => *lock(&switch.tunnel) = Some(tunnel),
            Self::Stream(_) => {
                // A stop waits for the stream, and so for the tunnel.
                tokio::spawn(tunnel.run());
                *answer.status_mut() = StatusCode::OK;
                for name in [SEC_WEBSOCKET_ACCEPT, CONTENT_LENGTH, TRANSFER_ENCODING] {
                    answer.headers_mut().remove(name);
                }
            }
        }
        lodging
    }
}

/// Has the caller's side change too. To be called once nothing else changes
/// the headers about the connection.
pub(crate) fn confirm(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// What a region wants to see in a request to become a WebSocket (RFC 6455,
/// section 4.1). Callers over HTTP/2 send no key.
pub(super) fn ask(headers: &mut HeaderMap) {
    confirm(headers);
    headers.entry(SEC_WEBSOCKET_KEY).or_insert_with(new_key);
}

/// 16 bytes in base64, whose letters hexadecimal ones are too. The last letter
/// stands for two bits.
fn new_key() -> HeaderValue {
    let [one, other] = [random::bits(), random::bits()];
    let digits: String = format!("{one:016x}{other:016x}").chars().take(21).collect();
    let key = HeaderValue::try_from(format!("{digits}A=="));
    key.unwrap_or_else(|_| HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

/// What a tunnel keeps in use for as long as it lasts.
#[derive(Default)]
struct Guests {
    ongoing: Option<Ongoing>,
    place: Option<Place>,
}

/// The way for them into a tunnel. There is no room in one that is over.
pub(super) struct Lodging(Weak<Mutex<Guests>>);

impl Lodging {
    pub(super) fn hold(&self, ongoing: Ongoing) {
        if let Some(guests) = self.0.upgrade() {
            lock(&guests).ongoing = Some(ongoing);
        }
    }

    pub(super) fn occupy(&self, place: Place) {
        if let Some(guests) = self.0.upgrade() {
            lock(&guests).place = Some(place);
        }
    }
}

/// Two connections that are about to be one.
pub(crate) struct Tunnel {
    caller: OnUpgrade,
    region: OnUpgrade,
    /// How long both sides may be silent: who is gone without a word would
    /// keep a place for ever.
    idle_timeout: Duration,
    _guests: Arc<Mutex<Guests>>,
}

impl Tunnel {
    /// Passes bytes on both ways until either side ends: a WebSocket has no
    /// use for half of a connection (RFC 6455, section 7.1.1).
    pub(crate) async fn run(self) {
        let Self { caller, region, idle_timeout, _guests } = self;
        let (caller, region) = match tokio::try_join!(caller, region) {
            Ok(both) => both,
            Err(error) => return debug!(%error, "no tunnel"),
        };
        let (mut from_caller, mut to_caller) = split(TokioIo::new(caller));
        let (mut from_region, mut to_region) = split(TokioIo::new(region));
        let heard = watch::Sender::new(());
        let result = tokio::select! {
            sent = pass_on(&mut from_caller, &mut to_region, &heard) => sent,
            received = pass_on(&mut from_region, &mut to_caller, &heard) => received,
            () = silence(heard.subscribe(), idle_timeout) => Err(io::ErrorKind::TimedOut.into()),
        };
        // Whether they can still be told that it is over or not.
        let farewells = async { tokio::join!(to_caller.shutdown(), to_region.shutdown()) };
        let _ = timeout(FAREWELL, farewells).await;
        debug!(error = result.err().map(tracing::field::display), "a tunnel has ended");
    }
}

/// Passes on what comes, and says so each time.
async fn pass_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    heard: &watch::Sender<()>,
) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(PIECE);
    while from.read_buf(&mut buffer).await? > 0 {
        heard.send_replace(());
        to.write_all_buf(&mut buffer).await?;
        to.flush().await?;
        buffer.reserve(PIECE);
    }
    Ok(())
}

/// Waits until nothing was heard for so long.
async fn silence(mut heard: watch::Receiver<()>, idle_timeout: Duration) {
    while let Ok(Ok(())) = timeout(idle_timeout, heard.changed()).await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{Empty, Full};

    #[test]
    fn only_websocket_is_asked_for() {
        let asks = |version, method: &str, connection: &str, upgrade: &str| {
            let request = Request::builder().version(version).method(method);
            let request = request.header("connection", connection).header("upgrade", upgrade);
            is_marked(request.body(Empty::<Bytes>::new()).unwrap())
        };
        assert!(asks(Version::HTTP_11, "GET", "keep-alive, Upgrade", "WebSocket"));
        assert!(!asks(Version::HTTP_11, "GET", "upgrade", "h2c"));
        assert!(!asks(Version::HTTP_11, "GET", "upgrade", "websocket, h2c"));
        assert!(!asks(Version::HTTP_11, "GET", "keep-alive", "websocket"));
        assert!(!asks(Version::HTTP_11, "POST", "upgrade", "websocket"));
        assert!(!asks(Version::HTTP_10, "GET", "upgrade", "websocket"));
        assert!(!asks(Version::HTTP_2, "GET", "upgrade", "websocket"));
    }

    #[test]
    fn a_request_with_a_body_asks_for_nothing() {
        let request = Request::get("/").header("connection", "upgrade");
        let request = request.header("upgrade", "websocket");
        assert!(!is_marked(request.body(Full::new(Bytes::from("GET / HTTP/1.1"))).unwrap()));
    }

    fn is_marked<B: Body>(mut request: Request<B>) -> bool {
        Switch::new(Duration::MAX).mark(&mut request);
        Wish::of(&request).is_some()
    }

    #[test]
    fn a_stream_that_asks_is_a_get_and_others_stay_what_they_are() {
        for (protocol, method) in [("websocket", Method::GET), ("connect-udp", Method::CONNECT)] {
            let request = Request::connect("http://a.example/").version(Version::HTTP_2);
            let request = request.extension(Protocol::from_static(protocol));
            let mut request = request.body(Empty::<Bytes>::new()).unwrap();
            Switch::new(Duration::MAX).mark(&mut request);
            assert_eq!(request.method(), method);
            assert_eq!(Wish::of(&request).is_some(), method == Method::GET);
        }
    }

    #[test]
    fn a_key_is_16_bytes_in_base64() {
        use base64::Engine;
        let key = new_key();
        let bytes = base64::engine::general_purpose::STANDARD.decode(key.as_bytes());
        assert_eq!(bytes.unwrap().len(), 16);
        assert_ne!(key, new_key());
    }
}
