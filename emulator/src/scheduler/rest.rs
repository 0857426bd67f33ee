//! Cloud Scheduler by REST, as `cloudscheduler` v1 is described in its
//! discovery document.

use http::{Method, Request};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::{Scheduler, wire};
use crate::answers::Answer;
use crate::api::answer as reply;
use crate::target::{Page, document, no_such_method, query};

const ROOT: &str = "/v1/";

/// Whether it is Cloud Scheduler's to answer.
pub(crate) fn serves(path: &str) -> bool {
    let mut segments = path.strip_prefix(ROOT).unwrap_or_default().split('/');
    let is_such = segments.next() == Some("projects") && segments.nth(1) == Some("locations");
    is_such && segments.nth(1) == Some("jobs")
}

/// Nothing, as a body.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// Answers a method.
pub(crate) async fn answer(scheduler: &Scheduler, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let name = path.strip_prefix(ROOT).unwrap_or_default();
    if let (Some((name, method)), &Method::POST) = (name.rsplit_once(':'), request.method()) {
        return custom(scheduler, name, method, request).await;
    }
    match (name.strip_suffix("/jobs"), request.method()) {
        (Some(parent), &Method::GET) => {
            let page = Page::of(&request);
            reply(page.and_then(|page| scheduler.list_jobs(parent, &page)))
        }
        (Some(parent), &Method::POST) => {
            let job = document(request.into_body()).await;
            reply(job.and_then(|job| scheduler.create_job(parent, &job)))
        }
        (None, &Method::GET) => reply(scheduler.get_job(name)),
        (None, &Method::DELETE) => reply(scheduler.delete_job(name).map(|()| json!({}))),
        (None, &Method::PATCH) => {
            let mask = query(&request, "updateMask");
            let mask: Vec<String> =
                mask.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
            let job = document::<wire::Job>(request.into_body()).await;
            reply(job.and_then(|job| {
                let job = wire::Job { name: name.to_owned(), ..job };
                scheduler.update_job(&job, &mask)
            }))
        }
        _ => no_such_method(),
    }
}

async fn custom(
    scheduler: &Scheduler,
    name: &str,
    method: &str,
    request: Request<Incoming>,
) -> Answer {
    let body = document::<Empty>(request.into_body()).await;
    reply(match (body, method) {
        (Err(error), _) => Err(error),
        (Ok(_), "pause") => scheduler.pause_job(name, true),
        (Ok(_), "resume") => scheduler.pause_job(name, false),
        (Ok(_), "run") => scheduler.run_job(name),
        (Ok(_), _) => return no_such_method(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_for_jobs_alone() {
        for (path, is_its) in [
            ("/v1/projects/p/locations/l/jobs", true),
            ("/v1/projects/p/locations/l/jobs/j", true),
            ("/v1/projects/p/locations/l/jobs/j:run", true),
            ("/v1/projects/-/serviceAccounts/a@b:generateIdToken", false),
            ("/v1/projects/p/topics/t", false),
            ("/v2/projects/p/locations/l/jobs/j", false),
        ] {
            assert_eq!(serves(path), is_its, "{path}");
        }
    }
}
