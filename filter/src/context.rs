//! The callbacks of the host: thin, each handing on to the gate.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use remint_idtoken::{LineBudget, Refusal, UnixTime, VerifiedToken};
use serde_json::{Value, json};

use crate::config::{Config, TokenHandling};
use crate::gate::{Decision, Gate};
use crate::head::RequestHead;
use crate::host;
use crate::signature::{CheckedBy, Signatures};
use crate::waiting::{Waiting, WaitingList};

/// How often the clock is looked at: often while requests wait.
const TICK: Duration = Duration::from_secs(1);
const TICK_WHILE_WAITING: Duration = Duration::from_millis(50);

/// What the contexts of one worker share.
struct Worker {
    gate: Gate<Signatures>,
    waiting: WaitingList,
    wait_for_keys: Duration,
    token: TokenHandling,
    /// The rhythm of ticks. Setting it starts the period anew, so it is set
    /// only when it changes: else a stream of requests would put the next tick
    /// off for good.
    tick: Duration,
    lines: LineBudget,
    /// Whether the proxy's log shows what is admitted.
    is_debugged: bool,
}

type Shared = Rc<RefCell<Option<Worker>>>;

/// The plugin in one worker.
pub(crate) struct Root {
    shared: Shared,
}

/// One request.
struct Request {
    stream: u32,
    shared: Shared,
    /// Whether it may pass. Until then neither body nor trailers may: they
    /// would carry the headers along.
    may_pass: Rc<Cell<bool>>,
}

impl Root {
    pub(crate) fn new() -> Self {
        Self { shared: Rc::default() }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, _: usize, body_size: usize, _: usize) {
        if let Some(worker) = self.shared.borrow_mut().as_mut() {
            worker.keys_answered(call, body_size);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match Config::parse(&host::plugin_configuration(size)) {
            Ok(config) => {
                *self.shared.borrow_mut() = Some(Worker::new(config));
                // Clusters can't be called from here: the first tick does it.
                host::tick_every(TICK_WHILE_WAITING);
                true
            }
            Err(problems) => {
                for problem in problems {
                    host::log(LogLevel::Error, &format!("remint: configuration: {problem}"));
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(worker) = self.shared.borrow_mut().as_mut() {
            worker.tick();
        }
    }

    fn create_http_context(&self, stream: u32) -> Option<Box<dyn HttpContext>> {
        let shared = Rc::clone(&self.shared);
        Some(Box::new(Request { stream, shared, may_pass: Rc::default() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Request {
    fn on_done(&mut self) -> bool {
        if !self.may_pass.get()
            && let Some(worker) = self.shared.borrow_mut().as_mut()
        {
            worker.waiting.forget(self.stream);
        }
        true
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let mut shared = self.shared.borrow_mut();
        let Some(worker) = shared.as_mut() else {
            // Not configured: nothing may pass.
            host::answer(remint_idtoken::Answer::Unavailable);
            return Action::Pause;
        };
        worker.request(self.stream, &self.may_pass);
        self.action()
    }

    // By default the host itself holds these back while the headers are held;
    // with `allow_on_headers_stop_iteration` it does not.
    fn on_http_request_body(&mut self, _: usize, _: bool) -> Action {
        self.action()
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.action()
    }
}

impl Request {
    fn action(&self) -> Action {
        if self.may_pass.get() { Action::Continue } else { Action::Pause }
    }
}

impl Worker {
    fn new(config: Config) -> Self {
        let Config { policy, key_sources, wait_for_keys, token } = config;
        Self {
            gate: Gate::new(policy, key_sources, Signatures::new(CheckedBy::Host)),
            waiting: WaitingList::default(),
            wait_for_keys,
            token,
            tick: TICK_WHILE_WAITING,
            lines: LineBudget::default(),
            is_debugged: host::shows_debug(),
        }
    }

    /// Decides about the request at hand; `may_pass` is told, now or later.
    fn request(&mut self, stream: u32, may_pass: &Rc<Cell<bool>>) {
        let now = host::now();
        let head = host::request_head();
        match self.gate.decide(&head, seconds(now)) {
            Decision::Admit(token) => self.admit(&token, &head, may_pass),
            Decision::Refuse(refusal) => self.refuse(&refusal, &head),
            Decision::Wait(refusal) => {
                let deadline = now.saturating_add(self.wait_for_keys);
                let may_pass = Rc::clone(may_pass);
                self.wait(Waiting { stream, head, deadline, refusal, may_pass });
            }
        }
    }

    fn wait(&mut self, waiting: Waiting) {
        self.tick_every(TICK_WHILE_WAITING);
        if let Err(Waiting { head, refusal, .. }) = self.waiting.push(waiting) {
            self.refuse(&refusal, &head);
        }
    }

    /// Answers the request at hand and tells its operator why. The caller
    /// learns nothing but the status.
    fn refuse(&mut self, refusal: &Refusal, head: &RequestHead) {
        if let Some(left_out) = self.lines.take(host::now()) {
            let mut line = refusal.to_json();
            if let Some(object) = line.as_object_mut() {
                let id = head.request_id().map(|id| ("request_id", Value::from(id)));
                let left_out = (left_out > 0).then(|| ("left_out", Value::from(left_out)));
                let more = id.into_iter().chain(left_out);
                object.extend(more.map(|(name, value)| (name.to_owned(), value)));
            }
            host::log(LogLevel::Warn, &format!("remint: refused: {line}"));
        }
        host::answer(refusal.answer());
    }

    fn tick_every(&mut self, period: Duration) {
        if self.tick != period {
            self.tick = period;
            host::tick_every(period);
        }
    }

    /// What is done with the request at hand before it goes on. Only who
    /// holds a verified token gets here.
    fn admit(&self, token: &VerifiedToken, head: &RequestHead, may_pass: &Cell<bool>) {
        if self.is_debugged {
            let (rule, caller, print) = (token.rule(), token.claims(), token.fingerprint());
            let line = json!({"rule": rule, "caller": caller.to_string(),
                "audience": token.audience(), "token": print.to_string()});
            host::log(LogLevel::Debug, &format!("remint: admitted: {line}"));
        }
        if self.token == TokenHandling::Strip {
            host::remove_request_header("authorization");
        }
        head.identity_headers().for_each(host::remove_request_header);
        may_pass.set(true);
    }

    fn tick(&mut self) {
        let now = host::now();
        for state in &mut self.gate.keys {
            state.expire(&mut self.gate.authority, seconds(now));
            if state.schedule.is_due(seconds(now)) {
                let call = host::fetch_keys(&state.source);
                if let Err(why) = &call {
                    host::log(LogLevel::Error, &format!("remint: no keys: {why}"));
                }
                state.started(call.ok(), seconds(now), host::jitter());
            }
        }
        for Waiting { stream, head, refusal, .. } in
            self.waiting.take_overdue(now, self.wait_for_keys)
        {
            if host::enter(stream) {
                self.refuse(&refusal, &head);
            }
        }
        self.tick_every(if self.waiting.is_empty() { TICK } else { TICK_WHILE_WAITING });
    }

    fn keys_answered(&mut self, call: u32, body_size: usize) {
        let now = seconds(host::now());
        let Some(state) = self.gate.keys.iter_mut().find(|state| state.is_call(call)) else {
            return;
        };
        let answer = host::key_answer(body_size);
        let issuer = state.source.issuer.clone();
        match state.answered(&mut self.gate.authority, &answer, now, host::jitter()) {
            Ok(notes) => {
                for note in notes {
                    host::log(LogLevel::Warn, &format!("remint: keys of {issuer:?}: {note}"));
                }
                self.decide_waiting(now);
            }
            // Whoever waits goes on waiting: the next attempt may succeed.
            Err(why) => {
                let message = format!("remint: keys of {issuer:?} could not be fetched: {why}");
                host::log(LogLevel::Error, &message);
            }
        }
    }

    /// Decides again about all that wait, now that something is known.
    fn decide_waiting(&mut self, now: UnixTime) {
        for mut waiting in self.waiting.take_all() {
            match self.gate.decide(&waiting.head, now) {
                Decision::Wait(refusal) => {
                    waiting.refusal = refusal;
                    // There is room: it was taken out of the list just now.
                    let _ = self.waiting.push(waiting);
                }
                Decision::Admit(token) if host::enter(waiting.stream) => {
                    self.admit(&token, &waiting.head, &waiting.may_pass);
                    host::resume_request();
                }
                Decision::Refuse(refusal) if host::enter(waiting.stream) => {
                    self.refuse(&refusal, &waiting.head);
                }
                Decision::Admit(_) | Decision::Refuse(_) => {}
            }
        }
    }
}

fn seconds(since_1970: Duration) -> UnixTime {
    UnixTime(since_1970.as_secs())
}
