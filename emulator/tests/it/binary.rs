//! The program itself.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use remint_kept::{Exception, keep, keep_output, source};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::get;

const DEADLINE: Duration = Duration::from_secs(20);
/// So that tests don't meet.
const ANY_PORTS: [&str; 4] = ["--port", "0", "--vpc-port", "0"];

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_remint-emulator"));
    command.args(args).env_remove("REMINT_EMULATOR").kill_on_drop(true);
    command
}

/// What the program says until it ends by itself.
async fn output(args: &[&str]) -> Output {
    let output = timeout(DEADLINE, program(args).output()).await.unwrap().unwrap();
    let meant = (args[0] == "mint").then_some(Exception::MintPrintsAToken);
    keep_output(source::REMINT_EMULATOR, &output, meant);
    output
}

/// The same if all is well.
pub(crate) async fn printed(args: &[&str]) -> String {
    let output = output(args).await;
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// How it ends, and what it says about that.
async fn complaint(args: &[&str]) -> (Option<i32>, String) {
    let output = output(args).await;
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// The program at work.
pub(crate) struct Running {
    process: Child,
    told: Vec<String>,
}

impl Running {
    pub(crate) async fn start(args: &[&str]) -> Self {
        let mut process = program(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut told = Vec::new();
        while !told.last().is_some_and(|line: &String| line.contains("curl -H")) {
            let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap();
            keep(source::REMINT_EMULATOR, line.as_deref().unwrap_or_default());
            told.push(line.unwrap_or_else(|| panic!("it ended after {told:?}")));
        }
        Self { process, told }
    }

    /// Where Google listens.
    pub(crate) fn google(&self) -> &str {
        let keys = self.told.iter().find(|line| line.contains("/oauth2/v3/certs"));
        keys.unwrap().split('/').nth(2).unwrap()
    }

    /// What it says after a line that begins so.
    pub(crate) fn after(&self, start: &str) -> String {
        let lines = self.told.iter().skip_while(|line| !line.starts_with(start)).skip(1);
        lines.take_while(|line| line.starts_with(' ')).map(|line| format!("{line}\n")).collect()
    }

    pub(crate) async fn stop(mut self) {
        let id = i32::try_from(self.process.id().unwrap()).unwrap();
        kill(Pid::from_raw(id), Signal::SIGTERM).unwrap();
        assert!(timeout(DEADLINE, self.process.wait()).await.unwrap().unwrap().success());
    }
}

/// What a shell prints that has these lines pasted.
pub(crate) async fn pasted(script: &str) -> String {
    let mut shell = Command::new("bash");
    shell.args(["-euc", script]).kill_on_drop(true);
    let output = timeout(DEADLINE, shell.output()).await.unwrap().unwrap();
    keep_output(source::SCRIPTS, &output, None);
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with one file.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn with(name: &str, text: &str) -> Self {
        let place = format!("remint-emulator-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(place);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("emulator.yaml"), text).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self) -> String {
        self.0.join("emulator.yaml").display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn it_tells_where_it_listens_and_ends_when_it_is_told_to() {
    let running = Running::start(&ANY_PORTS).await;
    let reply = get("/oauth2/v3/certs").send(running.google().parse().unwrap()).await;
    assert_eq!(reply.status, 200);
    assert!(running.told.iter().any(|line| line.contains("us-central1.run.app")));
    assert!(running.told.iter().any(|line| line.contains("/emulator") && line.contains("page")));
    running.stop().await;
}

#[tokio::test]
async fn what_it_tells_to_try_works_when_it_is_pasted() {
    let running = Running::start(&[&["serve"], ANY_PORTS.as_slice()].concat()).await;
    let answer = pasted(&running.after("Try it:").replace("curl -H", "curl -sf -H")).await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["service"], "orders");
    assert_eq!(answer["caller"], "gateway@demo-project.iam.gserviceaccount.com");
    let exports = running.after("For Google's libraries");
    let ask = "curl -sf -H 'Metadata-Flavor: Google' \
               http://$GCE_METADATA_HOST/computeMetadata/v1/project/project-id";
    assert_eq!(pasted(&format!("{exports}{ask}")).await, "demo-project");
    let printed = printed(&["env", "--emulator", running.google()]).await;
    let without_indent: Vec<_> = exports.lines().map(str::trim).collect();
    assert_eq!(printed.lines().collect::<Vec<_>>(), without_indent);
    running.stop().await;
}

#[tokio::test]
async fn the_proxy_s_environment_reaches_google_s_hosts_and_nobody_else() {
    let folder = Folder::with("proxy", "");
    let file = folder.0.join("ca.pem").display().to_string();
    let running = Running::start(&[&ANY_PORTS[..], &["--ca-file", &file]].concat()).await;
    let exports = printed(&["env", "--emulator", running.google(), "--proxy", &file]).await;
    assert!(
        running.after("For libraries that call").lines().all(|line| exports.contains(line.trim()))
    );
    let status = "curl -s -o /dev/null -w '%{http_code} ' --cacert $SSL_CERT_FILE";
    let asked = format!("{exports}{status} https://www.googleapis.com/oauth2/v3/certs\n");
    assert_eq!(pasted(&asked).await, "200 ");
    let refused = format!("{exports}{status} https://elsewhere.example/ || true\n");
    assert_eq!(pasted(&refused).await, "000 ");
    let (code, told) = complaint(&["env", "--emulator", running.google(), "--proxy", "/no"]).await;
    assert!(code == Some(1) && told.starts_with("remint-emulator: /no: "), "{told}");
    running.stop().await;
}

#[tokio::test]
async fn it_tells_of_load_balancers_and_senders() {
    let more = ["--load-balancer", "lb.example", "--push", "orders=https://lb.example/push"];
    let running = Running::start(&[&ANY_PORTS[..], &more].concat()).await;
    assert!(
        running
            .told
            .iter()
            .any(|it| it.starts_with("The load balancer lb.example listens on 127."))
    );
    let expected =
        "  Pub/Sub topic orders\n  Pub/Sub subscription orders-push-1 to https://lb.example/push\n";
    assert_eq!(running.after("Senders have:"), expected);
    running.stop().await;
}

#[tokio::test]
async fn it_mints_tokens_of_an_emulator_that_runs() {
    let running = Running::start(&ANY_PORTS).await;
    let host = "orders-123456789012.europe-west1.run.app";
    let audience = format!("https://{host}");
    let (google, audience) = (running.google(), &*audience);
    let mint = |more: &'static [&'static str]| async move {
        let args = [&["mint", "--emulator", google, "--audience", audience], more].concat();
        let token = printed(&args).await;
        let call = get("/").header("host", host).bearer(token.trim());
        call.send(google.parse().unwrap()).await
    };
    let reply = mint(&[]).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json()["caller"], "gateway@demo-project.iam.gserviceaccount.com");
    assert_eq!(mint(&["--email", "nobody@demo-project.iam.gserviceaccount.com"]).await.status, 403);
    assert_eq!(mint(&["--claims", r#"{"iss": "https://else.example"}"#]).await.status, 401);
    running.stop().await;
    let (code, told) = complaint(&["mint", "--audience", "a", "--emulator", "127.0.0.1:1"]).await;
    assert_eq!(code, Some(1));
    assert!(told.starts_with("remint-emulator: no emulator at 127.0.0.1:1 ("), "{told}");
}

#[tokio::test]
async fn it_tells_why_it_does_not_start() {
    let (code, told) = complaint(&["--service", "Not A Name", "--region", "x y"]).await;
    assert_eq!(code, Some(1));
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with("--service: \"Not A Name\" is no name"), "{told}");
    assert!(lines[1].starts_with("--region: \"x y\" is no name"), "{told}");
    let running = Running::start(&ANY_PORTS).await;
    let port = running.google().rsplit(':').next().unwrap();
    let (code, told) = complaint(&["--port", port, "--vpc-port", "0"]).await;
    assert_eq!(code, Some(1));
    let start = format!("remint-emulator: can't listen for Google on 127.0.0.1:{port}: something");
    assert!(told.starts_with(&start) && told.contains("--port"), "{told}");
    running.stop().await;
}

#[tokio::test]
async fn a_file_goes_with_no_flags() {
    for more in [["--service", "a"], ["--print-config", "--"], ["--port", "0"]] {
        let (code, told) = complaint(&[&["--config", "x.yaml"], more.as_slice()].concat()).await;
        assert_eq!(code, Some(2), "{told}");
        assert!(told.starts_with("remint-emulator: --config goes with no other flag"), "{told}");
    }
    let (code, told) = complaint(&["--config", "/nowhere/x.yaml"]).await;
    assert_eq!(code, Some(1));
    assert!(told.starts_with("/nowhere/x.yaml: can't be read: "), "{told}");
}

#[tokio::test]
async fn what_flags_amount_to_is_a_file_that_is_right() {
    let text = printed(&["--service", "hello", "--print-config", "--", "sh", "run.sh"]).await;
    let folder = Folder::with("printed", &text);
    let told = printed(&["check", &folder.file()]).await;
    let url = "https://hello-123456789012.us-central1.run.app";
    assert!(told.starts_with(&format!("{}: ok\n", folder.file())), "{told}");
    assert!(told.contains(url) && told.contains("by the program \"sh run.sh\""), "{told}");
}

#[tokio::test]
async fn check_names_every_mistake_with_its_place() {
    let folder = Folder::with("wrong", "region: US\nservices:\n  - name: a\n    region: [b]\n");
    let (code, told) = complaint(&["check", &folder.file()]).await;
    assert_eq!(code, Some(1));
    let file = folder.file();
    let places =
        told.lines().map(|line| line.strip_prefix(&*file).unwrap().split(' ').next().unwrap());
    assert_eq!(places.collect::<Vec<_>>(), [":1:9:", ":3:5:", ":4:5:"], "{told}");
}

#[tokio::test]
async fn files_that_are_asked_for_are_beside_the_configuration() {
    let account = "gateway@demo-project.iam.gserviceaccount.com";
    let text = format!(
        "listen: {{ google_port: 0, vpc_port: 0 }}\ntls: {{ ca_file: ca.pem }}\n\
         account_keys: [{{ account: {account}, file: key.json }}]\n\
         services: [{{ name: a, regions: [us-east1] }}]\n"
    );
    let folder = Folder::with("files", &text);
    // What is there already is replaced, and not left open to others.
    std::fs::write(folder.0.join("key.json"), "old").unwrap();
    let running = Running::start(&["--config", &folder.file()]).await;
    let pem = std::fs::read_to_string(folder.0.join("ca.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let key = std::fs::read_to_string(folder.0.join("key.json")).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    assert_eq!(key["client_email"], account);
    assert_eq!(key["token_uri"], format!("http://{}/token", running.google()));
    assert_eq!(mode(&folder.0.join("key.json")), 0o600);
    let (code, told) =
        complaint(&["--port", "0", "--vpc-port", "0", "--ca-file", "/nowhere/a"]).await;
    assert_eq!(code, Some(1));
    assert!(told.starts_with("remint-emulator: can't write /nowhere/a: "), "{told}");
    running.stop().await;
}

fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_schema_is_printed_as_json() {
    let schema: serde_json::Value = serde_json::from_str(&printed(&["schema"]).await).unwrap();
    assert_eq!(schema["title"], "Configuration of Remint's emulator");
}
