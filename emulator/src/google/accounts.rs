//! Who is who: service accounts with their keys, people, workloads of other
//! issuers; the access tokens that they have; and what they may do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_idtoken::{Algorithm, UnixTime};
use serde_json::json;

use crate::config::{Agent, Config, Grant, Provider, User};
use crate::issuer::{AccountKey, Issuer, KeyError, LIFETIME};
use crate::sync::lock;

/// What an access token begins with, so that people recognise one.
const PREFIX: &str = "ya29.emulator-";

pub(crate) struct Accounts {
    pub(super) emails: Vec<String>,
    users: Vec<User>,
    project_number: u64,
    pub(super) providers: Vec<(Provider, Issuer)>,
    pub(super) lifetime: Duration,
    keys: Mutex<Vec<AccountKey>>,
    grants: Mutex<Vec<Grant>>,
    /// The service agents that have their usual role in the project.
    agents: Mutex<Vec<Agent>>,
    access: Mutex<HashMap<String, Access>>,
}

/// Whose an access token is, as IAM writes members, and until when.
struct Access {
    member: String,
    expires_at: UnixTime,
}

impl Accounts {
    pub(crate) fn new(config: &Config) -> Result<Self, KeyError> {
        let provider = |it: &Provider| {
            let issuer = Issuer::new(Algorithm::Rs256, Arc::clone(&config.clock))?;
            Ok((it.clone(), issuer))
        };
        let mut emails = config.accounts.clone();
        emails.push(config.default_account.clone());
        Ok(Self {
            emails,
            users: config.users.clone(),
            project_number: config.project_number,
            providers: config.providers.iter().map(provider).collect::<Result<_, KeyError>>()?,
            lifetime: config.token_lifetime,
            keys: Mutex::default(),
            grants: Mutex::new(config.grants.clone()),
            agents: Mutex::new(config.agents.clone()),
            access: Mutex::default(),
        })
    }

    pub(crate) fn add_key(&self, key: AccountKey) {
        lock(&self.keys).push(key);
    }

    /// The keys of an account that may have signed an assertion: the one with
    /// that id, or all. Node's library names none.
    pub(super) fn keys(&self, email: &str, id: Option<&str>) -> Vec<AccountKey> {
        let keys = lock(&self.keys);
        let is_it = |key: &&AccountKey| key.email == email && id.is_none_or(|id| key.id == id);
        keys.iter().filter(is_it).cloned().collect()
    }

    pub(crate) fn delete_keys(&self, email: &str) {
        lock(&self.keys).retain(|key| key.email != email);
    }

    pub(super) fn user(&self, refresh_token: &str) -> Option<&User> {
        self.users.iter().find(|user| user.refresh_token == refresh_token)
    }

    /// A token of that provider's issuer, as a workload would get it there.
    pub(crate) fn external_token(&self, pool: &str, id: &str, subject: &str) -> Option<String> {
        let is_it = |(it, _): &&(Provider, Issuer)| it.pool == pool && it.id == id;
        let (provider, issuer) = self.providers.iter().find(is_it)?;
        let now = issuer.now();
        Some(issuer.sign_claims(&json!({
            "iss": provider.issuer,
            "sub": subject,
            "aud": format!("https:{}", provider.resource(self.project_number)),
            "iat": now.0,
            "exp": now.plus(LIFETIME).0,
        })))
    }

    /// An access token for that member. Nobody else can read anything in it.
    pub(super) fn access_token(&self, member: String, now: UnixTime) -> Option<String> {
        let mut random = [0_u8; 32];
        SystemRandom::new().fill(&mut random).ok()?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let expires_at = now.plus(self.lifetime);
        let mut access = lock(&self.access);
        access.retain(|_, it| it.expires_at > now);
        access.insert(token.clone(), Access { member, expires_at });
        Some(token)
    }

    /// Whose that access token is.
    pub(super) fn member(&self, token: &str, now: UnixTime) -> Option<String> {
        let access = lock(&self.access);
        let found = access.get(token).filter(|it| it.expires_at > now)?;
        Some(found.member.clone())
    }

    pub(crate) fn revoke_access(&self) {
        lock(&self.access).clear();
    }

    /// The project's number.
    pub(crate) fn project_number(&self) -> u64 {
        self.project_number
    }

    /// Gives service agents their usual role in the project, or takes it away.
    pub(crate) fn set_agents(&self, agents: &[Agent]) {
        *lock(&self.agents) = agents.to_vec();
    }

    /// Whether a sender may mint tokens for an account: by its agent's role in
    /// the project, or by one on the account.
    pub(crate) fn may_act_for(&self, agent: Agent, account: &str) -> bool {
        let member = format!("serviceAccount:{}", agent.email(self.project_number));
        lock(&self.agents).contains(&agent) || self.may(&member, Permission::IdToken, account)
    }

    pub(crate) fn grant(&self, grant: Grant) {
        lock(&self.grants).push(grant);
    }

    pub(crate) fn revoke(&self, grant: &Grant) {
        lock(&self.grants).retain(|it| it != grant);
    }

    /// Whether a member has a permission on an account, by any of its roles.
    pub(super) fn may(&self, member: &str, permission: Permission, account: &str) -> bool {
        let grants = lock(&self.grants);
        grants.iter().any(|grant| {
            grant.account == account
                && includes(&grant.member, member)
                && permission.roles().contains(&grant.role.as_str())
        })
    }
}

/// A set of principals has all of a pool.
fn includes(granted: &str, member: &str) -> bool {
    let pool = granted.strip_prefix("principalSet:").and_then(|set| set.strip_suffix("/*"));
    let is_in_pool = |pool: &str| {
        let rest = member.strip_prefix("principal:").and_then(|it| it.strip_prefix(pool));
        rest.is_some_and(|rest| rest.starts_with("/subject/"))
    };
    granted == member || pool.is_some_and(is_in_pool)
}

/// What somebody may do with a service account.
#[derive(Clone, Copy)]
pub(super) enum Permission {
    IdToken,
    AccessToken,
    Delegation,
}

impl Permission {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::IdToken => "iam.serviceAccounts.getOpenIdToken",
            Self::AccessToken => "iam.serviceAccounts.getAccessToken",
            Self::Delegation => "iam.serviceAccounts.implicitDelegation",
        }
    }

    /// The roles that have it (IAM, "Service Accounts roles").
    fn roles(self) -> &'static [&'static str] {
        match self {
            Self::IdToken => &[
                "roles/iam.serviceAccountOpenIdTokenCreator",
                "roles/iam.serviceAccountTokenCreator",
                "roles/iam.workloadIdentityUser",
            ],
            Self::AccessToken => {
                &["roles/iam.serviceAccountTokenCreator", "roles/iam.workloadIdentityUser"]
            }
            Self::Delegation => &["roles/iam.serviceAccountTokenCreator"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_principals_has_those_of_its_pool_alone() {
        let pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p";
        let set = format!("principalSet:{pool}/*");
        assert!(includes(&set, &format!("principal:{pool}/subject/s")));
        assert!(!includes(&set, &format!("principal:{pool}2/subject/s")));
        assert!(!includes(&set, "user:a@b"));
        assert!(includes("user:a@b", "user:a@b"));
    }
}
