//! A region that speaks HTTP/2 frame by frame (RFC 9113), and does what few
//! servers would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::raw_http_2::{
    DATA, END_HEADERS, HEADERS, NO_ERROR, PREFACE, RST_STREAM, SETTINGS, frame,
};

const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const INTERNAL_ERROR: [u8; 4] = [0, 0, 0, 2];
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
/// What the gateway lets a stream send before anybody has read it.
const WINDOW: usize = 1 << 20;
/// `:status: 200`, from the static table (RFC 7541, appendix A).
const STATUS_200: &[u8] = &[0x88];
/// `:status: 103`, with the name from that table.
const STATUS_103: &[u8] = &[0x08, 3, b'1', b'0', b'3'];

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Habit {
    /// Answers.
    Answer,
    /// Allows so many streams, and answers when it is told to.
    Hold(u8),
    /// Refuses all streams.
    Refuse,
    /// Holds the first request and breaks off the stream of each other one.
    Reset,
    /// Answers the first request of its first connection, and goes away when
    /// the second one comes.
    GoAway,
    /// Answers the first request of a connection, and then says nothing and
    /// hears nothing.
    Die,
    /// Sends half of an answer, and resets the stream as if nothing were wrong.
    Half,
    /// Says first what the answer may be.
    Hint,
    /// Sends as much as it may to the first so many requests, which is not
    /// all. Answers the others.
    Flood(usize),
}

/// A region that counts what comes.
pub(crate) struct Region {
    address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    habit: Habit,
    connections: AtomicUsize,
    closed: AtomicUsize,
    /// By connection, the first of which is 1.
    requests: Mutex<BTreeMap<usize, usize>>,
    is_released: watch::Sender<bool>,
}

impl Region {
    pub(crate) async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen {
            habit,
            connections: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            requests: Mutex::default(),
            is_released: watch::Sender::new(false),
        });
        let this = Self { address, seen: Arc::clone(&seen) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = seen.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let seen = Arc::clone(&seen);
                tokio::spawn(async move {
                    Connection::serve(stream, Arc::clone(&seen), number).await;
                    seen.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        this
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many of the connections the gateway has closed.
    pub(crate) fn closed(&self) -> usize {
        self.seen.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.lock().unwrap().values().sum()
    }

    /// The most requests that came over one connection.
    pub(crate) fn most_requests(&self) -> usize {
        self.seen.requests.lock().unwrap().values().copied().max().unwrap_or_default()
    }

    /// Answers what is held.
    pub(crate) fn release(&self) {
        self.seen.is_released.send_replace(true);
    }

    pub(crate) fn entry(&self) -> (String, String) {
        (format!("http://{}", self.address), "https://raw.example".to_owned())
    }
}

struct Connection {
    read: OwnedReadHalf,
    write: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    seen: Arc<Seen>,
    number: usize,
}

/// A frame's kind, flags, stream and payload.
type Frame = (u8, u8, u32, Vec<u8>);

impl Connection {
    async fn serve(stream: TcpStream, seen: Arc<Seen>, number: usize) {
        let (read, write) = stream.into_split();
        let write = Arc::new(tokio::sync::Mutex::new(write));
        let mut this = Self { read, write, seen, number };
        let mut preface = vec![0; PREFACE.len()];
        this.read.read_exact(&mut preface).await.unwrap();
        let settings = match this.seen.habit {
            // SETTINGS_MAX_CONCURRENT_STREAMS.
            Habit::Hold(limit) => vec![0, 3, 0, 0, 0, limit],
            _ => Vec::new(),
        };
        this.send(frame(SETTINGS, 0, 0, &settings)).await;
        while let Some((kind, flags, stream, payload)) = this.receive().await {
            match kind {
                SETTINGS if flags & ACK == 0 => this.send(frame(SETTINGS, ACK, 0, &[])).await,
                PING if flags & ACK == 0 => this.send(frame(PING, ACK, 0, &payload)).await,
                HEADERS => this.request(stream).await,
                _ => {}
            }
        }
    }

    async fn receive(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.read.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.read.read_exact(&mut payload).await.ok()?;
        Some((head[3], head[4], stream, payload))
    }

    async fn send(&self, frames: Vec<u8>) {
        // The gateway may be gone.
        let _ = self.write.lock().await.write_all(&frames).await;
    }

    async fn request(&mut self, stream: u32) {
        *self.seen.requests.lock().unwrap().entry(self.number).or_default() += 1;
        match self.seen.habit {
            Habit::Answer => self.send(answer(stream)).await,
            Habit::Hold(_) => self.answer_later(stream),
            Habit::Refuse => self.send(frame(RST_STREAM, 0, stream, &REFUSED_STREAM)).await,
            Habit::Reset if stream == 1 => self.answer_later(stream),
            Habit::Reset => self.send(frame(RST_STREAM, 0, stream, &INTERNAL_ERROR)).await,
            Habit::GoAway if self.number == 1 && stream > 1 => {
                let last = 1_u32.to_be_bytes();
                self.send(frame(GOAWAY, 0, 0, &[last, NO_ERROR].concat())).await;
            }
            Habit::Die if stream > 1 => std::future::pending().await,
            Habit::GoAway | Habit::Die => self.send(answer(stream)).await,
            Habit::Half => {
                let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
                let data = frame(DATA, 0, stream, b"half of it");
                let reset = frame(RST_STREAM, 0, stream, &NO_ERROR);
                self.send([head, data, reset].concat()).await;
            }
            Habit::Flood(count) if self.seen.requests.lock().unwrap()[&1] > count => {
                self.send(answer(stream)).await;
            }
            Habit::Flood(_) => {
                let head = frame(HEADERS, END_HEADERS, stream, STATUS_200);
                let data = frame(DATA, 0, stream, &[7; 1 << 14]).repeat(WINDOW >> 14);
                self.send([head, data].concat()).await;
            }
            Habit::Hint => {
                let hint = frame(HEADERS, END_HEADERS, stream, STATUS_103);
                self.send([hint, answer(stream)].concat()).await;
            }
        }
    }

    fn answer_later(&self, stream: u32) {
        let (mut released, write) = (self.seen.is_released.subscribe(), Arc::clone(&self.write));
        tokio::spawn(async move {
            if released.wait_for(|is_released| *is_released).await.is_ok() {
                let _ = write.lock().await.write_all(&answer(stream)).await;
            }
        });
    }
}

fn answer(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200)
}
