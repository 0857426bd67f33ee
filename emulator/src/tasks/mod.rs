//! The sender: Cloud Tasks, with its API by gRPC and REST. Queues and tasks are
//! in memory. Any caller may use the API: it asks for no access token.
//!
//! Not modelled: App Engine tasks, OAuth tokens, redirects (any 3xx is a
//! failure), the slow start of a queue that was idle, the days in which the
//! name of a deleted queue can't be used again, IAM policies of queues.
//!
//! After 429 and 503 a queue halves its rate, down to a sixty-fourth; each
//! success takes back one halving. Cloud Tasks "will use a higher backoff
//! rate" then, without saying which.

mod grpc;
mod overrides;
mod pacing;
mod queue;
mod rest;
mod retry_after;
mod settings;
mod state;
mod task;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::config::Agent;
use crate::senders::Senders;
use crate::sync::lock;
use crate::target::{ApiError, Page, Targets, chosen_id, is_id, parts, random_id, updated};
pub(crate) use grpc::{SERVICE, answer as grpc_answer};
pub use overrides::HttpOverrides;
pub use pacing::RateLimits;
use queue::Queue;
pub(crate) use rest::{answer as rest_answer, serves};
pub use settings::{QueueConfig, RetryConfig, TaskConfig};
pub use task::{TaskOutcome, TaskReport};

/// The largest pages (Cloud Tasks API, `ListQueuesRequest`, `ListTasksRequest`).
const LARGEST_QUEUES: usize = 9800;
const LARGEST_TASKS: usize = 1000;

/// All queues of a project.
pub struct Tasks {
    project_id: String,
    targets: Arc<Targets>,
    queues: Mutex<BTreeMap<String, Arc<Queue>>>,
    /// The queues' loops, which end with this.
    loops: Mutex<JoinSet<()>>,
}

impl Tasks {
    pub(crate) fn new(senders: Arc<Senders>, project_id: &str) -> Self {
        Self {
            project_id: project_id.to_owned(),
            targets: Arc::new(Targets::new(senders, Agent::CloudTasks)),
            queues: Mutex::default(),
            loops: Mutex::default(),
        }
    }

    /// Creates a queue with its tasks. Its resource name is returned.
    ///
    /// # Errors
    /// As the API's `CreateQueue` and `CreateTask`.
    pub fn create(&self, config: &QueueConfig) -> Result<String, ApiError> {
        let parent = format!("projects/{}/locations/{}", self.project_id, config.location);
        let queue = config.as_wire(&parent);
        self.create_queue(&parent, &queue)?;
        for task in &config.tasks {
            self.add(&queue.name, task)?;
        }
        Ok(queue.name)
    }

    /// Puts a task in a queue, which is given by its resource name. The task's
    /// resource name is returned.
    ///
    /// # Errors
    /// As the API's `CreateTask`.
    pub fn add(&self, queue: &str, task: &TaskConfig) -> Result<String, ApiError> {
        Ok(self.create_task(queue, &task.as_wire(queue), false)?.name)
    }

    /// Runs a task at once, as `RunTask` does.
    ///
    /// # Errors
    /// `NOT_FOUND` if it is no longer there.
    pub fn run(&self, task: &str) -> Result<(), ApiError> {
        self.run_task(task, false).map(drop)
    }

    /// Waits until a task has succeeded, was given up or deleted. None if there
    /// was no such task. The newest ten thousand of a queue are remembered.
    pub async fn finished(&self, task: &str) -> Option<TaskReport> {
        let (queue, id) = self.task_of(task).ok()?;
        queue.finished(id).await
    }

    /// Ends all queues.
    pub(crate) fn stop(&self) {
        lock(&self.loops).abort_all();
    }

    fn create_queue(&self, parent: &str, queue: &wire::Queue) -> Result<wire::Queue, ApiError> {
        let [project, location] = parts(parent, ["projects", "locations"])?;
        let [in_project, in_location, _] = queue_ids(&queue.name)?;
        if (project, location) != (in_project, in_location) {
            return Err(ApiError::invalid(format!(
                "the queue's name does not begin with {parent}/"
            )));
        }
        let (limits, retry, http) = queue.settings()?;
        let mut queues = lock(&self.queues);
        if queues.contains_key(&queue.name) {
            return Err(ApiError::exists("Queue already exists"));
        }
        let targets = Arc::clone(&self.targets);
        let created = Arc::new(Queue::new(queue.name.clone(), limits, retry, http, targets));
        let mut loops = lock(&self.loops);
        while loops.try_join_next().is_some() {}
        loops.spawn(Arc::clone(&created).run());
        queues.insert(queue.name.clone(), Arc::clone(&created));
        Ok(shown(&created))
    }

    fn get_queue(&self, name: &str) -> Result<wire::Queue, ApiError> {
        Ok(shown(&*self.queue(name)?))
    }

    fn list_queues(
        &self,
        parent: &str,
        filter: &str,
        page: &Page,
    ) -> Result<wire::Queues, ApiError> {
        parts(parent, ["projects", "locations"])?;
        if !filter.is_empty() {
            return Err(ApiError::invalid("filters are not emulated"));
        }
        let root = format!("{parent}/queues/");
        let queues = lock(&self.queues);
        let all = queues.iter().filter(|(name, _)| name.starts_with(&root));
        let all = all.map(|(_, queue)| shown(queue)).collect();
        let (queues, next_page_token) = page.cut(all, LARGEST_QUEUES)?;
        Ok(wire::Queues { queues, next_page_token })
    }

    /// "This method creates the queue if it does not exist" (Cloud Tasks API).
    fn update_queue(&self, given: &wire::Queue, mask: &[String]) -> Result<wire::Queue, ApiError> {
        let [project, location, _] = queue_ids(&given.name)?;
        let Ok(queue) = self.queue(&given.name) else {
            return self.create_queue(&format!("projects/{project}/locations/{location}"), given);
        };
        let json = |it: &wire::Queue| {
            serde_json::to_value(it).map_err(|error| ApiError::invalid(error.to_string()))
        };
        let updated = updated(json(&shown(&queue))?, &json(given)?, mask)?;
        let updated: wire::Queue = serde_json::from_value(updated)
            .map_err(|error| ApiError::invalid(format!("updateMask: {error}")))?;
        let (limits, retry, http) = updated.settings()?;
        queue.with(|state, since| {
            state.pacing.set_limits(since, limits);
            state.retry = retry;
            state.http = http;
        });
        Ok(shown(&queue))
    }

    fn delete_queue(&self, name: &str) -> Result<(), ApiError> {
        let queue = self.queue(name)?;
        lock(&self.queues).remove(name);
        queue.purge(true);
        Ok(())
    }

    fn purge_queue(&self, name: &str) -> Result<wire::Queue, ApiError> {
        let queue = self.queue(name)?;
        queue.purge(false);
        Ok(shown(&queue))
    }

    fn pause_queue(&self, name: &str, is_paused: bool) -> Result<wire::Queue, ApiError> {
        let queue = self.queue(name)?;
        queue.with(|state, _| state.pacing.pause(is_paused));
        Ok(shown(&queue))
    }

    fn create_task(
        &self,
        parent: &str,
        task: &wire::Task,
        is_full: bool,
    ) -> Result<wire::Task, ApiError> {
        let queue = self.queue(parent)?;
        let mut config = task.settings()?;
        if !task.name.is_empty() {
            config.id = Some(id_in(parent, &task.name)?.to_owned());
        }
        let id = config.id.clone().map_or_else(random_id, Ok)?;
        queue.add(id.clone(), config, task.schedule_time)?;
        look(&queue, &id, is_full)
    }

    fn get_task(&self, name: &str, is_full: bool) -> Result<wire::Task, ApiError> {
        let (queue, id) = self.task_of(name)?;
        look(&queue, id, is_full)
    }

    fn list_tasks(
        &self,
        parent: &str,
        is_full: bool,
        page: &Page,
    ) -> Result<wire::Tasks, ApiError> {
        let queue = self.queue(parent)?;
        let mut all = queue.with(|state, _| {
            let tasks = state.tasks.iter();
            tasks
                .map(|(number, task)| (*number, task.shown(&queue.name, is_full)))
                .collect::<Vec<_>>()
        });
        all.sort_unstable_by_key(|(number, _)| *number);
        let all = all.into_iter().map(|(_, task)| task).collect();
        let (tasks, next_page_token) = page.cut(all, LARGEST_TASKS)?;
        Ok(wire::Tasks { tasks, next_page_token })
    }

    fn delete_task(&self, name: &str) -> Result<(), ApiError> {
        let (queue, id) = self.task_of(name)?;
        queue.delete(id)
    }

    fn run_task(&self, name: &str, is_full: bool) -> Result<wire::Task, ApiError> {
        let (queue, id) = self.task_of(name)?;
        let task = look(&queue, id, is_full)?;
        queue.run_now(id)?;
        Ok(task)
    }

    fn queue(&self, name: &str) -> Result<Arc<Queue>, ApiError> {
        queue_ids(name)?;
        let queue = lock(&self.queues).get(name).cloned();
        queue.ok_or_else(|| ApiError::not_found("Queue does not exist. If you just created the queue, wait at least a minute for the queue to initialize."))
    }

    fn task_of<'n>(&self, name: &'n str) -> Result<(Arc<Queue>, &'n str), ApiError> {
        let [_, _, _, id] = parts(name, ["projects", "locations", "queues", "tasks"])?;
        let queue = name.strip_suffix(id).and_then(|it| it.strip_suffix("/tasks/"));
        Ok((self.queue(queue.unwrap_or_default())?, id))
    }
}

fn id_in<'n>(queue: &str, name: &'n str) -> Result<&'n str, ApiError> {
    let id = name.strip_prefix(queue).and_then(|it| it.strip_prefix("/tasks/"));
    let other = || ApiError::invalid(format!("{name:?} is no name of a task of {queue}"));
    chosen_id(id.ok_or_else(other)?)
}

fn queue_ids(name: &str) -> Result<[&str; 3], ApiError> {
    let ids = parts(name, ["projects", "locations", "queues"])?;
    match is_id(ids[2], "", 100) {
        true => Ok(ids),
        false => Err(ApiError::invalid(format!(
            "{:?} is no id of a queue: use letters, digits and hyphens, at most 100",
            ids[2]
        ))),
    }
}

fn shown(queue: &Queue) -> wire::Queue {
    queue.with(|state, _| wire::Queue {
        name: queue.name.clone(),
        rate_limits: Some(state.pacing.limits().into()),
        retry_config: Some(state.retry.into()),
        http_target: wire::HttpTarget::of(&state.http),
        state: if state.pacing.is_paused() { "PAUSED" } else { "RUNNING" }.to_owned(),
        purge_time: state.purge_time,
        ..wire::Queue::default()
    })
}

fn look(queue: &Queue, id: &str, is_full: bool) -> Result<wire::Task, ApiError> {
    let shown = queue.task(id, |state, number| {
        state.tasks.get(&number).map(|task| task.shown(&queue.name, is_full))
    })?;
    shown.ok_or_else(|| ApiError::not_found("The task does not exist."))
}
