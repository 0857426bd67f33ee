//! Requests without end over connections that are kept.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::process::PATIENCE;

/// How often each connection sends: often enough to meet any moment of
/// change, not so often that a test machine does nothing else.
const RHYTHM: Duration = Duration::from_millis(3);

/// A load that runs until it is stopped.
pub struct Load {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    to: SocketAddr,
    request: Mutex<Request<Bytes>>,
    is_over: AtomicBool,
    answered: AtomicU64,
    wrong: Mutex<Vec<StatusCode>>,
}

impl Load {
    /// Sends this request again and again, over so many connections.
    #[must_use]
    pub fn start(to: SocketAddr, connections: usize, request: Request<Bytes>) -> Self {
        let shared = Arc::new(Shared {
            to,
            request: Mutex::new(request),
            is_over: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            wrong: Mutex::default(),
        });
        let task = |_| tokio::spawn(send_all(Arc::clone(&shared)));
        let tasks = (0..connections).map(task).collect();
        Self { shared, tasks }
    }

    /// Sends another request from now on.
    pub fn sends(&self, request: Request<Bytes>) {
        *self.shared.request.lock().unwrap_or_else(PoisonError::into_inner) = request;
    }

    /// How many answers have come so far.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::SeqCst)
    }

    /// Stops it. Returns the answers that were not 200, and how many answers
    /// there were in all.
    pub async fn stop(self) -> (Vec<StatusCode>, u64) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for task in self.tasks {
            // A task that has panicked has told why.
            let _ = task.await;
        }
        let mut wrong = self.shared.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut wrong), self.shared.answered.load(Ordering::SeqCst))
    }
}

async fn send_all(shared: Arc<Shared>) {
    let mut connection = None;
    let mut rhythm = tokio::time::interval(RHYTHM);
    while !shared.is_over.load(Ordering::SeqCst) {
        rhythm.tick().await;
        let request = shared.request.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = tokio::time::timeout(PATIENCE, send(&mut connection, shared.to, request)).await;
        let status = match sent {
            Ok(Some(status)) => status,
            // The connection was closed under the request, as either side may
            // at any time: another one is made. Nothing was refused.
            Ok(None) => continue,
            Err(_) => StatusCode::REQUEST_TIMEOUT,
        };
        shared.answered.fetch_add(1, Ordering::SeqCst);
        if status != StatusCode::OK {
            shared.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(status);
        }
    }
}

async fn send(
    connection: &mut Option<SendRequest<Full<Bytes>>>,
    to: SocketAddr,
    request: Request<Bytes>,
) -> Option<StatusCode> {
    let mut sender = match connection.take() {
        Some(sender) if !sender.is_closed() => sender,
        _ => connect(to).await?,
    };
    sender.ready().await.ok()?;
    let response = sender.send_request(request.map(Full::new)).await.ok()?;
    let status = response.status();
    response.into_body().collect().await.ok()?;
    *connection = Some(sender);
    Some(status)
}

async fn connect(to: SocketAddr) -> Option<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(to).await.ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}
