//! Queues and tasks as the API writes them: in JSON, as the discovery document
//! of `cloudtasks` v2 has them, and from there in protocol buffers.

mod target;

use std::time::Duration;

use prost_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::overrides::HttpOverrides;
use super::pacing::RateLimits as Limits;
use super::settings::{DEADLINE, RetryConfig as Retry, TaskConfig};
use crate::target::wire::{self as shared, Target};
use crate::target::{ApiError, Backoff, Status};
pub(crate) use target::HttpTarget;

/// `Queue`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Queue {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate_limits: Option<RateLimits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_config: Option<RetryConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_target: Option<HttpTarget>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) state: String,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) purge_time: Option<Timestamp>,
    /// Read and left alone: there is no logging to configure.
    #[serde(skip_serializing)]
    pub(crate) stackdriver_logging_config: Option<Value>,
    /// Read to be refused.
    #[serde(skip_serializing)]
    pub(crate) app_engine_routing_override: Option<Value>,
}

/// `RateLimits`; zero means that it is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RateLimits {
    pub(crate) max_dispatches_per_second: f64,
    /// Output only.
    pub(crate) max_burst_size: i32,
    pub(crate) max_concurrent_dispatches: i32,
}

/// `RetryConfig`; zero means that it is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RetryConfig {
    pub(crate) max_attempts: i32,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) max_retry_duration: Option<prost_types::Duration>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) min_backoff: Option<prost_types::Duration>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) max_backoff: Option<prost_types::Duration>,
    pub(crate) max_doublings: Option<i32>,
}

/// `Task`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Task {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_request: Option<Target>,
    /// Read to be refused.
    #[serde(skip_serializing)]
    pub(crate) app_engine_http_request: Option<Value>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) schedule_time: Option<Timestamp>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) create_time: Option<Timestamp>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) dispatch_deadline: Option<prost_types::Duration>,
    pub(crate) dispatch_count: i32,
    pub(crate) response_count: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_attempt: Option<Attempt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_attempt: Option<Attempt>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) view: String,
}

/// `Attempt`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Attempt {
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) schedule_time: Option<Timestamp>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) dispatch_time: Option<Timestamp>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) response_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response_status: Option<Status>,
}

/// `ListQueuesResponse`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Queues {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) queues: Vec<Queue>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) next_page_token: String,
}

/// `ListTasksResponse`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tasks {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tasks: Vec<Task>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) next_page_token: String,
}

impl Queue {
    /// What it sets, with Cloud Tasks' defaults.
    pub(super) fn settings(&self) -> Result<(Limits, Retry, HttpOverrides), ApiError> {
        if self.app_engine_routing_override.is_some() {
            return Err(ApiError::invalid("App Engine is not emulated"));
        }
        let limits = self.rate_limits.unwrap_or_default().resolved()?;
        let retry = self.retry_config.unwrap_or_default().resolved()?;
        let http = self.http_target.clone().unwrap_or_default().resolved()?;
        Ok((limits, retry, http))
    }
}

impl RateLimits {
    fn resolved(self) -> Result<Limits, ApiError> {
        let default = Limits::default();
        let rate = match self.max_dispatches_per_second {
            0.0 => default.max_dispatches_per_second,
            rate => rate,
        };
        if !(rate > 0.0 && rate <= 500.0) {
            return Err(ApiError::invalid(
                "maxDispatchesPerSecond must be above 0 and at most 500",
            ));
        }
        let concurrent = match u32::try_from(self.max_concurrent_dispatches) {
            Ok(0) => default.max_concurrent_dispatches,
            Ok(count @ 1..=5000) => count,
            _ => return Err(ApiError::invalid("maxConcurrentDispatches must be 1 to 5000")),
        };
        Ok(Limits { max_dispatches_per_second: rate, max_concurrent_dispatches: concurrent })
    }
}

impl RetryConfig {
    fn resolved(self) -> Result<Retry, ApiError> {
        let default = Retry::default();
        let max_attempts = match self.max_attempts {
            -1 => None,
            0 => default.max_attempts,
            count => Some(
                u32::try_from(count).map_err(|_| ApiError::invalid("maxAttempts must be >= -1"))?,
            ),
        };
        let any = (Duration::ZERO, Duration::from_secs(u32::MAX.into()));
        let (age, usual) = (Duration::ZERO, default.backoff);
        let max_retry_duration =
            shared::span(self.max_retry_duration, age, any, "maxRetryDuration")?;
        let min = shared::span(self.min_backoff, usual.min, any, "minBackoff")?;
        let max = shared::span(self.max_backoff, usual.max, any, "maxBackoff")?;
        if min > max {
            return Err(ApiError::invalid("minBackoff must not be above maxBackoff"));
        }
        let doublings = self.max_doublings.map_or(Ok(usual.max_doublings), u32::try_from);
        let max_doublings =
            doublings.map_err(|_| ApiError::invalid("maxDoublings must not be negative"))?;
        let backoff = Backoff { min, max, max_doublings };
        Ok(Retry { max_attempts, max_retry_duration, backoff })
    }
}

impl From<Limits> for RateLimits {
    fn from(limits: Limits) -> Self {
        let whole = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Self {
            max_dispatches_per_second: limits.max_dispatches_per_second,
            max_burst_size: whole(limits.max_burst_size()),
            max_concurrent_dispatches: whole(limits.max_concurrent_dispatches),
        }
    }
}

impl From<Retry> for RetryConfig {
    fn from(retry: Retry) -> Self {
        let whole = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let age = Some(retry.max_retry_duration).filter(|age| !age.is_zero());
        Self {
            max_attempts: retry.max_attempts.map_or(-1, whole),
            max_retry_duration: age.and_then(shared::of_span),
            min_backoff: shared::of_span(retry.backoff.min),
            max_backoff: shared::of_span(retry.backoff.max),
            max_doublings: Some(whole(retry.backoff.max_doublings)),
        }
    }
}

impl Task {
    /// What it sets.
    pub(super) fn settings(&self) -> Result<TaskConfig, ApiError> {
        if self.app_engine_http_request.is_some() {
            return Err(ApiError::invalid("appEngineHttpRequest is not emulated: use httpRequest"));
        }
        let request = self.http_request.as_ref();
        let request = request.ok_or_else(|| ApiError::invalid("Task.httpRequest is required"))?;
        let bounds = (Duration::from_secs(15), Duration::from_secs(30 * 60));
        Ok(TaskConfig {
            id: None,
            target: request.resolved()?,
            schedule_time: None,
            dispatch_deadline: shared::span(
                self.dispatch_deadline,
                DEADLINE,
                bounds,
                "Task.dispatchDeadline",
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_queue_has_google_s_defaults_and_reads_back_the_same() {
        let settings = Queue::default().settings().unwrap();
        assert_eq!(settings, (Limits::default(), Retry::default(), HttpOverrides::default()));
        let shown = Queue {
            rate_limits: Some(settings.0.into()),
            retry_config: Some(settings.1.into()),
            ..Queue::default()
        };
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json["rateLimits"]["maxBurstSize"], 100);
        assert_eq!(json["retryConfig"]["minBackoff"], "0.100s");
        assert_eq!(json["retryConfig"]["maxBackoff"], "3600s");
        let back: Queue = serde_json::from_value(json).unwrap();
        assert_eq!(back.settings().unwrap(), settings);
    }

    #[test]
    fn limits_beyond_google_s_are_refused() {
        for bad in [
            json!({ "rateLimits": { "maxDispatchesPerSecond": 501 } }),
            json!({ "rateLimits": { "maxDispatchesPerSecond": -1 } }),
            json!({ "rateLimits": { "maxConcurrentDispatches": 5001 } }),
            json!({ "retryConfig": { "maxAttempts": -2 } }),
            json!({ "retryConfig": { "minBackoff": "2s", "maxBackoff": "1s" } }),
            json!({ "retryConfig": { "maxDoublings": -1 } }),
            json!({ "httpTarget": { "uriOverride": { "uriOverrideEnforceMode": "IF_NOT_EXISTS" } } }),
            json!({ "httpTarget": { "uriOverride": { "port": "x" } } }),
            json!({ "appEngineRoutingOverride": {} }),
        ] {
            let queue: Queue = serde_json::from_value(bad.clone()).unwrap();
            assert!(queue.settings().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_deadline_is_within_15_seconds_and_30_minutes() {
        let task = |deadline: &str| {
            let json =
                json!({ "httpRequest": { "url": "https://a/" }, "dispatchDeadline": deadline });
            serde_json::from_value::<Task>(json).unwrap().settings()
        };
        assert!(task("14.9s").is_err() && task("1801s").is_err());
        assert_eq!(task("15s").unwrap().dispatch_deadline, Duration::from_secs(15));
    }
}
