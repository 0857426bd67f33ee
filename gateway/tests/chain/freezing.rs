//! A process that is frozen, as Cloud Run's request billing freezes it between
//! requests, and wakes after its tokens have expired.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use remint_emulator::{Fault, TokenRequest};
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

/// The program before an emulated Google, whose tokens live that long.
struct World {
    google: Google,
    program: Program,
    front: SocketAddr,
    _folder: Folder,
}

const LIFETIME: Duration = Duration::from_secs(4);

impl World {
    async fn start() -> Self {
        let google = Google::with(|config| config.token_lifetime = LIFETIME).await;
        let folder = Folder::new();
        folder.write("ca.pem", google.emulator.ca_pem());
        // Its keys live no longer than its tokens.
        let keys = "key_sets: { min_refresh: 1s, max_refresh: 2s, keep_stale: 3s }";
        let text = configuration(&google.emulator, &google.regions());
        let text = text.replace("policy:\n", &format!("policy:\n  {keys}\n"));
        let file = folder.write("remint.yaml", &text);
        let mut command = remint();
        command.arg("serve").arg("--config").arg(file);
        let child = command
            .stdout(Stdio::piped())
            .stderr(remint_kept::stdio(remint_kept::source::REMINT))
            .spawn()
            .unwrap();
        let mut program = Program(child);
        let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
        let front = address(&mut lines, "remint: listening on http://");
        let admin = address(&mut lines, "remint: admin on http://");
        eventually("it is ready", async || get(admin, "/readyz").await.status == 200).await;
        Self { google, program, front, _folder: folder }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.program.0.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    async fn call(&self) -> Answer {
        send(self.front, request(&self.google)).await
    }

    /// Stops the program until whatever tokens it has have ended.
    async fn stop_past_all_tokens(&self) {
        self.signal(Signal::SIGSTOP);
        let stopped_at = SystemClock.now();
        let have_ended = async || SystemClock.now() > stopped_at.plus(LIFETIME);
        eventually("its tokens have expired", have_ended).await;
    }

    /// All of several requests are served right after it goes on, with new
    /// tokens.
    async fn goes_on(&self) {
        self.signal(Signal::SIGCONT);
        let sent_at = SystemClock.now();
        let all = tokio::join!(self.call(), self.call(), self.call());
        for answer in [all.0, all.1, all.2] {
            assert!(expiry(&answer) >= sent_at.0, "an old token was sent");
        }
    }
}

#[tokio::test]
async fn a_process_that_was_stopped_past_its_tokens_serves_the_next_requests_without_a_refusal() {
    let world = World::start().await;
    for _ in 0..2 {
        expiry(&world.call().await);
        world.stop_past_all_tokens().await;
        world.goes_on().await;
    }
}

#[tokio::test]
async fn a_process_that_was_stopped_in_the_middle_of_minting_serves_the_next_requests_too() {
    let world = World::start().await;
    let emulator = &world.google.emulator;
    emulator.faults().set_metadata(Some(Fault::Hang));
    let before = emulator.identity_fetches();
    let under_way = async || emulator.identity_fetches() > before;
    eventually("a token is being renewed", under_way).await;
    world.stop_past_all_tokens().await;
    emulator.faults().clear();
    world.goes_on().await;
}
