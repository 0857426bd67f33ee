//! Queues and tasks, as their users set them up.

use std::time::Duration;

use remint_idtoken::UnixTime;

use super::overrides::HttpOverrides;
use super::pacing::RateLimits;
use super::wire;
use crate::target::{ApiError, Backoff, HttpTarget, chosen_id, wire as shared};

/// How long a task's request may take, by default
/// (Cloud Tasks API, `Task.dispatch_deadline`).
pub(super) const DEADLINE: Duration = Duration::from_secs(600);

/// A queue, as `gcloud tasks queues create` takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueConfig {
    /// Its id.
    pub name: String,
    /// Its location, such as `us-central1`.
    pub location: String,
    /// How fast it dispatches.
    pub rate_limits: RateLimits,
    /// How it retries.
    pub retry: RetryConfig,
    /// What it changes in its tasks' requests.
    pub http: HttpOverrides,
    /// The tasks that are in it to begin with.
    pub tasks: Vec<TaskConfig>,
}

impl QueueConfig {
    /// An empty queue with Cloud Tasks' defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, location: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            location: location.into(),
            rate_limits: RateLimits::default(),
            retry: RetryConfig::default(),
            http: HttpOverrides::default(),
            tasks: Vec::new(),
        }
    }
}

impl QueueConfig {
    /// Whether Cloud Tasks would take it. Its tasks have checks of their own.
    ///
    /// # Errors
    /// As the API's `CreateQueue`.
    pub fn check(&self) -> Result<(), ApiError> {
        let queue = self.as_wire(&format!("projects/p/locations/{}", self.location));
        super::queue_ids(&queue.name)?;
        queue.settings().map(drop)
    }

    pub(super) fn as_wire(&self, parent: &str) -> wire::Queue {
        wire::Queue {
            name: format!("{parent}/queues/{}", self.name),
            rate_limits: Some(self.rate_limits.into()),
            retry_config: Some(self.retry.into()),
            http_target: wire::HttpTarget::of(&self.http),
            ..wire::Queue::default()
        }
    }
}

/// How a queue retries (Cloud Tasks API, `RetryConfig`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryConfig {
    /// How often a task is attempted at most; without a limit if none.
    pub max_attempts: Option<u32>,
    /// How long a task is retried at least, from its first attempt; zero means
    /// that only the attempts count.
    pub max_retry_duration: Duration,
    /// How long it waits between attempts.
    pub backoff: Backoff,
}

impl Default for RetryConfig {
    /// The defaults of gcloud's queues (Cloud Tasks, "Configure queues").
    fn default() -> Self {
        Self {
            max_attempts: Some(100),
            max_retry_duration: Duration::ZERO,
            backoff: Backoff {
                min: Duration::from_millis(100),
                max: Duration::from_secs(3600),
                max_doublings: 16,
            },
        }
    }
}

impl RetryConfig {
    /// Whether there is no further attempt: "once `max_retry_duration` time has
    /// passed *and* the task has been attempted `max_attempts` times". Where
    /// one of both is without limit, the other alone counts.
    pub(super) fn is_over(&self, attempts: u32, since_first: Duration) -> bool {
        let has_age = !self.max_retry_duration.is_zero();
        let is_old = since_first >= self.max_retry_duration;
        match self.max_attempts {
            Some(most) => attempts >= most && is_old,
            None => has_age && is_old,
        }
    }
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskConfig {
    /// Its id; Cloud Tasks chooses one if there is none.
    pub id: Option<String>,
    /// What it calls.
    pub target: HttpTarget,
    /// When it is to run; at once if not said.
    pub schedule_time: Option<UnixTime>,
    /// How long its request may take: 15 s to 30 min.
    pub dispatch_deadline: Duration,
}

impl TaskConfig {
    /// A task that runs at once.
    #[must_use]
    pub fn new(target: HttpTarget) -> Self {
        Self { id: None, target, schedule_time: None, dispatch_deadline: DEADLINE }
    }

    /// Whether Cloud Tasks would take it.
    ///
    /// # Errors
    /// As the API's `CreateTask`.
    pub fn check(&self) -> Result<(), ApiError> {
        if let Some(id) = &self.id {
            chosen_id(id)?;
        }
        self.as_wire("").settings().map(drop)
    }

    pub(super) fn as_wire(&self, queue: &str) -> wire::Task {
        let name = self.id.as_ref().map(|id| format!("{queue}/tasks/{id}"));
        let mut request = shared::Target::from(&self.target);
        request.url = self.target.endpoint.to_string();
        wire::Task {
            name: name.unwrap_or_default(),
            http_request: Some(request),
            schedule_time: self.schedule_time.map(shared::of_time),
            dispatch_deadline: shared::of_span(self.dispatch_deadline),
            ..wire::Task::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_end_when_attempts_and_age_are_both_used_up() {
        let [zero, short, long] = [0, 59, 60].map(Duration::from_secs);
        let retry = |max_attempts, max_retry_duration| RetryConfig {
            max_attempts,
            max_retry_duration,
            ..RetryConfig::default()
        };
        assert!(retry(Some(3), zero).is_over(3, zero) && !retry(Some(3), zero).is_over(2, long));
        assert!(!retry(Some(3), long).is_over(3, short) && retry(Some(3), long).is_over(3, long));
        assert!(!retry(None, zero).is_over(u32::MAX, long));
        assert!(retry(None, long).is_over(1, long) && !retry(None, long).is_over(9, short));
    }
}
