//! Jobs as the API writes them: in JSON, as the discovery document of
//! `cloudscheduler` v1 has them, and from there in protocol buffers.

use std::time::Duration;

use prost_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cron::Schedule;
use super::settings::{DEADLINE, JobRetry};
use crate::target::wire::{self as shared, Target};
use crate::target::{ApiError, Backoff, HttpTarget, Status};

/// `Job`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Job {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) schedule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) time_zone: String,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) user_update_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) schedule_time: Option<Timestamp>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) last_attempt_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_config: Option<RetryConfig>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) attempt_deadline: Option<prost_types::Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_target: Option<Target>,
    /// Read to be refused.
    #[serde(skip_serializing)]
    pub(crate) pubsub_target: Option<Value>,
    /// Read to be refused.
    #[serde(skip_serializing)]
    pub(crate) app_engine_http_target: Option<Value>,
}

/// `RetryConfig`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RetryConfig {
    pub(crate) retry_count: i32,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) max_retry_duration: Option<prost_types::Duration>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) min_backoff_duration: Option<prost_types::Duration>,
    #[serde(with = "shared::text", skip_serializing_if = "Option::is_none")]
    pub(crate) max_backoff_duration: Option<prost_types::Duration>,
    pub(crate) max_doublings: Option<i32>,
}

/// `ListJobsResponse`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Jobs {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) jobs: Vec<Job>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) next_page_token: String,
}

/// What a job sets.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) description: String,
    /// As it was written.
    pub(super) schedule: String,
    pub(super) time_zone: String,
    pub(super) times: Schedule,
    pub(super) target: HttpTarget,
    pub(super) deadline: Duration,
    pub(super) retry: JobRetry,
}

impl Job {
    /// What it sets, with Cloud Scheduler's defaults.
    pub(super) fn settings(&self) -> Result<Settings, ApiError> {
        if self.pubsub_target.is_some() {
            return Err(ApiError::invalid(
                "pubsubTarget is not emulated: publish to the topic yourself, or use httpTarget",
            ));
        }
        if self.app_engine_http_target.is_some() {
            return Err(ApiError::invalid("appEngineHttpTarget is not emulated: use httpTarget"));
        }
        if self.description.chars().count() > 500 {
            return Err(ApiError::invalid("description has more than 500 characters"));
        }
        let target = self.http_target.as_ref();
        let target = target.ok_or_else(|| ApiError::invalid("Job.httpTarget is required"))?;
        let bounds = (Duration::from_secs(15), Duration::from_secs(30 * 60));
        Ok(Settings {
            description: self.description.clone(),
            schedule: self.schedule.clone(),
            time_zone: if self.time_zone.is_empty() { "UTC" } else { &self.time_zone }.to_owned(),
            times: Schedule::new(&self.schedule, &self.time_zone)?,
            target: target.resolved()?,
            deadline: shared::span(self.attempt_deadline, DEADLINE, bounds, "attemptDeadline")?,
            retry: self.retry_config.unwrap_or_default().resolved()?,
        })
    }
}

impl RetryConfig {
    fn resolved(self) -> Result<JobRetry, ApiError> {
        let usual = JobRetry::default().backoff;
        let any = (Duration::ZERO, Duration::from_secs(u32::MAX.into()));
        let retry_count = u32::try_from(self.retry_count).ok().filter(|count| *count <= 5);
        let retry_count =
            retry_count.ok_or_else(|| ApiError::invalid("retryCount must be 0 to 5"))?;
        let max_retry_duration =
            shared::span(self.max_retry_duration, Duration::ZERO, any, "maxRetryDuration")?;
        let min = shared::span(self.min_backoff_duration, usual.min, any, "minBackoffDuration")?;
        let max = shared::span(self.max_backoff_duration, usual.max, any, "maxBackoffDuration")?;
        if min > max {
            return Err(ApiError::invalid(
                "minBackoffDuration must not be above maxBackoffDuration",
            ));
        }
        let doublings = self.max_doublings.map_or(Ok(usual.max_doublings), u32::try_from);
        let max_doublings =
            doublings.map_err(|_| ApiError::invalid("maxDoublings must not be negative"))?;
        let backoff = Backoff { min, max, max_doublings };
        Ok(JobRetry { retry_count, max_retry_duration, backoff })
    }
}

impl From<JobRetry> for RetryConfig {
    fn from(retry: JobRetry) -> Self {
        let whole = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Self {
            retry_count: whole(retry.retry_count),
            max_retry_duration: shared::of_span(retry.max_retry_duration),
            min_backoff_duration: shared::of_span(retry.backoff.min),
            max_backoff_duration: shared::of_span(retry.backoff.max),
            max_doublings: Some(whole(retry.backoff.max_doublings)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: &Value) -> Result<Settings, ApiError> {
        let whole = json!({ "schedule": "* * * * *", "httpTarget": { "uri": "https://a/" } });
        let changed = crate::target::updated(whole, change, &[]);
        serde_json::from_value::<Job>(changed.unwrap()).unwrap().settings()
    }

    #[test]
    fn a_job_has_google_s_defaults() {
        let settings = read(&json!({})).unwrap();
        assert_eq!(settings.deadline, Duration::from_secs(180));
        assert_eq!((settings.time_zone.as_str(), settings.retry), ("UTC", JobRetry::default()));
        let shown = serde_json::to_value(RetryConfig::from(settings.retry)).unwrap();
        assert_eq!(shown["minBackoffDuration"], "5s");
        assert_eq!(shown["maxDoublings"], 5);
    }

    #[test]
    fn what_the_api_refuses_or_is_not_emulated_is_refused() {
        for bad in [
            json!({ "httpTarget": null }),
            json!({ "pubsubTarget": { "topicName": "projects/p/topics/t" } }),
            json!({ "appEngineHttpTarget": {} }),
            json!({ "schedule": "every 5 minutes" }),
            json!({ "attemptDeadline": "14s" }),
            json!({ "attemptDeadline": "1801s" }),
            json!({ "retryConfig": { "retryCount": 6 } }),
            json!({ "retryConfig": { "retryCount": -1 } }),
            json!({ "retryConfig": { "minBackoffDuration": "9s", "maxBackoffDuration": "1s" } }),
            json!({ "description": "x".repeat(501) }),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }
}
