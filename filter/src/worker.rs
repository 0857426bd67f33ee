//! One worker of the proxy: its gate, the requests that wait there, and what is
//! done with each.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::types::LogLevel;
use remint_idtoken::policy::Verdict;
use remint_idtoken::{
    Admission, LineBudget, Reason, Refusal, TraceContext, UnixTime, VerifiedToken,
};
use serde_json::{Value, json};

use crate::backend::{Backend, Change};
use crate::cache::Looks;
use crate::config::{Config, Home};
use crate::gate::{Decision, Gate};
use crate::head::RequestHead;
use crate::host::{self, HostData};
use crate::keys::{self, InlineWatch, Note};
use crate::metrics::{Metrics, plain};
use crate::signature::{CheckedBy, Signatures};
use crate::waiting::{Waiting, WaitingList};

/// How often the clock is looked at: often while requests wait.
const TICK: Duration = Duration::from_secs(1);
pub(crate) const TICK_WHILE_WAITING: Duration = Duration::from_millis(50);

/// What the contexts of one worker share.
pub(crate) struct Worker {
    gate: Gate<Signatures>,
    inline: InlineWatch,
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
    /// When the host has called last, by its clock: one look in each call.
    now: Duration,
    /// Whether the proxy's log shows what is admitted.
    is_debugged: bool,
}

impl Worker {
    pub(crate) fn new(config: Config) -> Self {
        let Config { home, policy, key_sources, wait_for_keys, .. } = config;
        let Config { backend, token_cache, sets_properties, .. } = config;
        let signatures = Signatures::new(match home {
            Home::Envoy => CheckedBy::Host,
            Home::ServiceExtensions => CheckedBy::Module,
        });
        for note in keys::left_out(&policy, &signatures) {
            host::log(LogLevel::Warn, &format!("remint: {note}"));
        }
        let mut gate = Gate::new(policy, key_sources, token_cache, signatures);
        // Under a new configuration, and in a new worker, nobody has to wait
        // for keys that others have fetched.
        let now = seconds(host::now());
        for state in &mut gate.keys {
            state.adopt(&HostData, &mut gate.authority, now);
        }
        let mut worker = Self {
            gate,
            inline: InlineWatch::default(),
            waiting: WaitingList::default(),
            wait_for_keys,
            backend,
            sets_properties,
            metrics: Metrics::of(home),
            tick: TICK_WHILE_WAITING,
            lines: LineBudget::default(),
            now: Duration::ZERO,
            is_debugged: home == Home::Envoy && host::shows_debug(),
        };
        worker.watch_inline_keys(now);
        worker
    }

    /// Decides about the request at hand; `may_pass` is told, now or later.
    pub(crate) fn request(&mut self, stream: u32, may_pass: &Rc<Cell<bool>>) {
        let now = self.look_at_clock();
        if !self.needs_ticks() {
            self.watch_inline_keys(seconds(now));
        }
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
        self.tell(head, Verdict::Refused, refusal.rule_name(), None, Some(refusal));
        host::answer(refusal.answer(), head.request_id());
    }

    /// Logs a refusal, unless there are too many.
    fn note(&mut self, what: &str, refusal: &Refusal, head: &RequestHead) {
        let Some(left_out) = self.lines.take(self.now) else { return };
        let mut line = refusal.clone().about(&head.target(), head).to_json();
        if let Some(object) = line.as_object_mut() {
            let id = head.request_id().map(|id| ("request_id", Value::from(id)));
            // As in the shipped access log.
            let trace = TraceContext::of(head).map(|it| ("trace_id", it.id().to_string().into()));
            let left_out = (left_out > 0).then(|| ("left_out", Value::from(left_out)));
            let more = id.into_iter().chain(trace).chain(left_out);
            object.extend(more.map(|(name, value)| (name.to_owned(), value)));
        }
        host::log(LogLevel::Warn, &format!("remint: {what}: {line}"));
    }

    /// Tells statistics and, if that is wanted, other filters and the access
    /// log what was decided about the request at hand.
    fn tell(
        &mut self,
        head: &RequestHead,
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
        // What callers write there is logged only if it can be a trace.
        let trace = TraceContext::of(head);
        let trace_id = trace.map(|trace| trace.id().to_string());
        let span_id = trace.and_then(TraceContext::span_id).map(|span| span.to_string());
        let is_sampled = trace.map(|trace| if trace.is_sampled() { "true" } else { "false" });
        let properties = [
            ("remint.verdict", Some(verdict.name())),
            ("remint.rule", rule),
            ("remint.email", email),
            ("remint.audience", caller.map(VerifiedToken::audience)),
            ("remint.reason", reason.map(Reason::code)),
            ("remint.trace", trace_id.as_deref()),
            ("remint.span", span_id.as_deref()),
            ("remint.trace_sampled", is_sampled),
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
        self.tell(head, admission.verdict(), rule, admission.caller(), admission.reported());
        may_pass.set(true);
    }

    pub(crate) fn tick(&mut self) {
        let now = self.look_at_clock();
        self.watch_inline_keys(seconds(now));
        self.look_for_keys(seconds(now));
        self.tell_key_ages(seconds(now));
        self.tell_requests();
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

    /// Adopts what other workers have fetched, and fetches what is due and
    /// falls to this one.
    fn look_for_keys(&mut self, now: UnixTime) {
        let Gate { keys, authority, .. } = &mut self.gate;
        let mut is_new = false;
        for state in keys {
            let look = state.look(&HostData, authority, now);
            is_new |= look.is_new;
            if !look.must_fetch {
                continue;
            }
            match host::fetch_keys(&state.source) {
                Ok(call) => state.started(call),
                Err(why) => {
                    let issuer = plain(&state.source.issuer);
                    self.metrics.count(&fetches(&issuer, "failed"), 1);
                    host::log(LogLevel::Error, &format!("remint: no keys: {why}"));
                    state.failed(&HostData, authority, now, host::jitter());
                }
            }
        }
        if is_new {
            self.decide_waiting(now);
        }
    }

    /// Tells statistics of the requests since the last time.
    pub(crate) fn tell_requests(&mut self) {
        self.metrics.flush();
        let Looks { hits, misses } = self.gate.take_looks();
        for (name, number) in [("hit", hits), ("miss", misses)] {
            if number > 0 {
                let name = format!("remint_cached_tokens.result.{name}");
                self.metrics.count(&name, i64::from(number));
            }
        }
    }

    /// Tells statistics how old the keys at hand are.
    fn tell_key_ages(&mut self, now: UnixTime) {
        for state in &self.gate.keys {
            let Some(at) = state.fetched_at() else { continue };
            let issuer = plain(&state.source.issuer);
            let name = format!("remint_keys_age_seconds.issuer.{issuer}");
            self.metrics.set(&name, now.since(at).as_secs());
        }
    }

    /// Says when keys that stand in the configuration should be renewed.
    fn watch_inline_keys(&mut self, now: UnixTime) {
        for Note { is_error, text } in self.inline.look(&self.gate.policy, now) {
            let level = if is_error { LogLevel::Error } else { LogLevel::Warn };
            host::log(level, &format!("remint: {text}"));
        }
    }

    pub(crate) fn keys_answered(&mut self, call: u32, body_size: usize) {
        let now = seconds(self.look_at_clock());
        let Some(state) = self.gate.keys.iter_mut().find(|state| state.is_call(call)) else {
            return;
        };
        let answer = host::key_answer(body_size);
        let issuer = state.source.issuer.clone();
        let result =
            state.answered(&HostData, &mut self.gate.authority, &answer, now, host::jitter());
        let word = if result.is_ok() { "ok" } else { "failed" };
        self.metrics.count(&fetches(&plain(&issuer), word), 1);
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

    /// Whether ticks are needed: for keys that are fetched, and for statistics.
    pub(crate) fn needs_ticks(&self) -> bool {
        !self.gate.keys.is_empty() || self.metrics.are_there()
    }

    /// Takes out of the trailers at hand what only headers may say.
    pub(crate) fn clean_trailers(&self) {
        let names = host::trailer_names();
        let untrusted =
            names.iter().filter(|it| self.backend.is_untrusted_trailer(it, &self.gate.policy));
        untrusted.for_each(|name| host::remove_request_trailer(name));
    }

    /// Forgets a request whose stream has ended.
    pub(crate) fn forget(&mut self, stream: u32) {
        self.waiting.forget(stream);
    }

    fn look_at_clock(&mut self) -> Duration {
        self.now = host::now();
        self.now
    }

    /// Writes down how long a request has waited.
    fn waited(&mut self, since: Duration) {
        let waited = self.now.saturating_sub(since).as_millis();
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

/// The counter of fetches that ended so.
fn fetches(issuer: &str, result: &str) -> String {
    format!("remint_key_fetches.issuer.{issuer}.result.{result}")
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
