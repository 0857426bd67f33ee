//! Cloud Tasks by REST, as `cloudtasks` v2 is described in its discovery
//! document.

use http::{Method, Request};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::{Tasks, wire};
use crate::answers::Answer;
use crate::api::answer as reply;
use crate::target::{ApiError, Page, document, no_such_method, parts, query};

const ROOT: &str = "/v2/";

/// Whether it is Cloud Tasks' to answer.
pub(crate) fn serves(path: &str) -> bool {
    let name = path.strip_prefix(ROOT).and_then(|it| it.strip_prefix("projects/"));
    name.is_some_and(|it| it.split('/').nth(3).is_some_and(|it| it.starts_with("queues")))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct CreateTask {
    task: Option<wire::Task>,
    response_view: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RunTask {
    response_view: String,
}

/// Nothing, as a body or an answer.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// Answers a method.
pub(crate) async fn answer(tasks: &Tasks, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let name = path.strip_prefix(ROOT).unwrap_or_default();
    if let Some((name, method)) = name.rsplit_once(':') {
        return custom(tasks, name, method, request).await;
    }
    if let Some(parent) = name.strip_suffix("/queues") {
        return match *request.method() {
            Method::GET => {
                let filter = query(&request, "filter");
                let page = Page::of(&request);
                reply(page.and_then(|page| tasks.list_queues(parent, &filter, &page)))
            }
            Method::POST => {
                let queue = document(request.into_body()).await;
                reply(queue.and_then(|queue| tasks.create_queue(parent, &queue)))
            }
            _ => no_such_method(),
        };
    }
    if let Some(parent) = name.strip_suffix("/tasks") {
        return match *request.method() {
            Method::GET => {
                let is_full = query(&request, "responseView") == "FULL";
                let page = Page::of(&request);
                reply(page.and_then(|page| tasks.list_tasks(parent, is_full, &page)))
            }
            Method::POST => {
                let body = document::<CreateTask>(request.into_body()).await;
                reply(body.and_then(|body| {
                    let task = body.task.ok_or_else(|| ApiError::invalid("task is required"))?;
                    tasks.create_task(parent, &task, body.response_view == "FULL")
                }))
            }
            _ => no_such_method(),
        };
    }
    if parts(name, ["projects", "locations", "queues", "tasks"]).is_ok() {
        return match *request.method() {
            Method::GET => reply(tasks.get_task(name, query(&request, "responseView") == "FULL")),
            Method::DELETE => reply(tasks.delete_task(name).map(|()| json!({}))),
            _ => no_such_method(),
        };
    }
    queue(tasks, name, request).await
}

async fn queue(tasks: &Tasks, name: &str, request: Request<Incoming>) -> Answer {
    match *request.method() {
        Method::GET => reply(tasks.get_queue(name)),
        Method::DELETE => reply(tasks.delete_queue(name).map(|()| json!({}))),
        Method::PATCH => {
            let mask = query(&request, "updateMask");
            let mask: Vec<String> =
                mask.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
            let queue = document::<wire::Queue>(request.into_body()).await;
            reply(queue.and_then(|queue| {
                let queue = wire::Queue { name: name.to_owned(), ..queue };
                tasks.update_queue(&queue, &mask)
            }))
        }
        _ => no_such_method(),
    }
}

async fn custom(tasks: &Tasks, name: &str, method: &str, request: Request<Incoming>) -> Answer {
    if request.method() != Method::POST {
        return no_such_method();
    }
    if method == "run" {
        let body = document::<RunTask>(request.into_body()).await;
        return reply(body.and_then(|body| tasks.run_task(name, body.response_view == "FULL")));
    }
    let body = document::<Empty>(request.into_body()).await;
    reply(match (body, method) {
        (Err(error), _) => Err(error),
        (Ok(_), "pause") => tasks.pause_queue(name, true),
        (Ok(_), "resume") => tasks.pause_queue(name, false),
        (Ok(_), "purge") => tasks.purge_queue(name),
        (Ok(_), _) => return no_such_method(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_for_queues_alone() {
        for path in [
            "/v2/projects/p/locations/l/queues",
            "/v2/projects/p/locations/l/queues/q:pause",
            "/v2/projects/p/locations/l/queues/q/tasks/t",
        ] {
            assert!(serves(path), "{path}");
        }
        for path in
            ["/v2/projects/p/locations/l/services", "/v1/projects/p/locations/l/queues", "/"]
        {
            assert!(!serves(path), "{path}");
        }
    }
}
