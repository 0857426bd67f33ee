//! An emulated Google, a gateway before it, and what tests ask of them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Builder;
use http_body_util::Full;
use remint_emulator::{Config as EmulatorConfig, Emulator, TokenRequest};
use remint_gateway::clock::{Clock, SystemClock};
use remint_gateway::config::Environment;
use remint_gateway::{Reloader, Running};
use remint_idtoken::UnixTime;
use tokio::time::{Instant, sleep};

use crate::client::{Answer, PATIENCE, get, send};
use crate::kept;

pub(crate) const HOST: &str = "orders.example.com";
pub(crate) const AUDIENCE: &str = "https://orders.example.com/push";
pub(crate) const CALLER: &str = "pusher@demo-project.iam.gserviceaccount.com";

/// The time of day, which can jump: for the gateway and for Google.
#[derive(Default)]
pub(crate) struct JumpingClock {
    ahead: AtomicU64,
    behind: AtomicU64,
}

impl JumpingClock {
    pub(crate) fn jump(&self, by: Duration) {
        self.ahead.fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    pub(crate) fn set_back(&self, by: Duration) {
        self.behind.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> UnixTime {
        let [ahead, behind] =
            [&self.ahead, &self.behind].map(|by| Duration::from_secs(by.load(Ordering::SeqCst)));
        SystemClock.now().plus(ahead).minus(behind)
    }
}

/// A folder of one test, gone when the test is.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("{}-{count}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The configuration of a gateway before the emulator's regions, or before
/// others: URL and audience of each.
pub(crate) fn configuration(emulator: &Emulator, regions: &[(String, String)]) -> String {
    let google = emulator.google_addr();
    let mut listed = String::new();
    for (place, (url, audience)) in regions.iter().enumerate() {
        let _ = writeln!(
            listed,
            "      - {{ name: r{place}, url: \"{url}\", audience: \"{audience}\" }}"
        );
    }
    let mut connect_to = String::new();
    for name in ["www", "oauth2", "sts", "iamcredentials"] {
        let _ = writeln!(connect_to, "    \"{name}.googleapis.com:443\": \"{google}\"");
    }
    for region in emulator.regions() {
        let host = region.url().trim_start_matches("https://");
        let _ = writeln!(connect_to, "    \"{host}:443\": \"{}\"", region.addr());
    }
    format!(
        r#"
listen: 127.0.0.1:0
admin: 127.0.0.1:0
policy:
  rules:
    - name: push
      match: {{ hosts: [{HOST}], paths: [{{ prefix: / }}] }}
      audiences: ["{AUDIENCE}"]
      callers: {{ emails: ["{CALLER}"] }}
identity:
  metadata: {{ host: "{google}" }}
services:
  - name: orders
    rules: [push]
    regions:
{listed}
upstream:
  ca_file: ca.pem
  connect_timeout: 5s
  connect_to:
{connect_to}
drain_timeout: 20s
"#
    )
}

/// A gateway with all that it needs.
pub(crate) struct Chain {
    pub(crate) emulator: Emulator,
    pub(crate) gateway: Running,
    pub(crate) clock: Arc<JumpingClock>,
    pub(crate) folder: Folder,
    /// What stands in the configuration's file.
    pub(crate) text: String,
}

/// An emulated Google, and the clock that it goes by.
pub(crate) struct Google {
    pub(crate) emulator: Emulator,
    clock: Arc<JumpingClock>,
}

impl Google {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The demo after a change.
    pub(crate) async fn with(change: impl FnOnce(&mut EmulatorConfig)) -> Self {
        kept::log();
        let clock = Arc::new(JumpingClock::default());
        let mut config = EmulatorConfig::demo();
        config.clock = Arc::clone(&clock) as _;
        change(&mut config);
        let emulator = Emulator::start(config).await.unwrap();
        Self { emulator, clock }
    }

    /// Where the regions are, with their own audiences.
    pub(crate) fn regions(&self) -> Vec<(String, String)> {
        let regions = self.emulator.regions().iter();
        regions.map(|it| (it.url().to_owned(), it.url().to_owned())).collect()
    }
}

impl Chain {
    /// Ready to serve.
    pub(crate) async fn start() -> Self {
        let chain = Self::unready(Google::start().await).await;
        chain.ready().await;
        chain
    }

    /// As it is after its start.
    pub(crate) async fn unready(google: Google) -> Self {
        let regions = google.regions();
        Self::before(google, &regions, |text| text).await
    }

    /// Before these regions, with a configuration as `change` leaves it.
    pub(crate) async fn before(
        google: Google,
        regions: &[(String, String)],
        change: impl FnOnce(String) -> String,
    ) -> Self {
        Self::prepared(google, regions, |text, _| change(text)).await
    }

    /// Before these regions, with a configuration and files as `change` leaves
    /// them.
    pub(crate) async fn prepared(
        google: Google,
        regions: &[(String, String)],
        change: impl FnOnce(String, &Folder) -> String,
    ) -> Self {
        Self::in_environment(google, regions, &Environment::default(), change).await
    }

    /// The same in another environment.
    pub(crate) async fn in_environment(
        google: Google,
        regions: &[(String, String)],
        environment: &Environment,
        change: impl FnOnce(String, &Folder) -> String,
    ) -> Self {
        let (Google { emulator, clock }, folder) = (google, Folder::new());
        folder.write("ca.pem", emulator.ca_pem());
        let text = change(configuration(&emulator, regions), &folder);
        let file = folder.write("remint.yaml", &text);
        let (reloader, config) = Reloader::load(&file, environment.clone()).unwrap();
        let gateway = Running::start(&config, Arc::clone(&clock) as _).await.unwrap();
        Self { emulator, gateway: gateway.following(reloader), clock, folder, text }
    }

    /// Puts another configuration into the file and waits until the gateway
    /// has looked at it.
    pub(crate) async fn rewrite(&self, text: &str, outcome: &str) {
        let part = format!("outcome=\"{outcome}\"");
        let before = self.figure("remint_config_reloads_total", &part).await;
        // In one step, as Kubernetes does: half a file is no configuration.
        let new = self.folder.write("new.yaml", text);
        std::fs::rename(new, self.folder.path().join("remint.yaml")).unwrap();
        eventually("the change is noticed", async || {
            self.figure("remint_config_reloads_total", &part).await > before
        })
        .await;
    }

    pub(crate) async fn ready(&self) {
        eventually("the gateway is ready", async || {
            get(self.gateway.admin_address(), "/readyz").await.status == 200
        })
        .await;
    }

    /// A token that the policy accepts.
    pub(crate) fn token(&self) -> String {
        self.emulator.issuer().mint(&TokenRequest::new(CALLER, AUDIENCE))
    }

    /// A request that the policy accepts.
    pub(crate) fn request(&self, path: &str) -> Builder {
        Request::get(path)
            .header("host", HOST)
            .header("authorization", format!("Bearer {}", self.token()))
    }

    pub(crate) async fn send(&self, request: Builder) -> Answer {
        send(self.gateway.address(), request.body(Full::<Bytes>::default()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(path)).await
    }

    /// The sum of all figures whose line begins so and holds `part`.
    pub(crate) async fn figure(&self, name: &str, part: &str) -> u64 {
        let page = get(self.gateway.admin_address(), "/metrics").await.text();
        let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(part));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
