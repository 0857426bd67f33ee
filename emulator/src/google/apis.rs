//! The APIs that tell how things are set up: which of them a request is for, and
//! their faults.

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use super::projects::{Project, refused};
use super::{Google, backend_services, policies, run_admin};
use crate::answers::Answer;
use crate::faults::Server;
use crate::pubsub;
use crate::scheduler;
use crate::tasks;

/// The API that a request is for. At one address for all of them, the path tells.
fn asked(method: &Method, path: &str) -> Option<Server> {
    if tasks::serves(path) {
        return Some(Server::CloudTasks);
    }
    if scheduler::serves(path) {
        return Some(Server::CloudScheduler);
    }
    if let Some(server) = policies::serves(path).filter(|_| *method == Method::POST) {
        return Some(server);
    }
    if run_admin::serves(path) {
        return Some(Server::RunAdmin);
    }
    if Project::serves(path) && *method == Method::GET {
        return Some(Server::ResourceManager);
    }
    if pubsub::rest::serves(path) {
        return Some(Server::Pubsub);
    }
    (backend_services::serves(path) && *method == Method::GET).then_some(Server::Compute)
}

impl Google {
    /// Answers a request to one of the APIs, or says that there is none such.
    pub(super) async fn api(&self, request: Request<Incoming>) -> Answer {
        match asked(request.method(), request.uri().path()) {
            Some(server) => {
                let honest = self.api_answer(server, request);
                self.or_fault(server, None, honest).await
            }
            None => {
                let message = "no such page on this emulator";
                refused(StatusCode::NOT_FOUND, "NOT_FOUND", message)
            }
        }
    }

    async fn api_answer(&self, server: Server, request: Request<Incoming>) -> Answer {
        let (headers, path) = (request.headers(), request.uri().path());
        match server {
            Server::CloudTasks => tasks::rest_answer(&self.tasks, request).await,
            Server::CloudScheduler => scheduler::rest_answer(&self.scheduler, request).await,
            Server::RunAdmin => self.run_admin(request).await,
            Server::Pubsub => pubsub::rest::answer(&self.pubsub, request).await,
            Server::Compute => self.backend_services(headers, path),
            Server::ResourceManager if Project::serves(path) => {
                self.project.answer(&self.accounts, headers, path, self.issuer.now())
            }
            _ => self.policy(headers, path),
        }
    }
}
