//! What stands behind a region's front end, or is a region by itself: a server
//! that keeps what it is sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use remint_idtoken::keys::{KeySet, parse_jwks};
use remint_idtoken::{Authority, AwsLc, NoCache, Policy, Reason, Target, UnixTime};
use serde_json::Value;
use tokio::net::TcpListener;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
}

impl Got {
    /// A header's value; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The claims of all tokens that came along, each with its signature.
    pub(crate) fn tokens(&self) -> Vec<(Value, String)> {
        let values = self.head.headers.values().filter_map(|value| value.to_str().ok());
        values.filter_map(|value| token(value.rsplit(' ').next()?)).collect()
    }
}

/// The claims of a token and its signature.
fn token(text: &str) -> Option<(Value, String)> {
    let [_, payload, signature] =
        <[&str; 3]>::try_from(text.split('.').collect::<Vec<_>>()).ok()?;
    let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some((claims, signature.to_owned()))
}

type Check = Box<dyn Fn(&HeaderMap) -> Result<(), Reason> + Send + Sync>;

/// The server. It answers with 200, and with 401 what does not pass its check.
pub(crate) struct Receiver {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    refused: Mutex<Vec<Reason>>,
    check: OnceLock<Check>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&served);
                let service = service_fn(move |request| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(shared.answer(request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { addr, shared }
    }

    /// Lets in from now on only what passes this.
    pub(crate) fn checks(
        &self,
        check: impl Fn(&HeaderMap) -> Result<(), Reason> + Send + Sync + 'static,
    ) {
        assert!(self.shared.check.set(Box::new(check)).is_ok());
    }

    /// What it has let in so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// Why it has not let in what it has not.
    pub(crate) fn refused(&self) -> Vec<Reason> {
        self.shared.refused.lock().unwrap().clone()
    }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let checked = self.check.get().map_or(Ok(()), |check| check(&head.headers));
        let status = match checked {
            Ok(()) => {
                self.got.lock().unwrap().push(Got { head, body });
                StatusCode::OK
            }
            Err(reason) => {
                self.refused.lock().unwrap().push(reason);
                StatusCode::UNAUTHORIZED
            }
        };
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = status;
        answer
    }
}

/// What a program decides that verifies tokens itself, as the core does it: by
/// a policy with one issuer and one rule, and that issuer's keys.
pub(crate) fn verified(
    policy: &Value,
    issuer: &str,
    jwks: &Value,
    headers: &HeaderMap,
    now: UnixTime,
) -> Result<(), Reason> {
    let policy = Policy::from_json(&policy.to_string()).unwrap();
    let mut authority = Authority::new(&policy, AwsLc);
    let (keys, _) =
        KeySet::load(&AwsLc, &parse_jwks(jwks.to_string().as_bytes()).unwrap()).unwrap();
    authority.set_keys(issuer, Some(Arc::new(keys)));
    let target = Target::parse("application.example", "/", "POST");
    let admission = policy.admit(&authority, &NoCache, target, headers, now);
    admission.map(drop).map_err(|refusal| refusal.reason)
}
