//! How the gateway's log is written: for Cloud Logging, or for people.
//!
//! Each line of a request's carries the trace that the request belongs to. It
//! is known to the task that serves the request (`within`) and read when a
//! line is written: a request that has none costs nothing.

mod cloud;
mod json;
mod project;
mod queue;
mod text;

use std::future::Future;
use std::io::IsTerminal;

use remint_idtoken::TraceContext;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

pub(crate) use project::follow as follow_project;
pub use queue::Writing;
pub(crate) use queue::lost_lines;

use crate::config::LogFormat;

tokio::task_local! {
    static TRACE: Option<TraceContext>;
}

/// Has all lines that are written meanwhile carry a request's trace.
pub(crate) fn within<F: Future>(
    trace: Option<TraceContext>,
    work: F,
) -> impl Future<Output = F::Output> {
    TRACE.scope(trace, work)
}

/// The same for what is done at once.
pub(crate) fn with<T>(trace: Option<TraceContext>, work: impl FnOnce() -> T) -> T {
    TRACE.sync_scope(trace, work)
}

/// The trace of the request that is being served.
fn current_trace() -> Option<TraceContext> {
    TRACE.try_with(|trace| *trace).ok().flatten()
}

/// From now on lines go to stderr in that format, until what is returned is
/// dropped. `RUST_LOG` says which; without it all but those for debugging.
pub fn start(format: LogFormat) -> Writing {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let (queue, writing) = queue::to_stderr();
    start_to(queue, std::io::stderr().is_terminal(), format, filter);
    writing
}

/// The same to somewhere else, with colours or without, and with the lines that
/// `filter` lets through.
///
/// # Panics
/// If the process has a log already.
pub fn start_to<W>(out: W, coloured: bool, format: LogFormat, filter: EnvFilter)
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(out);
    match format {
        LogFormat::Json => builder.event_format(cloud::Cloud).init(),
        LogFormat::Text => {
            builder.with_ansi(coloured).event_format(text::Text::default()).init();
        }
    }
}

#[cfg(test)]
mod tests;
