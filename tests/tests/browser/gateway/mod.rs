//! The gateway's page, with a gateway that runs before the emulator.

mod explained;
mod looks;
mod lost;
mod reasons;
mod shown;
mod sizes;

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use remint_emulator::{Config, Emulator, ServiceRegion, TokenRequest};
use remint_gateway::clock::SystemClock;
use remint_gateway::config::Environment;
use remint_gateway::{Reloader, Running};
use remint_tests::browser::{Browser, Page, View};
use remint_tests::client::{get, send};
use tempfile::TempDir;
use tokio::sync::SemaphorePermit;
use tokio::time::{Duration, Instant, interval};

use super::{IS_LIVE, TURNS};

const HOST: &str = "orders.example.com";
const AUDIENCE: &str = "https://orders.example.com/push";
const CALLER: &str = "pusher@demo-project.iam.gserviceaccount.com";

/// An emulator, a gateway before it, and a browser.
struct World {
    emulator: Emulator,
    gateway: Running,
    browser: Browser,
    _folder: TempDir,
    _turn: SemaphorePermit<'static>,
}

impl World {
    async fn start() -> Self {
        Self::with(&["us-central1", "europe-west1"], 1).await
    }

    /// The rules after the first are for hosts that nobody calls.
    async fn with(regions: &[&str], rules: usize) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let mut config = Config::demo();
        config.services[0].regions = regions.iter().map(|name| ServiceRegion::new(name)).collect();
        let emulator = Emulator::start(config).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), emulator.ca_pem()).unwrap();
        let file = folder.path().join("remint.yaml");
        std::fs::write(&file, configuration(&emulator, regions, rules)).unwrap();
        let (reloader, config) = Reloader::load(&file, Environment::default()).unwrap();
        let gateway = Running::start(&config, Arc::new(SystemClock)).await.unwrap();
        let gateway = gateway.following(reloader);
        let browser = Browser::start().await.unwrap();
        let world = Self { emulator, gateway, browser, _folder: folder, _turn: turn };
        world.ready().await;
        world
    }

    async fn ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut tick = interval(Duration::from_millis(20));
        while get(self.gateway.admin_address(), "/readyz").await.unwrap().status != 200 {
            assert!(Instant::now() < deadline, "never ready");
            tick.tick().await;
        }
    }

    fn token(&self, audience: &str) -> String {
        self.emulator.issuer().mint(&TokenRequest::new(CALLER, audience))
    }

    /// A request with these headers.
    async fn call(&self, path: &str, headers: &[(&str, &str)]) -> StatusCode {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::new()).unwrap();
        send(self.gateway.address(), request).await.unwrap().status
    }

    /// A request with a token for that audience, which looks like Pub/Sub's.
    async fn push(&self, path: &str, audience: &str) -> StatusCode {
        let bearer = format!("Bearer {}", self.token(audience));
        let agent = ("user-agent", "CloudPubSub-Google");
        self.call(path, &[("host", HOST), ("authorization", &bearer), agent]).await
    }

    /// Opens the page and waits until it shows how the gateway is.
    async fn open(&self, view: View) -> Page {
        let url = format!("http://{}/", self.gateway.admin_address());
        let page = self.browser.open(&url, view).await.unwrap();
        page.wait_for(IS_LIVE).await.unwrap();
        page
    }

    /// Nothing went wrong in the page, and it asked nobody else for anything.
    fn is_clean(&self, page: &Page) {
        assert_eq!(page.console_errors(), Vec::<String>::new());
        let own = format!("http://{}/", self.gateway.admin_address());
        let foreign = |url: &String| !url.starts_with(&own);
        let foreign: Vec<_> = page.requests().into_iter().filter(foreign).collect();
        assert_eq!(foreign, Vec::<String>::new());
    }
}

fn configuration(emulator: &Emulator, names: &[&str], rules: usize) -> String {
    let (mut listed, mut connect_to) = (String::new(), String::new());
    let (mut more_rules, mut more_names) = (String::new(), String::new());
    let google = emulator.google_addr();
    for name in ["www", "oauth2", "sts", "iamcredentials"] {
        let _ = writeln!(connect_to, "    \"{name}.googleapis.com:443\": \"{google}\"");
    }
    for (name, region) in names.iter().zip(emulator.regions()) {
        let url = region.url();
        let _ = writeln!(listed, "      - {{ name: {name}, url: \"{url}\" }}");
        let host = url.trim_start_matches("https://");
        let _ = writeln!(connect_to, "    \"{host}:443\": \"{}\"", region.addr());
    }
    for number in 1..rules {
        let _ = writeln!(
            more_rules,
            "    - {{ name: partner-{number}, match: {{ hosts: [p{number}.example.com], paths: \
             [{{ prefix: /v1/orders }}], methods: [POST] }}, audiences: [\"{AUDIENCE}\"], \
             callers: {{ emails: [\"{CALLER}\"] }} }}"
        );
        let _ = write!(more_names, ", partner-{number}");
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
{more_rules}
identity:
  metadata: {{ host: "{google}" }}
services:
  - name: orders
    rules: [push{more_names}]
    regions:
{listed}
upstream:
  ca_file: ca.pem
  connect_to:
{connect_to}
"#
    )
}

/// That an element's text has these words.
fn says(selector: &str, words: &str) -> String {
    let (selector, words) = (serde_json::json!(selector), serde_json::json!(words));
    format!("(document.querySelector({selector})?.innerText ?? '').includes({words})")
}
