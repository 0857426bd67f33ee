//! The pages of the emulator and of the gateway in a real browser. With `REMINT_SCREENSHOTS=FOLDER` the
//! tests leave pictures there.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod filtering;
mod gateway;
mod live;
mod looks;
mod shown;

use std::path::PathBuf;

use bytes::Bytes;
use http::Request;
use remint_emulator::{Config, Emulator, Region, ServiceRegion, TokenRequest};
use remint_tests::browser::{Browser, Page, View};
use remint_tests::client::send;
use tokio::sync::{Semaphore, SemaphorePermit};

const GATEWAY: &str = "gateway@demo-project.iam.gserviceaccount.com";
const STRANGER: &str = "stranger@other-project.iam.gserviceaccount.com";

/// Browsers at once: each is a handful of processes.
static TURNS: Semaphore = Semaphore::const_new(2);

/// An emulator and a browser.
struct World {
    emulator: Emulator,
    browser: Browser,
    _turn: SemaphorePermit<'static>,
}

impl World {
    async fn start() -> Self {
        Self::with_regions(&["us-central1", "europe-west1"]).await
    }

    async fn with_regions(regions: &[&str]) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let mut config = Config::demo();
        config.services[0].regions = regions.iter().map(|name| ServiceRegion::new(name)).collect();
        let emulator = Emulator::start(config).await.unwrap();
        Self { emulator, browser: Browser::start().await.unwrap(), _turn: turn }
    }

    fn us(&self) -> &Region {
        &self.emulator.regions()[0]
    }

    fn token(&self, account: &str, audience: &str) -> String {
        self.emulator.issuer().mint(&TokenRequest::new(account, audience))
    }

    /// Calls the first region.
    async fn call(&self, path: &str, token: Option<&str>) {
        let mut request = Request::get(path).header("host", "orders.example.com");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request = request.header("x-request-id", format!("id-of-{}", path.replace('/', "-")));
        send(self.us().addr(), request.body(Bytes::new()).unwrap()).await.unwrap();
    }

    async fn accepted(&self, path: &str) {
        self.call(path, Some(&self.token(GATEWAY, self.us().url()))).await;
    }

    /// Opens the page, below its address, and waits until it follows the calls.
    async fn open(&self, below: &str, view: View) -> Page {
        let url = format!("http://{}{below}", self.emulator.google_addr());
        let page = self.browser.open(&url, view).await.unwrap();
        page.wait_for(IS_LIVE).await.unwrap();
        page.wait_for("document.querySelector('#regions tr') !== null").await.unwrap();
        page
    }

    /// Nothing went wrong in the page, and it asked nobody else for anything.
    fn is_clean(&self, page: &Page) {
        assert_eq!(page.console_errors(), Vec::<String>::new());
        let own = format!("http://{}/", self.emulator.google_addr());
        let foreign = |url: &String| !url.starts_with(&own);
        let foreign: Vec<_> = page.requests().into_iter().filter(foreign).collect();
        assert_eq!(foreign, Vec::<String>::new());
    }
}

const IS_LIVE: &str = "document.getElementById('connection').textContent === 'live'";

/// How many calls the page shows.
fn shows(count: usize) -> String {
    format!("document.querySelectorAll('#calls > li').length === {count}")
}

async fn picture(page: &Page, name: &str) {
    if let Some(folder) = std::env::var_os("REMINT_SCREENSHOTS") {
        page.screenshot(&PathBuf::from(folder).join(format!("{name}.png"))).await.unwrap();
    }
}
