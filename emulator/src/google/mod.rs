//! The Google listener: key documents, metadata server, IAM Credentials, token
//! endpoint, STS, and the emulator's own endpoints.

mod access;
mod accounts;
mod apis;
mod asked;
mod backend_services;
mod control;
mod iam_credentials;
mod keys;
mod metadata;
mod oauth;
mod own;
mod policies;
mod projects;
pub(crate) mod query;
mod run_admin;
mod self_signed;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::header::HOST;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::answers::{Answer, text};
use crate::clock::Clock;
use crate::config::Config;
use crate::eventarc::{self, Eventarc};
use crate::faults::{Faults, Regions, Server};
use crate::forward::{Protocol, forward};
use crate::grpc;
use crate::guard;
use crate::hits::Hits;
use crate::issuer::Issuer;
use crate::listener::Handler;
use crate::named;
use crate::network::Network;
use crate::origin::Origin;
use crate::page::Page;
use crate::pubsub::{self, Broker};
use crate::scheduler::{self, Scheduler};
use crate::senders::Senders;
use crate::tasks::{self, Tasks};
use crate::timeline::{Part, Timeline};
pub(crate) use accounts::Accounts;
use asked::Asked;
use backend_services::BackendServices;
use iam_credentials::{Iam, Method as IamMethod};
pub(crate) use keys::{IAP_JWKS_PATH, JWKS_PATH};
use metadata::Metadata;
use oauth::Oauth;
pub(crate) use oauth::TOKEN_PATH;
use projects::Project;
pub(crate) use query::value as query_value;

/// The longest body of a request for a token.
const MAX_BODY: usize = 64 * 1024;

/// Everything behind the Google listener.
pub(crate) struct Google {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) iap: Arc<Issuer>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) regions: Regions,
    pub(crate) network: Arc<Network>,
    pub(crate) page: Arc<Page>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) hits: Hits,
    pub(crate) senders: Arc<Senders>,
    pub(crate) pubsub: Arc<Broker>,
    pub(crate) eventarc: Eventarc,
    /// The `max-age` of all key documents, in seconds.
    pub(crate) keys_max_age: AtomicU64,
    /// Further names by which its own endpoints are called.
    control_hosts: Vec<String>,
    metadata: Metadata,
    project: Project,
    backend_services: BackendServices,
}

/// What Google shares with the rest of the emulator.
pub(crate) struct Shared {
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) iap: Arc<Issuer>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) faults: Arc<Faults>,
    /// The machine's time, which Google's may differ from.
    pub(crate) machine: Arc<dyn Clock>,
}

impl Google {
    /// The names that it answers to, and its certificate is for: all that
    /// Google's libraries call for tokens and keys, and the APIs of what the
    /// emulator plays.
    pub(crate) const NAMES: [&'static str; 19] = [
        "www.googleapis.com",
        "www.gstatic.com",
        "metadata.google.internal",
        // The metadata server's address, where libraries look for it first.
        "169.254.169.254",
        "accounts.google.com",
        "oauth2.googleapis.com",
        "openidconnect.googleapis.com",
        "sts.googleapis.com",
        "iam.googleapis.com",
        "iamcredentials.googleapis.com",
        "cloudresourcemanager.googleapis.com",
        "run.googleapis.com",
        "compute.googleapis.com",
        "iap.googleapis.com",
        "pubsub.googleapis.com",
        "cloudtasks.googleapis.com",
        "cloudscheduler.googleapis.com",
        "eventarc.googleapis.com",
        "eventarcpublishing.googleapis.com",
    ];

    pub(crate) fn new(config: &Config, shared: Shared) -> Self {
        let Shared { issuer, iap, timeline, faults, machine } = shared;
        let accounts = Arc::new(Accounts::new(config, &machine));
        let metadata =
            Metadata::new(config, Arc::clone(&issuer), Arc::clone(&accounts), Arc::clone(&faults));
        let network = Arc::new(Network::new(&config.hosts));
        let senders = Arc::new(Senders {
            issuer: Arc::clone(&issuer),
            accounts: Arc::clone(&accounts),
            network: Arc::clone(&network),
            timeline: Arc::clone(&timeline),
        });
        let pubsub = Broker::new(Arc::clone(&senders), config);
        Self {
            tasks: Arc::new(Tasks::new(Arc::clone(&senders), &config.project_id)),
            scheduler: Arc::new(Scheduler::new(Arc::clone(&senders), &config.project_id)),
            metadata,
            project: Project::new(config),
            backend_services: BackendServices::new(config),
            eventarc: Eventarc::new(Arc::clone(&pubsub), config),
            pubsub,
            senders,
            accounts,
            issuer,
            iap,
            page: Arc::new(Page::new(timeline)),
            faults,
            regions: Regions::default(),
            network,
            hits: Hits::default(),
            keys_max_age: config.keys_max_age.into(),
            control_hosts: config.control_hosts.clone(),
        }
    }

    /// IAM Credentials, the token endpoint or STS: the path decides.
    async fn tokens(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let method = IamMethod::of(&path);
        let (server, part, what) = match (&method, path.as_str()) {
            (Some(method), _) => (Server::IamCredentials, Part::IamCredentials, method.name()),
            (None, oauth::TOKEN_PATH) => (Server::TokenEndpoint, Part::TokenEndpoint, "token"),
            _ => (Server::Sts, Part::Sts, "token exchange"),
        };
        let asked = Asked::of(&request, part, what);
        let honest = self.token_given(&asked, method, request);
        self.or_fault(server, Some(&asked), honest).await
    }

    async fn token_given(
        &self,
        asked: &Asked,
        method: Option<IamMethod<'_>>,
        request: Request<Incoming>,
    ) -> Answer {
        // Without a key nobody believes the tokens.
        let _ = self.issuer.ready().await;
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "too long\n");
        };
        let body = body.to_bytes();
        let (accounts, issuer, faults) = (&*self.accounts, &*self.issuer, &*self.faults);
        let form = String::from_utf8_lossy(&body);
        let oauth = Oauth { accounts, issuer, faults };
        let (answer, outcome) = match (method, head.uri.path()) {
            (Some(method), _) => {
                method.answer(&Iam { accounts, issuer, faults }, &head.headers, &body).await
            }
            (None, oauth::TOKEN_PATH) => oauth.token(&own_url(&head.headers), &form),
            _ => oauth.exchange(&form).await,
        };
        self.record(asked, answer.status(), &outcome);
        answer
    }

    async fn metadata(&self, request: Request<Incoming>) -> Answer {
        let what = Metadata::token_asked(request.uri().path());
        let asked = what.map(|what| Asked::of(&request, Part::Metadata, what));
        let honest = async {
            if asked.is_some() {
                let _ = self.issuer.ready().await;
            }
            let (answer, outcome) = self.metadata.answer(&request).await;
            if let (Some(asked), Some(outcome)) = (&asked, outcome) {
                self.record(asked, answer.status(), &outcome);
            }
            answer
        };
        metadata::flavored(self.or_fault(Server::Metadata, asked.as_ref(), honest).await)
    }

    /// What is in a token. A fault of the token endpoint is one of this too.
    async fn token_info(&self, request: Request<Incoming>) -> Answer {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let honest = async {
            let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
            let Ok(body) = body.map(http_body_util::Collected::to_bytes) else {
                return text(StatusCode::PAYLOAD_TOO_LARGE, "too long\n");
            };
            let _ = self.issuer.ready().await;
            let (accounts, issuer, faults) = (&*self.accounts, &*self.issuer, &*self.faults);
            let form = format!("{query}&{}", String::from_utf8_lossy(&body));
            Oauth { accounts, issuer, faults }.info(&form)
        };
        self.or_fault(Server::TokenEndpoint, None, honest).await
    }

    /// The answer of the service or load balancer that a request names, as
    /// Google's front ends give it for all of them at one address.
    async fn of_a_service(&self, request: Request<Incoming>) -> Result<Answer, Request<Incoming>> {
        let Some(host) = named_by(&request).filter(|host| !is_own(host)) else {
            return Err(request);
        };
        let Some(place) = self.network.place(host) else {
            return Err(request);
        };
        let origin = request.extensions().get::<Origin>().copied().unwrap_or(Origin::Internet);
        let connected = place.connect(origin).await;
        let (parts, body) = request.into_parts();
        let protocol = match parts.version {
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let answer = match connected {
            Ok(stream) => forward(Box::new(stream), protocol, parts, body).await.ok(),
            Err(_) => None,
        };
        Ok(answer.unwrap_or_else(|| text(StatusCode::BAD_GATEWAY, "the region does not answer\n")))
    }

    /// The APIs that are spoken to by gRPC.
    async fn grpc(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        match path {
            _ if path.starts_with(pubsub::grpc::PREFIX) => {
                pubsub::grpc::answer(&self.pubsub, request).await
            }
            _ if path.starts_with(tasks::SERVICE) => tasks::grpc_answer(&self.tasks, request).await,
            _ if path.starts_with(scheduler::SERVICE) => {
                scheduler::grpc_answer(&self.scheduler, request).await
            }
            _ => grpc::unimplemented(path),
        }
    }
}

/// Whether a host is one of Google's own, in any case.
fn is_own(host: &str) -> bool {
    Google::NAMES.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// The host that a request names, without a port.
fn named_by<B>(request: &Request<B>) -> Option<&str> {
    named::host(request.uri(), request.headers()).map(named::without_port)
}

/// The token endpoint as its client has called it: on this machine without TLS.
fn own_url(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    format!("http://{host}{}", oauth::TOKEN_PATH)
}

impl Handler for Google {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let request = match self.of_a_service(request).await {
            Ok(answer) => return answer,
            Err(request) => request,
        };
        if keys::are_asked(&request) {
            self.hits.count(request.uri().path());
            return self.key_document(request.uri().path()).await;
        }
        // All else gives tokens away or has something sent.
        if let Err(foreign) = guard::admit(&request, &self.control_hosts) {
            return text(foreign.status, foreign.why);
        }
        if grpc::is_grpc(&request) {
            return self.grpc(request).await;
        }
        let path = request.uri().path();
        self.hits.count(path);
        if let Some(answer) = self.page.answer(&request).await {
            return answer;
        }
        match (request.method(), path) {
            (_, path) if path.starts_with(own::ROOT) => self.own(request).await,
            (&Method::POST, oauth::TOKEN_PATH | oauth::STS_PATH) => self.tokens(request).await,
            (&Method::GET | &Method::POST, path) if oauth::INFO_PATHS.contains(&path) => {
                self.token_info(request).await
            }
            (&Method::POST, path) if IamMethod::of(path).is_some() => self.tokens(request).await,
            (_, path) if eventarc::rest::serves(path) => {
                eventarc::rest::answer(&self.eventarc, request).await
            }
            (_, path) if Metadata::serves(path) => self.metadata(request).await,
            _ => self.api(request).await,
        }
    }
}
