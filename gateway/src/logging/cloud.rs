//! Lines as Cloud Logging reads them: one JSON object each, whose special
//! fields become parts of the log entry (Cloud Logging, "Structured logging",
//! "Special fields in structured payloads").
//!
//! An event's fields are written one after the other as they are: nothing is
//! gathered before. What is a part of another object is gone through once more.

use std::fmt::{self, Write};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::current_trace;
use super::json::Object;
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
        let metadata = event.metadata();
        let mut entry = Object::new(&mut writer);
        // RFC 3339; `timestamp` would have to be an object.
        entry.display("time", humantime::format_rfc3339_micros(SystemTime::now()));
        entry.text("severity", severity(*metadata.level()));
        entry.text("target", metadata.target());
        put_trace(&mut entry);
        let mut members = Members { object: &mut entry, part: Part::Entry, others: [false; 2] };
        event.record(&mut members);
        let [has_http, has_labels] = members.others;
        for (is_there, name, part) in [
            (has_http, "httpRequest", Part::HttpRequest),
            (has_labels, "logging.googleapis.com/labels", Part::Labels),
        ] {
            if is_there {
                entry.object(name, |object| {
                    event.record(&mut Members { object, part, others: [false; 2] });
                });
            }
        }
        entry.end()?;
        writer.write_char('\n')
    }
}

/// What of an entry a field is a part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Entry,
    HttpRequest,
    Labels,
}

/// Writes those fields that are members of one object.
struct Members<'m, 'w, W: Write> {
    object: &'m mut Object<'w, W>,
    part: Part,
    /// Whether there are some for `httpRequest`, and for the labels.
    others: [bool; 2],
}

impl<W: Write> Members<'_, '_, W> {
    /// The field's name here, if it is a member.
    fn name(&mut self, field: &Field) -> Option<&'static str> {
        let name = field.name();
        let of_http = name.strip_prefix(HTTP);
        let is_label = LABELS.contains(&name);
        let [has_http, has_labels] = self.others;
        self.others = [has_http || of_http.is_some(), has_labels || is_label];
        match self.part {
            Part::Entry => Some(name).filter(|_| of_http.is_none()),
            Part::HttpRequest => of_http,
            Part::Labels => Some(name).filter(|_| is_label),
        }
    }

    /// A number or a truth value, which is a text among the labels.
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        let Some(name) = self.name(field) else { return };
        match self.part {
            Part::Labels => self.object.display(name, value),
            _ => self.object.json(name, value),
        }
    }
}

impl<W: Write> Visit for Members<'_, '_, W> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match self.name(field) {
            Some(REFUSAL) => self.object.json(REFUSAL, format_args!("{value:?}")),
            Some(name) => self.object.display(name, format_args!("{value:?}")),
            None => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(name) = self.name(field) {
            self.object.text(name, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no other numbers.
        if value.is_finite() {
            self.put(field, value);
        }
    }
}

/// The resource name of a trace has its project in it; the id alone is linked
/// with the project that the entry is in (Cloud Trace, "Link log entries with
/// traces").
fn put_trace(entry: &mut Object<'_, impl Write>) {
    let Some(trace) = current_trace() else { return };
    let (name, id) = ("logging.googleapis.com/trace", trace.id());
    match project() {
        Some(project) => entry.display(name, format_args!("projects/{project}/traces/{id}")),
        None => entry.display(name, id),
    }
    if let Some(span) = trace.span_id() {
        entry.display("logging.googleapis.com/spanId", span);
    }
    entry.json("logging.googleapis.com/trace_sampled", trace.is_sampled());
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
