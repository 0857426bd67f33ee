//! What a queue knows: its settings, its tasks, and those that are gone.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use prost_types::Timestamp;
use remint_idtoken::UnixTime;

use super::overrides::HttpOverrides;
use super::pacing::{Pacing, RateLimits};
use super::settings::RetryConfig;
use super::task::{Task, TaskOutcome, TaskReport};

/// "Another task with the same name can't be created for ~1 hour after the
/// original task was deleted or executed" (Cloud Tasks API, `CreateTask`).
const NAME_IS_TAKEN_FOR: Duration = Duration::from_secs(3600);
/// How many tasks that are gone are remembered.
const REMEMBERED: usize = 10_000;

pub(super) struct State {
    pub(super) retry: RetryConfig,
    pub(super) http: HttpOverrides,
    pub(super) pacing: Pacing,
    pub(super) purge_time: Option<Timestamp>,
    pub(super) tasks: HashMap<u64, Task>,
    pub(super) numbers: HashMap<String, u64>,
    pub(super) gone: VecDeque<Gone>,
    pub(super) next: u64,
    pub(super) is_deleted: bool,
}

/// A task that is no longer in the queue.
pub(super) struct Gone {
    pub(super) id: String,
    at: UnixTime,
    pub(super) report: TaskReport,
}

impl State {
    pub(super) fn new(limits: RateLimits, retry: RetryConfig, http: HttpOverrides) -> Self {
        Self {
            retry,
            http,
            pacing: Pacing::new(limits),
            purge_time: None,
            tasks: HashMap::new(),
            numbers: HashMap::new(),
            gone: VecDeque::new(),
            next: 0,
            is_deleted: false,
        }
    }

    /// Whether a task of that id was there a short time ago.
    pub(super) fn is_taken(&self, id: &str, now: UnixTime) -> bool {
        let is_new = |it: &&Gone| now.since(it.at) < NAME_IS_TAKEN_FOR;
        self.gone.iter().filter(is_new).any(|it| it.id == id)
    }

    pub(super) fn schedule(&mut self, number: u64, due: Duration) {
        if let Some(task) = self.tasks.get_mut(&number) {
            task.due = Some(due);
            self.pacing.add(due, number);
        }
    }

    pub(super) fn unschedule(&mut self, number: u64) {
        let due = self.tasks.get_mut(&number).and_then(|task| task.due.take());
        if let Some(due) = due {
            self.pacing.remove(due, number);
        }
    }

    pub(super) fn remove(&mut self, number: u64, outcome: TaskOutcome, now: UnixTime) {
        self.unschedule(number);
        let Some(task) = self.tasks.remove(&number) else {
            return;
        };
        self.numbers.remove(&task.id);
        if self.gone.len() >= REMEMBERED {
            self.gone.pop_front();
        }
        let report = TaskReport { attempts: task.attempts, outcome };
        self.gone.push_back(Gone { id: task.id, at: now, report });
    }
}
