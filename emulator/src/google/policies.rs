//! The IAM policies of service accounts, of the project and of what is behind IAP,
//! to be read: who has which role, as the emulator's grants, service agents and
//! users of IAP have it
//! (<https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/getIamPolicy>,
//! <https://cloud.google.com/resource-manager/reference/rest/v1/projects/getIamPolicy>,
//! <https://cloud.google.com/iap/docs/reference/rest/v1/V1/getIamPolicy>).
//!
//! Whoever has an access token may read them. Grants are made at
//! `/emulator/grants`.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::projects::{Project, member_of, refused};
use super::{Google, query};
use crate::answers::{Answer, json};
use crate::faults::Server;

const ROOT: &str = "/v1/projects/";
const VERB: &str = ":getIamPolicy";
/// The APIs, as audiences of tokens that accounts sign for them.
const IAM: &str = "https://iam.googleapis.com/";
const RESOURCE_MANAGER: &str = "https://cloudresourcemanager.googleapis.com/";
const IAP: &str = "https://iap.googleapis.com/";

/// Whose policy is asked for.
enum Place {
    Project(String),
    Account {
        project: String,
        account: String,
    },
    /// All that is behind IAP, all backend services, or one.
    Iap {
        project: String,
        service: Option<String>,
    },
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let name = path.strip_prefix(ROOT)?.strip_suffix(VERB)?;
        let name = query::decode_path(name);
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            [project] => Some(Self::Project((*project).to_owned())),
            [project, "serviceAccounts", account] => {
                let (project, account) = ((*project).to_owned(), (*account).to_owned());
                Some(Self::Account { project, account })
            }
            [project, "iap_web"] | [project, "iap_web", "compute"] => {
                Some(Self::Iap { project: (*project).to_owned(), service: None })
            }
            [project, "iap_web", "compute", "services", service] => {
                let (project, service) = ((*project).to_owned(), Some((*service).to_owned()));
                Some(Self::Iap { project, service })
            }
            _ => None,
        }
    }
}

/// Whose API it is, if a path asks for such a policy.
pub(super) fn serves(path: &str) -> Option<Server> {
    Place::of(path).map(|place| match place {
        Place::Project(_) => Server::ResourceManager,
        Place::Account { .. } => Server::Iam,
        Place::Iap { .. } => Server::Iap,
    })
}

impl Google {
    /// Answers a request to such a path.
    pub(super) fn policy(&self, headers: &HeaderMap, path: &str) -> Answer {
        self.policy_asked(headers, path).unwrap_or_else(|refused| *refused)
    }

    fn policy_asked(&self, headers: &HeaderMap, path: &str) -> Result<Answer, Box<Answer>> {
        let place = Place::of(path).ok_or_else(Project::forbidden)?;
        let (audience, project) = match &place {
            Place::Project(project) => (RESOURCE_MANAGER, project),
            Place::Account { project, .. } => (IAM, project),
            Place::Iap { project, .. } => (IAP, project),
        };
        member_of(&self.accounts, headers, audience, self.issuer.now())?;
        // The dash stands for the project of the account.
        let is_any = project == "-" && matches!(place, Place::Account { .. });
        if !is_any && !self.project.is_named(project) {
            return Err(Project::forbidden());
        }
        let roles = match &place {
            Place::Project(_) => self.accounts.agents_roles(),
            Place::Account { account, .. } => {
                let email = self.accounts.email(account).ok_or_else(|| {
                    let message = format!("Unknown service account: {account}");
                    Box::new(refused(StatusCode::NOT_FOUND, "NOT_FOUND", &message))
                })?;
                let grants = self.accounts.grants().into_iter().filter(|it| it.account == email);
                grants.map(|it| (it.role, it.member)).collect()
            }
            // The emulator's users are those of one backend service.
            Place::Iap { service: None, .. } => Vec::new(),
            Place::Iap { service: Some(service), .. } => {
                self.backend_services.roles(service).ok_or_else(|| {
                    let message = "Requested entity was not found.";
                    Box::new(refused(StatusCode::NOT_FOUND, "NOT_FOUND", message))
                })?
            }
        };
        Ok(json(StatusCode::OK, &policy(roles)))
    }
}

fn policy(roles: Vec<(String, String)>) -> Value {
    let mut by_role: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (role, member) in roles {
        by_role.entry(role).or_default().push(member);
    }
    let binding = |(role, members)| json!({ "role": role, "members": members });
    let bindings: Vec<Value> = by_role.into_iter().map(binding).collect();
    json!({ "version": 1, "etag": "ACAB", "bindings": bindings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_for_policies_of_accounts_projects_and_iap_alone() {
        for (path, server) in [
            ("/v1/projects/p:getIamPolicy", Some(Server::ResourceManager)),
            ("/v1/projects/-/serviceAccounts/a%40b:getIamPolicy", Some(Server::Iam)),
            ("/v1/projects/p/iap_web:getIamPolicy", Some(Server::Iap)),
            ("/v1/projects/p/iap_web/compute/services/s:getIamPolicy", Some(Server::Iap)),
            ("/v1/projects/p/iap_web/appengine-p:getIamPolicy", None),
            ("/v1/projects/-/serviceAccounts/a@b:generateIdToken", None),
            ("/v1/projects/p/topics/t:getIamPolicy", None),
            ("/v1/projects/p", None),
        ] {
            assert_eq!(serves(path), server, "{path}");
        }
    }

    #[test]
    fn members_of_one_role_stand_together() {
        let pair = |role: &str, member: &str| (role.to_owned(), member.to_owned());
        let shown = policy(vec![pair("r", "a"), pair("s", "b"), pair("r", "c")]);
        assert_eq!(
            shown["bindings"],
            json!([{ "role": "r", "members": ["a", "c"] }, { "role": "s", "members": ["b"] }])
        );
    }
}
