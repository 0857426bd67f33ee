//! Whose tokens are minted, and how: what the configuration says, completed by
//! the files and the environment that it leads to.
//!
//! | setting | who makes the ID token |
//! |---|---|
//! | `metadata` | the metadata server of the machine |
//! | `service_account_key` | the token endpoint, for an assertion that the key signs |
//! | `impersonate` | IAM Credentials, for whoever `source` is |
//! | `external_account` | IAM Credentials, for a token of another issuer's that STS exchanged |
//! | `default`, or nothing | what Application Default Credentials find |

mod adc;
mod files;
mod grants;
mod key;
mod settings;
mod strangers;

use std::fmt;
use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

pub use grants::Grant;
pub(crate) use grants::{ACCOUNT_OF_THIS_MACHINE, YOUR_ADDRESS};
pub use key::SigningKey;
pub(super) use settings::Identities;

use super::{Endpoint, HostPort, Origin};

/// A source of ID tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The metadata server of the machine, at this host.
    Metadata {
        /// Host and port.
        host: HostPort,
    },
    /// The token endpoint, for an assertion that a service account's key signs.
    Key(ServiceAccountKey),
    /// IAM Credentials.
    Impersonated(Impersonation),
}

impl Identity {
    /// Whether both make tokens of the same account, in whatever way: tokens
    /// of the one are as good as tokens of the other.
    pub(crate) fn is_same_account(&self, other: &Self) -> bool {
        match (self.account(), other.account()) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self == other,
            _ => false,
        }
    }

    /// The metadata server that its tokens come from, or what they are had for.
    fn metadata_host(&self) -> Option<&HostPort> {
        let mut source = match self {
            Self::Metadata { host } => return Some(host),
            Self::Key(_) => return None,
            Self::Impersonated(target) => &target.source,
        };
        while let AccessSource::Impersonated(inner) = source {
            source = &inner.source;
        }
        match source {
            AccessSource::Metadata { host } => Some(host),
            _ => None,
        }
    }

    /// The account, where the configuration names it.
    pub(crate) fn account(&self) -> Option<&str> {
        match self {
            Self::Metadata { .. } => None,
            Self::Key(key) => Some(&key.email),
            Self::Impersonated(target) => Some(&target.account),
        }
    }
}

/// A source of access tokens, which IAM Credentials are asked with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AccessSource {
    /// The metadata server of the machine, at this host.
    Metadata {
        /// Host and port.
        host: HostPort,
    },
    /// A service account's key.
    Key(ServiceAccountKey),
    /// What `gcloud auth application-default login` leaves behind.
    User(AuthorizedUser),
    /// A token of another issuer's.
    External(ExternalAccount),
    /// Another account that is impersonated first.
    Impersonated(Box<Impersonation>),
}

/// A service account with a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceAccountKey {
    /// The account's address.
    pub email: String,
    /// What it signs with.
    pub key: SigningKey,
    /// Where its assertions are exchanged for tokens.
    pub token_url: Endpoint,
}

/// A service account whose tokens somebody else may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Impersonation {
    /// The account whose tokens are minted: its address or its numeric id.
    pub account: String,
    /// The accounts on the way there, from the source on.
    pub delegates: Vec<String>,
    /// Where IAM Credentials are.
    pub endpoint: Origin,
    /// Who asks.
    pub source: AccessSource,
}

/// A person's credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthorizedUser {
    /// The program that the person signed in with.
    pub client_id: String,
    /// That program's secret.
    pub client_secret: Secret,
    /// What access tokens are given for.
    pub refresh_token: Secret,
    /// Where they are given.
    pub token_url: Endpoint,
    /// The project whose quota a person's calls of APIs count against, which
    /// some APIs refuse them without (AIP-4113).
    pub quota_project: Option<String>,
}

/// An identity of another issuer's, and how Google is told of it (AIP-4117).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExternalAccount {
    /// The workload identity provider, as a resource name.
    pub audience: String,
    /// What kind of token the other issuer gives.
    pub subject_token_type: String,
    /// Where STS is.
    pub token_url: Endpoint,
    /// Where the other issuer's token is.
    pub place: SubjectPlace,
    /// The member of a JSON document that holds it; the whole is the token
    /// without.
    pub field: Option<String>,
}

/// Where another issuer's token is. It is read anew each time: whoever puts it
/// there renews it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubjectPlace {
    /// In a file.
    File(PathBuf),
    /// At a URL.
    Url {
        /// The URL.
        url: Endpoint,
        /// Headers that are asked for there.
        headers: Vec<(HeaderName, HeaderValue)>,
    },
}

/// A text that is shown to nobody.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one who it is meant for.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests;
