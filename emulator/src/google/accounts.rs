//! Who is who: service accounts with their keys, people, workloads of other
//! issuers; the access tokens that they have; and what they may do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remint_idtoken::{Algorithm, UnixTime};
use serde_json::{Map, Value, json};

use super::access::{Access, AccessTokens};
use crate::clock::Clock;
use crate::config::{Agent, Config, Grant, Provider, User};
use crate::issuer::{AccountKey, Issuer, KeyError, LIFETIME, subject_of};
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
    /// The keys that Google keeps of accounts, made when they are first used.
    managed: Mutex<HashMap<String, Arc<Issuer>>>,
    clock: Arc<dyn Clock>,
    grants: Mutex<Vec<Grant>>,
    /// The service agents that have their usual role in the project.
    agents: Mutex<Vec<Agent>>,
    access: Mutex<AccessTokens>,
}

impl Accounts {
    /// Other issuers' tokens have the time of `machine`, which Google's clock
    /// may differ from.
    pub(crate) fn new(config: &Config, machine: &Arc<dyn Clock>) -> Self {
        let provider = |it: &Provider| {
            (it.clone(), Issuer::in_background(Algorithm::Rs256, Arc::clone(machine)))
        };
        let mut emails = config.accounts.clone();
        emails.push(config.default_account.clone());
        Self {
            emails,
            users: config.users.clone(),
            project_number: config.project_number,
            providers: config.providers.iter().map(provider).collect(),
            lifetime: config.token_lifetime,
            keys: Mutex::default(),
            managed: Mutex::default(),
            clock: Arc::clone(&config.clock),
            grants: Mutex::new(config.grants.clone()),
            agents: Mutex::new(config.agents.clone()),
            access: Mutex::default(),
        }
    }

    /// The address of an account that is given by address or by numeric id.
    pub(super) fn email(&self, name: &str) -> Option<String> {
        let is_it = |email: &&String| email.as_str() == name || subject_of(email) == name;
        self.emails.iter().find(is_it).cloned()
    }

    /// The issuer with the key that Google keeps of an account.
    pub(super) fn managed(&self, email: &str) -> Arc<Issuer> {
        let mut managed = lock(&self.managed);
        let new = || Issuer::in_background(Algorithm::Rs256, Arc::clone(&self.clock));
        Arc::clone(managed.entry(email.to_owned()).or_insert_with(|| Arc::new(new())))
    }

    /// All public keys of an account: the user's and Google's.
    pub(super) fn public_keys(&self, email: &str) -> (Vec<Value>, Map<String, Value>) {
        let managed = self.managed(email);
        let mut jwks = managed.published_jwks();
        let mut pems = managed.pem_map().as_object().cloned().unwrap_or_default();
        for key in lock(&self.keys).iter().filter(|key| key.email == email) {
            jwks.push(key.jwk());
            pems.insert(key.id.clone(), key.certificate().into());
        }
        (jwks, pems)
    }

    pub(crate) fn add_key(&self, key: AccountKey) {
        lock(&self.keys).push(key);
    }

    /// The public keys with which an account may have signed: the one with that
    /// id or, as Node's library names none, all that are in files. Google's own
    /// one counts once it has been used.
    pub(super) fn signing_keys(&self, email: &str, id: Option<&str>) -> Vec<Vec<u8>> {
        let keys = lock(&self.keys);
        let is_it = |key: &&AccountKey| key.email == email && id.is_none_or(|id| key.id == id);
        let own: Vec<_> = keys.iter().filter(is_it).map(|key| key.spki().to_vec()).collect();
        if !own.is_empty() {
            return own;
        }
        // One that is still being made has signed nothing: nobody waits for it.
        let managed = lock(&self.managed).get(email).filter(|it| it.is_ready()).cloned();
        managed.zip(id).and_then(|(key, id)| key.published_key(id)).into_iter().collect()
    }

    /// Whether anything is known of an account.
    pub(super) fn knows(&self, email: &str) -> bool {
        self.email(email).is_some() || lock(&self.keys).iter().any(|key| key.email == email)
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

    /// Waits for the providers' keys.
    pub(crate) async fn ready(&self) -> Result<(), KeyError> {
        for (_, issuer) in &self.providers {
            issuer.ready().await?;
        }
        Ok(())
    }

    /// An access token for that member. Nobody else can read anything in it.
    pub(super) fn access_token(
        &self,
        member: String,
        scopes: Vec<String>,
        lifetime: Duration,
        now: UnixTime,
    ) -> Option<String> {
        let mut random = [0_u8; 32];
        SystemRandom::new().fill(&mut random).ok()?;
        let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let expires_at = now.plus(lifetime);
        let access = Access { member, scopes, expires_at };
        lock(&self.access).add(token.clone(), access, now);
        Some(token)
    }

    /// Whose that access token is, and for what.
    pub(super) fn access(&self, token: &str, now: UnixTime) -> Option<Access> {
        lock(&self.access).get(token, now).cloned()
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

    /// The roles that service agents have in the project, with their members.
    pub(super) fn agents_roles(&self) -> Vec<(String, String)> {
        let role = |agent: &Agent| {
            let member = format!("serviceAccount:{}", agent.email(self.project_number));
            (agent.role().to_owned(), member)
        };
        lock(&self.agents).iter().map(role).collect()
    }

    /// Whether a sender may mint tokens for an account: by its agent's role in
    /// the project, or by one on the account.
    pub(crate) fn may_act_for(&self, agent: Agent, account: &str) -> bool {
        let member = format!("serviceAccount:{}", agent.email(self.project_number));
        lock(&self.agents).contains(&agent) || self.may(&member, Permission::IdToken, account)
    }

    pub(crate) fn grant(&self, grant: Grant) {
        let mut grants = lock(&self.grants);
        if !grants.contains(&grant) {
            grants.push(grant);
        }
    }

    /// All roles that are granted on accounts.
    pub(super) fn grants(&self) -> Vec<Grant> {
        lock(&self.grants).clone()
    }

    /// Whether it was there.
    pub(crate) fn revoke(&self, grant: &Grant) -> bool {
        let mut grants = lock(&self.grants);
        let before = grants.len();
        grants.retain(|it| it != grant);
        grants.len() < before
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    IdToken,
    AccessToken,
    SignJwt,
    SignBlob,
    Delegation,
}

impl Permission {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::IdToken => "iam.serviceAccounts.getOpenIdToken",
            Self::AccessToken => "iam.serviceAccounts.getAccessToken",
            Self::SignJwt => "iam.serviceAccounts.signJwt",
            Self::SignBlob => "iam.serviceAccounts.signBlob",
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
            Self::SignJwt | Self::SignBlob | Self::Delegation => {
                &["roles/iam.serviceAccountTokenCreator"]
            }
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
