//! One task: what it calls, and what came of it so far.

use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost_types::Timestamp;

use super::settings::TaskConfig;
use super::wire;
use crate::attempt::Attempt;
use crate::target::{Status, wire as shared};

/// How many attempts of a task are remembered.
const KEPT: usize = 1000;

/// What became of a task that is no longer in its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskReport {
    /// Its newest attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// How it ended.
    pub outcome: TaskOutcome,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// Its target answered with 2xx.
    Succeeded,
    /// It was attempted as often as the queue allows.
    GivenUp,
    /// It was deleted, itself or with its queue.
    Deleted,
}

pub(super) struct Task {
    pub(super) id: String,
    pub(super) config: TaskConfig,
    /// When it waits to be dispatched, since the queue's beginning.
    pub(super) due: Option<Duration>,
    pub(super) first_dispatch: Option<Duration>,
    pub(super) schedule_time: Timestamp,
    pub(super) create_time: Timestamp,
    pub(super) dispatches: u32,
    pub(super) responses: u32,
    /// Answers other than 5xx.
    executions: u32,
    previous: Option<Attempt>,
    reason: String,
    pub(super) first: Option<wire::Attempt>,
    pub(super) last: Option<wire::Attempt>,
    pub(super) attempts: Vec<Attempt>,
}

impl Task {
    pub(super) fn new(id: String, config: TaskConfig, at: Timestamp, now: Timestamp) -> Self {
        Self {
            id,
            config,
            due: None,
            first_dispatch: None,
            schedule_time: at,
            create_time: now,
            dispatches: 0,
            responses: 0,
            executions: 0,
            previous: None,
            reason: String::new(),
            first: None,
            last: None,
            attempts: Vec::new(),
        }
    }

    /// Counts a dispatch; the headers that go along with it.
    pub(super) fn dispatch(&mut self, queue: &str, now: Timestamp, since: Duration) -> HeaderMap {
        let marks = self.marks(queue);
        self.first_dispatch.get_or_insert(since);
        self.dispatches = self.dispatches.saturating_add(1);
        let attempt = wire::Attempt {
            schedule_time: Some(self.schedule_time),
            dispatch_time: Some(now),
            ..wire::Attempt::default()
        };
        let dispatch_time = attempt.dispatch_time;
        self.first.get_or_insert(wire::Attempt { dispatch_time, ..wire::Attempt::default() });
        self.last = Some(attempt);
        marks
    }

    /// What tells of the task and its history. The names and what they mean:
    /// Cloud Tasks, "Create HTTP target tasks", "Task request headers";
    /// `TaskExecutionCount` "does not include failures due to 5XX error codes",
    /// and `TaskETA` has been seen with a fraction: `1666670855.3296249`. What
    /// `TaskRetryReason` says is not documented: here it is the status of the
    /// attempt before.
    fn marks(&self, queue: &str) -> HeaderMap {
        let Timestamp { seconds, nanos } = self.schedule_time;
        let micros = nanos.checked_div(1000).unwrap_or_default();
        let mut marks = vec![
            ("x-cloudtasks-queuename", queue.to_owned()),
            ("x-cloudtasks-taskname", self.id.clone()),
            ("x-cloudtasks-taskretrycount", self.dispatches.to_string()),
            ("x-cloudtasks-taskexecutioncount", self.executions.to_string()),
            ("x-cloudtasks-tasketa", format!("{seconds}.{micros:06}")),
        ];
        if let Some(previous) = &self.previous {
            let status = previous.status().map(|status| status.to_string());
            marks.extend(status.map(|it| ("x-cloudtasks-taskpreviousresponse", it)));
            marks.push(("x-cloudtasks-taskretryreason", self.reason.clone()));
        }
        let agent = (USER_AGENT, HeaderValue::from_static("Google-Cloud-Tasks"));
        let marks = marks.into_iter().filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        });
        marks.chain([agent]).collect()
    }

    /// Counts the end of an attempt.
    pub(super) fn end(&mut self, attempt: Attempt, status: Status, now: Timestamp) {
        if let Some(answered) = attempt.status() {
            self.responses = self.responses.saturating_add(1);
            let is_executed = !(500..600).contains(&answered);
            self.executions = self.executions.saturating_add(is_executed.into());
        }
        self.reason.clone_from(&status.message);
        if let Some(last) = &mut self.last {
            last.response_time = attempt.status().map(|_| now);
            last.response_status = Some(status);
        }
        if self.attempts.len() >= KEPT {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt.clone());
        self.previous = Some(attempt);
    }

    /// As the API shows it; without the body unless all is asked for.
    pub(super) fn shown(&self, queue: &str, is_full: bool) -> wire::Task {
        let mut request = shared::Target::from(&self.config.target);
        request.url = self.config.target.endpoint.to_string();
        if !is_full {
            request.body.clear();
        }
        wire::Task {
            name: format!("{queue}/tasks/{}", self.id),
            http_request: Some(request),
            app_engine_http_request: None,
            schedule_time: Some(self.schedule_time),
            create_time: Some(self.create_time),
            dispatch_deadline: shared::of_span(self.config.dispatch_deadline),
            dispatch_count: i32::try_from(self.dispatches).unwrap_or(i32::MAX),
            response_count: i32::try_from(self.responses).unwrap_or(i32::MAX),
            first_attempt: self.first.clone(),
            last_attempt: self.last.clone(),
            view: if is_full { "FULL" } else { "BASIC" }.to_owned(),
        }
    }
}
