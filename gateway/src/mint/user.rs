//! Access tokens of a person who has signed in with gcloud.

use http::StatusCode;
use remint_idtoken::UnixTime;

use super::access::AccessToken;
use super::error::MintError;
use super::remote::Remote;
use crate::config::AuthorizedUser;
use crate::upstream::{Connector, ConnectorError};

const NAME: &str = "the token endpoint";
const REFUSED: &str = "sign in again: gcloud auth application-default login";

/// A person's refresh token and the endpoint that takes it.
pub(super) struct UserGrant {
    user: AuthorizedUser,
    endpoint: Remote,
}

impl UserGrant {
    pub(super) fn new(
        user: &AuthorizedUser,
        connector: &Connector,
    ) -> Result<Self, ConnectorError> {
        let endpoint = Remote::new(NAME, &user.token_url, connector)?;
        Ok(Self { user: user.clone(), endpoint })
    }

    pub(super) async fn access_token(&self, now: UnixTime) -> Result<AccessToken, MintError> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", self.user.client_id.as_str()),
            ("client_secret", self.user.client_secret.reveal()),
            ("refresh_token", self.user.refresh_token.reveal()),
        ];
        let answer = self.endpoint.post_form(self.user.token_url.path(), &fields, now).await;
        let remedied =
            |error: MintError| error.with_remedy(StatusCode::BAD_REQUEST, || REFUSED.into());
        AccessToken::read(&answer.map_err(remedied)?.json()?, now)
    }
}
