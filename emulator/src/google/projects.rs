//! Resource Manager, of which Google's libraries ask for the id of the project
//! that a workload identity pool is in (`get_project_id` of `external_account`
//! in Python's, `getProjectId` in Node's).
//!
//! Roles on the project are not played: whoever has an access token sees it.

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use remint_idtoken::UnixTime;
use serde_json::json;

use super::access::Access;
use super::accounts::Accounts;
use super::self_signed;
use crate::answers::{Answer, json};
use crate::config::Config;

const ROOT: &str = "/v1/projects/";
/// The API, as audience of tokens that accounts sign for it.
const AUDIENCE: &str = "https://cloudresourcemanager.googleapis.com/";

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
        headers: &HeaderMap,
        path: &str,
        now: UnixTime,
    ) -> Answer {
        if let Err(refused) = member_of(accounts, headers, AUDIENCE, now) {
            return *refused;
        }
        if !self.is_named(path.strip_prefix(ROOT).unwrap_or_default()) {
            return *Self::forbidden();
        }
        let project = json!({
            "projectNumber": self.number,
            "projectId": self.id,
            "lifecycleState": "ACTIVE",
            "name": self.id,
        });
        json(StatusCode::OK, &project)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether a name is this project's: its id or its number.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.id == name || self.number == name
    }

    /// What is said of any other, which does not tell whether there is one.
    pub(super) fn forbidden() -> Box<Answer> {
        let message = "The caller does not have permission";
        Box::new(refused(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message))
    }
}

/// Whose access token a request has: one that was given, or one that its owner
/// has signed for the API of that audience.
pub(super) fn member_of(
    accounts: &Accounts,
    headers: &HeaderMap,
    audience: &str,
    now: UnixTime,
) -> Result<Access, Box<Answer>> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let self_signed = || self_signed::access(accounts, token, audience, now);
    accounts.access(token, now).or_else(self_signed).ok_or_else(|| {
        let message = "Request had invalid authentication credentials.";
        Box::new(refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message))
    })
}

/// An error in JSON, as Google's libraries read those of all APIs (AIP-193).
pub(super) fn refused(code: StatusCode, status: &str, message: &str) -> Answer {
    let error = json!({ "code": code.as_u16(), "message": message, "status": status });
    json(code, &json!({ "error": error }))
}
