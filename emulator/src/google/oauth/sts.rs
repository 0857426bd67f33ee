//! The security token service (RFC 8693;
//! <https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token>).
//!
//! It takes tokens of OIDC providers. `options` must be a JSON object if it is
//! there, as clients with a user project send it, and plays no further part;
//! neither do the headers `x-goog-user-project` and `x-goog-api-client`.

use serde_json::Value;

use super::{Form, Oauth, Refused, answered, refused, scopes_of};
use crate::answers::Answer;
use crate::config::Provider;
use crate::google::asked::Outcome;
use crate::issuer::{Assertion, Issuer};

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The kinds of other issuers' tokens that OIDC providers have.
const SUBJECT_KINDS: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"];

impl Oauth<'_> {
    /// Another issuer's token for a federated access token.
    pub(in crate::google) async fn exchange(&self, form: &str) -> (Answer, Outcome) {
        let mut outcome = Outcome::default();
        let result = self.exchanged(&Form(form), &mut outcome).await;
        answered(result, outcome)
    }

    async fn exchanged(&self, form: &Form<'_>, outcome: &mut Outcome) -> Result<Value, Refused> {
        outcome.audience = Some(form.field("audience")).filter(|audience| !audience.is_empty());
        let kind = form.field("requested_token_type");
        if form.field("grant_type") != TOKEN_EXCHANGE {
            return refused("unsupported_grant_type", "Invalid grant_type");
        }
        if kind != ACCESS_TOKEN {
            return refused("invalid_request", "requested_token_type must be an access token");
        }
        if !SUBJECT_KINDS.contains(&form.field("subject_token_type").as_str()) {
            return refused("invalid_request", "Invalid subject_token_type");
        }
        let scopes = scopes_of(&form.field("scope"));
        if scopes.is_empty() {
            return refused("invalid_scope", "Empty or missing scope not allowed.");
        }
        let options = form.field("options");
        let is_object = |text: &str| matches!(serde_json::from_str(text), Ok(Value::Object(_)));
        if !options.is_empty() && !is_object(&options) {
            return refused("invalid_request", "options must be a serialized JSON object");
        }
        let audience = form.field("audience");
        let member = self.federated(&audience, &form.field("subject_token")).await?;
        outcome.caller = Some(member.clone());
        let mut answer = self.access(member, scopes)?;
        if let Some(members) = answer.as_object_mut() {
            members.insert("issued_token_type".to_owned(), ACCESS_TOKEN.into());
        }
        Ok(answer)
    }

    /// The principal that a token of a trusted issuer stands for.
    async fn federated(&self, audience: &str, subject_token: &str) -> Result<String, Refused> {
        let number = self.accounts.project_number();
        let is_it = |(provider, _): &&(Provider, Issuer)| provider.resource(number) == audience;
        let Some((provider, issuer)) = self.accounts.providers.iter().find(is_it) else {
            return refused(
                "invalid_target",
                "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist.",
            );
        };
        // Without a key of the provider's no signature is good.
        let _ = issuer.ready().await;
        let parsed = Assertion::parse(subject_token);
        let claims = parsed.and_then(|parsed| parsed.verified_by(&issuer.public_key_der()));
        let bad = || refused("invalid_grant", "The subject token is not valid.");
        let Some(claims) = claims else {
            return bad();
        };
        let text = |name| claims.get(name).and_then(Value::as_str);
        let expires = claims.get("exp").and_then(Value::as_u64).unwrap_or_default();
        if text("iss") != Some(&provider.issuer) || expires <= self.issuer.now().0 {
            let why = "ID Token issued by another issuer, or stale to sign-in.";
            return refused("invalid_grant", why);
        }
        // Without allowed audiences of its own a provider takes its own name.
        let allowed = [audience.to_owned(), format!("https:{audience}")];
        if !text("aud").is_some_and(|aud| allowed.iter().any(|it| it == aud)) {
            let why = "The audience in ID Token does not match the expected audience.";
            return refused("invalid_grant", why);
        }
        match text("sub") {
            Some(subject) => Ok(format!("principal:{}/subject/{subject}", provider.pool(number))),
            None => bad(),
        }
    }
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
