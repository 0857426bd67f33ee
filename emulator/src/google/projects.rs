//! Resource Manager, of which Google's libraries ask for the id of the project
//! that a workload identity pool is in (`get_project_id` of `external_account`
//! in Python's, `getProjectId` in Node's).
//!
//! Roles on the project are not played: whoever has an access token sees it.

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::accounts::Accounts;
use super::iam_credentials::{caller, error, unauthenticated};
use crate::answers::{Answer, json};
use crate::config::Config;
use crate::issuer::Issuer;

const ROOT: &str = "/v1/projects/";

/// The emulator's project.
pub(super) struct Project {
    id: String,
    number: String,
}

impl Project {
    pub(super) fn new(config: &Config) -> Self {
        Self { id: config.project_id.clone(), number: config.project_number.to_string() }
    }

    pub(super) fn serves(path: &str) -> bool {
        path.strip_prefix(ROOT).is_some_and(|name| !name.contains(['/', ':']))
    }

    /// `projects.get` of version 1, which takes a project's number for its id.
    pub(super) fn answer(
        &self,
        accounts: &Accounts,
        issuer: &Issuer,
        headers: &HeaderMap,
        path: &str,
    ) -> Answer {
        if caller(accounts, headers, issuer.now()).is_none() {
            return unauthenticated();
        }
        let name = path.strip_prefix(ROOT).unwrap_or_default();
        if ![&self.id, &self.number].iter().any(|it| *it == name) {
            // It does not tell whether there is another one.
            let message = "The caller does not have permission";
            return error(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message, &Value::Null);
        }
        let project = json!({
            "projectNumber": self.number,
            "projectId": self.id,
            "lifecycleState": "ACTIVE",
            "name": self.id,
        });
        json(StatusCode::OK, &project)
    }
}
