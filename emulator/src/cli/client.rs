//! Asking an emulator that runs.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take: a key of Google's may have to be made first.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// Which emulator.
#[derive(Args)]
pub(super) struct Running {
    /// Where its Google listener is.
    #[arg(
        long,
        env = "REMINT_EMULATOR",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8800"
    )]
    emulator: String,
}

impl Running {
    /// Where its Google listener is.
    pub(super) fn address(&self) -> &str {
        &self.emulator
    }

    /// What it answers to a question about its metadata.
    pub(super) async fn metadata(&self, path: &str) -> Result<String, Box<dyn Error>> {
        let path = format!("/computeMetadata/v1/{path}");
        let request = Request::get(path).header("metadata-flavor", "Google");
        self.ask(request.body(Full::default())?).await
    }

    /// The body of its answer, if that is a good one.
    pub(super) async fn ask(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<String, Box<dyn Error>> {
        let address = &self.emulator;
        request.headers_mut().insert("host", address.parse()?);
        let stream = TcpStream::connect(address).await.map_err(|error| {
            format!(
                "no emulator at {address} ({error}): start one, or say where it is with --emulator or $REMINT_EMULATOR"
            )
        })?;
        let (status, text) = timeout(PATIENCE, exchange(stream, request))
            .await
            .map_err(|_| format!("the emulator at {address} does not answer"))??;
        match status.is_success() {
            true => Ok(text),
            false => {
                Err(format!("the emulator at {address} says {status}: {}", text.trim()).into())
            }
        }
    }
}

async fn exchange(
    stream: TcpStream,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, String), Box<dyn Error>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the sender; what breaks it breaks the request too.
    tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    Ok((parts.status, String::from_utf8_lossy(&body).into_owned()))
}
