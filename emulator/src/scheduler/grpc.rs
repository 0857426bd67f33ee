//! Cloud Scheduler by gRPC: `google.cloud.scheduler.v1.CloudScheduler`.

use std::sync::Arc;

use googleapis_tonic_google_cloud_scheduler_v1::google::cloud::scheduler::v1 as proto;
use http::Request;
use hyper::body::Incoming;
use prost::Message;
use proto::http_target::AuthorizationHeader;
use proto::job::Target as ProtoTarget;
use serde_json::{Map, Value};
use tonic::Status;

use super::{Scheduler, wire};
use crate::answers::Answer;
use crate::grpc::{unary, unimplemented};
use crate::target::wire::{Oauth, Oidc, Target};
use crate::target::{ApiError, Page};

/// What its methods' paths begin with.
pub(crate) const SERVICE: &str = "/google.cloud.scheduler.v1.CloudScheduler/";

/// Answers a method.
pub(crate) async fn answer(scheduler: &Arc<Scheduler>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let jobs = Arc::clone(scheduler);
    match path.strip_prefix(SERVICE).unwrap_or_default() {
        "ListJobs" => call(jobs, request, list_jobs).await,
        "GetJob" => {
            call(jobs, request, |it, m: proto::GetJobRequest| {
                it.get_job(&m.name).map(proto::Job::from)
            })
            .await
        }
        "CreateJob" => {
            call(jobs, request, |it, m: proto::CreateJobRequest| {
                it.create_job(&m.parent, &job_of(m.job)?).map(proto::Job::from)
            })
            .await
        }
        "UpdateJob" => {
            call(jobs, request, |it, m: proto::UpdateJobRequest| {
                let mask = m.update_mask.unwrap_or_default().paths;
                it.update_job(&job_of(m.job)?, &mask).map(proto::Job::from)
            })
            .await
        }
        "DeleteJob" => {
            call(jobs, request, |it, m: proto::DeleteJobRequest| it.delete_job(&m.name)).await
        }
        "PauseJob" => {
            call(jobs, request, |it, m: proto::PauseJobRequest| {
                it.pause_job(&m.name, true).map(proto::Job::from)
            })
            .await
        }
        "ResumeJob" => {
            call(jobs, request, |it, m: proto::ResumeJobRequest| {
                it.pause_job(&m.name, false).map(proto::Job::from)
            })
            .await
        }
        "RunJob" => {
            call(jobs, request, |it, m: proto::RunJobRequest| {
                it.run_job(&m.name).map(proto::Job::from)
            })
            .await
        }
        _ => unimplemented(&path),
    }
}

async fn call<M, R>(
    scheduler: Arc<Scheduler>,
    request: Request<Incoming>,
    method: impl FnOnce(&Scheduler, M) -> Result<R, ApiError> + Send + 'static,
) -> Answer
where
    M: Message + Default + 'static,
    R: Message + Default + 'static,
{
    let answer = |message| async move { method(&scheduler, message).map_err(Status::from) };
    unary(request, answer).await
}

fn list_jobs(
    scheduler: &Scheduler,
    message: proto::ListJobsRequest,
) -> Result<proto::ListJobsResponse, ApiError> {
    let page = Page { size: message.page_size, token: message.page_token };
    let list = scheduler.list_jobs(&message.parent, &page)?;
    Ok(proto::ListJobsResponse {
        jobs: list.jobs.into_iter().map(Into::into).collect(),
        next_page_token: list.next_page_token,
    })
}

/// Something that is there, of which no more has to be known.
fn empty() -> Option<Value> {
    Some(Map::new().into())
}

fn job_of(job: Option<proto::Job>) -> Result<wire::Job, ApiError> {
    let job = job.ok_or_else(|| ApiError::invalid("job is required"))?;
    let mut read = wire::Job {
        name: job.name,
        description: job.description,
        schedule: job.schedule,
        time_zone: job.time_zone,
        retry_config: job.retry_config.map(|it| wire::RetryConfig {
            retry_count: it.retry_count,
            max_retry_duration: it.max_retry_duration,
            min_backoff_duration: it.min_backoff_duration,
            max_backoff_duration: it.max_backoff_duration,
            // Zero can't be told from nothing here.
            max_doublings: Some(it.max_doublings).filter(|it| *it != 0),
        }),
        attempt_deadline: job.attempt_deadline,
        ..wire::Job::default()
    };
    match job.target {
        Some(ProtoTarget::HttpTarget(target)) => read.http_target = Some(target_of(target)),
        Some(ProtoTarget::PubsubTarget(_)) => read.pubsub_target = empty(),
        Some(ProtoTarget::AppEngineHttpTarget(_)) => read.app_engine_http_target = empty(),
        None => {}
    }
    Ok(read)
}

fn target_of(given: proto::HttpTarget) -> Target {
    let http_method = given.http_method().as_str_name().to_owned();
    let mut target = Target {
        uri: given.uri,
        http_method,
        headers: given.headers.into_iter().collect(),
        body: given.body,
        ..Target::default()
    };
    match given.authorization_header {
        Some(AuthorizationHeader::OidcToken(it)) => {
            let proto::OidcToken { service_account_email, audience } = it;
            target.oidc_token = Some(Oidc { service_account_email, audience });
        }
        Some(AuthorizationHeader::OauthToken(it)) => {
            let proto::OAuthToken { service_account_email, scope } = it;
            target.oauth_token = Some(Oauth { service_account_email, scope });
        }
        None => {}
    }
    target
}

impl From<wire::Job> for proto::Job {
    fn from(job: wire::Job) -> Self {
        let state = proto::job::State::from_str_name(&job.state).unwrap_or_default();
        Self {
            name: job.name,
            description: job.description,
            schedule: job.schedule,
            time_zone: job.time_zone,
            user_update_time: job.user_update_time,
            state: state.into(),
            status: job.status.map(crate::target::Status::into_proto),
            schedule_time: job.schedule_time,
            last_attempt_time: job.last_attempt_time,
            retry_config: job.retry_config.map(|it| proto::RetryConfig {
                retry_count: it.retry_count,
                max_retry_duration: it.max_retry_duration,
                min_backoff_duration: it.min_backoff_duration,
                max_backoff_duration: it.max_backoff_duration,
                max_doublings: it.max_doublings.unwrap_or_default(),
            }),
            attempt_deadline: job.attempt_deadline,
            target: job.http_target.map(|it| ProtoTarget::HttpTarget(shown(it))),
        }
    }
}

fn shown(target: Target) -> proto::HttpTarget {
    let method = proto::HttpMethod::from_str_name(&target.http_method).unwrap_or_default();
    let oidc = target.oidc_token.map(|it| {
        AuthorizationHeader::OidcToken(proto::OidcToken {
            service_account_email: it.service_account_email,
            audience: it.audience,
        })
    });
    proto::HttpTarget {
        uri: target.uri,
        http_method: method.into(),
        headers: target.headers.into_iter().collect(),
        body: target.body,
        authorization_header: oidc,
    }
}
