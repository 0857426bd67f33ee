//! The gateway as `deploy/cloud-run` starts it, but for Google's addresses and
//! free ports.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use remint_emulator::{Emulator, TokenRequest};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::binary::{Program, address, remint};
use crate::client::{PATIENCE, get};
use crate::support::{CALLER, Folder, Google, HOST, eventually};

fn shipped(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/cloud-run");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The list after an instruction of the Dockerfile.
fn instruction(name: &str) -> Vec<String> {
    let text = shipped("Dockerfile");
    let list = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    serde_json::from_str(list).unwrap()
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in the configuration");
    text.replace(from, to)
}

/// The shipped configuration, on free ports and with an emulated Google.
fn configuration(emulator: &Emulator) -> String {
    let google = emulator.google_addr();
    let text = replaced(&shipped("remint.yaml"), "admin: 0.0.0.0:8081", "admin: 0.0.0.0:0");
    let metadata = format!("metadata: {{ host: \"{google}\" }}");
    let mut text = replaced(&text, "metadata: {}", &metadata);
    text += "upstream:\n  ca_file: ca.pem\n  connect_to:\n";
    text += &format!("    \"www.googleapis.com:443\": \"{google}\"\n");
    for region in emulator.regions() {
        let host = region.url().trim_start_matches("https://");
        text += &format!("    \"{host}:443\": \"{}\"\n", region.addr());
    }
    text
}

async fn pushed_over_http_2(to: SocketAddr, token: &str) -> StatusCode {
    let io = TokioIo::new(TcpStream::connect(to).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(format!("http://{HOST}/push"))
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::<Bytes>::new())
        .unwrap();
    timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap().status()
}

#[tokio::test]
async fn the_image_s_command_serves_on_port_answers_the_probes_and_stops_at_sigterm() {
    let (google, folder) = (Google::start().await, Folder::new());
    folder.write("ca.pem", google.emulator.ca_pem());
    let file = folder.write("remint.yaml", &configuration(&google.emulator));
    // Cargo's program stands for the image's.
    assert_eq!(instruction("ENTRYPOINT "), ["/remint"]);
    let mut command = remint();
    command.args(instruction("CMD ")).env("REMINT_CONFIG", file).env("PORT", "0");
    let child = command
        .stdout(Stdio::piped())
        .stderr(remint_kept::stdio(remint_kept::source::REMINT))
        .spawn()
        .unwrap();
    let mut program = Program(child);
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let mut front = address(&mut lines, "remint: listening on http://");
    let mut admin = address(&mut lines, "remint: admin on http://");
    assert!(front.ip().is_unspecified() && admin.ip().is_unspecified());
    front.set_ip([127, 0, 0, 1].into());
    admin.set_ip([127, 0, 0, 1].into());

    let service: Value = serde_saphyr::from_str(&shipped("service.yaml")).unwrap();
    let container = &service["spec"]["template"]["spec"]["containers"][0];
    for probe in ["startupProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        eventually(probe, async || get(admin, path).await.status == 200).await;
    }

    // As Pub/Sub does that nobody told of an audience, and over HTTP/2, as
    // Cloud Run brings it to a port named "h2c".
    let token = TokenRequest::new(CALLER, "https://orders.example.com/push");
    let token = google.emulator.issuer().mint(&token);
    assert_eq!(pushed_over_http_2(front, &token).await, 200);

    kill(Pid::from_raw(i32::try_from(program.0.id()).unwrap()), Signal::SIGTERM).unwrap();
    let status = tokio::task::spawn_blocking(move || program.0.wait().unwrap());
    assert_eq!(status.await.unwrap().code(), Some(0));
}
