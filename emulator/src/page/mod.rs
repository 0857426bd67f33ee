//! What runs here and what happens, as JSON and as a page for browsers.
//!
//! | request | answer |
//! |---|---|
//! | `GET /emulator`, and `GET /` of a browser | the page |
//! | `GET /emulator/overview` | what runs, as JSON |
//! | `GET /emulator/timeline` | calls by [`Filter`], newest last |
//! | `GET /emulator/timeline/events` | the same as server-sent events, as they come |
//! | `DELETE /emulator/timeline` | forgets all calls |
//!
//! Whatever is shown was cut and freed of tokens when it was written down
//! (`redact.rs`).

mod events;
mod explain;
mod overview;

use std::sync::{Arc, OnceLock};

use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::answers::{Answer, answer, json, text};
use crate::timeline::{Entry, Filter, Timeline};
use explain::{Explanation, explain};
pub(crate) use overview::Overview;

/// Nothing from elsewhere, nothing inline, in nobody's frame, and no text that
/// is taken for markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// How many clients may follow the timeline at once.
const FOLLOWERS: usize = 32;

/// The page and what it is made of.
pub(crate) struct Page {
    timeline: Arc<Timeline>,
    /// What runs, which is known when all listeners do.
    overview: OnceLock<Overview>,
    followers: Arc<Semaphore>,
}

/// A call as it is sent: with what there is to say of it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    /// The verdict's kind, in one word.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
}

impl Page {
    pub(crate) fn new(timeline: Arc<Timeline>) -> Self {
        let followers = Arc::new(Semaphore::new(FOLLOWERS));
        Self { timeline, overview: OnceLock::new(), followers }
    }

    /// Says once what runs.
    pub(crate) fn open(&self, overview: Overview) {
        let _ = self.overview.set(overview);
    }

    /// The answer to a request that is for the page or its data, and has passed
    /// the guard; none if it is for something else.
    pub(crate) async fn answer<B>(self: &Arc<Self>, request: &Request<B>) -> Option<Answer> {
        let wanted = Wanted::of(request)?;
        let query = request.uri().query();
        Some(hardened(match wanted {
            Wanted::File(content_type, body) => answer(StatusCode::OK, content_type, body),
            Wanted::Overview => json(StatusCode::OK, &self.overview().await),
            Wanted::Calls => self.calls(query),
            Wanted::Events => self.follow(request),
            Wanted::Clear => {
                self.timeline.clear();
                text(StatusCode::NO_CONTENT, "")
            }
        }))
    }

    async fn overview(&self) -> Value {
        match self.overview.get() {
            Some(overview) => overview.show(&self.timeline).await,
            None => Value::Null,
        }
    }

    fn calls(&self, query: Option<&str>) -> Answer {
        match Filter::from_query(query) {
            Ok(filter) => {
                let newest = self.timeline.mark().newest;
                let entries = self.timeline.entries(&filter);
                let calls: Vec<_> = entries.iter().map(|entry| self.shown(entry)).collect();
                json(StatusCode::OK, &json!({ "calls": calls, "newest": newest }))
            }
            Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
    }

    fn shown<'a>(&self, entry: &'a Entry) -> Shown<'a> {
        let known = self.overview.get().map(|it| it.known(&entry.call)).unwrap_or_default();
        let explanation = explain(&entry.call, &known);
        Shown { entry, outcome: entry.call.verdict.kind(), explanation }
    }

    fn follow<B>(self: &Arc<Self>, request: &Request<B>) -> Answer {
        let filter = match Filter::from_query(request.uri().query()) {
            Ok(filter) => filter,
            Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        let Ok(place) = Arc::clone(&self.followers).try_acquire_owned() else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "too many follow the timeline already\n");
        };
        let resumed = request.headers().get("last-event-id");
        let resumed = resumed.and_then(|id| id.to_str().ok()?.parse().ok());
        let after = resumed.or(filter.after).unwrap_or(0);
        events::follow(Arc::clone(self), Filter { after: None, ..filter }, after, place)
    }
}

/// Metadata clients ask for `/` too, to find out whether there is such a
/// server; they say so, and do not ask for HTML.
fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_html = accept.is_some_and(|accept| accept.contains("text/html"));
    wants_html && !headers.contains_key("metadata-flavor")
}

/// What a request is for.
enum Wanted {
    File(&'static str, &'static str),
    Overview,
    Calls,
    Events,
    Clear,
}

impl Wanted {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let path = match request.uri().path() {
            "/" if is_browser(request.headers()) => "/emulator",
            path => path,
        };
        let wanted = match (request.method(), path) {
            (&Method::DELETE, "/emulator/timeline") => Self::Clear,
            (&Method::GET | &Method::HEAD, path) => match path {
                "/emulator/timeline" => Self::Calls,
                "/emulator/timeline/events" => Self::Events,
                "/emulator/overview" => Self::Overview,
                "/emulator" | "/emulator/" => {
                    Self::File("text/html; charset=utf-8", include_str!("page.html"))
                }
                "/emulator/page.css" => {
                    Self::File("text/css; charset=utf-8", include_str!("page.css"))
                }
                "/emulator/page.js" => Self::File(SCRIPT, include_str!("page.js")),
                "/emulator/rows.js" => Self::File(SCRIPT, include_str!("rows.js")),
                "/emulator/icon.svg" => Self::File("image/svg+xml", include_str!("icon.svg")),
                _ => return None,
            },
            _ => return None,
        };
        Some(wanted)
    }
}

/// All answers carry these, so that none can be used by another page.
fn hardened(mut answer: Answer) -> Answer {
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (OPENER, "same-origin"),
        (RESOURCE, "same-origin"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
