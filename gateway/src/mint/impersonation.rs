//! Tokens of a service account that IAM Credentials make for somebody else.

use std::sync::Arc;

use http::StatusCode;
use remint_idtoken::UnixTime;
use serde_json::{Value, json};

use super::MintedToken;
use super::access::{AccessToken, SCOPE};
use super::base::AccessTokens;
use super::error::{MintError, Remedy};
use super::remote::{Document, Remote};
use crate::config::{Endpoint, Grant, Impersonation};
use crate::upstream::{Connector, ConnectorError};

/// What IAM Credentials call an account; the dash stands for its project.
const ACCOUNTS: &str = "projects/-/serviceAccounts/";

/// An account, and who asks for its tokens.
pub(crate) struct Impersonated {
    settings: Impersonation,
    iam: Remote,
    base: AccessTokens,
}

impl Impersonated {
    pub(super) fn new(
        settings: &Impersonation,
        connector: &Connector,
    ) -> Result<Self, ConnectorError> {
        let endpoint = Endpoint::at(settings.endpoint.clone(), "/");
        Ok(Self {
            iam: Remote::new("IAM Credentials", &endpoint, connector)?,
            base: AccessTokens::new(&settings.source, connector)?,
            settings: settings.clone(),
        })
    }

    pub(super) async fn id_token(
        &self,
        audience: &Arc<str>,
        now: UnixTime,
    ) -> Result<MintedToken, MintError> {
        let body = json!({
            "audience": **audience,
            "includeEmail": true,
            "delegates": self.delegates(),
        });
        let answer = self.ask("generateIdToken", &body, now).await;
        let answer =
            answer.map_err(|error| with_grants(error, &self.settings.id_token_grants()))?;
        MintedToken::read(answer.text("token")?.as_bytes(), audience, now)
    }

    pub(super) async fn access_token(&self, now: UnixTime) -> Result<AccessToken, MintError> {
        let body = json!({ "scope": [SCOPE], "delegates": self.delegates() });
        let answer = self.ask("generateAccessToken", &body, now).await;
        let grants = self.settings.access_token_grants();
        let answer = answer.map_err(|error| with_grants(error, &grants))?;
        let lacks = || answer.lacks("expireTime");
        let expires_at = date(answer.text("expireTime")?).ok_or_else(lacks)?;
        AccessToken::new(answer.text("accessToken")?, now, expires_at)
            .ok_or_else(|| answer.lacks("accessToken"))
    }

    fn delegates(&self) -> Vec<String> {
        self.settings.delegates.iter().map(|name| format!("{ACCOUNTS}{name}")).collect()
    }

    async fn ask(&self, method: &str, body: &Value, now: UnixTime) -> Result<Document, MintError> {
        let access = self.base.get(now).await?;
        let path = format!("/v1/{ACCOUNTS}{}:{method}", self.settings.account);
        let answer = self.iam.post_json(&path, access.header(), body, now).await;
        if answer.as_ref().is_err_and(MintError::is_unauthenticated) {
            // Revoked, most likely: the next attempt begins with another.
            self.base.forget(&access).await;
        }
        answer?.json()
    }
}

const MISSING: &str = "a role is missing, or was granted minutes ago and is not in force yet";

/// IAM does not tell an account that is not there from one that may not be used.
fn with_grants(error: MintError, grants: &[Grant]) -> MintError {
    let remedy = || {
        let lines: Vec<_> = grants.iter().map(ToString::to_string).collect();
        Remedy::by(MISSING, lines.join(" && "))
    };
    error.with_remedy(StatusCode::FORBIDDEN, remedy)
}

/// A date in RFC 3339, in UTC as Google's APIs give it: `2014-10-02T15:01:23Z`.
fn date(text: &str) -> Option<UnixTime> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(UnixTime(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_google_writes_them() {
        assert_eq!(date("2026-09-21T14:13:20Z"), Some(UnixTime(1_790_000_000)));
        assert_eq!(date("2026-09-21T14:13:20.045123456Z"), Some(UnixTime(1_790_000_000)));
        for bad in ["", "soon", "2026-09-21", "2026-09-21T14:13:20+01:00"] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }
}
