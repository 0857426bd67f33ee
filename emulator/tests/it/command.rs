//! A program behind a front end.

use std::time::Duration;

use http::StatusCode;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use remint_emulator::{Backend, Config, Emulator, Kind, Protocol, StartError, Verdict};
use serde_json::Value;

use crate::support::{Reply, World, eventually, get, last_call};

const DEADLINE: Duration = Duration::from_secs(20);

/// Shows its variables and its number; `/exit` ends it, `/metadata` asks the
/// metadata server who it is.
const PROGRAM: &str = r#"
import http.server, json, os, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/exit":
            os._exit(3)
        seen = dict(os.environ, pid=os.getpid(), host=self.headers["host"])
        if self.path == "/metadata":
            server = os.environ["GCE_METADATA_HOST"]
            url = f"http://{server}/computeMetadata/v1/instance/service-accounts/default/email"
            request = urllib.request.Request(url, headers={"Metadata-Flavor": "Google"})
            seen = urllib.request.urlopen(request).read().decode()
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

print("listening on", os.environ["PORT"], flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

fn command(words: &[&str]) -> Backend {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Backend::Command { words, protocol: Protocol::Http1 }
}

/// With a program in us-central1.
async fn world(backend: Backend) -> World {
    World::with(|config| config.services[0].regions[0].backend = Some(backend)).await
}

async fn call(world: &World, path: &str) -> Reply {
    get(path).bearer(&world.token(world.us().url())).send(world.us().addr()).await
}

fn id(seen: &Value) -> Pid {
    Pid::from_raw(i32::try_from(seen["pid"].as_i64().unwrap()).unwrap())
}

async fn is_gone(id: Pid) {
    let is_gone = |found: &nix::Result<()>| *found == Err(Errno::ESRCH);
    let _ = eventually(|| async { kill(id, None) }, is_gone).await;
}

#[tokio::test]
async fn it_is_told_what_cloud_run_tells_and_the_first_request_waits_for_it() {
    let world = world(command(&["python3", "-c", PROGRAM])).await;
    let reply = call(&world, "/").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let seen = reply.json();
    for (name, value) in [
        ("K_SERVICE", "orders"),
        ("K_CONFIGURATION", "orders"),
        ("K_REVISION", "orders-00001-emu"),
        ("host", "host.example"),
    ] {
        assert_eq!(seen[name], value, "{name}");
    }
    assert!(seen["PORT"].as_str().unwrap().parse::<u16>().is_ok());
    assert_eq!(last_call(&world).verdict, Verdict::Accepted);
    let email = call(&world, "/metadata").await.json();
    assert_eq!(email, crate::support::GATEWAY);
    world.emulator.shutdown().await;
}

#[tokio::test]
async fn it_is_started_again_if_it_dies() {
    let world = world(command(&["python3", "-c", PROGRAM])).await;
    let first = call(&world, "/").await.json();
    let broken = call(&world, "/exit").await;
    assert_eq!(broken.status, StatusCode::SERVICE_UNAVAILABLE);
    let is_back = |reply: &Reply| reply.status == StatusCode::OK;
    let second = eventually(|| call(&world, "/"), is_back).await.json();
    assert_ne!(first["pid"], second["pid"]);
    world.emulator.shutdown().await;
    is_gone(id(&second)).await;
}

#[tokio::test]
async fn it_ends_with_the_emulator_also_if_that_is_only_dropped() {
    let world = world(command(&["python3", "-c", PROGRAM])).await;
    let seen = call(&world, "/").await.json();
    drop(world);
    is_gone(id(&seen)).await;
}

#[tokio::test]
async fn while_it_is_not_there_callers_get_503_and_the_timeline_says_why() {
    let world = world(command(&["sh", "-c", "exit 3"])).await;
    let reply = call(&world, "/").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.text.contains("not available yet"), "{}", reply.text);
    let seen = last_call(&world);
    assert_eq!(seen.verdict, Verdict::Failed);
    let note = seen.note.unwrap();
    assert!(note.starts_with("container_unavailable: ") && note.contains("status: 3"), "{note}");
    let refused = get("/").send(world.us().addr()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "the token is checked all the same");
    tokio::time::timeout(DEADLINE, world.emulator.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_function_is_told_no_configuration() {
    let world = World::with(|config| {
        config.services[0].kind = Kind::Function;
        config.services[0].regions[0].backend = Some(command(&["python3", "-c", PROGRAM]));
    });
    let world = world.await;
    let seen = call(&world, "/").await.json();
    assert_eq!((&seen["K_SERVICE"], &seen["K_REVISION"]), (&"orders".into(), &"1".into()));
    assert_eq!(seen["K_CONFIGURATION"], Value::Null);
    world.emulator.shutdown().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_keeps_the_emulator_from_starting() {
    let mut config = Config::demo();
    config.services[0].backend = command(&["/no/such/program"]);
    let error = Emulator::start(config).await.err().unwrap();
    assert!(matches!(error, StartError::Program(..)), "{error}");
    assert_eq!(error.to_string(), "can't start the program of orders in us-central1");
}
