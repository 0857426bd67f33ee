//! Cloud Tasks by gRPC: `google.cloud.tasks.v2.CloudTasks`.

use std::sync::Arc;

use googleapis_tonic_google_cloud_tasks_v2::google::cloud::tasks::v2 as proto;
use http::Request;
use hyper::body::Incoming;
use prost::Message;
use proto::http_request::AuthorizationHeader;
use proto::task::{MessageType, View};
use serde_json::{Map, Value};
use tonic::Status;

use super::{Tasks, wire};
use crate::answers::Answer;
use crate::grpc::{unary, unimplemented};
use crate::target::wire::{Oauth, Oidc, Target};
use crate::target::{ApiError, Page};

/// What its methods' paths begin with.
pub(crate) const SERVICE: &str = "/google.cloud.tasks.v2.CloudTasks/";

/// Answers a method.
pub(crate) async fn answer(tasks: &Arc<Tasks>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let tasks = Arc::clone(tasks);
    match path.strip_prefix(SERVICE).unwrap_or_default() {
        "ListQueues" => call(tasks, request, list_queues).await,
        "GetQueue" => {
            call(tasks, request, |it, m: proto::GetQueueRequest| {
                it.get_queue(&m.name).map(proto::Queue::from)
            })
            .await
        }
        "CreateQueue" => {
            call(tasks, request, |it, m: proto::CreateQueueRequest| {
                it.create_queue(&m.parent, &queue_of(m.queue)?).map(proto::Queue::from)
            })
            .await
        }
        "UpdateQueue" => {
            call(tasks, request, |it, m: proto::UpdateQueueRequest| {
                let mask = m.update_mask.unwrap_or_default().paths;
                it.update_queue(&queue_of(m.queue)?, &mask).map(proto::Queue::from)
            })
            .await
        }
        "DeleteQueue" => {
            call(tasks, request, |it, m: proto::DeleteQueueRequest| it.delete_queue(&m.name)).await
        }
        "PurgeQueue" => {
            call(tasks, request, |it, m: proto::PurgeQueueRequest| {
                it.purge_queue(&m.name).map(proto::Queue::from)
            })
            .await
        }
        "PauseQueue" => {
            call(tasks, request, |it, m: proto::PauseQueueRequest| {
                it.pause_queue(&m.name, true).map(proto::Queue::from)
            })
            .await
        }
        "ResumeQueue" => {
            call(tasks, request, |it, m: proto::ResumeQueueRequest| {
                it.pause_queue(&m.name, false).map(proto::Queue::from)
            })
            .await
        }
        "ListTasks" => call(tasks, request, list_tasks).await,
        "GetTask" => {
            call(tasks, request, |it, m: proto::GetTaskRequest| {
                it.get_task(&m.name, m.response_view() == View::Full).map(proto::Task::from)
            })
            .await
        }
        "CreateTask" => {
            call(tasks, request, |it, m: proto::CreateTaskRequest| {
                let is_full = m.response_view() == View::Full;
                let task = m.task.ok_or_else(|| ApiError::invalid("task is required"))?;
                it.create_task(&m.parent, &task.into(), is_full).map(proto::Task::from)
            })
            .await
        }
        "DeleteTask" => {
            call(tasks, request, |it, m: proto::DeleteTaskRequest| it.delete_task(&m.name)).await
        }
        "RunTask" => {
            call(tasks, request, |it, m: proto::RunTaskRequest| {
                it.run_task(&m.name, m.response_view() == View::Full).map(proto::Task::from)
            })
            .await
        }
        _ => unimplemented(&path),
    }
}

async fn call<M, R>(
    tasks: Arc<Tasks>,
    request: Request<Incoming>,
    method: impl FnOnce(&Tasks, M) -> Result<R, ApiError> + Send + 'static,
) -> Answer
where
    M: Message + Default + 'static,
    R: Message + Default + 'static,
{
    unary(request, move |message| async move { method(&tasks, message).map_err(Status::from) })
        .await
}

fn list_queues(
    tasks: &Tasks,
    message: proto::ListQueuesRequest,
) -> Result<proto::ListQueuesResponse, ApiError> {
    let page = Page { size: message.page_size, token: message.page_token };
    let list = tasks.list_queues(&message.parent, &message.filter, &page)?;
    Ok(proto::ListQueuesResponse {
        queues: list.queues.into_iter().map(Into::into).collect(),
        next_page_token: list.next_page_token,
    })
}

fn list_tasks(
    tasks: &Tasks,
    message: proto::ListTasksRequest,
) -> Result<proto::ListTasksResponse, ApiError> {
    let is_full = message.response_view() == View::Full;
    let page = Page { size: message.page_size, token: message.page_token };
    let list = tasks.list_tasks(&message.parent, is_full, &page)?;
    Ok(proto::ListTasksResponse {
        tasks: list.tasks.into_iter().map(Into::into).collect(),
        next_page_token: list.next_page_token,
    })
}

fn queue_of(queue: Option<proto::Queue>) -> Result<wire::Queue, ApiError> {
    let queue = queue.ok_or_else(|| ApiError::invalid("queue is required"))?;
    Ok(wire::Queue {
        name: queue.name,
        rate_limits: queue.rate_limits.map(|it| wire::RateLimits {
            max_dispatches_per_second: it.max_dispatches_per_second,
            max_burst_size: it.max_burst_size,
            max_concurrent_dispatches: it.max_concurrent_dispatches,
        }),
        retry_config: queue.retry_config.map(|it| wire::RetryConfig {
            max_attempts: it.max_attempts,
            max_retry_duration: it.max_retry_duration,
            min_backoff: it.min_backoff,
            max_backoff: it.max_backoff,
            // Zero can't be told from nothing here.
            max_doublings: Some(it.max_doublings).filter(|it| *it != 0),
        }),
        app_engine_routing_override: queue.app_engine_routing_override.map(|_| empty()),
        ..wire::Queue::default()
    })
}

impl From<wire::Queue> for proto::Queue {
    fn from(queue: wire::Queue) -> Self {
        let state = proto::queue::State::from_str_name(&queue.state).unwrap_or_default();
        Self {
            name: queue.name,
            rate_limits: queue.rate_limits.map(|it| proto::RateLimits {
                max_dispatches_per_second: it.max_dispatches_per_second,
                max_burst_size: it.max_burst_size,
                max_concurrent_dispatches: it.max_concurrent_dispatches,
            }),
            retry_config: queue.retry_config.map(|it| proto::RetryConfig {
                max_attempts: it.max_attempts,
                max_retry_duration: it.max_retry_duration,
                min_backoff: it.min_backoff,
                max_backoff: it.max_backoff,
                max_doublings: it.max_doublings.unwrap_or_default(),
            }),
            state: state.into(),
            purge_time: queue.purge_time,
            ..Self::default()
        }
    }
}

/// Something that is there, of which no more has to be known.
fn empty() -> Value {
    Map::new().into()
}

impl From<proto::Task> for wire::Task {
    fn from(task: proto::Task) -> Self {
        let (http_request, app_engine) = match task.message_type {
            Some(MessageType::HttpRequest(request)) => (Some(target_of(request)), None),
            Some(MessageType::AppEngineHttpRequest(_)) => (None, Some(empty())),
            None => (None, None),
        };
        Self {
            name: task.name,
            http_request,
            app_engine_http_request: app_engine,
            schedule_time: task.schedule_time,
            dispatch_deadline: task.dispatch_deadline,
            ..Self::default()
        }
    }
}

fn target_of(request: proto::HttpRequest) -> Target {
    let http_method = request.http_method().as_str_name().to_owned();
    let mut target = Target {
        url: request.url,
        http_method,
        headers: request.headers.into_iter().collect(),
        body: request.body,
        ..Target::default()
    };
    match request.authorization_header {
        Some(AuthorizationHeader::OidcToken(proto::OidcToken {
            service_account_email,
            audience,
        })) => {
            target.oidc_token = Some(Oidc { service_account_email, audience });
        }
        Some(AuthorizationHeader::OauthToken(proto::OAuthToken {
            service_account_email,
            scope,
        })) => {
            target.oauth_token = Some(Oauth { service_account_email, scope });
        }
        None => {}
    }
    target
}

impl From<wire::Task> for proto::Task {
    fn from(task: wire::Task) -> Self {
        Self {
            name: task.name,
            schedule_time: task.schedule_time,
            create_time: task.create_time,
            dispatch_deadline: task.dispatch_deadline,
            dispatch_count: task.dispatch_count,
            response_count: task.response_count,
            first_attempt: task.first_attempt.map(attempt),
            last_attempt: task.last_attempt.map(attempt),
            view: View::from_str_name(&task.view).unwrap_or_default().into(),
            message_type: task.http_request.map(|it| MessageType::HttpRequest(request(it))),
        }
    }
}

fn request(target: Target) -> proto::HttpRequest {
    let method = proto::HttpMethod::from_str_name(&target.http_method).unwrap_or_default();
    let oidc = target.oidc_token.map(|it| {
        AuthorizationHeader::OidcToken(proto::OidcToken {
            service_account_email: it.service_account_email,
            audience: it.audience,
        })
    });
    proto::HttpRequest {
        url: target.url,
        http_method: method.into(),
        headers: target.headers.into_iter().collect(),
        body: target.body,
        authorization_header: oidc,
    }
}

fn attempt(attempt: wire::Attempt) -> proto::Attempt {
    proto::Attempt {
        schedule_time: attempt.schedule_time,
        dispatch_time: attempt.dispatch_time,
        response_time: attempt.response_time,
        response_status: attempt.response_status.map(crate::target::Status::into_proto),
    }
}
