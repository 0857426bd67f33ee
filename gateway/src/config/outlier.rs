//! When a region is left alone, and when it is used again.

use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use remint_idtoken::config::{Object, Reader};

/// The longest time that can be asked for.
const DAY: Duration = Duration::from_secs(24 * 3600);
const MOST: u32 = 1_000_000;

/// What makes a region one that is left alone (Envoy calls it an outlier).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlier {
    /// So many failures in a row.
    pub consecutive_failures: u32,
    /// So many times in a row without a connection: nothing was sent then, and
    /// each time costs a request the connect timeout.
    pub consecutive_connect_failures: u32,
    /// Or such a share of the requests of a window, in percent.
    pub failure_percent: u32,
    /// If there were so many.
    pub minimum_requests: u32,
    /// How long a window is.
    pub window: Duration,
    /// How long it is left alone the first time; each further time is twice as
    /// long as the one before.
    pub base_ejection_time: Duration,
    /// The longest time.
    pub max_ejection_time: Duration,
    /// When fewer regions than this are left, by weight and in percent, all are
    /// used.
    pub panic_threshold: u32,
}

/// Requests of the gateway's own by which it looks after regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is asked for.
    pub path: Arc<str>,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many good ones in a row bring a region back.
    pub healthy_after: u32,
    /// So many bad ones in a row eject it.
    pub unhealthy_after: u32,
}

impl Default for Outlier {
    /// Envoy's defaults where it has the same (outlier detection).
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            consecutive_connect_failures: 1,
            failure_percent: 50,
            minimum_requests: 20,
            window: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(10),
            max_ejection_time: Duration::from_secs(300),
            panic_threshold: 50,
        }
    }
}

pub(super) fn read_outlier(service: &mut Object<'_>) -> Option<Outlier> {
    Some(service.maybe("outlier_detection", outlier)?.unwrap_or_default())
}

fn outlier(from: &Reader<'_>) -> Option<Outlier> {
    let mut object = from.object()?;
    let defaults = Outlier::default();
    let failures = object.maybe("consecutive_failures", |it| whole(it, 1, MOST));
    let connects = object.maybe("consecutive_connect_failures", |it| whole(it, 1, MOST));
    let percent = object.maybe("failure_percent", |it| whole(it, 1, 100));
    let minimum = object.maybe("minimum_requests", |it| whole(it, 1, MOST));
    let window = object.maybe("window", span);
    let base = object.maybe("base_ejection_time", span);
    let max = object.maybe("max_ejection_time", span);
    let panic = object.maybe("panic_threshold", |it| whole(it, 0, 100));
    object.finish();
    let base_ejection_time = base?.unwrap_or(defaults.base_ejection_time);
    let max_ejection_time = max?.unwrap_or(defaults.max_ejection_time.max(base_ejection_time));
    if max_ejection_time < base_ejection_time {
        from.problem("\"max_ejection_time\" must not be shorter than \"base_ejection_time\"");
    }
    Some(Outlier {
        consecutive_failures: failures?.unwrap_or(defaults.consecutive_failures),
        consecutive_connect_failures: connects?.unwrap_or(defaults.consecutive_connect_failures),
        failure_percent: percent?.unwrap_or(defaults.failure_percent),
        minimum_requests: minimum?.unwrap_or(defaults.minimum_requests),
        window: window?.unwrap_or(defaults.window),
        base_ejection_time,
        max_ejection_time,
        panic_threshold: panic?.unwrap_or(defaults.panic_threshold),
    })
}

/// Outside: whether it can be read; inside: whether there is one.
pub(super) fn read_probe(service: &mut Object<'_>) -> Option<Option<Probe>> {
    service.maybe("probe", |from| {
        let mut object = from.object()?;
        let path = object.need("path").and_then(|path| path.parsed(parse_path));
        let interval = object.maybe("interval", span);
        let timeout = object.maybe("timeout", span);
        let healthy = object.maybe("healthy_after", |it| whole(it, 1, 100));
        let unhealthy = object.maybe("unhealthy_after", |it| whole(it, 1, 100));
        object.finish();
        Some(Probe {
            path: path?,
            interval: interval?.unwrap_or(Duration::from_secs(10)),
            timeout: timeout?.unwrap_or(Duration::from_secs(5)),
            healthy_after: healthy?.unwrap_or(2),
            unhealthy_after: unhealthy?.unwrap_or(3),
        })
    })
}

fn parse_path(text: &str) -> Result<Arc<str>, String> {
    let is_path = text.starts_with('/') && !text.contains('#');
    match text.parse::<PathAndQuery>() {
        Ok(path) if is_path && path.as_str() == text => Ok(text.into()),
        _ => Err(format!("{text:?} is no path: it begins with /")),
    }
}

fn whole(from: &Reader<'_>, least: u32, most: u32) -> Option<u32> {
    from.whole_within(least, most).and_then(|number| u32::try_from(number).ok())
}

/// A window or an interval of less could not be told from nothing.
fn span(from: &Reader<'_>) -> Option<Duration> {
    from.duration_within(Duration::from_millis(10), DAY)
}

#[cfg(test)]
mod tests;
