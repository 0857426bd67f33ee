//! The callbacks of the host: thin, each handing on to the worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use remint_idtoken::Answer;

use crate::config::Config;
use crate::host;
use crate::worker::{TICK_WHILE_WAITING, Worker};

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

    fn on_done(&mut self) -> bool {
        if let Some(worker) = self.shared.borrow_mut().as_mut() {
            worker.tell_requests();
        }
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match Config::parse(&host::plugin_configuration(size)) {
            Ok(config) => {
                let worker = Worker::new(config);
                // Clusters can't be called from here: the first tick does it.
                // Hosts without clusters and statistics have no ticks either.
                if worker.needs_ticks() {
                    host::tick_every(TICK_WHILE_WAITING);
                }
                *self.shared.borrow_mut() = Some(worker);
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
            worker.forget(self.stream);
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
        if let Some(worker) = self.shared.borrow().as_ref() {
            worker.clean_trailers();
        }
        self.action()
    }
}

impl Request {
    fn action(&self) -> Action {
        if self.may_pass.get() { Action::Continue } else { Action::Pause }
    }
}
