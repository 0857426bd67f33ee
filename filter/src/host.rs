//! The one file that calls the host.
//!
//! proxy-wasm's wrappers panic on statuses they do not expect, and a panic
//! takes the worker's VM down. Each call here is one that Envoy either
//! answers with a status the wrapper knows, or not at all.

use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType, MetricType, Status};
use remint_idtoken::Answer;

use crate::config::KeySource;
use crate::head::RequestHead;
use crate::keys::{KeyAnswer, SharedData, Version};

/// The time since 1970, by the host's clock.
pub(crate) fn now() -> Duration {
    let time = hostcalls::get_current_time().unwrap_or(UNIX_EPOCH);
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A number between 0 and 1 that differs from worker to worker: the clock's
/// nanoseconds are random enough to spread retries.
pub(crate) fn jitter() -> f64 {
    f64::from(now().subsec_nanos() % 1_000_000) / 1_000_000.0
}

/// Asks for `on_tick` in that rhythm.
pub(crate) fn tick_every(period: Duration) {
    let _ = hostcalls::set_tick_period(period);
}

/// Writes to the proxy's log.
pub(crate) fn log(level: LogLevel, message: &str) {
    let _ = hostcalls::log(level, message);
}

/// Whether the proxy's log shows messages of level debug.
pub(crate) fn shows_debug() -> bool {
    matches!(hostcalls::get_log_level(), Ok(LogLevel::Trace | LogLevel::Debug))
}

/// The plugin configuration.
pub(crate) fn plugin_configuration(size: usize) -> Vec<u8> {
    let bytes = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
    bytes.ok().flatten().unwrap_or_default()
}

/// The headers of the request at hand. Names come from the proxy's codec,
/// which lets only tokens through, so they are UTF-8.
pub(crate) fn request_head() -> RequestHead {
    RequestHead::new(hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default())
}

/// Removes a header of the request at hand.
pub(crate) fn remove_request_header(name: &str) {
    let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
}

/// The names of the trailers of the request at hand.
pub(crate) fn trailer_names() -> Vec<String> {
    let trailers = hostcalls::get_map_bytes(MapType::HttpRequestTrailers).unwrap_or_default();
    trailers.into_iter().map(|(name, _)| name).collect()
}

/// Removes a trailer of the request at hand.
pub(crate) fn remove_request_trailer(name: &str) {
    let _ = hostcalls::remove_map_value(MapType::HttpRequestTrailers, name);
}

/// Gives a header of the request at hand this one value.
pub(crate) fn set_request_header(name: &str, value: &str) {
    let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, name, Some(value));
}

/// Answers the request at hand in the backend's place. Envoy turns the status
/// into one of gRPC's where the request is a call of that kind. `id` lets the
/// caller's complaint be found in the log.
pub(crate) fn answer(answer: Answer, id: Option<&str>) {
    let mut headers = vec![("content-type", "text/plain; charset=utf-8")];
    headers.extend(answer.challenge().map(|value| ("www-authenticate", value)));
    headers.extend(answer.retry_after().map(|value| ("retry-after", value)));
    headers.extend(id.map(|id| ("x-request-id", id)));
    // A call of gRPC's gets it as a message, which has no line end.
    let body = Some(answer.body().trim_end().as_bytes());
    let _ = hostcalls::send_http_response(u32::from(answer.status()), headers, body);
}

/// Tells other filters and access logs something about the request at hand:
/// Envoy keeps it as filter state `wasm.NAME`.
pub(crate) fn set_property(name: &str, value: &str) {
    let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
}

/// Makes a counter, or finds the one of that name.
pub(crate) fn define_counter(name: &str) -> u32 {
    hostcalls::define_metric(MetricType::Counter, name).unwrap_or_default()
}

/// Makes a gauge, or finds the one of that name.
pub(crate) fn define_gauge(name: &str) -> u32 {
    hostcalls::define_metric(MetricType::Gauge, name).unwrap_or_default()
}

/// Makes a histogram, or finds the one of that name.
pub(crate) fn define_histogram(name: &str) -> u32 {
    hostcalls::define_metric(MetricType::Histogram, name).unwrap_or_default()
}

/// Adds to a counter.
pub(crate) fn count(metric: u32, by: i64) {
    let _ = hostcalls::increment_metric(metric, by);
}

/// Sets a gauge, or adds a value to a histogram.
pub(crate) fn record(metric: u32, value: u64) {
    let _ = hostcalls::record_metric(metric, value);
}

/// Lets the paused request at hand go on.
pub(crate) fn resume_request() {
    let _ = hostcalls::resume_http_request();
}

/// Makes another stream the one at hand. Returns whether it is still there.
pub(crate) fn enter(stream: u32) -> bool {
    hostcalls::set_effective_context(stream).is_ok()
}

/// Begins to fetch a key set. Returns the host's number for it, or why it
/// can't be fetched.
pub(crate) fn fetch_keys(source: &KeySource) -> Result<u32, String> {
    let headers = vec![
        (":method", "GET"),
        (":scheme", source.scheme),
        (":authority", source.authority.as_str()),
        (":path", source.path.as_str()),
        ("accept", "application/json"),
    ];
    hostcalls::dispatch_http_call(&source.cluster, headers, None, Vec::new(), source.timeout)
        .map_err(|_| format!("the proxy has no cluster {:?} that it can ask", source.cluster))
}

/// What came of [`fetch_keys`].
pub(crate) fn key_answer(body_size: usize) -> KeyAnswer {
    let headers = hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default();
    let text = |name: &str| {
        let (_, value) = headers.iter().find(|(header, _)| header == name)?;
        String::from_utf8(value.clone()).ok()
    };
    let size = body_size.min(remint_idtoken::keys::MAX_JWKS_BYTES.saturating_add(1));
    let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size);
    KeyAnswer {
        status: text(":status"),
        cache_control: text("cache-control"),
        body: body.ok().flatten().unwrap_or_default(),
    }
}

/// The data that all workers with the same `vm_id` share.
pub(crate) struct HostData;

impl SharedData for HostData {
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Version) {
        let (value, version) = hostcalls::get_shared_data(key).unwrap_or_default();
        (value, version.map_or(Version::ABSENT, Version))
    }

    fn set(&self, key: &str, value: &[u8], version: Version) -> bool {
        hostcalls::set_shared_data(key, Some(value), Some(version.0)).is_ok()
    }
}

/// Why a host function gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The host has no such function, or keeps it from its modules.
    Missing,
    /// The function could not do its work.
    Failed(Status),
}

/// Envoy's `verify_signature`: protobuf in, protobuf out.
pub(crate) fn verify_signature(arguments: &[u8]) -> Result<Vec<u8>, NoAnswer> {
    match hostcalls::call_foreign_function("verify_signature", Some(arguments)) {
        Ok(answer) => Ok(answer.unwrap_or_default()),
        // Envoy answers NotFound for a function that it doesn't know, and
        // InternalFailure for a call that `capability_restriction_config`
        // takes away; the function itself answers neither.
        Err(Status::NotFound | Status::InternalFailure) => Err(NoAnswer::Missing),
        Err(status) => Err(NoAnswer::Failed(status)),
    }
}
