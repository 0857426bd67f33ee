//! Workload identity federation: another issuer's token is exchanged for an
//! access token of Google's (AIP-4117).

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use remint_idtoken::UnixTime;
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::access::{AccessToken, SCOPE};
use super::error::MintError;
use super::remote::{MAX_ANSWER, Remote};
use crate::config::{ExternalAccount, SubjectPlace};
use crate::limited_file;
use crate::upstream::{Connector, ConnectorError};

/// RFC 8693, sections 2.1 and 3.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const REFUSED: &str =
    "check the provider's issuer, allowed audiences, attribute mapping and condition";

/// The time for reading a file, as for an answer.
const READ_TIME: Duration = Duration::from_secs(5);

/// An external account, with the ways to its issuer and to STS.
pub(super) struct Federation {
    account: ExternalAccount,
    sts: Remote,
    /// The server that gives the other issuer's token, if one does.
    issuer: Option<Remote>,
}

impl Federation {
    pub(super) fn new(
        account: &ExternalAccount,
        connector: &Connector,
    ) -> Result<Self, ConnectorError> {
        let issuer = match &account.place {
            SubjectPlace::File(_) => None,
            SubjectPlace::Url { url, .. } => {
                Some(Remote::new("the server of the other issuer's tokens", url, connector)?)
            }
        };
        let sts = Remote::new("STS", &account.token_url, connector)?;
        Ok(Self { account: account.clone(), sts, issuer })
    }

    pub(super) async fn access_token(&self, now: UnixTime) -> Result<AccessToken, MintError> {
        let document = self.subject_document(now).await?;
        let subject_token = subject_token(&document, self.account.field.as_deref())?;
        let fields = [
            ("grant_type", GRANT_TYPE),
            ("audience", &self.account.audience),
            ("scope", SCOPE),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token", &subject_token),
            ("subject_token_type", &self.account.subject_token_type),
        ];
        let answer = self.sts.post_form(self.account.token_url.path(), &fields, now).await;
        let remedied =
            |error: MintError| error.with_remedy(StatusCode::BAD_REQUEST, || REFUSED.into());
        AccessToken::read(&answer.map_err(remedied)?.json()?, now)
    }

    async fn subject_document(&self, now: UnixTime) -> Result<Bytes, MintError> {
        match (&self.account.place, &self.issuer) {
            (SubjectPlace::Url { url, headers }, Some(issuer)) => {
                let headers = HeaderMap::from_iter(headers.clone());
                Ok(issuer.get(url.path(), headers, now).await?.body)
            }
            // What is no plain file may block.
            (SubjectPlace::File(file), _) => {
                timeout(READ_TIME, read(file)).await.unwrap_or_else(|_| {
                    Err(MintError::Subject(format!("{} can't be read in time", file.display())))
                })
            }
            (SubjectPlace::Url { .. }, None) => Err(MintError::Subject("no server".to_owned())),
        }
    }
}

async fn read(file: &Path) -> Result<Bytes, MintError> {
    let (shown, file) = (file.display(), file.to_owned());
    let read = spawn_blocking(move || limited_file::read(&file, MAX_ANSWER)).await;
    let bytes = read.unwrap_or_else(|error| Err(error.into()));
    let failed = |error| MintError::Subject(format!("{shown} can't be read: {error}"));
    bytes.map(Bytes::from).map_err(failed)
}

/// The token in a document: all of it, or one member of it.
fn subject_token(document: &[u8], field: Option<&str>) -> Result<String, MintError> {
    let no = |why: &str| MintError::Subject(why.to_owned());
    let text = std::str::from_utf8(document).map_err(|_| no("it is no text"))?.trim();
    let token = match field {
        None => text.to_owned(),
        Some(field) => {
            let json: Value = serde_json::from_str(text).map_err(|_| no("it is no JSON"))?;
            let token = json.get(field).and_then(Value::as_str);
            token.ok_or_else(|| no(&format!("it has no text {field:?}")))?.to_owned()
        }
    };
    match token.is_empty() {
        true => Err(no("it is empty")),
        false => Ok(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_text_or_a_member_of_a_document() {
        assert_eq!(subject_token(b" a.b.c\n", None).unwrap(), "a.b.c");
        assert_eq!(subject_token(br#"{"t":"a.b.c","u":1}"#, Some("t")).unwrap(), "a.b.c");
    }

    #[test]
    fn what_is_no_token_is_named_and_not_shown() {
        for (document, field) in [
            (&b""[..], None),
            (b" \n", None),
            (b"\xff", None),
            (b"secret", Some("t")),
            (br#"{"t":["secret"]}"#, Some("t")),
            (br#"{"u":"secret"}"#, Some("t")),
            (br#"{"t":""}"#, Some("t")),
        ] {
            let error = subject_token(document, field).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
