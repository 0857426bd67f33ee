//! A region that does on the wire what no server would.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[derive(Clone, Copy)]
pub(crate) enum Habit {
    /// Answers, and keeps the connection: at `/wait` when there are two of
    /// them. At `/break` it breaks off.
    Answer,
    /// Answers with a trailer, and with some that it should not send.
    Trailer,
    /// Answers 503 with a page of its own, in two pieces.
    Page,
    /// Answers 403 with the page by which Google refused another call.
    Relay,
    /// Answers 404 with Cloud Run's page, which names no path.
    NotFound,
    /// Answers 404 with Google's page for `/`.
    NotFoundThere,
    /// Says first what the answer may be.
    Hint,
    /// Breaks off in the middle of its answer.
    Half,
    /// Reads the request and breaks off.
    BreakOff,
    /// Reads 5,000 bytes of a body and breaks off.
    BreakOffAtEnd,
    /// Reads all that comes and says nothing.
    Hang,
}

/// A region that counts what comes.
pub(crate) struct RawRegion {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    closed: AtomicUsize,
    requests: AtomicUsize,
    text: Mutex<String>,
}

impl RawRegion {
    pub(crate) async fn start(habit: Habit) -> Self {
        Self::start_with(habit, None).await
    }

    /// With TLS, if there is an acceptor for it.
    pub(crate) async fn start_with(habit: Habit, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Seen>::default());
        let this = Self { address, seen: Arc::clone(&seen) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, tls) = (Arc::clone(&seen), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, habit, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, habit, &seen).await;
                            }
                        }
                    }
                    seen.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        this
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Whether a connection was closed, by either side.
    pub(crate) fn is_closed(&self) -> bool {
        self.seen.closed.load(Ordering::SeqCst) > 0
    }

    /// All that came so far.
    pub(crate) fn text(&self) -> String {
        self.seen.text.lock().unwrap().clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn entry(&self) -> (String, String) {
        (format!("http://{}", self.address), "https://raw.example".to_owned())
    }
}

const RELAYED: &str = "<html><head>\n<title>403 Forbidden</title>\n</head>\n\
    <body text=#000000 bgcolor=#ffffff>\n<h1>Error: Forbidden</h1>\n\
    <h2>Your client does not have permission to get URL <code>/stock</code> \
    from this server.</h2>\n<h2></h2>\n</body></html>\n";
const NOT_FOUND: &str = "<html><head>\n<title>404 Page not found</title>\n</head>\n\
    <body text=#000000 bgcolor=#ffffff>\n<h1>Error: Page not found</h1>\n\
    <h2>The requested URL was not found on this server.</h2>\n<h2></h2>\n\
    </body></html>\n";
const NOT_FOUND_THERE: &str = "<!DOCTYPE html>\n<html lang=en>\n\
    <title>Error 404 (Not Found)!!1</title>\n<p>The requested URL \
    <code>/</code> was not found on this server.\n";

async fn send_page(stream: &mut (impl AsyncWrite + Unpin), status: &str, page: &str) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/html; charset=UTF-8");
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{page}", page.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, habit: Habit, seen: &Seen) {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        read.extend_from_slice(&buffer[..count]);
        seen.text.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
        let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let head = std::mem::take(&mut read);
        seen.requests.fetch_add(1, Ordering::SeqCst);
        match habit {
            Habit::Answer if head.starts_with(b"GET /break ") => return,
            Habit::Answer => {
                let waits = head.starts_with(b"GET /wait ");
                while waits && seen.connections.load(Ordering::SeqCst) < 2 {
                    tokio::task::yield_now().await;
                }
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-remint-reason: x\r\n\r\n";
                stream.write_all(&[&head[..], b"ok"].concat()).await.unwrap();
            }
            Habit::Trailer => {
                let head =
                    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";
                stream.write_all(head).await.unwrap();
                stream
                    .write_all(
                        b"2\r\nok\r\n0\r\nx-sum: 7\r\nx-remint-reason: x\r\n\
                    connection: x-hop\r\nx-hop: 1\r\nkeep-alive: 1\r\n\r\n",
                    )
                    .await
                    .unwrap();
            }
            Habit::Page => {
                let head = b"HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\
                    content-type: text/html; charset=UTF-8\r\n\r\n";
                stream.write_all(&[&head[..], b"4\r\nWhoo\r\n"].concat()).await.unwrap();
                stream.write_all(b"3\r\nps!\r\n0\r\n\r\n").await.unwrap();
            }
            Habit::Relay => {
                send_page(&mut stream, "403 Forbidden", RELAYED).await;
            }
            Habit::NotFound => {
                send_page(&mut stream, "404 Not Found", NOT_FOUND).await;
            }
            Habit::NotFoundThere => {
                send_page(&mut stream, "404 Not Found", NOT_FOUND_THERE).await;
            }
            Habit::Hint => {
                let hint = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
                stream.write_all(hint).await.unwrap();
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
            Habit::Half => {
                let half = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhalf of it";
                return stream.write_all(half).await.unwrap();
            }
            Habit::BreakOff => return,
            Habit::BreakOffAtEnd => {
                let mut left = 5000_usize.saturating_sub(head.len() - end);
                while left > 0 {
                    match stream.read(&mut buffer).await {
                        Ok(count @ 1..) => left -= count.min(left),
                        _ => return,
                    }
                }
                return;
            }
            Habit::Hang => {}
        }
    }
}
