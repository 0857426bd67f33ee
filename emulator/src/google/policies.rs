//! The IAM policies of service accounts and of the project, to be read: who has
//! which role, as the emulator's grants and service agents have it
//! (<https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/getIamPolicy>,
//! <https://cloud.google.com/resource-manager/reference/rest/v1/projects/getIamPolicy>).
//!
//! Whoever has an access token may read them. Grants are made at
//! `/emulator/grants`.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::projects::{Project, member_of, refused};
use super::{Google, query};
use crate::answers::{Answer, json};

const ROOT: &str = "/v1/projects/";
const VERB: &str = ":getIamPolicy";
/// The APIs, as audiences of tokens that accounts sign for them.
const IAM: &str = "https://iam.googleapis.com/";
const RESOURCE_MANAGER: &str = "https://cloudresourcemanager.googleapis.com/";

/// Whose policy is asked for.
enum Place {
    Project(String),
    Account { project: String, account: String },
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
            _ => None,
        }
    }
}

/// Whether a path asks for such a policy.
pub(super) fn serves(path: &str) -> bool {
    Place::of(path).is_some()
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
    fn it_answers_for_policies_of_accounts_and_projects_alone() {
        for (path, is_its) in [
            ("/v1/projects/p:getIamPolicy", true),
            ("/v1/projects/-/serviceAccounts/a%40b:getIamPolicy", true),
            ("/v1/projects/-/serviceAccounts/a@b:generateIdToken", false),
            ("/v1/projects/p/topics/t:getIamPolicy", false),
            ("/v1/projects/p", false),
        ] {
            assert_eq!(serves(path), is_its, "{path}");
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
