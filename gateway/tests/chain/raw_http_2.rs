//! A caller who speaks HTTP/2 frame by frame (RFC 9113, section 4.1), since
//! clients do not break requests off in the way that matters here.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use crate::support::HOST;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const NO_ERROR: [u8; 4] = [0; 4];

/// Has one request on its connection, with the stream 1.
pub(crate) struct RawCaller(OwnedWriteHalf);

impl RawCaller {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let (mut read, write) = TcpStream::connect(to).await.unwrap().into_split();
        // What the server says is of no interest, but has to go somewhere.
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(1..) = read.read(&mut buffer).await {}
        });
        let mut caller = Self(write);
        caller.0.write_all(PREFACE).await.unwrap();
        caller.frame(SETTINGS, 0, 0, &[]).await;
        caller
    }

    /// Begins a request, whose body is to follow.
    pub(crate) async fn post(&mut self, path: &str, token: &str) {
        let mut block = Vec::new();
        let bearer = format!("Bearer {token}");
        for (name, value) in [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", HOST),
            (":path", path),
            ("authorization", &bearer),
        ] {
            // A literal that enters no table (RFC 7541, section 6.2.2).
            block.push(0);
            string(&mut block, name);
            string(&mut block, value);
        }
        self.frame(HEADERS, END_HEADERS, 1, &block).await;
    }

    /// Sends a part of the body that is not the last one.
    pub(crate) async fn data(&mut self, text: &str) {
        self.frame(DATA, 0, 1, text.as_bytes()).await;
    }

    /// Breaks the request off, as if nothing were wrong.
    pub(crate) async fn reset(&mut self) {
        self.frame(RST_STREAM, 0, 1, &NO_ERROR).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
        self.0.write_all(&frame(kind, flags, stream.into(), payload)).await.unwrap();
    }
}

/// A frame as it is on the wire.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// A string without Huffman coding; its length in seven bits and what they
/// can't hold in groups of seven, the lowest first (RFC 7541, section 5.1).
fn string(block: &mut Vec<u8>, text: &str) {
    match text.len().checked_sub(127) {
        None => block.push(u8::try_from(text.len()).unwrap()),
        Some(mut rest) => {
            block.push(127);
            while rest >= 128 {
                block.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            block.push(u8::try_from(rest).unwrap());
        }
    }
    block.extend_from_slice(text.as_bytes());
}
