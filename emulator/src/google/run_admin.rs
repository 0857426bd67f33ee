//! The Cloud Run Admin API, version 2, as far as it tells how services are set
//! up: `services.get`, `.list`, `.getIamPolicy` and `.setIamPolicy`
//! (<https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services>).
//!
//! Roles on the project are not played: whoever has an access token reads and
//! sets everything of this project. Functions of the first generation are no
//! services, and are not there.

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::projects::{Project, member_of, refused};
use super::{Google, MAX_BODY, query};
use crate::answers::{Answer, json};
use crate::config::{Ingress, Kind};
use crate::run::Region;

const ROOT: &str = "/v2/projects/";
/// The API, as audience of tokens that accounts sign for it.
const AUDIENCE: &str = "https://run.googleapis.com/";
const INVOKER: &str = "roles/run.invoker";

/// What a path of the API is about.
struct Place {
    project: String,
    location: String,
    /// None for the list of all.
    service: Option<String>,
    /// What stands behind the colon.
    verb: Option<String>,
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let rest = query::decode_path(path.strip_prefix(ROOT)?);
        let (name, verb) = match rest.split_once(':') {
            Some((name, verb)) => (name, Some(verb.to_owned())),
            None => (rest.as_str(), None),
        };
        let parts: Vec<&str> = name.split('/').collect();
        let (project, location, service) = match parts.as_slice() {
            [project, "locations", location, "services"] => (project, location, None),
            [project, "locations", location, "services", service] => {
                (project, location, Some((*service).to_owned()))
            }
            _ => return None,
        };
        Some(Self {
            project: (*project).to_owned(),
            location: (*location).to_owned(),
            service,
            verb,
        })
    }
}

/// Whether a path is one of the API's.
pub(super) fn serves(path: &str) -> bool {
    Place::of(path).is_some()
}

impl Google {
    /// Answers a request to such a path.
    pub(super) async fn run_admin(&self, request: Request<Incoming>) -> Answer {
        let answer = self.run_admin_asked(request).await;
        answer.unwrap_or_else(|refused| *refused)
    }

    async fn run_admin_asked(&self, request: Request<Incoming>) -> Result<Answer, Box<Answer>> {
        let (head, body) = request.into_parts();
        member_of(&self.accounts, &head.headers, AUDIENCE, self.issuer.now())?;
        let place = Place::of(head.uri.path()).ok_or_else(no_method)?;
        if !self.project.is_named(&place.project) {
            return Err(Project::forbidden());
        }
        let (method, verb) = (&head.method, place.verb.as_deref());
        let Some(service) = &place.service else {
            return match (method, verb) {
                (&Method::GET, None) => Ok(self.list(&place.location)),
                _ => Err(no_method()),
            };
        };
        let region = self.regions.find(service, &place.location).ok();
        let region = region.filter(|region| region.urls.kind == Kind::CloudRun);
        let region = region.ok_or_else(|| {
            let message = format!("Resource '{service}' of kind 'SERVICE' in region '{}' in project '{}' does not exist.", place.location, self.project.id());
            Box::new(refused(StatusCode::NOT_FOUND, "NOT_FOUND", &message))
        })?;
        match (method, verb) {
            (&Method::GET, None) => Ok(json(StatusCode::OK, &self.service(region))),
            (&Method::GET, Some("getIamPolicy")) => Ok(json(StatusCode::OK, &policy_of(region))),
            (&Method::POST, Some("setIamPolicy")) => {
                let body = Limited::new(body, MAX_BODY).collect().await;
                let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                let members = serde_json::from_slice(&body).ok().and_then(|it| invokers(&it));
                let members = members.ok_or_else(|| {
                    let message = "Invalid value at 'policy': one binding of roles/run.invoker, without condition, is what this emulator keeps";
                    Box::new(refused(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message))
                })?;
                region.set_invokers(members.iter().map(String::as_str));
                Ok(json(StatusCode::OK, &policy_of(region)))
            }
            _ => Err(no_method()),
        }
    }

    fn list(&self, location: &str) -> Answer {
        let here =
            |region: &&Region| region.region == location && region.urls.kind == Kind::CloudRun;
        let services = self.regions.all().iter().filter(here);
        let services: Vec<Value> = services.map(|region| self.service(region)).collect();
        json(StatusCode::OK, &json!({ "services": services }))
    }

    fn service(&self, region: &Region) -> Value {
        let (project, Region { service, region: location, urls, .. }) = (self.project.id(), region);
        let mut shown = json!({
            "name": format!("projects/{project}/locations/{location}/services/{service}"),
            "ingress": match region.ingress {
                Ingress::All => "INGRESS_TRAFFIC_ALL",
                Ingress::Internal => "INGRESS_TRAFFIC_INTERNAL_ONLY",
                Ingress::InternalAndLoadBalancing => "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
            },
            "uri": urls.hashed,
            "urls": [urls.deterministic, urls.hashed],
        });
        // As in all JSON of protobuf, what has its default is left out.
        if let Some(members) = shown.as_object_mut() {
            if !region.custom_audiences.is_empty() {
                let audiences = region.custom_audiences.clone();
                members.insert("customAudiences".to_owned(), audiences.into());
            }
            if region.invoker_iam_disabled {
                members.insert("invokerIamDisabled".to_owned(), true.into());
            }
        }
        shown
    }
}

fn policy_of(region: &Region) -> Value {
    let members: Vec<String> = region.bindings.invokers().into_iter().map(written).collect();
    match members.is_empty() {
        true => json!({ "version": 1, "etag": "ACAB" }),
        false => json!({
            "version": 1,
            "etag": "ACAB",
            "bindings": [{ "role": INVOKER, "members": members }],
        }),
    }
}

/// A member as IAM writes it; the emulator's configuration may have an address.
pub(super) fn written(member: String) -> String {
    match member.contains('@') && !member.contains(':') {
        true if member.ends_with(".gserviceaccount.com") => format!("serviceAccount:{member}"),
        true => format!("user:{member}"),
        false => member,
    }
}

/// The members that a policy is to have, if it is one that can be kept.
fn invokers(body: &Value) -> Option<Vec<String>> {
    let policy = body.get("policy")?;
    let Some(bindings) = policy.get("bindings").filter(|it| !it.is_null()) else {
        return Some(Vec::new());
    };
    let mut all = Vec::new();
    for binding in bindings.as_array()? {
        let is_plain = binding.get("condition").is_none_or(Value::is_null);
        if !is_plain || binding.get("role").and_then(Value::as_str) != Some(INVOKER) {
            return None;
        }
        for member in binding.get("members")?.as_array()? {
            all.push(member.as_str()?.to_owned());
        }
    }
    Some(all)
}

fn no_method() -> Box<Answer> {
    let message = "this emulator's Cloud Run has no such method";
    Box::new(refused(StatusCode::NOT_IMPLEMENTED, "UNIMPLEMENTED", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_for_services_alone() {
        for (path, is_its) in [
            ("/v2/projects/p/locations/l/services", true),
            ("/v2/projects/p/locations/l/services/s", true),
            ("/v2/projects/p/locations/l/services/s:getIamPolicy", true),
            ("/v2/projects/p/locations/l/queues/q", false),
            ("/v1/projects/p/locations/l/services/s", false),
            ("/v2/projects/p", false),
        ] {
            assert_eq!(serves(path), is_its, "{path}");
        }
    }

    #[test]
    fn members_are_written_as_iam_writes_them() {
        for (member, shown) in [
            ("a@p.iam.gserviceaccount.com", "serviceAccount:a@p.iam.gserviceaccount.com"),
            ("a@b.example", "user:a@b.example"),
            ("allUsers", "allUsers"),
            ("domain:b.example", "domain:b.example"),
        ] {
            assert_eq!(written(member.to_owned()), shown);
        }
    }

    #[test]
    fn a_policy_that_could_not_be_kept_is_not_taken() {
        let with = |binding: Value| invokers(&json!({ "policy": { "bindings": [binding] } }));
        let good = json!({ "role": INVOKER, "members": ["allUsers"] });
        assert_eq!(with(good), Some(vec!["allUsers".to_owned()]));
        assert_eq!(invokers(&json!({ "policy": {} })), Some(Vec::new()));
        assert_eq!(with(json!({ "role": "roles/run.admin", "members": ["user:a@b"] })), None);
        let conditional =
            json!({ "role": INVOKER, "members": ["a"], "condition": { "expression": "false" } });
        assert_eq!(with(conditional), None);
        assert_eq!(invokers(&json!({})), None);
    }
}
