//! The callbacks of the host: thin, each handing on to the gate.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use remint_idtoken::policy::Verdict;
use remint_idtoken::{Admission, Answer, LineBudget, Reason, Refusal, UnixTime, VerifiedToken};
use serde_json::{Value, json};

use crate::backend::{Backend, Change};
use crate::config::Config;
use crate::gate::{Decision, Gate};
use crate::head::RequestHead;
use crate::host;
use crate::metrics::{Metrics, plain};
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
    backend: Backend,
    sets_properties: bool,
    metrics: Metrics,
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
            host::answer(Answer::Unavailable, None);
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
        let Config { policy, key_sources, wait_for_keys, backend, token_cache, sets_properties } =
            config;
        let signatures = Signatures::new(CheckedBy::Host);
        Self {
            gate: Gate::new(policy, key_sources, token_cache, signatures),
            waiting: WaitingList::default(),
            wait_for_keys,
            backend,
            sets_properties,
            metrics: Metrics::default(),
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
                self.wait(Waiting { stream, head, since: now, deadline, refusal, may_pass });
            }
        }
    }

    fn wait(&mut self, waiting: Waiting) {
        self.metrics.count("remint_waits", 1);
        self.tick_every(TICK_WHILE_WAITING);
        if let Err(Waiting { head, refusal, .. }) = self.waiting.push(waiting) {
            self.refuse(&refusal, &head);
        }
    }

    /// Answers the request at hand and tells its operator why. The caller
    /// learns nothing but the status.
    fn refuse(&mut self, refusal: &Refusal, head: &RequestHead) {
        self.note("refused", refusal, head);
        self.tell(Verdict::Refused, refusal.rule_name(), None, Some(refusal));
        host::answer(refusal.answer(), head.request_id());
    }

    /// Logs a refusal, unless there are too many.
    fn note(&mut self, what: &str, refusal: &Refusal, head: &RequestHead) {
        let Some(left_out) = self.lines.take(host::now()) else { return };
        let mut line = refusal.to_json();
        if let Some(object) = line.as_object_mut() {
            let id = head.request_id().map(|id| ("request_id", Value::from(id)));
            let left_out = (left_out > 0).then(|| ("left_out", Value::from(left_out)));
            let more = id.into_iter().chain(left_out);
            object.extend(more.map(|(name, value)| (name.to_owned(), value)));
        }
        host::log(LogLevel::Warn, &format!("remint: {what}: {line}"));
    }

    /// Tells statistics and, if that is wanted, other filters and the access
    /// log what was decided about the request at hand.
    fn tell(
        &mut self,
        verdict: Verdict,
        rule: Option<&str>,
        caller: Option<&VerifiedToken>,
        refusal: Option<&Refusal>,
    ) {
        let reason = refusal.map(|refusal| refusal.reason);
        self.metrics.request(rule, verdict, reason);
        if !self.sets_properties {
            return;
        }
        let email = caller.and_then(|token| token.claims().verified_email());
        let email = email.or(refusal.and_then(Refusal::caller_name));
        let properties = [
            ("remint.verdict", Some(verdict.name())),
            ("remint.rule", rule),
            ("remint.email", email),
            ("remint.audience", caller.map(VerifiedToken::audience)),
            ("remint.reason", reason.map(Reason::code)),
        ];
        for (name, value) in properties {
            if let Some(value) = value {
                host::set_property(name, value);
            }
        }
    }

    fn tick_every(&mut self, period: Duration) {
        if self.tick != period {
            self.tick = period;
            host::tick_every(period);
        }
    }

    /// What is done with the request at hand before it goes on. Only what the
    /// policy admits gets here.
    fn admit(&mut self, admission: &Admission, head: &RequestHead, may_pass: &Cell<bool>) {
        if let Some(refusal) = admission.reported() {
            self.note("would be refused", refusal, head);
        }
        if self.is_debugged {
            host::log(LogLevel::Debug, &format!("remint: admitted: {}", described(admission)));
        }
        for change in self.backend.changes(admission, head) {
            match change {
                Change::Remove(name) => host::remove_request_header(name),
                Change::Set(name, value) => host::set_request_header(name, &value),
            }
        }
        let rule = Some(&**admission.rule().name());
        self.tell(admission.verdict(), rule, admission.caller(), admission.reported());
        may_pass.set(true);
    }

    fn tick(&mut self) {
        let now = host::now();
        for state in &mut self.gate.keys {
            if let Some(age) = state.schedule.age(seconds(now)) {
                let issuer = plain(&state.source.issuer);
                self.metrics.set(&format!("remint_keys_age_seconds.issuer.{issuer}"), age);
            }
            state.expire(&mut self.gate.authority, seconds(now));
            if state.schedule.is_due(seconds(now)) {
                let call = host::fetch_keys(&state.source);
                if let Err(why) = &call {
                    host::log(LogLevel::Error, &format!("remint: no keys: {why}"));
                }
                state.started(call.ok(), seconds(now), host::jitter());
            }
        }
        for Waiting { stream, head, since, refusal, .. } in
            self.waiting.take_overdue(now, self.wait_for_keys)
        {
            if host::enter(stream) {
                self.waited(since);
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
        let result = state.answered(&mut self.gate.authority, &answer, now, host::jitter());
        let word = if result.is_ok() { "ok" } else { "failed" };
        let name = format!("remint_key_fetches.issuer.{}.result.{word}", plain(&issuer));
        self.metrics.count(&name, 1);
        match result {
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

    /// Writes down how long a request has waited.
    fn waited(&mut self, since: Duration) {
        let waited = host::now().saturating_sub(since).as_millis();
        self.metrics.observe("remint_wait_ms", u64::try_from(waited).unwrap_or(u64::MAX));
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
                    self.waited(waiting.since);
                    self.admit(&token, &waiting.head, &waiting.may_pass);
                    host::resume_request();
                }
                Decision::Refuse(refusal) if host::enter(waiting.stream) => {
                    self.waited(waiting.since);
                    self.refuse(&refusal, &waiting.head);
                }
                Decision::Admit(_) | Decision::Refuse(_) => {}
            }
        }
    }
}

/// What is admitted, for the log.
fn described(admission: &Admission) -> Value {
    let token = admission.caller();
    json!({
        "verdict": admission.verdict().name(),
        "rule": &**admission.rule().name(),
        "caller": token.map(|token| token.claims().to_string()),
        "audience": token.map(VerifiedToken::audience),
        "token": token.map(|token| token.fingerprint().to_string()),
    })
}

fn seconds(since_1970: Duration) -> UnixTime {
    UnixTime(since_1970.as_secs())
}
