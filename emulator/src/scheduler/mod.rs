//! The sender: Cloud Scheduler, with its API by gRPC and REST. Jobs are in
//! memory. Any caller may use the API: it asks for no access token.
//!
//! Not modelled: targets of Pub/Sub and App Engine, OAuth tokens, English-like
//! schedules, redirects (any 3xx is a failure). A forced run retries as a
//! scheduled one does, and its schedule time is the moment of the call: neither
//! is documented.

mod cron;
mod grpc;
mod job;
mod rest;
mod settings;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::attempt::Attempt;
use crate::config::Agent;
use crate::senders::Senders;
use crate::sync::lock;
use crate::target::{ApiError, Page, Targets, chosen_id, parts, random_id, updated};
pub(crate) use grpc::{SERVICE, answer as grpc_answer};
use job::Job;
pub(crate) use rest::{answer as rest_answer, serves};
pub use settings::{JobConfig, JobRetry};

/// The largest page (Cloud Scheduler API, `ListJobsRequest`).
const LARGEST_JOBS: usize = 500;

/// All jobs of a project.
pub struct Scheduler {
    project_id: String,
    targets: Arc<Targets>,
    jobs: Mutex<BTreeMap<String, Arc<Job>>>,
    /// The jobs' loops and forced runs, which end with this.
    loops: Mutex<JoinSet<()>>,
}

impl Scheduler {
    pub(crate) fn new(senders: Arc<Senders>, project_id: &str) -> Self {
        Self {
            project_id: project_id.to_owned(),
            targets: Arc::new(Targets::new(senders, Agent::CloudScheduler)),
            jobs: Mutex::default(),
            loops: Mutex::default(),
        }
    }

    /// Creates a job. Its resource name is returned.
    ///
    /// # Errors
    /// As the API's `CreateJob`.
    pub fn create(&self, config: &JobConfig) -> Result<String, ApiError> {
        let parent = format!("projects/{}/locations/{}", self.project_id, config.location);
        Ok(self.create_job(&parent, &config.as_wire(&parent))?.name)
    }

    /// Runs a job now, given by its resource name, and waits for the end of
    /// this execution: its attempts, oldest first.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such job.
    pub async fn run(&self, name: &str) -> Result<Vec<Attempt>, ApiError> {
        let job = self.job(name)?;
        Ok(job.execute(self.targets.now()).await)
    }

    /// Waits until a job was attempted that often, by its schedule or not: its
    /// newest attempts, at most a thousand, oldest first.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such job.
    pub async fn attempted(&self, name: &str, times: u64) -> Result<Vec<Attempt>, ApiError> {
        let job = self.job(name)?;
        Ok(job.attempted(times).await)
    }

    /// Ends all executions.
    pub(crate) fn stop(&self) {
        lock(&self.loops).abort_all();
    }

    fn create_job(&self, parent: &str, job: &wire::Job) -> Result<wire::Job, ApiError> {
        parts(parent, ["projects", "locations"])?;
        let name = match job.name.as_str() {
            "" => format!("{parent}/jobs/{}", random_id()?),
            name => name.to_owned(),
        };
        let id = name.strip_prefix(parent).and_then(|it| it.strip_prefix("/jobs/"));
        let other = || ApiError::invalid(format!("{name:?} is no name of a job of {parent}"));
        chosen_id(id.ok_or_else(other)?)?;
        let settings = job.settings()?;
        let mut jobs = lock(&self.jobs);
        if jobs.contains_key(&name) {
            return Err(ApiError::exists(format!("Job [{name}] already exists.")));
        }
        let job = Arc::new(Job::new(name.clone(), settings, Arc::clone(&self.targets)));
        let mut loops = lock(&self.loops);
        while loops.try_join_next().is_some() {}
        loops.spawn(Arc::clone(&job).run());
        jobs.insert(name, Arc::clone(&job));
        Ok(job.shown())
    }

    fn get_job(&self, name: &str) -> Result<wire::Job, ApiError> {
        Ok(self.job(name)?.shown())
    }

    fn list_jobs(&self, parent: &str, page: &Page) -> Result<wire::Jobs, ApiError> {
        parts(parent, ["projects", "locations"])?;
        let root = format!("{parent}/jobs/");
        let jobs = lock(&self.jobs);
        let all = jobs.iter().filter(|(name, _)| name.starts_with(&root));
        let all = all.map(|(_, job)| job.shown()).collect();
        let (jobs, next_page_token) = page.cut(all, LARGEST_JOBS)?;
        Ok(wire::Jobs { jobs, next_page_token })
    }

    fn update_job(&self, given: &wire::Job, mask: &[String]) -> Result<wire::Job, ApiError> {
        let job = self.job(&given.name)?;
        let json = |it: &wire::Job| {
            serde_json::to_value(it).map_err(|error| ApiError::invalid(error.to_string()))
        };
        // What can't be emulated is no part of the document.
        if given.pubsub_target.is_some() || given.app_engine_http_target.is_some() {
            given.settings()?;
        }
        let updated = updated(json(&job.shown())?, &json(given)?, mask)?;
        let updated: wire::Job = serde_json::from_value(updated)
            .map_err(|error| ApiError::invalid(format!("updateMask: {error}")))?;
        job.update(updated.settings()?);
        Ok(job.shown())
    }

    fn delete_job(&self, name: &str) -> Result<(), ApiError> {
        let job = self.job(name)?;
        lock(&self.jobs).remove(name);
        job.delete();
        Ok(())
    }

    fn pause_job(&self, name: &str, is_paused: bool) -> Result<wire::Job, ApiError> {
        let job = self.job(name)?;
        job.pause(is_paused)?;
        Ok(job.shown())
    }

    /// "Cloud Scheduler will dispatch the job, even if the job is already
    /// running" (Cloud Scheduler API, `RunJob`).
    fn run_job(&self, name: &str) -> Result<wire::Job, ApiError> {
        let job = self.job(name)?;
        let now = self.targets.now();
        let forced = Arc::clone(&job);
        let mut loops = lock(&self.loops);
        while loops.try_join_next().is_some() {}
        loops.spawn(async move { drop(forced.execute(now).await) });
        Ok(job.shown())
    }

    fn job(&self, name: &str) -> Result<Arc<Job>, ApiError> {
        parts(name, ["projects", "locations", "jobs"])?;
        let job = lock(&self.jobs).get(name).cloned();
        job.ok_or_else(|| ApiError::not_found("Job not found."))
    }
}
