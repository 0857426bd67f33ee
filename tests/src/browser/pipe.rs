//! The Chrome `DevTools` Protocol over pipes: calls with their answers, and
//! events of pages.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::process::PATIENCE;

/// What a page has done so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What it asked for, by URL.
    pub(super) requests: Vec<String>,
    /// Whatever the console shows as an error or warning, violations of the
    /// content security policy among it.
    pub(super) errors: Vec<String>,
}

/// The way to the browser and back.
pub(super) struct Pipe {
    state: Mutex<State>,
    to: tokio::sync::Mutex<ChildStdin>,
}

#[derive(Default)]
struct State {
    last: u64,
    asked: HashMap<u64, oneshot::Sender<Value>>,
    pages: HashMap<String, Arc<Mutex<Seen>>>,
}

impl Pipe {
    /// The pipe of a browser that was started with it.
    pub(super) fn new(to: ChildStdin, from: ChildStdout) -> Arc<Self> {
        let pipe = Arc::new(Self { state: Mutex::default(), to: tokio::sync::Mutex::new(to) });
        tokio::spawn(receive(from, Arc::clone(&pipe)));
        pipe
    }

    /// What a page does from now on, by its session.
    pub(super) fn watch(&self, session: &str) -> Arc<Mutex<Seen>> {
        let seen = Arc::<Mutex<Seen>>::default();
        lock(&self.state).pages.insert(session.to_owned(), Arc::clone(&seen));
        seen
    }

    pub(super) async fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> io::Result<Value> {
        let (answered, answer) = oneshot::channel();
        let id = {
            let mut state = lock(&self.state);
            state.last += 1;
            let id = state.last;
            state.asked.insert(id, answered);
            id
        };
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to.lock().await.write_all(&bytes).await?;
        let in_time = timeout(PATIENCE, answer).await;
        let in_time = in_time.map_err(|_| io::Error::other(format!("{method}: no answer")))?;
        let mut answer = in_time.map_err(|_| io::Error::other("the browser has ended"))?;
        match answer.get("error") {
            Some(error) => Err(io::Error::other(format!("{method}: {error}"))),
            None => Ok(answer["result"].take()),
        }
    }

    fn take(&self, mut message: Value) {
        let mut state = lock(&self.state);
        if let Some(id) = message["id"].as_u64() {
            if let Some(answered) = state.asked.remove(&id) {
                let _ = answered.send(message);
            }
            return;
        }
        let session = message["sessionId"].as_str().unwrap_or_default();
        if let Some(seen) = state.pages.get(session) {
            let params = message["params"].take();
            lock(seen).take(message["method"].as_str().unwrap_or_default(), &params);
        }
    }
}

impl Seen {
    fn take(&mut self, event: &str, params: &Value) {
        match event {
            "Network.requestWillBeSent" => {
                let url = &params["request"]["url"];
                self.requests.push(url.as_str().unwrap_or_default().to_owned());
            }
            "Runtime.exceptionThrown" => self.errors.push(params["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if is_bad(&params["type"]) => {
                self.errors.push(params["args"].to_string());
            }
            "Log.entryAdded" if is_bad(&params["entry"]["level"]) => {
                self.errors.push(params["entry"].to_string());
            }
            _ => {}
        }
    }
}

fn is_bad(level: &Value) -> bool {
    matches!(level.as_str(), Some("error" | "warning" | "assert"))
}

/// Reads until the browser ends; who still waits for an answer then learns of
/// it, since the senders are dropped.
async fn receive(from: ChildStdout, pipe: Arc<Pipe>) {
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    while let Ok(1..) = from.read_until(0, &mut bytes).await {
        bytes.pop();
        if let Ok(message) = serde_json::from_slice(&bytes) {
            pipe.take(message);
        }
        bytes.clear();
    }
    lock(&pipe.state).asked.clear();
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
