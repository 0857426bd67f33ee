//! The program itself.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use http::Request;
use http_body_util::Full;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use remint_emulator::TokenRequest;
use remint_kept::{Exception, is_on, keep, keep_output, source, stdio};

use crate::client::{get, send};
use crate::kept::said;
use crate::support::{AUDIENCE, CALLER, Folder, Google, HOST, configuration, eventually};

/// The program. Where its output is kept, it logs all that it can, but for
/// the frames of HTTP/2: those are logged by the gateways inside tests.
pub(crate) fn remint() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remint"));
    if is_on() {
        command.env("RUST_LOG", "trace,h2=info");
    }
    command
}

/// A program that does not outlive its test.
pub(crate) struct Program(pub(crate) Child);

impl Program {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The address on the next line of output.
pub(crate) fn address(
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    before: &str,
) -> SocketAddr {
    let line = lines.next().unwrap().unwrap();
    keep(source::REMINT, &line);
    line.strip_prefix(before).unwrap().parse().unwrap()
}

/// A program at work, before an emulated Google.
pub(crate) struct Started {
    program: Program,
    pub(crate) front: SocketAddr,
    pub(crate) google: Google,
    _folder: Folder,
}

impl Started {
    pub(crate) async fn start() -> Self {
        let (google, folder) = (Google::start().await, Folder::new());
        folder.write("ca.pem", google.emulator.ca_pem());
        let text = configuration(&google.emulator, &google.regions());
        let (program, front, _) = started(&folder, &text, stdio(source::REMINT), |it| it).await;
        Self { program, front, google, _folder: folder }
    }

    /// The most memory that it has had so far, in bytes (proc(5), `VmHWM`).
    pub(crate) fn most_memory(&self) -> u64 {
        let file = format!("/proc/{}/status", self.program.0.id());
        let status = std::fs::read_to_string(file).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

/// The program with this configuration, once it is ready; where it takes
/// requests, and where it tells of itself.
pub(crate) async fn started(
    folder: &Folder,
    text: &str,
    log: Stdio,
    change: impl FnOnce(&mut Command) -> &mut Command,
) -> (Program, SocketAddr, SocketAddr) {
    let file = folder.write("remint.yaml", text);
    let mut command = remint();
    command.arg("serve").arg("--config").arg(file);
    let child = change(&mut command).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut program = Program(child);
    let mut lines = BufReader::new(program.0.stdout.take().unwrap()).lines();
    let front = address(&mut lines, "remint: listening on http://");
    let admin = address(&mut lines, "remint: admin on http://");
    eventually("it is ready", async || get(admin, "/readyz").await.status == 200).await;
    (program, front, admin)
}

#[tokio::test]
async fn sighup_has_the_configuration_read_again() {
    let google = Google::start().await;
    let folder = Folder::new();
    folder.write("ca.pem", google.emulator.ca_pem());
    // By itself it never looks.
    let text = configuration(&google.emulator, &google.regions()) + "reload_interval: 0s\n";
    let (program, front, admin) = started(&folder, &text, stdio(source::REMINT), |it| it).await;
    let token = google.emulator.issuer().mint(&TokenRequest::new(CALLER, AUDIENCE));
    let status = async || {
        let request = Request::get("/").header("host", HOST);
        let request = request.header("authorization", format!("Bearer {token}"));
        send(front, request.body(Full::default()).unwrap()).await.status
    };
    let error = async || {
        let page = get(admin, "/status").await.json();
        page["configuration"]["last_error"].is_string()
    };
    assert_eq!(status().await, 200);
    folder.write("remint.yaml", "nothing right");
    program.signal(Signal::SIGHUP);
    eventually("the mistake is told", error).await;
    assert_eq!(status().await, 200, "the old one stays");
    folder.write("remint.yaml", &text.replace(AUDIENCE, "https://another.example"));
    program.signal(Signal::SIGHUP);
    eventually("the new one holds", async || status().await == 401).await;
    assert!(!error().await);
}

#[tokio::test]
async fn sigterm_lets_the_requests_under_way_finish() {
    let Started { mut program, front, google, _folder } = Started::start().await;
    let emulator = &google.emulator;
    let token = emulator.issuer().mint(&TokenRequest::new(CALLER, AUDIENCE));
    let request = Request::get("/delay/300")
        .header("host", HOST)
        .header("authorization", format!("Bearer {token}"))
        .body(Full::default())
        .unwrap();
    let (answer, ()) = tokio::join!(send(front, request), async {
        let under_way = async || !emulator.timeline().calls().is_empty();
        eventually("the request is under way", under_way).await;
        program.signal(Signal::SIGTERM);
        let refused = async || tokio::net::TcpStream::connect(front).await.is_err();
        eventually("nothing more is accepted", refused).await;
    });
    assert_eq!(answer.status, 200);
    let status = tokio::task::spawn_blocking(move || program.0.wait().unwrap());
    assert_eq!(status.await.unwrap().code(), Some(0));
}

#[test]
fn a_check_reports_every_mistake_and_fails() {
    let folder = Folder::new();
    let file = folder.write("remint.yaml", "listen: here\npolcy: {}\n");
    let output = said(remint().arg("check").arg(&file));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let name = file.display();
    for line in [
        format!("{name}:1:9: listen: \"here\" is no address with port, such as 127.0.0.1:8080"),
        format!("{name}:2:1: polcy: is not a setting; did you mean \"policy\"?"),
        format!("{name}:1:1: \"services\" is missing"),
    ] {
        assert!(said.lines().any(|it| it == line), "{line}\nnot in\n{said}");
    }
}

#[tokio::test]
async fn a_check_of_a_good_file_says_what_it_amounts_to() {
    let google = Google::start().await;
    let emulator = &google.emulator;
    let folder = Folder::new();
    folder.write("ca.pem", emulator.ca_pem());
    let file = folder.write("remint.yaml", &configuration(emulator, &google.regions()));
    let output = said(remint().arg("check").env("REMINT_CONFIG", &file));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.starts_with(&format!("{}: ok\n", file.display())), "{said}");
    assert!(said.contains("service orders for push"), "{said}");
}

#[tokio::test]
async fn a_check_warns_of_a_certificate_that_has_expired() {
    let google = Google::start().await;
    let emulator = &google.emulator;
    let folder = Folder::new();
    folder.write("ca.pem", emulator.ca_pem());
    let mut params = rcgen::CertificateParams::new([HOST.to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2020, 2, 29);
    let key = rcgen::KeyPair::generate().unwrap();
    folder.write("tls.pem", &params.self_signed(&key).unwrap().pem());
    folder.write("tls.key", &key.serialize_pem());
    let tls = "tls: { certificate: tls.pem, key: tls.key }\n";
    let text = configuration(emulator, &google.regions()) + tls;
    let file = folder.write("remint.yaml", &text);
    let output = said(remint().arg("check").arg(file));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let warning = "tls: warning: the certificate expired at 2020-02-29T00:00:00Z";
    assert!(said.lines().any(|line| line == warning), "{said}");
}

#[test]
fn a_new_key_for_assertions_is_one_that_a_configuration_may_name() {
    let output = remint().arg("assertion-key").output().unwrap();
    keep_output(source::REMINT, &output, Some(Exception::AssertionKeyPrintsAKey));
    assert_eq!(output.status.code(), Some(0));
    let folder = Folder::new();
    let file = folder.write("keys.pem", &String::from_utf8(output.stdout).unwrap());
    let text = format!("assertion: {{ issuer: me, keys: {} }}\n", file.display());
    let output = said(remint().arg("check").arg(folder.write("remint.yaml", &text)));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("\"services\" is missing") && !said.contains("assertion"), "{said}");
}
