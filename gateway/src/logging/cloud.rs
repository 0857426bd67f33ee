//! Lines as Cloud Logging reads them: one JSON object each, whose special
//! fields become parts of the log entry (Cloud Logging, "Structured logging",
//! "Special fields in structured payloads").

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::current_trace;
use super::project::project;

/// Fields with this before their names are members of `httpRequest`.
const HTTP: &str = "http.";
/// Its value is a JSON object already.
const REFUSAL: &str = "refusal";
/// What entries are looked for by: labels of theirs too.
const LABELS: [&str; 5] = ["request_id", "rule", "service", "region", "reason"];

/// Writes each event as one object.
pub(super) struct Cloud;

impl<S, N> FormatEvent<S, N> for Cloud
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        writeln!(writer, "{}", line.finished(event, SystemTime::now()))
    }
}

/// An entry that is being written.
#[derive(Default)]
struct Line {
    members: Map<String, Value>,
    http: Map<String, Value>,
}

impl Line {
    fn put(&mut self, field: &Field, value: Value) {
        match field.name().strip_prefix(HTTP) {
            Some(name) => self.http.insert(name.to_owned(), value),
            None => self.members.insert(field.name().to_owned(), value),
        };
    }

    fn finished(self, event: &Event<'_>, now: SystemTime) -> Value {
        let Self { mut members, http } = self;
        let metadata = event.metadata();
        // RFC 3339; `timestamp` would have to be an object.
        let time = humantime::format_rfc3339_micros(now).to_string();
        members.insert("time".to_owned(), time.into());
        members.insert("severity".to_owned(), severity(*metadata.level()).into());
        members.insert("target".to_owned(), metadata.target().into());
        let labels: Map<String, Value> = LABELS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), members.get(*name)?.clone())))
            .collect();
        if !labels.is_empty() {
            members.insert("logging.googleapis.com/labels".to_owned(), labels.into());
        }
        if !http.is_empty() {
            members.insert("httpRequest".to_owned(), http.into());
        }
        put_trace(&mut members);
        members.into()
    }
}

/// The resource name of a trace has its project in it (Cloud Trace, "Link log
/// entries with traces"); without one there is only its id to tell.
fn put_trace(members: &mut Map<String, Value>) {
    let Some(trace) = current_trace() else { return };
    let id = trace.id();
    let Some(project) = project() else {
        members.insert("trace_id".to_owned(), id.to_string().into());
        return;
    };
    let mut put = |name: &str, value: Value| {
        members.insert(format!("logging.googleapis.com/{name}"), value);
    };
    put("trace", format!("projects/{project}/traces/{id}").into());
    if let Some(span) = trace.span_id() {
        put("spanId", span.to_string().into());
    }
    put("trace_sampled", trace.is_sampled().into());
}

/// The names of `google.logging.type.LogSeverity`.
fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        let json = (field.name() == REFUSAL).then(|| serde_json::from_str(&text).ok()).flatten();
        self.put(field, json.unwrap_or_else(|| text.into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
}
