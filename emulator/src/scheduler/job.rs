//! One job: its schedule, and its executions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};
use remint_idtoken::UnixTime;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::settings::JobRetry;
use super::wire::{self, Settings};
use crate::attempt::Attempt;
use crate::sync::lock;
use crate::target::{ApiError, HttpTarget, Status, Targets, status_of, wire as shared};

/// How often the clock is looked at while a job waits: it may be set, and the
/// machine may have slept.
const LOOK: Duration = Duration::from_secs(1);
/// How many attempts of a job are remembered.
const KEPT: usize = 1000;

pub(super) struct Job {
    /// The resource name.
    pub(super) name: String,
    state: Mutex<State>,
    /// Its state or its schedule is another.
    changed: Notify,
    /// An attempt has ended.
    attempted: Notify,
    targets: Arc<Targets>,
}

struct State {
    settings: Settings,
    updated: UnixTime,
    is_paused: bool,
    is_deleted: bool,
    status: Option<Status>,
    last_attempt: Option<UnixTime>,
    /// Its times up to this one are past.
    after: UnixTime,
    /// When it is retried.
    retry_at: Option<UnixTime>,
    attempts: Vec<Attempt>,
    made: u64,
}

/// One attempt that is to be made.
struct Shot {
    target: HttpTarget,
    marks: HeaderMap,
    deadline: Duration,
    retry: JobRetry,
}

enum Plan {
    At(UnixTime),
    Idle,
    End,
}

impl Job {
    pub(super) fn new(name: String, settings: Settings, targets: Arc<Targets>) -> Self {
        let now = targets.now();
        let state = State {
            settings,
            updated: now,
            is_paused: false,
            is_deleted: false,
            status: None,
            last_attempt: None,
            after: now,
            retry_at: None,
            attempts: Vec::new(),
            made: 0,
        };
        Self {
            name,
            state: Mutex::new(state),
            changed: Notify::new(),
            attempted: Notify::new(),
            targets,
        }
    }

    /// Its id, without project and location.
    fn id(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// From now on it is like this.
    pub(super) fn update(&self, settings: Settings) {
        let now = self.targets.now();
        let mut state = lock(&self.state);
        state.settings = settings;
        state.updated = now;
        state.after = now;
        drop(state);
        self.changed.notify_one();
    }

    /// "A job must be in ENABLED to be paused", and in PAUSED to be resumed
    /// (Cloud Scheduler API).
    pub(super) fn pause(&self, is_paused: bool) -> Result<(), ApiError> {
        let now = self.targets.now();
        let mut state = lock(&self.state);
        if state.is_paused == is_paused {
            let must = if is_paused { "ENABLED to be paused" } else { "PAUSED to be resumed" };
            return Err(ApiError::precondition(format!("a job must be {must}")));
        }
        state.is_paused = is_paused;
        state.after = now;
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    pub(super) fn delete(&self) {
        lock(&self.state).is_deleted = true;
        self.changed.notify_one();
    }

    /// The newest attempts, and how many there were.
    pub(super) fn attempts(&self) -> (Vec<Attempt>, u64) {
        let state = lock(&self.state);
        (state.attempts.clone(), state.made)
    }

    /// Waits until it was attempted that often.
    pub(super) async fn attempted(&self, times: u64) -> Vec<Attempt> {
        loop {
            let mut attempted = std::pin::pin!(self.attempted.notified());
            attempted.as_mut().enable();
            let (attempts, made) = self.attempts();
            if made >= times {
                return attempts;
            }
            attempted.await;
        }
    }

    /// As the API shows it.
    pub(super) fn shown(&self) -> wire::Job {
        let state = lock(&self.state);
        let settings = &state.settings;
        let next = state.retry_at.or_else(|| match state.is_paused {
            true => None,
            false => settings.times.next_after(state.after),
        });
        let mut target = shared::Target::from(&settings.target);
        target.uri = settings.target.endpoint.to_string();
        wire::Job {
            name: self.name.clone(),
            description: settings.description.clone(),
            schedule: settings.schedule.clone(),
            time_zone: settings.time_zone.clone(),
            user_update_time: Some(shared::of_time(state.updated)),
            state: if state.is_paused { "PAUSED" } else { "ENABLED" }.to_owned(),
            status: state.status.clone(),
            schedule_time: next.map(shared::of_time),
            last_attempt_time: state.last_attempt.map(shared::of_time),
            retry_config: Some(settings.retry.into()),
            attempt_deadline: shared::of_span(settings.deadline),
            http_target: Some(target),
            ..wire::Job::default()
        }
    }

    /// Runs by its schedule until it is deleted. One execution follows the
    /// other: "a scheduled start time will be delayed if the previous execution
    /// has not ended when its scheduled time occurs" (Cloud Scheduler API,
    /// `Job.schedule`). Of several times that have passed in the meantime one
    /// is made up for.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            let next = match self.plan() {
                Plan::At(next) => Some(next),
                Plan::Idle => None,
                Plan::End => return,
            };
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                () = self.until(next.unwrap_or_default()), if next.is_some() => {
                    let at = next.unwrap_or_default();
                    lock(&self.state).after = self.targets.now().max(at);
                    self.execute(at).await;
                }
            }
        }
    }

    fn plan(&self) -> Plan {
        let state = lock(&self.state);
        if state.is_deleted {
            return Plan::End;
        }
        let next = state.settings.times.next_after(state.after).filter(|_| !state.is_paused);
        next.map_or(Plan::Idle, Plan::At)
    }

    async fn until(&self, moment: UnixTime) {
        loop {
            let left = moment.since(self.targets.now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(LOOK)).await;
        }
    }

    /// One execution: an attempt, and others if it fails and the job retries.
    pub(super) async fn execute(&self, at: UnixTime) -> Vec<Attempt> {
        let started = Instant::now();
        let mut attempts = Vec::new();
        loop {
            let Shot { target, marks, deadline, retry } = self.begin(at);
            let sent = Instant::now();
            let (attempt, _) = self.targets.send(&self.name, &target, marks, deadline).await;
            let retries = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
            let is_last = attempt.is_success() || retry.is_over(retries, started.elapsed());
            let wait = retry.backoff.wait(retries.saturating_add(1));
            attempts.push(attempt.clone());
            self.end(attempt, sent.elapsed() >= deadline, Some(wait).filter(|_| !is_last));
            if is_last {
                return attempts;
            }
            sleep(wait).await;
            if !self.is_still_wanted() {
                return attempts;
            }
        }
    }

    fn begin(&self, at: UnixTime) -> Shot {
        let now = self.targets.now();
        let mut state = lock(&self.state);
        state.last_attempt = Some(now);
        state.retry_at = None;
        let settings = &state.settings;
        Shot {
            target: settings.target.clone(),
            marks: self.marks(settings.times.shown(at)),
            deadline: settings.deadline,
            retry: settings.retry,
        }
    }

    /// Cloud Scheduler API, `HttpTarget.headers`. The job's name stands there
    /// without project and location.
    fn marks(&self, at: Option<String>) -> HeaderMap {
        let marks = [
            ("x-cloudscheduler", Some("true".to_owned())),
            ("x-cloudscheduler-jobname", Some(self.id().to_owned())),
            ("x-cloudscheduler-scheduletime", at),
        ];
        let agent = (USER_AGENT, HeaderValue::from_static("Google-Cloud-Scheduler"));
        let marks = marks.into_iter().filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value?).ok()?))
        });
        marks.chain([agent]).collect()
    }

    fn end(&self, attempt: Attempt, is_late: bool, retry_in: Option<Duration>) {
        let now = self.targets.now();
        let mut state = lock(&self.state);
        state.status = Some(status_of(&attempt, is_late));
        state.retry_at = retry_in.map(|wait| now.plus(wait));
        if state.attempts.len() >= KEPT {
            state.attempts.remove(0);
        }
        state.attempts.push(attempt);
        state.made = state.made.saturating_add(1);
        drop(state);
        self.attempted.notify_waiters();
    }

    /// Whether a retry still has a job to run for.
    fn is_still_wanted(&self) -> bool {
        let mut state = lock(&self.state);
        let is_wanted = !state.is_deleted && !state.is_paused;
        if !is_wanted {
            state.retry_at = None;
        }
        is_wanted
    }
}
