//! IAM Credentials: tokens and signatures of one account for another
//! (<https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts>).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use remint_idtoken::UnixTime;
use serde_json::{Map, Value, json};

use super::accounts::{Access, Accounts, Permission};
use super::asked::Outcome;
use super::oauth::CLOUD_PLATFORM;
use super::query;
use super::self_signed;
use crate::answers::{Answer, json};
use crate::faults::Faults;
use crate::issuer::{Issuer, TokenRequest};

/// Before an account in a path; the dash stands for its project, and no project
/// may be named instead.
const ROOT: &str = "/v1/projects/-/serviceAccounts/";
const NAME: &str = "projects/-/serviceAccounts/";

/// The scopes of which a caller needs one.
const SCOPES: [&str; 2] = [CLOUD_PLATFORM, "https://www.googleapis.com/auth/iam"];

/// The API, as audience of tokens that accounts sign for it.
const AUDIENCE: &str = "https://iamcredentials.googleapis.com/";

/// The longest life of an access token, unless an organization allows more.
const MAX_LIFETIME: u64 = 3600;
/// How far ahead the end of a JWT may be that is to be signed.
const MAX_JWT_LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// What is asked for, of whom.
pub(super) struct Method<'p> {
    account: &'p str,
    name: &'p str,
    permission: Permission,
}

/// What a method needs.
pub(super) struct Iam<'g> {
    pub(super) accounts: &'g Accounts,
    pub(super) issuer: &'g Issuer,
    pub(super) faults: &'g Faults,
}

/// What is answered, with what is to be said of it.
type Result<T> = std::result::Result<T, Box<(Answer, Outcome)>>;

impl<'p> Method<'p> {
    pub(super) fn of(path: &'p str) -> Option<Self> {
        let (account, name) = path.strip_prefix(ROOT)?.rsplit_once(':')?;
        let permission = match name {
            "generateIdToken" => Permission::IdToken,
            "generateAccessToken" => Permission::AccessToken,
            "signJwt" => Permission::SignJwt,
            "signBlob" => Permission::SignBlob,
            _ => return None,
        };
        Some(Self { account, name, permission })
    }

    /// As the timeline shows it.
    pub(super) fn name(&self) -> &'p str {
        self.name
    }

    pub(super) async fn answer(
        &self,
        iam: &Iam<'_>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> (Answer, Outcome) {
        let caller = match self.caller(iam, headers) {
            Ok(caller) => caller,
            Err(refused) => return *refused,
        };
        let (answer, outcome) = match self.admitted(iam, &caller, body).await {
            Ok(answer) => answer,
            Err(refused) => *refused,
        };
        (answer, Outcome { caller: Some(caller), ..outcome })
    }

    /// Whose access token it is, if it is good for this API.
    fn caller(&self, iam: &Iam<'_>, headers: &HeaderMap) -> Result<String> {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Err(self.unauthenticated(
                "CREDENTIALS_MISSING",
                "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
            ));
        };
        let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        let now = iam.issuer.now();
        let access = token.and_then(|token| {
            let self_signed = || self_signed::access(iam.accounts, token, AUDIENCE, now);
            iam.accounts.access(token, now).or_else(self_signed)
        });
        let Some(Access { member, scopes, .. }) = access else {
            return Err(self.unauthenticated(
                "ACCESS_TOKEN_TYPE_UNSUPPORTED",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
            ));
        };
        if scopes.iter().any(|scope| SCOPES.contains(&scope.as_str())) {
            return Ok(member);
        }
        let message = "Request had insufficient authentication scopes.";
        let details =
            Self::info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "googleapis.com", &self.service());
        let answer = error(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message, &details);
        let outcome = Outcome::refused("scope_insufficient", message);
        Err(Box::new((answer, Outcome { caller: Some(member), ..outcome })))
    }

    async fn admitted(
        &self,
        iam: &Iam<'_>,
        member: &str,
        body: &[u8],
    ) -> Result<(Answer, Outcome)> {
        let body = match body {
            [] => Value::Object(Map::new()),
            body => serde_json::from_slice::<Value>(body)
                .map_err(|_| invalid("Invalid JSON payload received."))?,
        };
        let delegates = delegates(&body).ok_or_else(|| {
            invalid("delegates must have the form projects/-/serviceAccounts/ACCOUNT")
        })?;
        let account = self.chain(iam.accounts, member, &delegates)?;
        match self.permission {
            Permission::IdToken => id_token(iam, &account, &body),
            Permission::SignJwt => sign_jwt(iam, &account, &body).await,
            Permission::SignBlob => sign_blob(iam, &account, &body).await,
            _ => access_token(iam, &account, &body),
        }
    }

    /// The account's address, if each one of the chain may speak for the next.
    fn chain(&self, accounts: &Accounts, member: &str, delegates: &[&str]) -> Result<String> {
        let wanted = query::path_decoded(self.account);
        let mut member = member.to_owned();
        let mut last = String::new();
        let names = delegates.iter().copied().chain([wanted.as_str()]);
        let mut names = names.peekable();
        while let Some(name) = names.next() {
            let Some(account) = accounts.email(name) else {
                let message = format!("Not found; Gaia id not found for email {name}");
                let answer = error(StatusCode::NOT_FOUND, "NOT_FOUND", &message, &Value::Null);
                return Err(Box::new((answer, Outcome::refused("account_unknown", message))));
            };
            let is_last = names.peek().is_none();
            let permission = if is_last { self.permission } else { Permission::Delegation };
            // In a chain each one needs the Token Creator's role on the next.
            let chained = if delegates.is_empty() { permission } else { Permission::Delegation };
            for needed in [permission, chained] {
                if !accounts.may(&member, needed, &account) {
                    return Err(Self::denied(needed, &member, &account));
                }
            }
            member = format!("serviceAccount:{account}");
            last = account;
        }
        Ok(last)
    }

    fn denied(permission: Permission, member: &str, account: &str) -> Box<(Answer, Outcome)> {
        let name = permission.name();
        let message = format!("Permission '{name}' denied on resource (or it may not exist).");
        let metadata = json!({ "permission": name });
        let details = Self::info("IAM_PERMISSION_DENIED", "iam.googleapis.com", &metadata);
        let answer = error(StatusCode::FORBIDDEN, "PERMISSION_DENIED", &message, &details);
        let note = format!("{member} lacks {name} on {account}");
        Box::new((answer, Outcome::refused("mint_denied", note)))
    }

    fn unauthenticated(&self, reason: &str, message: &str) -> Box<(Answer, Outcome)> {
        let details = Self::info(reason, "googleapis.com", &self.service());
        let answer = error(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message, &details);
        Box::new((answer, Outcome::refused("unauthenticated", message)))
    }

    fn service(&self) -> Value {
        let mut letters = self.name.chars();
        let initial = letters.next().map(|letter| letter.to_ascii_uppercase());
        let method: String = initial.into_iter().chain(letters).collect();
        json!({
            "service": "iamcredentials.googleapis.com",
            "method": format!("google.iam.credentials.v1.IAMCredentials.{method}"),
        })
    }

    /// Why, for programs (AIP-193).
    fn info(reason: &str, domain: &str, metadata: &Value) -> Value {
        json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": domain,
            "metadata": metadata,
        }])
    }
}

fn id_token(iam: &Iam<'_>, account: &str, body: &Value) -> Result<(Answer, Outcome)> {
    let audience = body.get("audience").and_then(Value::as_str).unwrap_or_default();
    if audience.is_empty() {
        return Err(invalid("audience is required"));
    }
    let outcome = Outcome { audience: Some(audience.to_owned()), ..Outcome::default() };
    if !iam.faults.mints_for(audience) {
        let message = "Internal error encountered.";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let answer = error(status, "INTERNAL", message, &Value::Null);
        let (refused, note) = (Some("mints_nothing"), Some(message.to_owned()));
        return Err(Box::new((answer, Outcome { refused, note, ..outcome })));
    }
    let request = TokenRequest::new(account, audience);
    let request = match body.get("includeEmail").and_then(Value::as_bool) {
        Some(true) => request,
        _ => request.without_email(),
    };
    let answer = json(StatusCode::OK, &json!({ "token": iam.issuer.mint(&request) }));
    Ok((answer, Outcome { note: Some(format!("for {account}")), ..outcome }))
}

fn access_token(iam: &Iam<'_>, account: &str, body: &Value) -> Result<(Answer, Outcome)> {
    let scopes = body.get("scope").and_then(Value::as_array).map(Vec::as_slice);
    let scopes: Option<Vec<String>> =
        scopes.unwrap_or_default().iter().map(|it| it.as_str().map(str::to_owned)).collect();
    let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) else {
        return Err(invalid("scope is required"));
    };
    let lifetime = match body.get("lifetime") {
        None => iam.accounts.lifetime,
        Some(lifetime) => lifetime_of(lifetime)?,
    };
    let now = iam.issuer.now();
    let member = format!("serviceAccount:{account}");
    let Some(token) = iam.accounts.access_token(member, scopes, lifetime, now) else {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let answer = error(status, "INTERNAL", "no randomness", &Value::Null);
        return Err(Box::new((answer, Outcome::refused("no_randomness", "no randomness"))));
    };
    let expires_at = now.plus(lifetime).to_string();
    let answer = json!({ "accessToken": token, "expireTime": expires_at });
    let note = Some(format!("for {account}"));
    Ok((json(StatusCode::OK, &answer), Outcome { note, ..Outcome::default() }))
}

/// A span such as `3600s`, at most an hour long. The bounds are documented, the
/// words of the refusal are not.
fn lifetime_of(lifetime: &Value) -> Result<Duration> {
    let seconds = lifetime.as_str().and_then(|text| text.strip_suffix('s'));
    let seconds = seconds.and_then(|seconds| seconds.parse::<u64>().ok());
    match seconds {
        Some(seconds @ 1..=MAX_LIFETIME) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err(invalid(
            "lifetime must be from 1s to 3600s, unless the constraint constraints/iam.allowServiceAccountCredentialLifetimeExtension is set for the account",
        )),
        None => Err(invalid("lifetime must be a number of seconds such as 3600s")),
    }
}

async fn sign_jwt(iam: &Iam<'_>, account: &str, body: &Value) -> Result<(Answer, Outcome)> {
    let payload = body.get("payload").and_then(Value::as_str).unwrap_or_default();
    let mut claims = serde_json::from_str::<Map<String, Value>>(payload)
        .map_err(|_| invalid("payload must be a JSON object as a text"))?;
    let now = iam.issuer.now();
    let in_time = |end: u64| end > now.0 && UnixTime(end) <= now.plus(MAX_JWT_LIFETIME);
    match claims.get("exp").map(Value::as_u64) {
        None => {
            claims.insert("exp".to_owned(), now.plus(Duration::from_secs(3600)).0.into());
        }
        Some(Some(end)) if in_time(end) => {}
        Some(_) => {
            return Err(invalid("exp must be an integer, not past and within the next 12 hours"));
        }
    }
    let audience = claims.get("aud").and_then(Value::as_str).map(str::to_owned);
    let key = iam.accounts.managed(account);
    if key.ready().await.is_err() {
        return Err(no_key());
    }
    let answer = json!({ "keyId": key.key_id(), "signedJwt": key.sign_claims(&claims.into()) });
    let note = Some(format!("signed by {account}"));
    Ok((json(StatusCode::OK, &answer), Outcome { audience, note, ..Outcome::default() }))
}

async fn sign_blob(iam: &Iam<'_>, account: &str, body: &Value) -> Result<(Answer, Outcome)> {
    let payload = body.get("payload").and_then(Value::as_str).unwrap_or_default();
    let bytes = STANDARD.decode(payload).map_err(|_| invalid("payload must be base64"))?;
    let key = iam.accounts.managed(account);
    if bytes.is_empty() {
        return Err(invalid("payload is required"));
    }
    if key.ready().await.is_err() {
        return Err(no_key());
    }
    let (id, signature) = key.signature(&bytes);
    let answer = json!({ "keyId": id, "signedBlob": STANDARD.encode(signature) });
    let note = Some(format!("signed by {account}"));
    Ok((json(StatusCode::OK, &answer), Outcome { note, ..Outcome::default() }))
}

/// An empty list is the same as none and, as in all JSON of protobuf, as null,
/// which Python's library sends.
fn delegates(body: &Value) -> Option<Vec<&str>> {
    let Some(delegates) = body.get("delegates").filter(|it| !it.is_null()) else {
        return Some(Vec::new());
    };
    delegates.as_array()?.iter().map(|item| item.as_str()?.strip_prefix(NAME)).collect()
}

fn invalid(message: &str) -> Box<(Answer, Outcome)> {
    let answer = error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message, &Value::Null);
    Box::new((answer, Outcome::refused("invalid_argument", message)))
}

fn no_key() -> Box<(Answer, Outcome)> {
    let message = "the account has no key";
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let answer = error(status, "INTERNAL", message, &Value::Null);
    Box::new((answer, Outcome::refused("no_key", message)))
}

/// An error as Google's APIs write it (AIP-193).
fn error(code: StatusCode, status: &str, message: &str, details: &Value) -> Answer {
    let mut error = json!({ "code": code.as_u16(), "message": message, "status": status });
    if let (Some(members), false) = (error.as_object_mut(), details.is_null()) {
        members.insert("details".to_owned(), details.clone());
    }
    json(code, &json!({ "error": error }))
}
