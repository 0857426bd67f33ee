//! The token endpoint and STS: assertions, refresh tokens and other issuers'
//! tokens for tokens of Google's.

use http::StatusCode;
use remint_idtoken::UnixTime;
use serde_json::{Value, json};

use super::accounts::Accounts;
use super::query;
use crate::answers::{Answer, json};
use crate::config::Provider;
use crate::faults::Faults;
use crate::issuer::{Assertion, Issuer, TokenRequest};

pub(super) const TOKEN_PATH: &str = "/token";
pub(super) const STS_PATH: &str = "/v1/token";
pub(super) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The kinds of other issuers' tokens that OIDC providers have.
const SUBJECT_KINDS: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];
/// What the token endpoint calls itself, wherever it is reached.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// How far clocks may be apart, in seconds. How far Google lets them is not
/// documented; Rust's library widens the hour of its assertions by twice ten.
const SKEW: u64 = 60;

/// An error by RFC 6749, section 5.2.
type Refused = (&'static str, &'static str);

/// What both endpoints need.
pub(super) struct Oauth<'g> {
    pub(super) accounts: &'g Accounts,
    pub(super) issuer: &'g Issuer,
    pub(super) faults: &'g Faults,
}

impl Oauth<'_> {
    /// The token endpoint. `own_url` is where this client reached it.
    pub(super) fn token(&self, own_url: &str, form: &str) -> Answer {
        let field = |name| query::value(Some(form), name).unwrap_or_default();
        let result = match field("grant_type").as_str() {
            JWT_BEARER => self.assertion(own_url, &field("assertion")),
            "refresh_token" => self.refreshed(&field("refresh_token")),
            _ => Err(("unsupported_grant_type", "Invalid grant_type: ")),
        };
        answered(result)
    }

    fn assertion(&self, own_url: &str, assertion: &str) -> Result<Value, Refused> {
        const SIGNATURE: Refused = ("invalid_grant", "Invalid JWT Signature.");
        let now = self.issuer.now();
        let parsed = Assertion::parse(assertion).ok_or(SIGNATURE)?;
        let email = parsed.claimed("iss").unwrap_or_default().to_owned();
        let keys = self.accounts.keys(&email, parsed.key_id());
        if keys.is_empty() {
            return Err(("invalid_grant", "Invalid grant: account not found"));
        }
        let claims = keys.iter().find_map(|key| parsed.verified_by(&key.spki));
        let claims = claims.ok_or(SIGNATURE)?;
        if !is_timely(claims, now) {
            return Err((
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
            ));
        }
        let text = |name| claims.get(name).and_then(Value::as_str);
        if !text("aud").is_some_and(|aud| aud == TOKEN_URL || aud == own_url) {
            return Err(("invalid_grant", "Invalid JWT: Failed audience check."));
        }
        match (text("target_audience"), text("scope")) {
            (Some(audience), _) if !self.faults.mints_for(audience) => {
                Err(("internal_failure", "Internal error."))
            }
            (Some(audience), _) => {
                let request = TokenRequest::new(email, audience);
                Ok(json!({ "id_token": self.issuer.mint(&request) }))
            }
            (None, Some(_)) => self.access(format!("serviceAccount:{email}")),
            (None, None) => Err(("invalid_scope", "Empty or missing scope not allowed.")),
        }
    }

    fn refreshed(&self, refresh_token: &str) -> Result<Value, Refused> {
        let user = self.accounts.user(refresh_token);
        let user = user.ok_or(("invalid_grant", "Token has been expired or revoked."))?;
        self.access(format!("user:{}", user.email))
    }

    fn access(&self, member: String) -> Result<Value, Refused> {
        let token = self.accounts.access_token(member, self.issuer.now());
        let token = token.ok_or(("internal_failure", "no randomness"))?;
        let lifetime = self.accounts.lifetime.as_secs();
        Ok(json!({ "access_token": token, "expires_in": lifetime, "token_type": "Bearer" }))
    }

    /// STS (RFC 8693).
    pub(super) fn exchange(&self, form: &str) -> Answer {
        let field = |name| query::value(Some(form), name).unwrap_or_default();
        let result = match field("grant_type").as_str() {
            TOKEN_EXCHANGE if field("requested_token_type") != ACCESS_TOKEN => {
                Err(("invalid_request", "requested_token_type must be an access token"))
            }
            TOKEN_EXCHANGE if !SUBJECT_KINDS.contains(&field("subject_token_type").as_str()) => {
                Err(("invalid_request", "Invalid subject_token_type"))
            }
            TOKEN_EXCHANGE if field("scope").is_empty() => {
                Err(("invalid_scope", "Empty or missing scope not allowed."))
            }
            TOKEN_EXCHANGE => self.federated(&field("audience"), &field("subject_token")),
            _ => Err(("unsupported_grant_type", "Invalid grant_type")),
        };
        answered(result)
    }

    fn federated(&self, audience: &str, subject_token: &str) -> Result<Value, Refused> {
        let number = self.accounts.project_number();
        let is_it = |(provider, _): &&(Provider, Issuer)| provider.resource(number) == audience;
        let found = self.accounts.providers.iter().find(is_it);
        let (provider, issuer) =
            found.ok_or(("invalid_target", "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist."))?;
        let bad = ("invalid_grant", "The subject token is not valid.");
        let parsed = Assertion::parse(subject_token).ok_or(bad)?;
        let claims = parsed.verified_by(&issuer.public_key_der()).ok_or(bad)?;
        let text = |name| claims.get(name).and_then(Value::as_str);
        let expires = claims.get("exp").and_then(Value::as_u64).unwrap_or_default();
        if text("iss") != Some(&provider.issuer) || expires <= self.issuer.now().0 {
            return Err((
                "invalid_grant",
                "ID Token issued by another issuer, or stale to sign-in.",
            ));
        }
        // Without allowed audiences of its own a provider takes its own name.
        let allowed = [audience.to_owned(), format!("https:{audience}")];
        if !text("aud").is_some_and(|aud| allowed.iter().any(|it| it == aud)) {
            return Err((
                "invalid_grant",
                "The audience in ID Token does not match the expected audience.",
            ));
        }
        let subject = text("sub").ok_or(bad)?;
        let mut answer =
            self.access(format!("principal:{}/subject/{subject}", provider.pool(number)))?;
        if let Some(members) = answer.as_object_mut() {
            members.insert("issued_token_type".to_owned(), ACCESS_TOKEN.into());
        }
        Ok(answer)
    }
}

/// Whether an account's assertion is in its hour, give or take [`SKEW`].
pub(super) fn is_timely(claims: &Value, now: UnixTime) -> bool {
    let seconds = |name| claims.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (issued, expires) = (seconds("iat"), seconds("exp"));
    issued <= now.0.saturating_add(SKEW)
        && expires > now.0
        && expires.saturating_sub(issued) <= SKEW.saturating_add(3600)
}

impl Provider {
    fn pool(&self, project_number: u64) -> String {
        let pool = &self.pool;
        format!(
            "//iam.googleapis.com/projects/{project_number}/locations/global/workloadIdentityPools/{pool}"
        )
    }

    /// Its resource name, which clients give as `audience`.
    #[must_use]
    pub fn resource(&self, project_number: u64) -> String {
        format!("{}/providers/{}", self.pool(project_number), self.id)
    }
}

fn answered(result: Result<Value, Refused>) -> Answer {
    match result {
        Ok(answer) => json(StatusCode::OK, &answer),
        Err((error, description)) => {
            let status = match error {
                "internal_failure" => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            };
            json(status, &json!({ "error": error, "error_description": description }))
        }
    }
}
