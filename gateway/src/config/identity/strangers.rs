//! Servers that a credential file names and that are not Google's: whoever
//! writes the file has the gateway's credentials sent there (Google, "Validate
//! credential configurations from external sources").

use super::files::{Credential, Overrides};
use super::{AccessSource, Impersonation};
use crate::config::{Endpoint, Origin};

/// Whoever exchanges or makes tokens.
#[derive(Default)]
struct Servers<'c> {
    /// Token endpoints and STS.
    tokens: Vec<&'c Endpoint>,
    /// IAM Credentials.
    iam: Vec<&'c Origin>,
}

impl Credential {
    /// Those that the file alone names, and that are not Google's.
    pub(super) fn strangers(&self, overrides: &Overrides) -> Vec<String> {
        let mut servers = Servers::default();
        servers.add_credential(self);
        let tokens = servers.tokens.iter().map(|url| url.origin());
        let tokens = tokens.filter(|_| overrides.token_url.is_none());
        let iam = servers.iam.iter().copied().filter(|_| overrides.endpoint.is_none());
        tokens
            .chain(iam)
            .filter(|origin| !is_googles(origin.host()))
            .map(Origin::to_string)
            .collect()
    }
}

impl<'c> Servers<'c> {
    fn add_credential(&mut self, credential: &'c Credential) {
        match credential {
            Credential::Key(key) => self.tokens.push(&key.token_url),
            Credential::User(user) => self.tokens.push(&user.token_url),
            Credential::External(account, target) => {
                self.tokens.push(&account.token_url);
                self.iam.extend(target.as_ref().map(|target| &target.endpoint));
            }
            Credential::Impersonated(target) => self.add_impersonation(target),
        }
    }

    fn add_impersonation(&mut self, target: &'c Impersonation) {
        self.iam.push(&target.endpoint);
        match &target.source {
            AccessSource::Metadata { .. } => {}
            AccessSource::Key(key) => self.tokens.push(&key.token_url),
            AccessSource::User(user) => self.tokens.push(&user.token_url),
            AccessSource::External(account) => self.tokens.push(&account.token_url),
            AccessSource::Impersonated(inner) => self.add_impersonation(inner),
        }
    }
}

fn is_googles(host: &str) -> bool {
    host.strip_suffix("googleapis.com").is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
