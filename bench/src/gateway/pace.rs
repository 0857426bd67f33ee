//! Requests at a given rate, whatever becomes of them: with as many as a proxy
//! can take, the faster one would be asked more and its latency not compare.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use remint_tests::attack::bearer;
use remint_tests::chain::DOMAIN;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::setup::PATH;

/// How many connections take turns.
const CONNECTIONS: u32 = 32;
const BODY: &[u8] = &[b'x'; 200];

/// The latencies of requests that were due at even intervals.
///
/// A request whose connection is still busy when it is due has waited since
/// then. The timer's own lateness, up to a millisecond, does not count.
pub(super) async fn latencies(
    server: SocketAddr,
    tokens: &[String],
    per_second: u32,
    time: Duration,
) -> io::Result<Vec<Duration>> {
    let begin = Instant::now() + Duration::from_millis(50);
    let interval = Duration::from_secs(1) / per_second;
    let mut connections = JoinSet::new();
    for place in 0..CONNECTIONS {
        let tokens = tokens.iter().skip(place as usize).step_by(CONNECTIONS as usize);
        let requests = tokens.map(|token| request(token)).collect::<io::Result<Vec<_>>>()?;
        let first = begin + interval * place;
        let schedule = Schedule { first, every: interval * CONNECTIONS, end: begin + time };
        connections.spawn(connection(server, requests, schedule));
    }
    let mut all = Vec::new();
    while let Some(done) = connections.join_next().await {
        all.extend(done.map_err(io::Error::other)??);
    }
    Ok(all)
}

struct Schedule {
    first: Instant,
    every: Duration,
    end: Instant,
}

async fn connection(
    server: SocketAddr,
    requests: Vec<Request<Full<Bytes>>>,
    schedule: Schedule,
) -> io::Result<Vec<Duration>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let (mut latencies, mut due) = (Vec::new(), schedule.first);
    // One connection may have none, if there are fewer than connections.
    for request in requests.iter().cycle() {
        if due >= schedule.end {
            break;
        }
        let begun = if Instant::now() > due {
            due
        } else {
            sleep_until(due).await;
            Instant::now()
        };
        exchange(&mut sender, request.clone()).await?;
        latencies.push(begun.elapsed());
        due += schedule.every;
    }
    Ok(latencies)
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> io::Result<()> {
    let answer = async {
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        response.into_body().collect().await?;
        hyper::Result::Ok(status)
    };
    match answer.await.map_err(io::Error::other)? {
        StatusCode::OK => Ok(()),
        other => Err(io::Error::other(format!("answered {other} at a steady rate"))),
    }
}

fn request(token: &str) -> io::Result<Request<Full<Bytes>>> {
    Request::post(PATH)
        .header(header::HOST, DOMAIN)
        .header(header::AUTHORIZATION, bearer(token))
        .body(Full::new(Bytes::from_static(BODY)))
        .map_err(io::Error::other)
}
