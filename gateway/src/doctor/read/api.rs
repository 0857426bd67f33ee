//! Google's APIs, asked by the gateway's own client.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::clock::{Clock, SystemClock};
use crate::config::{AccessSource, Origin, Upstream};
use crate::doctor::facts::{Gap, Lack, Read};
use crate::error::chain;
use crate::mint::{AccessToken, AccessTokens, Said};
use crate::percent::encoded;
use crate::upstream::{Connector, FetchError, Fetched, Fetcher};

/// The longest document that is read: a page of subscriptions has a few
/// hundred kilobytes.
const MAX_BYTES: usize = 8 << 20;
/// A list that goes on for longer is cut, and that is said.
const MAX_PAGES: usize = 50;
const PAGE_SIZE: u32 = 200;
/// How many requests are under way at once.
const AT_ONCE: usize = 8;
/// The project that a person's calls count against (AIP-4113).
const QUOTA_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");
/// Bindings with a condition are shown as such to who asks for this version, and
/// are mangled for others (IAM, "Policy versions").
const POLICY_VERSION: u32 = 3;

/// One of Google's APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Api {
    pub(super) host: &'static str,
    /// A role that lets somebody read there (IAM, "Predefined roles").
    pub(super) role: &'static str,
}

pub(super) const RUN: Api = Api { host: "run.googleapis.com", role: "roles/run.viewer" };
pub(super) const PUBSUB: Api = Api { host: "pubsub.googleapis.com", role: "roles/pubsub.viewer" };
pub(super) const TASKS: Api =
    Api { host: "cloudtasks.googleapis.com", role: "roles/cloudtasks.viewer" };
pub(super) const SCHEDULER: Api =
    Api { host: "cloudscheduler.googleapis.com", role: "roles/cloudscheduler.viewer" };
pub(super) const COMPUTE: Api =
    Api { host: "compute.googleapis.com", role: "roles/compute.viewer" };
pub(super) const IAM: Api = Api { host: "iam.googleapis.com", role: "roles/iam.securityReviewer" };
pub(super) const IAP: Api = Api { host: "iap.googleapis.com", role: "roles/iam.securityReviewer" };
pub(super) const PROJECTS: Api =
    Api { host: "cloudresourcemanager.googleapis.com", role: "roles/iam.securityReviewer" };

/// How a list is asked for.
#[derive(Clone, Copy)]
pub(super) struct List<'l> {
    pub(super) path: &'l str,
    /// The member of the answer that holds the items.
    pub(super) name: &'l str,
    /// The parameter that says how many there are on a page.
    pub(super) size: &'l str,
}

/// Who asks, and the way there.
pub(super) struct Client {
    connector: Connector,
    access: AccessToken,
    quota_project: Option<HeaderValue>,
    limit: Semaphore,
    /// The APIs that did not answer in time: nobody waits for them again.
    silent: Mutex<HashSet<&'static str>>,
}

impl Client {
    /// With an access token of that source.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(super) async fn new(source: &AccessSource, upstream: &Upstream) -> Result<Self, String> {
        let connector = Connector::new(upstream).map_err(|error| chain(&error))?;
        let tokens = AccessTokens::new(source, &connector).map_err(|error| chain(&error))?;
        let access = tokens.get(SystemClock.now()).await.map_err(|error| chain(&error))?;
        Ok(Self {
            connector,
            access,
            quota_project: quota_project(source),
            limit: Semaphore::new(AT_ONCE),
            silent: Mutex::default(),
        })
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(super) async fn get(&self, api: Api, path: &str) -> Read<Value> {
        self.ask(api, path, None).await
    }

    /// The policy of something, from one of the APIs that are asked by `POST`.
    pub(super) async fn policy(&self, api: Api, path: &str) -> Read<Value> {
        let body = format!("{{\"options\":{{\"requestedPolicyVersion\":{POLICY_VERSION}}}}}");
        self.ask(api, &format!("{path}:getIamPolicy"), Some(body)).await
    }

    /// The policy of something, from Cloud Run, which is asked by `GET`.
    pub(super) async fn policy_by_get(&self, api: Api, path: &str) -> Read<Value> {
        let version = format!("options.requestedPolicyVersion={POLICY_VERSION}");
        self.ask(api, &format!("{path}:getIamPolicy?{version}"), None).await
    }

    /// All pages of a list (AIP-158), each with its items.
    pub(super) async fn pages(&self, api: Api, list: List<'_>) -> Read<Vec<Value>> {
        let (mut all, mut token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let next = match token.as_str() {
                "" => String::new(),
                token => format!("&pageToken={}", encoded(token.as_bytes())),
            };
            let path = format!("{}?{}={PAGE_SIZE}{next}", list.path, list.size);
            let mut page = match self.get(api, &path).await {
                Read::Is(page) => page,
                Read::Missing => return Read::Missing,
                Read::Unread(gap) => return Read::Unread(gap),
            };
            let next = page.get("nextPageToken").and_then(Value::as_str).unwrap_or_default();
            token = next.to_owned();
            all.extend(page.get_mut(list.name).map(Value::take));
            if token.is_empty() {
                return Read::Is(all);
            }
        }
        Read::Unread(format!("there are more than {MAX_PAGES} pages of them").into())
    }

    /// All items of a list.
    pub(super) async fn list(&self, api: Api, path: &str, name: &str) -> Read<Vec<Value>> {
        let pages = self.pages(api, List { path, name, size: "pageSize" }).await;
        pages.map(|pages| {
            let items = pages.into_iter().filter_map(|page| match page {
                Value::Array(items) => Some(items),
                _ => None,
            });
            items.flatten().collect()
        })
    }

    async fn ask(&self, api: Api, path: &str, body: Option<String>) -> Read<Value> {
        let answer = match self.send(api, path, body).await {
            Ok(answer) => answer,
            Err(why) => return Read::Unread(format!("{}: {why}", api.host).into()),
        };
        match answer.status {
            StatusCode::OK => match serde_json::from_slice(&answer.body) {
                Ok(document) => Read::Is(document),
                Err(_) => Read::Unread(format!("the answer of {} is no JSON", api.host).into()),
            },
            StatusCode::NOT_FOUND => Read::Missing,
            status => Read::Unread(refused(api, status, &answer.body)),
        }
    }

    async fn send(&self, api: Api, path: &str, body: Option<String>) -> Result<Fetched, String> {
        let origin = Origin::of(true, api.host).ok_or_else(|| "it is no host".to_owned())?;
        let fetcher = Fetcher::to(&origin, &self.connector).map_err(|error| chain(&error))?;
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, self.access.header())]);
        headers.extend(self.quota_project.clone().map(|project| (QUOTA_PROJECT, project)));
        let _turn = self.limit.acquire().await.map_err(|error| error.to_string())?;
        if self.silent().contains(api.host) {
            return Err(FetchError::TimedOut.to_string());
        }
        let sent = match body {
            None => fetcher.get(path, headers, MAX_BYTES).await,
            Some(body) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                fetcher.post(path, headers, body.into(), MAX_BYTES).await
            }
        };
        if let Err(FetchError::TimedOut) = sent {
            self.silent().insert(api.host);
        }
        sent.map_err(|error| chain(&error))
    }

    fn silent(&self) -> std::sync::MutexGuard<'_, HashSet<&'static str>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The project that calls count against: of a person's, the one in the file of
/// credentials. Those of others count against their own.
fn quota_project(source: &AccessSource) -> Option<HeaderValue> {
    match source {
        AccessSource::User(user) => HeaderValue::from_str(user.quota_project.as_ref()?).ok(),
        _ => None,
    }
}

/// What an answer other than 200 means. An API that is off says so in a detail
/// (`google.rpc.ErrorInfo` with the reason `SERVICE_DISABLED`, googleapis
/// `google/api/error_reason.proto`).
fn refused(api: Api, status: StatusCode, body: &[u8]) -> Gap {
    let why = format!("{} answers {status}{}", api.host, Said::read(body));
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let details = document.pointer("/error/details").and_then(Value::as_array);
    let mut reasons = details.into_iter().flatten().filter_map(|it| it.get("reason"));
    let lack = match status {
        StatusCode::FORBIDDEN if reasons.any(|it| it == "SERVICE_DISABLED") => {
            Some(Lack::Api(api.host))
        }
        StatusCode::FORBIDDEN => Some(Lack::Role(api.role)),
        _ => None,
    };
    Gap { why, lack }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    #[test]
    fn a_person_s_calls_name_the_quota_project_of_the_credentials() {
        let file = std::env::temp_dir().join(format!("remint-{:x}.json", crate::random::bits()));
        let of = |member: &str| {
            let text = format!(
                r#"{{ "type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"{member} }}"#
            );
            std::fs::write(&file, text).unwrap();
            let credentials_file = Some(file.clone());
            let environment = Environment { credentials_file, ..Environment::default() };
            quota_project(&AccessSource::of_environment(&environment).unwrap())
        };
        let (with, without) = (of(r#", "quota_project_id": "my-project""#), of(""));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(with.unwrap(), "my-project");
        assert_eq!(without, None);
    }

    #[test]
    fn an_api_that_is_off_is_told_from_a_role_that_is_missing() {
        let off = br#"{"error": {"message": "off", "details": [{"reason": "SERVICE_DISABLED"}]}}"#;
        let denied = br#"{"error": {"message": "no"}}"#;
        for (status, body, lack) in [
            (StatusCode::FORBIDDEN, &off[..], Some(Lack::Api("run.googleapis.com"))),
            (StatusCode::FORBIDDEN, &denied[..], Some(Lack::Role("roles/run.viewer"))),
            (StatusCode::FORBIDDEN, &b"<html>"[..], Some(Lack::Role("roles/run.viewer"))),
            (StatusCode::TOO_MANY_REQUESTS, &off[..], None),
        ] {
            assert_eq!(refused(RUN, status, body).lack, lack);
        }
        let gap = refused(RUN, StatusCode::FORBIDDEN, denied);
        assert_eq!(gap.why, "run.googleapis.com answers 403 Forbidden (no)");
    }
}
