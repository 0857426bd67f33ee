//! What the program's log has of requests.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Stdio;

use bytes::Bytes;
use http::Request;
use http::request::Builder;
use http_body_util::Full;
use remint_emulator::{RegionFault, TokenRequest};
use remint_kept::{keep, source};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::binary::{Program, started};
use crate::client::{Answer, PATIENCE, connect_http_2, get, send};
use crate::support::{AUDIENCE, CALLER, Folder, Google, HOST, configuration, eventually};

const LABELS: &str = "logging.googleapis.com/labels";
const LOG: &str = "log";

/// The program, and what it has logged.
pub(crate) struct Logged {
    _program: Program,
    front: SocketAddr,
    admin: SocketAddr,
    pub(crate) google: Google,
    folder: Folder,
}

impl Logged {
    /// With something more in its configuration.
    pub(crate) async fn start(more: &str) -> Self {
        Self::start_as(more, |command| command).await
    }

    /// As Cloud Run starts it.
    pub(crate) async fn on_cloud_run(more: &str) -> Self {
        Self::start_as(more, |command| command.env("K_SERVICE", "gateway")).await
    }

    async fn start_as(
        more: &str,
        change: impl FnOnce(&mut std::process::Command) -> &mut std::process::Command,
    ) -> Self {
        let folder = Folder::new();
        let log = File::create(folder.path().join(LOG)).unwrap();
        Self::within(folder, Stdio::from(log), more, change).await
    }

    /// With its log where nobody reads it.
    async fn unread(more: &str) -> Self {
        Self::within(Folder::new(), Stdio::piped(), more, |command| command).await
    }

    async fn within(
        folder: Folder,
        log: Stdio,
        more: &str,
        change: impl FnOnce(&mut std::process::Command) -> &mut std::process::Command,
    ) -> Self {
        let google = Google::start().await;
        folder.write("ca.pem", google.emulator.ca_pem());
        let text = configuration(&google.emulator, &google.regions()) + more;
        // Its lines are counted.
        let (program, front, admin) =
            started(&folder, &text, log, |command| change(command).env_remove("RUST_LOG")).await;
        Self { _program: program, front, admin, google, folder }
    }

    /// With a token that the policy accepts, or without any.
    pub(crate) fn request(&self, path: &str, has_token: bool) -> Builder {
        let token = self.google.emulator.issuer().mint(&TokenRequest::new(CALLER, AUDIENCE));
        let request = Request::get(path).header("host", HOST).header("user-agent", "a test");
        match has_token {
            true => request.header("authorization", format!("Bearer {token}")),
            false => request,
        }
    }

    pub(crate) async fn send(&self, request: Builder) -> Answer {
        send(self.front, request.body(Full::<Bytes>::default()).unwrap()).await
    }

    /// All that was logged.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(LOG)).unwrap()
    }

    /// All lines that are whole.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for a line.
    pub(crate) async fn wait_for(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        eventually("the line is there", async || self.lines().iter().any(&is_it)).await;
        self.lines().into_iter().find(is_it).unwrap()
    }

    /// Waits for the line about the request of that id.
    pub(crate) async fn line_of(&self, id: &str) -> Value {
        let is_it = |line: &Value| line["request_id"] == id && line["httpRequest"].is_object();
        self.wait_for(is_it).await
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        // There is none where nobody reads it.
        if let Ok(text) = std::fs::read_to_string(self.folder.path().join(LOG)) {
            keep(source::REMINT, text);
        }
    }
}

#[tokio::test]
async fn every_request_has_one_line_with_what_became_of_it() {
    let logged = Logged::start("logs: { access: all }\n").await;
    let request = logged.request("/status/200?secret=1", true).header("x-request-id", "good");
    let answer = logged.send(request).await;
    assert_eq!(answer.status, 200);
    let line = logged.line_of("good").await;
    assert_eq!((&line["severity"], &line["message"]), (&"INFO".into(), &"answered".into()));
    let http = &line["httpRequest"];
    assert_eq!(http["requestMethod"], "GET");
    assert_eq!(http["requestUrl"], format!("https://{HOST}/status/200"));
    assert_eq!((&http["status"], &http["protocol"]), (&200.into(), &"HTTP/1.1".into()));
    assert_eq!((&http["userAgent"], &http["remoteIp"]), (&"a test".into(), &"127.0.0.1".into()));
    assert_eq!(http["responseSize"], answer.body.len().to_string());
    let latency = http["latency"].as_str().unwrap().strip_suffix('s').unwrap();
    assert!(latency.parse::<f64>().unwrap() > 0.0, "{latency}");
    assert_eq!((&line["attempts"], &line["caller"]), (&1.into(), &CALLER.into()), "{line}");
    let labels = &line[LABELS];
    assert_eq!((&labels["rule"], &labels["service"]), (&"push".into(), &"orders".into()));
    let region = labels["region"].as_str().unwrap();
    let place: usize = region.strip_prefix('r').unwrap().parse().unwrap();
    assert_eq!(line["audience"], logged.google.regions()[place].1);
    let ids = logged.lines().iter().filter(|line| line["request_id"] == "good").count();
    assert_eq!(ids, 1);
    assert!(!logged.text().contains("secret"));
}

#[tokio::test]
async fn a_request_whose_caller_leaves_has_its_line_too() {
    let logged = Logged::start("logs: { access: all }\n").await;
    // Before the answer begins: HTTP/1.1 is told by the end of the connection.
    let request = logged.request("/delay/60000", true).header("x-request-id", "left");
    let sending = logged.send(request);
    let arrived = async || !logged.google.emulator.timeline().calls().is_empty();
    tokio::select! {
        answer = sending => panic!("{}", answer.status),
        () = eventually("it arrives", arrived) => {}
    }
    let line = logged.line_of("left").await;
    assert_eq!((&line["reason"], &line["severity"]), (&"caller_gone".into(), &"WARNING".into()));
    assert_eq!((&line["httpRequest"]["status"], &line["attempts"]), (&499.into(), &1.into()));
    let labels = &line[LABELS];
    assert_eq!((&labels["rule"], &labels["service"]), (&"push".into(), &"orders".into()));
    assert!(labels["region"].as_str().is_some_and(|it| it.starts_with('r')), "{line}");
    let page = get(logged.admin, "/metrics").await.text();
    let gone = "remint_requests_total{service=\"orders\",rule=\"push\",outcome=\"caller_gone\"} 1";
    assert!(page.contains(gone), "{page}");
}

#[tokio::test]
async fn an_answer_that_its_caller_does_not_take_to_the_end_is_told_so() {
    let logged = Logged::start("logs: { access: all }\n").await;
    let request = logged.request("/events/1000000", true).header("x-request-id", "half");
    let mut stream = TcpStream::connect(logged.front).await.unwrap();
    let mut head = String::from("GET /events/1000000 HTTP/1.1\r\n");
    for (name, value) in request.headers_ref().unwrap() {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let mut some = vec![0; 100];
    stream.read_exact(&mut some).await.unwrap();
    assert!(some.starts_with(b"HTTP/1.1 200"));
    drop(stream);
    let line = logged.line_of("half").await;
    assert_eq!(line["message"], "answered in part", "{line}");
}

#[tokio::test]
async fn a_log_that_nobody_reads_keeps_no_request_waiting_and_is_counted() {
    // A pipe holds 64 KiB.
    let logged = Logged::unread("logs: { access: all }\n").await;
    for number in 0..400 {
        let answer = timeout(PATIENCE, logged.send(logged.request("/", true))).await;
        assert_eq!(answer.unwrap_or_else(|_| panic!("request {number} waits")).status, 200);
    }
    assert_eq!(get(logged.admin, "/healthz").await.status, 200);
    let page = get(logged.admin, "/metrics").await.text();
    assert!(page.contains("\nremint_log_lines_lost_total 0\n"), "they wait for a reader: {page}");
}

#[tokio::test]
async fn an_outage_does_not_flood_the_log() {
    let logged = Logged::start("").await;
    for region in logged.google.emulator.regions() {
        region.stop().await;
    }
    for _ in 0..400 {
        assert_eq!(logged.send(logged.request("/", true)).await.status, 503);
    }
    // It comes when there is a line to be had again; then all before it is written.
    let last = async || {
        logged.send(logged.request("/", false).header("x-request-id", "last")).await;
        logged.text().contains("\"last\"")
    };
    eventually("all is written", last).await;
    let lines = logged.lines();
    let of = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
    // Two regions, with a burst of 200 and 20 in a second each.
    let (attempts, requests) = (of("region can't be reached"), of("failed"));
    assert!((100..=700).contains(&attempts) && requests < 400, "{attempts} {requests}");
    let page = get(logged.admin, "/metrics").await.text();
    let counted = page
        .lines()
        .filter(|it| it.starts_with("remint_attempts_total") && it.contains("unreachable"));
    let counted: u64 =
        counted.map(|it| it.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert!(counted >= attempts as u64, "{counted}");
}

#[tokio::test]
async fn a_line_names_the_protocol_as_cloud_logging_does_and_what_the_gateway_says_itself() {
    let more =
        "logs: { access: all }\nassertion: { issuer: \"https://gateway.example\", keys: dev }\n";
    let logged = Logged::start_as(more, |command| command.arg("--dev")).await;
    let request = Request::get("/.well-known/remint/jwks.json").header("host", HOST);
    let answer = logged.send(request.header("x-request-id", "keys")).await;
    let line = logged.line_of("keys").await;
    assert_eq!(line["httpRequest"]["status"], answer.status.as_u16());
    assert_eq!(line["message"], "answered by the gateway", "{line}");
    let request = logged.request("/", true).header("x-request-id", "two");
    let mut request = request.body(Full::<Bytes>::default()).unwrap();
    request.headers_mut().remove("host");
    *request.uri_mut() = format!("http://{HOST}/").parse().unwrap();
    assert_eq!(
        connect_http_2(logged.front).await.send_request(request).await.unwrap().status(),
        200
    );
    assert_eq!(logged.line_of("two").await["httpRequest"]["protocol"], "HTTP/2");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason_and_where_it_is_explained() {
    let logged = Logged::start("").await;
    let wrong = TokenRequest::new(CALLER, "https://elsewhere.example");
    let wrong = logged.google.emulator.issuer().mint(&wrong);
    let request = logged.request("/eyJhbGciOiJSUzI1NiJ9.e30.c2ln", false);
    let request = request.header("authorization", format!("Bearer {wrong}"));
    let request = request.header("x-request-id", "bad");
    assert_eq!(logged.send(request).await.status, 401);
    let line = logged.line_of("bad").await;
    assert_eq!((&line["severity"], &line["message"]), (&"WARNING".into(), &"refused".into()));
    assert_eq!(line["httpRequest"]["status"], 401);
    assert_eq!(line["refusal"]["docs"], "docs/reasons.md#aud_mismatch", "{line}");
    assert_eq!(line["refusal"]["reason"], "aud_mismatch");
    assert_eq!(line[LABELS]["reason"], "aud_mismatch");
    assert_eq!(line[LABELS]["rule"], "push");
    assert!(line.get("attempts").is_none() && line.get("audience").is_none(), "{line}");
    let text = logged.text();
    assert!(wrong.split('.').all(|part| !text.contains(part)), "{text}");
    assert!(!text.contains("eyJ"), "{text}");
}

#[tokio::test]
async fn by_default_only_what_goes_wrong_has_a_line() {
    let logged = Logged::start("").await;
    for (id, path) in [("fine", "/"), ("missing", "/status/404"), ("broken", "/status/500")] {
        logged.send(logged.request(path, true).header("x-request-id", id)).await;
    }
    let line = logged.line_of("broken").await;
    assert_eq!((&line["severity"], &line["message"]), (&"ERROR".into(), &"answered".into()));
    for region in logged.google.emulator.regions() {
        region.set_fault(Some(RegionFault::Reset));
    }
    logged.send(logged.request("/", true).header("x-request-id", "lost")).await;
    let line = logged.line_of("lost").await;
    assert_eq!((&line["severity"], &line["message"]), (&"ERROR".into(), &"failed".into()));
    assert_eq!(line["reason"], "connection_lost");
    assert_eq!((&line["attempts"], &line["caller"]), (&2.into(), &CALLER.into()), "{line}");
    let ids: Vec<String> =
        logged.lines().iter().map(|line| line["request_id"].to_string()).collect();
    assert!(!ids.iter().any(|id| id.contains("fine") || id.contains("missing")), "{ids:?}");
}

#[tokio::test]
async fn the_log_of_requests_can_be_off() {
    let logged = Logged::start("logs: { access: off }\n").await;
    let request = logged.request("/", false).header("x-request-id", "unsaid");
    assert_eq!(logged.send(request).await.status, 401);
    assert_eq!(logged.send(logged.request("/status/500", true)).await.status, 500);
    assert!(logged.lines().iter().all(|line| line["httpRequest"].is_null()), "{}", logged.text());
}

#[tokio::test]
async fn the_flag_goes_before_the_configuration() {
    let logged = Logged::start_as("logs: { format: json }\n", |command| {
        command.args(["--log-format", "text"])
    })
    .await;
    logged.send(logged.request("/", false).header("x-request-id", "for-people")).await;
    let is_there = async || logged.text().contains("for-people");
    eventually("the line is there", is_there).await;
    let text = logged.text();
    let line = text.lines().find(|line| line.contains("for-people")).unwrap();
    assert!(line.contains(" WARN ") && line.contains("http.status=401"), "{line}");
    assert!(serde_json::from_str::<Value>(line).is_err(), "{line}");
}
