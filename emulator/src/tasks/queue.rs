//! One queue: its tasks, and the loop that dispatches them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use prost_types::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::overrides::HttpOverrides;
use super::pacing::{Next, RateLimits};
use super::retry_after::retry_after;
use super::settings::{RetryConfig, TaskConfig};
use super::state::State;
use super::task::{Task, TaskOutcome, TaskReport};
use crate::attempt::Attempt;
use crate::sync::lock;
use crate::target::{ApiError, HttpTarget, Targets, status_of, wire};

pub(super) struct Queue {
    /// The resource name.
    pub(super) name: String,
    state: Mutex<State>,
    /// There may be something to dispatch.
    changed: Notify,
    /// A task is gone.
    gone: Notify,
    born: Instant,
    targets: Arc<Targets>,
}

/// One request that is to be made.
struct Dispatch {
    number: u64,
    name: String,
    target: Result<HttpTarget, ApiError>,
    marks: HeaderMap,
    deadline: Duration,
}

enum Step {
    Dispatch(Box<Dispatch>),
    Wait(Option<Instant>),
    End,
}

impl Queue {
    pub(super) fn new(
        name: String,
        limits: RateLimits,
        retry: RetryConfig,
        http: HttpOverrides,
        targets: Arc<Targets>,
    ) -> Self {
        let state = State::new(limits, retry, http);
        Self {
            name,
            state: Mutex::new(state),
            changed: Notify::new(),
            gone: Notify::new(),
            born: Instant::now(),
            targets,
        }
    }

    /// Its id, without project and location.
    fn id(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// Looks at it or changes it; then it sees anew what there is to dispatch.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State, Duration) -> T) -> T {
        let changed = change(&mut lock(&self.state), self.born.elapsed());
        self.changed.notify_one();
        changed
    }

    /// Puts a task in.
    pub(super) fn add(
        &self,
        id: String,
        config: TaskConfig,
        at: Option<Timestamp>,
    ) -> Result<u64, ApiError> {
        let now = self.targets.now();
        // Ids of Google's choice are new.
        let is_named = config.id.is_some();
        self.with(|state, since| {
            if state.numbers.contains_key(&id) || is_named && state.is_taken(&id, now) {
                return Err(ApiError::exists(
                    "The task cannot be created because a task with this name existed too recently. For more information about task de-duplication see https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create#body.request_body.FIELDS.task.",
                ));
            }
            let this = wire::of_time(now);
            let later = |it: &Timestamp| (it.seconds, it.nanos) > (this.seconds, this.nanos);
            let at = at.filter(later).unwrap_or(this);
            let mut task = Task::new(id.clone(), config, at, this);
            let due = since.saturating_add(between(this, at));
            task.due = Some(due);
            let number = state.next;
            state.next = number.saturating_add(1);
            state.pacing.add(due, number);
            state.numbers.insert(id, number);
            state.tasks.insert(number, task);
            Ok(number)
        })
    }

    /// Changes a task, or looks at it.
    pub(super) fn task<T>(
        &self,
        id: &str,
        look: impl FnOnce(&mut State, u64) -> T,
    ) -> Result<T, ApiError> {
        self.with(|state, _| match state.numbers.get(id).copied() {
            Some(number) => Ok(look(state, number)),
            None => Err(ApiError::not_found("The task does not exist.")),
        })
    }

    /// Dispatches a task at once.
    pub(super) fn run_now(&self, id: &str) -> Result<(), ApiError> {
        self.task(id, |state, number| {
            state.unschedule(number);
            state.pacing.force(number);
        })
    }

    pub(super) fn delete(&self, id: &str) -> Result<(), ApiError> {
        let now = self.targets.now();
        self.task(id, |state, number| state.remove(number, TaskOutcome::Deleted, now))?;
        self.gone.notify_waiters();
        Ok(())
    }

    /// Deletes all tasks, and with them the queue if that is wanted.
    pub(super) fn purge(&self, is_deleted: bool) {
        let now = self.targets.now();
        self.with(|state, _| {
            let all: Vec<u64> = state.tasks.keys().copied().collect();
            for number in all {
                state.remove(number, TaskOutcome::Deleted, now);
            }
            state.purge_time = Some(wire::of_time(now));
            state.is_deleted |= is_deleted;
        });
        self.gone.notify_waiters();
    }

    /// Waits until a task is gone. None if there was none of that id.
    pub(super) async fn finished(&self, id: &str) -> Option<TaskReport> {
        loop {
            let mut gone = std::pin::pin!(self.gone.notified());
            gone.as_mut().enable();
            {
                let state = lock(&self.state);
                if !state.numbers.contains_key(id) {
                    let found = state.gone.iter().rev().find(|it| it.id == id);
                    return found.map(|it| it.report.clone());
                }
            }
            gone.await;
        }
    }

    /// Dispatches until the queue is deleted. What is under way then comes to
    /// its end.
    pub(super) async fn run(self: Arc<Self>) {
        let mut attempts = JoinSet::new();
        loop {
            let until = match self.step() {
                Step::Dispatch(dispatch) => {
                    attempts.spawn(Arc::clone(&self).attempt(*dispatch));
                    continue;
                }
                Step::Wait(until) => until,
                Step::End => break,
            };
            let never = Instant::now();
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(until.unwrap_or(never)), if until.is_some() => {}
                Some(_) = attempts.join_next() => {}
            }
        }
        while attempts.join_next().await.is_some() {}
    }

    fn step(&self) -> Step {
        let since = self.born.elapsed();
        let mut state = lock(&self.state);
        if state.is_deleted {
            return Step::End;
        }
        loop {
            match state.pacing.next(since) {
                Next::Nothing => return Step::Wait(None),
                Next::At(at) => return Step::Wait(self.born.checked_add(at)),
                Next::Dispatch(number) => match self.dispatch(&mut state, number, since) {
                    Some(dispatch) => return Step::Dispatch(Box::new(dispatch)),
                    None => state.pacing.end(),
                },
            }
        }
    }

    fn dispatch(&self, state: &mut State, number: u64, since: Duration) -> Option<Dispatch> {
        // It may have been forced while it waited for its next attempt.
        state.unschedule(number);
        let http = &state.http;
        let task = state.tasks.get_mut(&number)?;
        Some(Dispatch {
            number,
            name: format!("{}/tasks/{}", self.name, task.id),
            target: http.apply(&task.config.target),
            marks: task.dispatch(self.id(), wire::of_time(self.targets.now()), since),
            deadline: task.config.dispatch_deadline,
        })
    }

    async fn attempt(self: Arc<Self>, dispatch: Dispatch) {
        let Dispatch { number, name, target, marks, deadline } = dispatch;
        let started = Instant::now();
        let (attempt, headers) = match target {
            Ok(target) => self.targets.send(&name, &target, marks, deadline).await,
            Err(error) => (Attempt::NotSent(error.to_string()), HeaderMap::new()),
        };
        let is_late = started.elapsed() >= deadline;
        self.end(number, attempt, &headers, is_late);
        self.gone.notify_waiters();
    }

    fn end(&self, number: u64, attempt: Attempt, headers: &HeaderMap, is_late: bool) {
        let now = self.targets.now();
        self.with(|state, since| {
            state.pacing.end();
            match attempt.status() {
                Some(429 | 503) => state.pacing.slow(since),
                _ if attempt.is_success() => state.pacing.quicken(since),
                _ => {}
            }
            let retry = state.retry;
            let Some(task) = state.tasks.get_mut(&number) else {
                return;
            };
            let is_success = attempt.is_success();
            let after = retry_after(headers, now).filter(|_| !is_success).unwrap_or_default();
            let status = status_of(&attempt, is_late);
            task.end(attempt, status, wire::of_time(now));
            let age = since.saturating_sub(task.first_dispatch.unwrap_or(since));
            if is_success {
                return state.remove(number, TaskOutcome::Succeeded, now);
            }
            if retry.is_over(task.dispatches, age) {
                return state.remove(number, TaskOutcome::GivenUp, now);
            }
            let wait = retry.backoff.wait(task.dispatches).max(after);
            task.schedule_time = wire::of_time(now.plus(wait));
            let due = since.saturating_add(wait);
            state.unschedule(number);
            state.schedule(number, due);
        });
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    let of = |it: Timestamp| {
        let seconds = Duration::from_secs(u64::try_from(it.seconds).unwrap_or_default());
        seconds.saturating_add(Duration::from_nanos(u64::try_from(it.nanos).unwrap_or_default()))
    };
    of(to).saturating_sub(of(from))
}
