//! A WebSocket that says back what it hears (RFC 6455).

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::answers::Answer;
use crate::takeover::Takeover;

/// What a server adds to a client's key before it takes its hash (RFC 6455,
/// section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// The longest frame that is said back.
const MAX_FRAME: usize = 1 << 20;

/// The answer that changes the connection, if the request asks for that.
pub(crate) fn accept(parts: &mut Parts) -> Option<Answer> {
    let asks = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    parts.headers.get(UPGRADE).filter(|value| asks(value))?;
    let key = parts.headers.get(SEC_WEBSOCKET_KEY)?.as_bytes();
    let upgrade = parts.extensions.remove::<OnUpgrade>()?;
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    let accept = HeaderValue::try_from(STANDARD.encode(hash)).ok()?;
    let body = Empty::new().map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.extensions_mut().insert(Takeover::new(upgrade, echo));
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Some(answer)
}

/// Says everything back until the client closes.
async fn echo(stream: TokioIo<Upgraded>) {
    // A connection that breaks concerns the client, who sees it too.
    let _ = echo_frames(stream).await;
}

async fn echo_frames(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    loop {
        let first = stream.read_u8().await?;
        let payload = read_payload(&mut stream).await?;
        let kind = first & 0x0f;
        let answered = if kind == PING { (first & 0xf0) | PONG } else { first };
        write_frame(&mut stream, answered, &payload).await?;
        if kind == CLOSE {
            return stream.shutdown().await;
        }
    }
}

/// Reads the rest of a client's frame, which is masked (RFC 6455, section
/// 5.2).
async fn read_payload(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = match stream.read_u8().await? & 0x7f {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_FRAME);
    let length = length.ok_or_else(|| io::Error::other("the frame is too long"))?;
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok(payload)
}

async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    first: u8,
    payload: &[u8],
) -> io::Result<()> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => frame.push(length),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend(u64::try_from(payload.len()).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    frame.extend(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes back for one frame of a client's, masked with zeros.
    async fn echoed(first: u8, length: &[u8], payload: &[u8]) -> Vec<u8> {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let echo = tokio::spawn(echo_frames(server));
        client.write_all(&[&[first], length, &[0; 4], payload].concat()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.unwrap();
        echo.abort();
        back
    }

    #[tokio::test]
    async fn frames_of_each_length_come_back_unmasked() {
        let long = vec![7; 70_000];
        for (sent, head, payload) in [
            (vec![0x82], vec![5], &long[..5]),
            (vec![0x82], vec![126, 1, 0], &long[..256]),
            (vec![0x82], vec![127, 0, 0, 0, 0, 0, 1, 0x11, 0x70], &long[..]),
        ] {
            let mut masked = head.clone();
            masked[0] |= 0x80;
            let back = echoed(sent[0], &masked, payload).await;
            assert_eq!(back, [&sent[..], &head, payload].concat());
        }
    }

    #[tokio::test]
    async fn pings_are_answered_and_a_close_ends_it() {
        assert_eq!(echoed(0x89, &[0x81], b"x").await, b"\x8a\x01x");
        assert_eq!(echoed(0x88, &[0x82], b"\x03\xe8").await, b"\x88\x02\x03\xe8");
    }
}
