//! Jobs, as their users set them up.

use std::time::Duration;

use super::wire;
use crate::target::{ApiError, Backoff, HttpTarget, chosen_id, wire as shared};

/// How long an attempt may take, by default (Cloud Scheduler API,
/// `Job.attempt_deadline`).
pub(super) const DEADLINE: Duration = Duration::from_secs(180);

/// A job, as `gcloud scheduler jobs create http` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobConfig {
    /// Its id.
    pub name: String,
    /// Its location, such as `us-central1`.
    pub location: String,
    /// When it runs, in unix-cron format.
    pub schedule: String,
    /// The zone that the schedule is read in, by its name in the tz database;
    /// UTC if it is empty.
    pub time_zone: String,
    /// What it calls.
    pub target: HttpTarget,
    /// How long an attempt may take: 15 s to 30 min.
    pub attempt_deadline: Duration,
    /// How it retries.
    pub retry: JobRetry,
}

impl JobConfig {
    /// A job in UTC with Cloud Scheduler's defaults.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        location: impl Into<String>,
        schedule: impl Into<String>,
        target: HttpTarget,
    ) -> Self {
        Self {
            name: name.into(),
            location: location.into(),
            schedule: schedule.into(),
            time_zone: String::new(),
            target,
            attempt_deadline: DEADLINE,
            retry: JobRetry::default(),
        }
    }
}

impl JobConfig {
    /// Whether Cloud Scheduler would take it.
    ///
    /// # Errors
    /// As the API's `CreateJob`.
    pub fn check(&self) -> Result<(), ApiError> {
        chosen_id(&self.name)?;
        self.as_wire("").settings().map(drop)
    }

    pub(super) fn as_wire(&self, parent: &str) -> wire::Job {
        let mut target = shared::Target::from(&self.target);
        target.uri = self.target.endpoint.to_string();
        wire::Job {
            name: format!("{parent}/jobs/{}", self.name),
            schedule: self.schedule.clone(),
            time_zone: self.time_zone.clone(),
            retry_config: Some(self.retry.into()),
            attempt_deadline: shared::of_span(self.attempt_deadline),
            http_target: Some(target),
            ..wire::Job::default()
        }
    }
}

/// How a job retries (Cloud Scheduler API, `RetryConfig`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobRetry {
    /// How often a failed attempt is repeated: 0 to 5.
    pub retry_count: u32,
    /// How long it is repeated at least, from the first attempt.
    pub max_retry_duration: Duration,
    /// How long it waits between attempts.
    pub backoff: Backoff,
}

impl Default for JobRetry {
    fn default() -> Self {
        Self {
            retry_count: 0,
            max_retry_duration: Duration::ZERO,
            backoff: Backoff {
                min: Duration::from_secs(5),
                max: Duration::from_secs(3600),
                max_doublings: 5,
            },
        }
    }
}

impl JobRetry {
    /// Whether there is no further attempt: "if specified with `retry_count`,
    /// the job will be retried until both limits are reached"; "if `retryCount`
    /// is 0 (and if `maxRetryDuration` is also 0), a job attempt won't be
    /// retried" (Cloud Scheduler, "Retry jobs").
    pub(super) fn is_over(&self, retries: u32, since_first: Duration) -> bool {
        retries >= self.retry_count && since_first >= self.max_retry_duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_end_when_both_limits_are_reached() {
        let [zero, short, long] = [0, 59, 60].map(Duration::from_secs);
        let retry = |retry_count, max_retry_duration| JobRetry {
            retry_count,
            max_retry_duration,
            ..JobRetry::default()
        };
        assert!(JobRetry::default().is_over(0, zero));
        assert!(!retry(2, zero).is_over(1, long) && retry(2, zero).is_over(2, zero));
        assert!(!retry(0, long).is_over(9, short) && retry(0, long).is_over(1, long));
        assert!(!retry(2, long).is_over(2, short) && !retry(2, long).is_over(1, long));
    }
}
