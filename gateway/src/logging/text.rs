//! Lines for people.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::current_trace;

/// As `tracing` writes them, with the trace at the end.
pub(super) struct Text {
    plain: Format,
    coloured: Format,
}

impl Default for Text {
    fn default() -> Self {
        Self { plain: Format::default(), coloured: Format::default().with_ansi(true) }
    }
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(trace) = current_trace() else {
            return self.plain.format_event(context, writer, event);
        };
        let format = if writer.has_ansi_escapes() { &self.coloured } else { &self.plain };
        let mut line = String::new();
        format.format_event(context, Writer::new(&mut line), event)?;
        writeln!(writer, "{} trace_id={}", line.trim_end(), trace.id())
    }
}
