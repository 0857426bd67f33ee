//! The control API: faults, keys, grants and invokers, while it runs.
//!
//! | request | what it does |
//! | --- | --- |
//! | `GET /emulator/faults` | tells the faults in force |
//! | `PUT /emulator/faults` | replaces all, `POST` adds some, `DELETE` ends all |
//! | `POST /emulator/keys/rotate?issuer=google&retire=true` | has a new key sign |
//! | `GET /emulator/grants` | tells the roles on accounts; `POST` adds one, `DELETE` takes one away |
//! | `PUT /emulator/services/S/regions/R/invokers` | says who may invoke a service |

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use remint_idtoken::config::{Kind, Reader};
use serde_json::{Value, json};

use super::own::{parse, read};
use super::{Google, query};
use crate::answers::{Answer, json, text};
use crate::config::Grant;
use crate::faults::{FaultError, FaultSetting};
use crate::file;

type Answered = Result<Answer, Box<Answer>>;

impl Google {
    /// `path` is below `/emulator/`.
    pub(super) async fn control(&self, path: &str, request: Request<Incoming>) -> Answer {
        let method = request.method().clone();
        let parts: Vec<String> = path.split('/').map(query::decode_path).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let answer = match (&method, parts.as_slice()) {
            (&Method::GET, ["faults"]) => Ok(self.faults_in_force().await),
            (&Method::PUT | &Method::POST | &Method::DELETE, ["faults"]) => {
                self.change_faults(&method, request).await
            }
            (&Method::POST, ["keys", "rotate"]) => self.rotate(request.uri().query()).await,
            (&Method::GET, ["grants"]) => Ok(self.grants()),
            (&Method::POST | &Method::DELETE, ["grants"]) => {
                self.change_grants(&method, request).await
            }
            (&Method::PUT, ["services", service, "regions", region, "invokers"]) => {
                self.set_invokers(service, region, request).await
            }
            _ => Ok(text(StatusCode::NOT_FOUND, "no such page on this emulator\n")),
        };
        answer.unwrap_or_else(|refused| *refused)
    }

    async fn faults_in_force(&self) -> Answer {
        let faults = self.regions.in_force(&self.faults).await;
        json(StatusCode::OK, &json!({ "faults": faults }))
    }

    async fn change_faults(&self, method: &Method, request: Request<Incoming>) -> Answered {
        let now = self.issuer.now();
        let changed = if method == Method::DELETE {
            self.regions.end(&self.faults).await
        } else {
            let settings = parse(&read(request.into_body()).await?, faults)?;
            match *method {
                Method::PUT => self.regions.replace(&self.faults, &settings, now).await,
                _ => self.regions.add(&self.faults, &settings, now).await,
            }
        };
        changed.map_err(|error| unchanged(&error))?;
        Ok(self.faults_in_force().await)
    }

    async fn rotate(&self, query: Option<&str>) -> Answered {
        let value = |name| query::value(query, name).unwrap_or_default();
        let bad = |why: &'static str| Box::new(text(StatusCode::BAD_REQUEST, why));
        let issuer = match value("issuer").as_str() {
            "" | "google" => &self.issuer,
            "iap" => &self.iap,
            _ => return Err(bad("issuer is google or iap\n")),
        };
        let retires = match value("retire").as_str() {
            "" | "false" => false,
            "true" => true,
            _ => return Err(bad("retire is true or false\n")),
        };
        let making = Arc::clone(issuer);
        let made = tokio::task::spawn_blocking(move || making.rotate()).await;
        if !matches!(made, Ok(Ok(()))) {
            let why = "no key could be made\n";
            return Err(Box::new(text(StatusCode::INTERNAL_SERVER_ERROR, why)));
        }
        if retires {
            issuer.retire_old();
        }
        Ok(json(StatusCode::OK, &json!({ "key_id": issuer.key_id() })))
    }

    fn grants(&self) -> Answer {
        let grant =
            |it: Grant| json!({ "member": it.member, "role": it.role, "account": it.account });
        let grants: Vec<Value> = self.accounts.grants().into_iter().map(grant).collect();
        json(StatusCode::OK, &json!({ "grants": grants }))
    }

    async fn change_grants(&self, method: &Method, request: Request<Incoming>) -> Answered {
        let grant = parse(&read(request.into_body()).await?, grant)?;
        if method == Method::POST {
            self.accounts.grant(grant);
        } else if !self.accounts.revoke(&grant) {
            return Err(Box::new(text(StatusCode::NOT_FOUND, "no such grant\n")));
        }
        Ok(self.grants())
    }

    async fn set_invokers(
        &self,
        service: &str,
        region: &str,
        request: Request<Incoming>,
    ) -> Answered {
        let invokers = parse(&read(request.into_body()).await?, emails)?;
        let region = self.regions.find(service, region).map_err(|error| unchanged(&error))?;
        region.set_invokers(invokers.iter().map(String::as_str));
        Ok(json(StatusCode::OK, &json!({ "invokers": invokers })))
    }
}

/// A list of faults, one fault, or what a list was answered in.
fn faults(from: &Reader<'_>) -> Option<Vec<FaultSetting>> {
    let Kind::Map(members) = &from.node().kind else {
        return file::faults::read(from);
    };
    if !members.iter().any(|member| member.name == "faults") {
        return file::faults::one(from).map(|fault| vec![fault]);
    }
    let mut object = from.object()?;
    let faults = object.need("faults").and_then(|it| file::faults::read(&it));
    object.finish();
    faults
}

fn grant(from: &Reader<'_>) -> Option<Grant> {
    let mut grant = from.object()?;
    let mut text = |name| grant.need(name).and_then(|it| it.text()).map(str::to_owned);
    let (member, role, account) = (text("member"), text("role"), text("account"));
    grant.finish();
    Some(Grant { member: member?, role: role?, account: account? })
}

/// Nobody may be in the list.
fn emails(from: &Reader<'_>) -> Option<Vec<String>> {
    match &from.node().kind {
        Kind::List(items) if items.is_empty() => Some(Vec::new()),
        _ => from.list(|email| email.text().map(str::to_owned)),
    }
}

fn unchanged(error: &FaultError) -> Box<Answer> {
    let status = match error {
        FaultError::Unknown { .. } => StatusCode::NOT_FOUND,
        FaultError::Restart(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Box::new(json(status, &json!({ "problems": [error.to_string()] })))
}
