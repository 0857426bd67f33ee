//! Why there is no token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use remint_idtoken::{Reason, TokenError, UnixTime};

use crate::upstream::FetchError;

/// Why there is no token. Holds nothing of an answer's body but what
/// [`Said`] lets through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    /// A server could not be asked.
    #[error("{0} gives no answer")]
    Fetch(&'static str, #[source] FetchError),
    /// A server says no.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// A server's answer lacks what it is for.
    #[error("the answer of {0} holds no {1}")]
    Answer(&'static str, &'static str),
    /// What it gave is no token.
    #[error("the token source's answer is no ID token")]
    Token(#[from] TokenError),
    /// What it gave is for somebody else.
    #[error("the token source gave a token for {received:?}, not for {expected:?}")]
    Audience { expected: Arc<str>, received: String },
    /// What it gave is of no use any more.
    #[error("the token source gave a token that expired at {0}")]
    Expired(UnixTime),
    /// There is nothing to ask IAM Credentials or STS with.
    #[error("there is no access token to ask with")]
    Access(#[source] Arc<MintError>),
    /// The other issuer's token is not where it should be.
    #[error("no token of the other issuer: {0}")]
    Subject(String),
    /// The machine has no memory or no randomness left.
    #[error("the service account's key could not sign")]
    Signature,
}

/// A server's no.
#[derive(Debug, thiserror::Error)]
#[error("{server} answers {status}{said}{remedy}")]
pub(crate) struct Refused {
    pub(crate) server: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    /// Google's own words.
    pub(crate) said: Said,
    /// What to do about it.
    pub(crate) remedy: Remedy,
}

impl MintError {
    /// How long the source asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.refused()?.retry_after
    }

    /// Why it is refused, if Google says no: not that it can't be asked, is out of
    /// order or asks for time.
    pub(crate) fn reason(&self) -> Option<Reason> {
        let is_no = |status: StatusCode| {
            let is_later = matches!(status.as_u16(), 408 | 425 | 429);
            status.is_client_error() && !is_later
        };
        self.refused().filter(|it| is_no(it.status)).map(|_| Reason::MintDenied)
    }

    /// The command that mends it, for a shell.
    pub(crate) fn command(&self) -> Option<&str> {
        self.refused()?.remedy.command.as_deref()
    }

    fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            Self::Access(cause) => cause.refused(),
            _ => None,
        }
    }

    /// Whether the server did not believe the credential.
    pub(super) fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.status == StatusCode::UNAUTHORIZED)
    }

    /// The same with a remedy, for the status that it is for.
    pub(super) fn with_remedy(
        mut self,
        status: StatusCode,
        remedy: impl FnOnce() -> Remedy,
    ) -> Self {
        if let Self::Refused(refused) = &mut self
            && refused.status == status
        {
            refused.remedy = remedy();
        }
        self
    }
}

/// What to do, if anything is known.
#[derive(Debug, Default)]
pub(crate) struct Remedy {
    said: &'static str,
    command: Option<String>,
}

impl Remedy {
    /// What to do, and the command that does it.
    pub(super) fn by(said: &'static str, command: String) -> Self {
        Self { said, command: Some(command) }
    }
}

impl From<&'static str> for Remedy {
    fn from(said: &'static str) -> Self {
        Self { said, command: None }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.said, &self.command) {
            ("", _) => Ok(()),
            (said, None) => write!(f, "; {said}"),
            (said, Some(command)) => write!(f, "; {said}: {command}"),
        }
    }
}

/// What Google says of an error: cut, and without anything that could be a
/// credential.
#[derive(Debug, Default)]
pub(crate) struct Said(String);

/// Longer ones are cut.
const MAX_SAID: usize = 400;
/// The longest word that is shown. Project ids have 30 characters at most,
/// signatures 86 and more, opaque tokens more than 100.
const MAX_WORD: usize = 32;
/// How access tokens, refresh tokens, secrets of programs and JSON in base64
/// begin.
const SECRET_STARTS: [&str; 4] = ["ya29", "1//", "GOCSPX", "eyJ"];

impl Said {
    /// Reads an error: Google's APIs say `{"error": {"message": …}}`, its OAuth
    /// endpoints `{"error": …, "error_description": …}` (RFC 6749, section 5.2).
    pub(crate) fn read(body: &[u8]) -> Self {
        let Ok(document) = serde_json::from_slice::<serde_json::Value>(body) else {
            return Self::default();
        };
        let text = |place: &str| document.pointer(place).and_then(serde_json::Value::as_str);
        let parts = [text("/error"), text("/error_description"), text("/error/message")];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        Self(redacted(&parts.join(": ")))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            "" => Ok(()),
            text => write!(f, " ({text})"),
        }
    }
}

fn redacted(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while out.len() < MAX_SAID && !rest.is_empty() {
        let end = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_secret = word.len() > MAX_WORD
            || SECRET_STARTS.iter().any(|start| rest.starts_with(start) && !word.is_empty());
        out.push_str(if is_secret { "…" } else { word });
        let mut others = after.chars();
        // What stands between words is shown, but no line ends and the like.
        out.extend(others.next().map(|c| if c.is_control() { ' ' } else { c }));
        rest = others.as_str();
    }
    out
}

/// The characters of base64 and base64url.
fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(body: &str) -> String {
        Said::read(body.as_bytes()).to_string()
    }

    #[test]
    fn both_forms_of_errors_are_read() {
        let api = r#"{"error":{"code":403,"message":"Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).","status":"PERMISSION_DENIED"}}"#;
        assert_eq!(
            said(api),
            " (Permission 'iam.serviceAccounts.getOpenIdToken' denied on resource (or it may not exist).)"
        );
        let oauth = r#"{"error":"invalid_grant","error_description":"Invalid JWT\nSignature."}"#;
        assert_eq!(said(oauth), " (invalid_grant: Invalid JWT Signature.)");
        for other in ["", "<html>", "[]", r#"{"error":7}"#] {
            assert_eq!(said(other), "", "{other}");
        }
    }

    #[test]
    fn addresses_are_shown_and_credentials_are_not() {
        let shown = redacted("for gateway@my-project-123456.iam.gserviceaccount.com, principal//x");
        assert_eq!(shown, "for gateway@my-project-123456.iam.gserviceaccount.com, principal//x");
        for secret in ["ya29.c.abc", "1//0gabc", "GOCSPX-abc", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"] {
            assert!(
                redacted(&format!("bad token {secret}")).starts_with("bad token …"),
                "{secret}"
            );
        }
        assert!(redacted(&"a ".repeat(1000)).len() <= MAX_SAID + MAX_WORD + 4);
    }

    proptest! {
        #[test]
        fn no_long_word_gets_through(before in ".{0,40}", secret in "[A-Za-z0-9_=+-]{33,200}", after in ".{0,40}") {
            let shown = redacted(&format!("{before}{secret}{after}"));
            prop_assert!(!shown.contains(&secret));
        }
    }
}
