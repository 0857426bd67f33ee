//! A headless Chromium that tests look at pages with.
//!
//! It is driven by the Chrome `DevTools` Protocol over a pair of pipes
//! (`--remote-debugging-pipe`: messages of JSON, each ended by a zero byte), so
//! it opens no port and needs no further crate.

mod pipe;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval, timeout_at};

use crate::process::{PATIENCE, end};
use pipe::{Pipe, Seen, lock};

/// Names of the program, the first of which that can be started is used.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Nothing that would call home or show a dialog. Without a sandbox, because
/// containers do not allow one; it is shown pages of this machine only.
const OPTIONS: [&str; 15] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
];

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The window's width, in CSS pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Whether the user prefers dark colours.
    pub dark: bool,
}

impl Default for View {
    fn default() -> Self {
        Self { width: 1280, height: 900, dark: false }
    }
}

/// A running browser. Dropping it ends it.
pub struct Browser {
    pipe: Arc<Pipe>,
    child: Child,
    /// Goes after the browser has ended, see `drop`.
    _profile: TempDir,
}

/// A page in it.
pub struct Page {
    pipe: Arc<Pipe>,
    session: String,
    seen: Arc<Mutex<Seen>>,
}

impl Browser {
    /// Starts it.
    ///
    /// # Errors
    /// If there is no Chromium, which is told in words, or it does not answer.
    pub async fn start() -> io::Result<Self> {
        let program = find().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "there is no Chromium here: install Debian's package chromium",
            )
        })?;
        let profile = tempfile::tempdir()?;
        // The browser reads its descriptor 3 and writes its descriptor 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"])
            .arg(program)
            .args(OPTIONS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the browser has no pipes"));
        };
        let pipe = Pipe::new(to, from);
        pipe.call(None, "Browser.getVersion", json!({})).await?;
        Ok(Self { pipe, child, _profile: profile })
    }

    /// Opens a page and waits until it has loaded.
    ///
    /// # Errors
    /// If it can't be opened.
    pub async fn open(&self, url: &str, view: View) -> io::Result<Page> {
        let context = self.pipe.call(None, "Target.createBrowserContext", json!({})).await?;
        let context = &context["browserContextId"];
        let target = json!({ "url": "about:blank", "browserContextId": context });
        let target = self.pipe.call(None, "Target.createTarget", target).await?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.pipe.call(None, "Target.attachToTarget", attach).await?;
        let session = attached["sessionId"].as_str().unwrap_or_default().to_owned();
        let seen = self.pipe.watch(&session);
        let page = Page { pipe: Arc::clone(&self.pipe), session, seen };
        for domain in ["Page", "Network", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), json!({})).await?;
        }
        page.look(view).await?;
        let opened = page.call("Page.navigate", json!({ "url": url })).await?;
        match opened["errorText"].as_str() {
            Some(error) => return Err(io::Error::other(format!("{url}: {error}"))),
            None => page.wait_for("document.readyState === 'complete'").await?,
        };
        Ok(page)
    }
}

impl Drop for Browser {
    /// Ends it and waits until it has ended.
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Page {
    /// Changes how it is looked at.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn look(&self, view: View) -> io::Result<()> {
        let size = json!({
            "width": view.width,
            "height": view.height,
            "deviceScaleFactor": 1,
            "mobile": false,
        });
        self.call("Emulation.setDeviceMetricsOverride", size).await?;
        let scheme = if view.dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features })).await?;
        Ok(())
    }

    /// The value of an expression of JavaScript, which may be a promise. The
    /// page's own policy does not hold for it.
    ///
    /// # Errors
    /// If it throws.
    pub async fn eval(&self, expression: &str) -> io::Result<Value> {
        let asked = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let mut answer = self.call("Runtime.evaluate", asked).await?;
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(io::Error::other(format!("{expression}: {thrown}"))),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// If it is not in time, with what the page shows instead.
    pub async fn wait_for(&self, expression: &str) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut tick = interval(Duration::from_millis(20));
        loop {
            if self.eval(expression).await?.as_bool() == Some(true) {
                return self.keep().await;
            }
            if timeout_at(deadline, tick.tick()).await.is_err() {
                let (text, errors) = (self.text().await?, self.console_errors());
                let message = format!("never true: {expression}\n{errors:?}\n{text}");
                return Err(io::Error::other(message));
            }
        }
    }

    /// Keeps what it shows, for the search of all that tests put out.
    async fn keep(&self) -> io::Result<()> {
        if remint_kept::is_on() {
            let (dom, errors) = (self.dom().await?, self.console_errors().join("\n"));
            remint_kept::keep(remint_kept::source::RENDERED, format!("{dom}\n{errors}"));
        }
        Ok(())
    }

    /// The document as it is now, as HTML.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn dom(&self) -> io::Result<String> {
        self.string("document.documentElement.outerHTML").await
    }

    /// What a reader sees.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn text(&self) -> io::Result<String> {
        self.string("document.body.innerText").await
    }

    async fn string(&self, expression: &str) -> io::Result<String> {
        Ok(self.eval(expression).await?.as_str().unwrap_or_default().to_owned())
    }

    /// Presses a key in the element that has the focus, such as `Tab`, `Enter` or
    /// `Control+Enter`.
    ///
    /// # Errors
    /// If the browser does not answer.
    pub async fn press(&self, key: &str) -> io::Result<()> {
        let (key, modifiers) = match key.strip_prefix("Control+") {
            Some(key) => (key, 2),
            None => (key, 0),
        };
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            _ => 0,
        };
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({
                "type": kind,
                "key": key,
                "code": key,
                "text": text,
                "modifiers": modifiers,
                "windowsVirtualKeyCode": code,
            });
            self.call("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Everything that it asked for so far, by URL.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.seen).requests.clone()
    }

    /// The errors and warnings of its console so far: thrown and logged ones,
    /// failed requests, and violations of its content security policy.
    #[must_use]
    pub fn console_errors(&self) -> Vec<String> {
        lock(&self.seen).errors.clone()
    }

    /// Writes what it looks like into a PNG file.
    ///
    /// # Errors
    /// If there is no picture, or the file can't be written.
    pub async fn screenshot(&self, path: &Path) -> io::Result<()> {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" })).await?;
        self.keep().await?;
        let data = picture["data"].as_str().unwrap_or_default();
        std::fs::write(path, STANDARD.decode(data).map_err(io::Error::other)?)
    }

    async fn call(&self, method: &str, params: Value) -> io::Result<Value> {
        self.pipe.call(Some(&self.session), method, params).await
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let named = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let mut named = named;
    named.find(|program| program.is_file())
}
