//! Members of a role, as IAM writes them
//! (<https://cloud.google.com/iam/docs/principal-identifiers>).

use std::collections::HashSet;

use remint_idtoken::Claims;

const ALL_USERS: &str = "allusers";
const ALL_AUTHENTICATED: &str = "allauthenticatedusers";
const DOMAIN: &str = "domain:";
const BY_ADDRESS: [&str; 2] = ["serviceaccount:", "user:"];

/// Those who have a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Members {
    /// Everybody, with a token or without.
    pub(super) everybody: bool,
    /// Everybody whose token is believed.
    authenticated: bool,
    /// Addresses and Workspace domains, in lower case.
    addresses: HashSet<String>,
    domains: HashSet<String>,
}

impl Members {
    /// Reads members: plain addresses, `serviceAccount:`, `user:`, `domain:`,
    /// `allAuthenticatedUsers` and `allUsers`. Groups and principals of other
    /// kinds let nobody in: no token tells who is one.
    pub(super) fn new<'m>(members: impl IntoIterator<Item = &'m str>) -> Self {
        let mut read = Self::default();
        for member in members {
            let member = member.to_ascii_lowercase();
            let address = BY_ADDRESS.iter().find_map(|kind| member.strip_prefix(kind));
            match member.as_str() {
                ALL_USERS => read.everybody = true,
                ALL_AUTHENTICATED => read.authenticated = true,
                domain if domain.starts_with(DOMAIN) => {
                    read.domains.insert(domain.trim_start_matches(DOMAIN).to_owned());
                }
                plain => drop(read.addresses.insert(address.unwrap_or(plain).to_owned())),
            }
        }
        read
    }

    /// All of them, addresses as such.
    pub(super) fn shown(&self) -> Vec<String> {
        let all = self.everybody.then(|| "allUsers".to_owned());
        let authenticated = self.authenticated.then(|| "allAuthenticatedUsers".to_owned());
        let domains = self.domains.iter().map(|domain| format!("{DOMAIN}{domain}"));
        let mut rest: Vec<_> = self.addresses.iter().cloned().chain(domains).collect();
        rest.sort();
        all.into_iter().chain(authenticated).chain(rest).collect()
    }

    /// Whether the owner of a believed token is one of them.
    pub(super) fn include(&self, claims: &Claims) -> bool {
        let address = claims.verified_email().map(str::to_ascii_lowercase);
        // Only accounts of a Workspace organisation have `hd`.
        let domain = claims.hosted_domain.as_deref().map(str::to_ascii_lowercase);
        self.everybody
            || self.authenticated
            || address.is_some_and(|address| self.addresses.contains(&address))
            || domain.is_some_and(|domain| self.domains.contains(&domain))
    }
}

#[cfg(test)]
mod tests {
    use remint_idtoken::UnverifiedToken;
    use serde_json::{Value, json};

    use super::*;
    use crate::issuer::Issuer;

    fn includes(members: &[&str], claims: &Value) -> bool {
        let clock = std::sync::Arc::new(remint_idtoken::SystemClock);
        let issuer = Issuer::new(remint_idtoken::Algorithm::Es256, clock).unwrap();
        let mut all = json!({ "iss": "i", "aud": "a", "iat": 1, "exp": 2, "sub": "1" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let token = issuer.sign_claims(&all);
        let token = UnverifiedToken::parse(token.as_bytes()).unwrap();
        Members::new(members.iter().copied()).include(token.claims())
    }

    #[test]
    fn an_address_may_stand_alone_or_behind_its_kind() {
        let claims = json!({ "email": "A@x.example", "email_verified": true });
        for member in ["a@x.example", "serviceAccount:a@X.example", "user:a@x.example"] {
            assert!(includes(&["b@x.example", member], &claims), "{member}");
        }
        for member in ["group:a@x.example", "deleted:user:a@x.example", "domain:x.example", ""] {
            assert!(!includes(&[member], &claims), "{member}");
        }
        let unverified = json!({ "email": "a@x.example", "email_verified": false });
        assert!(!includes(&["a@x.example"], &unverified));
    }

    #[test]
    fn a_domain_is_that_of_a_workspace_organisation() {
        let claims = json!({ "email": "a@x.example", "email_verified": true, "hd": "x.example" });
        assert!(includes(&["domain:X.example"], &claims));
        assert!(!includes(&["domain:example"], &claims));
    }

    #[test]
    fn all_means_all() {
        let claims = json!({});
        assert!(includes(&["allAuthenticatedUsers"], &claims));
        assert!(includes(&["allUsers"], &claims));
        assert!(Members::new(["allUsers"]).everybody);
        assert!(!Members::new(["allAuthenticatedUsers"]).everybody);
    }
}
