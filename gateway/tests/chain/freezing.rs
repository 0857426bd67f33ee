//! A process that is frozen, as Cloud Run's request billing freezes it between
//! requests, and wakes after its tokens have expired.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use remint_emulator::TokenRequest;
use remint_gateway::clock::{Clock, SystemClock};

use crate::binary::{Program, address, remint};
use crate::client::{Answer, get, send};
use crate::support::{AUDIENCE, CALLER, Folder, Google, HOST, configuration, eventually};

fn request(google: &Google) -> Request<Full<Bytes>> {
    let token = google.emulator.issuer().mint(&TokenRequest::new(CALLER, AUDIENCE));
    Request::get("/")
        .header("host", HOST)
        .header("authorization", format!("Bearer {token}"))
        .body(Full::default())
        .unwrap()
}

/// When the token that a region got ends.
fn expiry(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    let claims = &seen["headers"]["x-serverless-authorization"]["claims"];
    claims["exp"].as_u64().unwrap()
}

#[tokio::test]
async fn a_process_that_was_stopped_past_its_tokens_serves_the_next_requests_without_a_refusal() {
    let google = Google::with(|config| config.token_lifetime = Duration::from_secs(4)).await;
    let folder = Folder::new();
    folder.write("ca.pem", google.emulator.ca_pem());
    let file = folder.write("remint.yaml", &configuration(&google.emulator, &google.regions()));
    let mut command = remint();
    command.arg("serve").arg("--config").arg(file);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut program = Program(child);
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let front = address(&mut lines, "remint: listening on http://");
    let admin = address(&mut lines, "remint: admin on http://");
    eventually("it is ready", async || get(admin, "/readyz").await.status == 200).await;
    let pid = Pid::from_raw(i32::try_from(program.0.id()).unwrap());
    for _ in 0..2 {
        expiry(&send(front, request(&google)).await);
        kill(pid, Signal::SIGSTOP).unwrap();
        // Whatever it had until now ends within one lifetime.
        let stopped_at = SystemClock.now();
        let have_ended = async || SystemClock.now() > stopped_at.plus(Duration::from_secs(4));
        eventually("its tokens have expired", have_ended).await;
        kill(pid, Signal::SIGCONT).unwrap();
        let sent_at = SystemClock.now();
        let all = tokio::join!(
            send(front, request(&google)),
            send(front, request(&google)),
            send(front, request(&google)),
        );
        for answer in [all.0, all.1, all.2] {
            assert!(expiry(&answer) >= sent_at.0, "an old token was sent");
        }
    }
}
