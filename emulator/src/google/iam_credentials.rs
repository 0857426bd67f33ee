//! IAM Credentials: tokens of one account for another.

use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use remint_idtoken::UnixTime;
use serde_json::{Value, json};

use super::accounts::{Accounts, Permission};
use super::oauth::is_timely;
use crate::answers::{Answer, json};
use crate::faults::Faults;
use crate::issuer::{Assertion, Issuer, TokenRequest};

/// Before an account in a path; the dash stands for its project.
const ROOT: &str = "/v1/projects/-/serviceAccounts/";
const NAME: &str = "projects/-/serviceAccounts/";

/// The scopes that IAM Credentials itself takes, each enough for what the
/// emulator plays (IAM, "Method: projects.serviceAccounts.generateIdToken").
/// Python's library asks for the narrower one.
const SCOPES: [&str; 2] = [super::oauth::CLOUD_PLATFORM, "https://www.googleapis.com/auth/iam"];

/// The API itself, as audience of tokens that accounts sign for it.
const AUDIENCE: &str = "https://iamcredentials.googleapis.com/";

/// What is asked for, of whom.
pub(super) struct Method<'p> {
    account: &'p str,
    permission: Permission,
}

impl<'p> Method<'p> {
    pub(super) fn of(path: &'p str) -> Option<Self> {
        let (account, method) = path.strip_prefix(ROOT)?.rsplit_once(':')?;
        let permission = match method {
            "generateIdToken" => Permission::IdToken,
            "generateAccessToken" => Permission::AccessToken,
            _ => return None,
        };
        Some(Self { account, permission })
    }

    pub(super) fn answer(
        &self,
        accounts: &Accounts,
        issuer: &Issuer,
        faults: &Faults,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Answer {
        let now = issuer.now();
        let Some(member) = caller(accounts, headers, now) else {
            return unauthenticated();
        };
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return invalid("Invalid JSON payload received.");
        };
        let Some(delegates) = delegates(&body) else {
            return invalid("delegates must be projects/-/serviceAccounts/ACCOUNT");
        };
        if let Some(answer) = self.refusal(accounts, &member, &delegates) {
            return answer;
        }
        match self.permission {
            Permission::IdToken => self.id_token(issuer, faults, &body),
            _ => self.access_token(accounts, &body, now),
        }
    }

    /// What is answered unless each one of the chain may speak for the next.
    fn refusal(&self, accounts: &Accounts, member: &str, delegates: &[&str]) -> Option<Answer> {
        let mut member = member.to_owned();
        for account in delegates.iter().copied().chain([self.account]) {
            if !accounts.emails.iter().any(|it| it == account) {
                let message = format!("Not found; Gaia id not found for email {account}");
                return Some(error(StatusCode::NOT_FOUND, "NOT_FOUND", &message, &Value::Null));
            }
            let is_last = account == self.account;
            let permission = if is_last { self.permission } else { Permission::Delegation };
            // In a chain each one needs the Token Creator's role on the next.
            let is_allowed = accounts.may(&member, permission, account)
                && (delegates.is_empty() || accounts.may(&member, Permission::Delegation, account));
            if !is_allowed {
                return Some(denied(permission));
            }
            member = format!("serviceAccount:{account}");
        }
        None
    }

    fn id_token(&self, issuer: &Issuer, faults: &Faults, body: &Value) -> Answer {
        let audience = body.get("audience").and_then(Value::as_str).unwrap_or_default();
        if audience.is_empty() {
            return invalid("audience is required");
        }
        if !faults.mints_for(audience) {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return error(status, "INTERNAL", "Internal error encountered.", &Value::Null);
        }
        let request = TokenRequest::new(self.account, audience);
        let request = match body.get("includeEmail").and_then(Value::as_bool) {
            Some(true) => request,
            _ => request.without_email(),
        };
        json(StatusCode::OK, &json!({ "token": issuer.mint(&request) }))
    }

    fn access_token(&self, accounts: &Accounts, body: &Value, now: UnixTime) -> Answer {
        let scopes = body.get("scope").and_then(Value::as_array);
        if !scopes.is_some_and(|list| list.iter().any(|it| SCOPES.iter().any(|scope| it == scope)))
        {
            return invalid("scope is required");
        }
        let member = format!("serviceAccount:{}", self.account);
        let expires_at = now.plus(accounts.lifetime).to_string();
        match accounts.access_token(member, now) {
            Some(token) => {
                let answer = json!({ "accessToken": token, "expireTime": expires_at });
                json(StatusCode::OK, &answer)
            }
            None => error(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "no token", &Value::Null),
        }
    }
}

pub(super) fn caller(accounts: &Accounts, headers: &HeaderMap, now: UnixTime) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let token = value.strip_prefix("Bearer ")?;
    accounts.member(token, now).or_else(|| self_signed(accounts, token, now))
}

/// Who has signed a token instead of exchanging an assertion for one: an account
/// with a key, for one of the scopes, or for this API as audience (AIP-4111).
/// Rust's library does so.
fn self_signed(accounts: &Accounts, token: &str, now: UnixTime) -> Option<String> {
    let parsed = Assertion::parse(token)?;
    let email = parsed.claimed("iss")?;
    let keys = accounts.keys(email, parsed.key_id());
    let claims = keys.iter().find_map(|key| parsed.verified_by(&key.spki))?;
    let text = |name| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_scoped = text("scope").split(' ').any(|scope| SCOPES.contains(&scope));
    let is_for_us = is_scoped || text("aud") == AUDIENCE;
    let is_good = text("sub") == email && is_for_us && is_timely(claims, now);
    is_good.then(|| format!("serviceAccount:{email}"))
}

/// The chain. In the JSON of protobuf null is a field that is not set, and
/// Python's library sends that.
fn delegates(body: &Value) -> Option<Vec<&str>> {
    let Some(delegates) = body.get("delegates").filter(|it| !it.is_null()) else {
        return Some(Vec::new());
    };
    delegates.as_array()?.iter().map(|item| item.as_str()?.strip_prefix(NAME)).collect()
}

pub(super) fn unauthenticated() -> Answer {
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.";
    error(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message, &Value::Null)
}

fn invalid(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message, &Value::Null)
}

fn denied(permission: Permission) -> Answer {
    let name = permission.name();
    let message = format!("Permission '{name}' denied on resource (or it may not exist).");
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "IAM_PERMISSION_DENIED",
        "domain": "iam.googleapis.com",
        "metadata": { "permission": name },
    }]);
    error(StatusCode::FORBIDDEN, "PERMISSION_DENIED", &message, &details)
}

/// An error as Google's APIs write it (AIP-193).
pub(super) fn error(code: StatusCode, status: &str, message: &str, details: &Value) -> Answer {
    let mut error = json!({ "code": code.as_u16(), "message": message, "status": status });
    if let (Some(members), false) = (error.as_object_mut(), details.is_null()) {
        members.insert("details".to_owned(), details.clone());
    }
    json(code, &json!({ "error": error }))
}
