//! The token endpoint and STS: assertions, refresh tokens and other issuers'
//! tokens for tokens of Google's; and what can be learnt of a token.

mod info;
mod sts;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use remint_idtoken::UnixTime;
use serde_json::{Map, Value, json};

use super::accounts::Accounts;
use super::asked::Outcome;
use super::query;
use crate::answers::{Answer, json};
use crate::config::User;
use crate::faults::Faults;
use crate::issuer::{Assertion, GOOGLE, Issuer, LIFETIME, TokenRequest, subject_of};

pub(crate) const TOKEN_PATH: &str = "/token";
pub(super) const STS_PATH: &str = "/v1/token";
/// Where people ask by hand what is in a token; on `oauth2.googleapis.com` and
/// on `www.googleapis.com`.
pub(super) const INFO_PATHS: [&str; 3] =
    ["/tokeninfo", "/oauth2/v1/tokeninfo", "/oauth2/v3/tokeninfo"];
pub(super) const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// What the token endpoint calls itself, wherever it is reached.
const TOKEN_URLS: [&str; 3] = [
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://accounts.google.com/o/oauth2/token",
];
/// The scopes that gcloud asks people for.
const USER_SCOPES: &str = "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/cloud-platform";
/// The OAuth client of gcloud's application default credentials, for requests
/// that name none.
const GCLOUD: &str = "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com";

/// How far clocks may be apart, in seconds. How far Google lets them is not
/// documented; Rust's library widens the hour of its assertions by twice ten.
const SKEW: u64 = 60;

/// An error by RFC 6749, section 5.2.
type Refused = (&'static str, String);

/// What these endpoints need.
pub(super) struct Oauth<'g> {
    pub(super) accounts: &'g Accounts,
    pub(super) issuer: &'g Issuer,
    pub(super) faults: &'g Faults,
}

/// The members of a form.
struct Form<'f>(&'f str);

impl Form<'_> {
    fn field(&self, name: &str) -> String {
        query::value(Some(self.0), name).unwrap_or_default()
    }
}

impl Oauth<'_> {
    /// The token endpoint. `own_url` is where this client reached it. Any client
    /// id and secret will do: the emulator knows no OAuth clients.
    pub(super) fn token(&self, own_url: &str, form: &str) -> (Answer, Outcome) {
        let form = Form(form);
        let mut outcome = Outcome::default();
        let result = match form.field("grant_type").as_str() {
            JWT_BEARER => self.assertion(own_url, &form.field("assertion"), &mut outcome),
            "refresh_token" => self.refreshed(&form, &mut outcome),
            other => refused("unsupported_grant_type", format!("Invalid grant_type: {other}")),
        };
        answered(result, outcome)
    }

    fn assertion(
        &self,
        own_url: &str,
        assertion: &str,
        outcome: &mut Outcome,
    ) -> Result<Value, Refused> {
        let bad = || refused("invalid_grant", "Invalid JWT Signature.");
        let Some(parsed) = Assertion::parse(assertion) else {
            return bad();
        };
        let email = parsed.claimed("iss").unwrap_or_default().to_owned();
        outcome.caller = Some(email.clone());
        if !self.accounts.knows(&email) {
            return refused("invalid_grant", "Invalid grant: account not found");
        }
        let keys = self.accounts.signing_keys(&email, parsed.key_id());
        let Some(claims) = keys.iter().find_map(|key| parsed.verified_by(key)) else {
            return bad();
        };
        if !is_timely(&claims, self.issuer.now()) {
            return refused(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.",
            );
        }
        let text = |name| claims.get(name).and_then(Value::as_str);
        if !text("aud").is_some_and(|aud| TOKEN_URLS.contains(&aud) || aud == own_url) {
            return refused("invalid_grant", "Invalid JWT: Failed audience check.");
        }
        if let Some(subject) = text("sub").filter(|subject| *subject != email) {
            let why = format!(
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested: no domain-wide delegation to {subject} here."
            );
            return refused("unauthorized_client", why);
        }
        match (text("target_audience"), text("scope")) {
            (Some(audience), _) => {
                outcome.audience = Some(audience.to_owned());
                if !self.faults.mints_for(audience) {
                    return refused("internal_failure", "Internal error.");
                }
                let request = TokenRequest::new(email, audience);
                Ok(json!({ "id_token": self.issuer.mint(&request) }))
            }
            (None, Some(scope)) => self.access(format!("serviceAccount:{email}"), scopes_of(scope)),
            (None, None) => refused("invalid_scope", "Empty or missing scope not allowed."),
        }
    }

    /// A person's tokens: an access token and, as gcloud's scopes have `openid`
    /// among them, an ID token for the OAuth client.
    fn refreshed(&self, form: &Form<'_>, outcome: &mut Outcome) -> Result<Value, Refused> {
        let Some(user) = self.accounts.user(&form.field("refresh_token")) else {
            return refused("invalid_grant", "Token has been expired or revoked.");
        };
        outcome.caller = Some(user.email.clone());
        let client = match form.field("client_id") {
            none if none.is_empty() => GCLOUD.to_owned(),
            client => client,
        };
        let scope = match form.field("scope") {
            none if none.is_empty() => USER_SCOPES.to_owned(),
            scope => scope,
        };
        let mut answer = self.access(format!("user:{}", user.email), scopes_of(&scope))?;
        if let Some(members) = answer.as_object_mut() {
            let access = members.get("access_token").and_then(Value::as_str).unwrap_or_default();
            if scopes_of(&scope).iter().any(|scope| scope == "openid") {
                outcome.audience = Some(client.clone());
                let token = self.issuer.sign_claims(&self.person(user, &client, access).into());
                members.insert("id_token".to_owned(), token.into());
            }
            members.insert("scope".to_owned(), scope.clone().into());
        }
        Ok(answer)
    }

    /// The claims of a person's ID token
    /// (<https://developers.google.com/identity/openid-connect/openid-connect>).
    fn person(&self, user: &User, client: &str, access: &str) -> Map<String, Value> {
        let now = self.issuer.now();
        // Half of the hash (OpenID Connect Core, section 3.1.3.6).
        let hash = digest(&SHA256, access.as_bytes());
        let half = hash.as_ref().get(..16).unwrap_or_default();
        let claims = json!({
            "iss": GOOGLE, "azp": client, "aud": client,
            "sub": subject_of(&user.email),
            "email": user.email, "email_verified": true,
            "at_hash": URL_SAFE_NO_PAD.encode(half),
            "iat": now.0, "exp": now.plus(LIFETIME).0,
        });
        claims.as_object().cloned().unwrap_or_default()
    }

    fn access(&self, member: String, scopes: Vec<String>) -> Result<Value, Refused> {
        let (now, lifetime) = (self.issuer.now(), self.accounts.lifetime);
        let Some(token) = self.accounts.access_token(member, scopes, lifetime, now) else {
            return refused("internal_failure", "no randomness");
        };
        Ok(json!({
            "access_token": token, "expires_in": lifetime.as_secs(), "token_type": "Bearer",
        }))
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

fn scopes_of(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn refused<T>(code: &'static str, why: impl Into<String>) -> Result<T, Refused> {
    Err((code, why.into()))
}

fn answered(result: Result<Value, Refused>, outcome: Outcome) -> (Answer, Outcome) {
    match result {
        Ok(answer) => (json(StatusCode::OK, &answer), outcome),
        Err((error, description)) => {
            let status = match error {
                "internal_failure" => StatusCode::INTERNAL_SERVER_ERROR,
                "unauthorized_client" => StatusCode::UNAUTHORIZED,
                _ => StatusCode::BAD_REQUEST,
            };
            let answer = json!({ "error": error, "error_description": description });
            let (refused, note) = (Some(error), Some(description));
            (json(status, &answer), Outcome { refused, note, ..outcome })
        }
    }
}
