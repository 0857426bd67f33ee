//! Tokens for the assertions of a service account's key.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use remint_idtoken::UnixTime;
use serde_json::{Value, json};

use super::MintedToken;
use super::access::{AccessToken, SCOPE};
use super::error::MintError;
use super::remote::{Document, Remote};
use crate::config::ServiceAccountKey;
use crate::upstream::{Connector, ConnectorError};

const NAME: &str = "the token endpoint";
/// RFC 7523, section 2.1.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The longest that the token endpoint allows.
const LIFETIME: Duration = Duration::from_secs(3600);
const REFUSED: &str =
    "the key may be deleted or disabled, or the clock of this machine may be wrong";

/// A service account's key and the endpoint that takes its assertions.
pub(crate) struct KeyGrant {
    account: ServiceAccountKey,
    endpoint: Remote,
}

impl KeyGrant {
    pub(super) fn new(
        account: &ServiceAccountKey,
        connector: &Connector,
    ) -> Result<Self, ConnectorError> {
        let endpoint = Remote::new(NAME, &account.token_url, connector)?;
        Ok(Self { account: account.clone(), endpoint })
    }

    pub(super) async fn id_token(
        &self,
        audience: &Arc<str>,
        now: UnixTime,
    ) -> Result<MintedToken, MintError> {
        let answer = self.exchange("target_audience", audience, now).await?;
        MintedToken::read(answer.text("id_token")?.as_bytes(), audience, now)
    }

    pub(super) async fn access_token(&self, now: UnixTime) -> Result<AccessToken, MintError> {
        AccessToken::read(&self.exchange("scope", SCOPE, now).await?, now)
    }

    /// Exchanges an assertion with that claim.
    async fn exchange(
        &self,
        claim: &'static str,
        value: &str,
        now: UnixTime,
    ) -> Result<Document, MintError> {
        let assertion = assertion(&self.account, claim, value, now)?;
        let fields = [("grant_type", GRANT_TYPE), ("assertion", &assertion)];
        let answer = self.endpoint.post_form(self.account.token_url.path(), &fields, now).await;
        let remedied =
            |error: MintError| error.with_remedy(StatusCode::BAD_REQUEST, || REFUSED.into());
        answer.map_err(remedied)?.json()
    }
}

fn assertion(
    account: &ServiceAccountKey,
    claim: &'static str,
    value: &str,
    now: UnixTime,
) -> Result<String, MintError> {
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": account.key.id() });
    let claims = json!({
        "iss": account.email,
        "sub": account.email,
        "aud": account.token_url.to_string(),
        "iat": now.0,
        "exp": now.plus(LIFETIME).0,
        claim: value,
    });
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let input = format!("{}.{}", encode(&header), encode(&claims));
    let signature = account.key.sign(input.as_bytes()).ok_or(MintError::Signature)?;
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
