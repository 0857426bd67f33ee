//! Whether tokens can be had, and if not, which role is missing.

use std::sync::Arc;

use remint_idtoken::UnixTime;

use super::api::Api;
use super::run::policy;
use crate::config::{ACCOUNT_OF_THIS_MACHINE, AccessSource, Grant, Identity, Impersonation};
use crate::doctor::facts::{MintFailure, Policy, Read};
use crate::error::chain;
use crate::mint::{MintedToken, Source, TokenSource};
use crate::percent::encoded;
use crate::upstream::Connector;

/// A token for that audience, as the gateway would have it.
pub(super) async fn mint(
    identity: &Identity,
    audience: &Arc<str>,
    connector: &Connector,
    now: UnixTime,
) -> Result<MintedToken, String> {
    let source = Source::new(identity, connector).map_err(|error| chain(&error))?;
    source.mint(audience, now).await.map_err(|error| chain(&error))
}

/// The policy of a service account.
pub(super) async fn policy_of(api: &Api, account: &str) -> Read<Policy> {
    let account = encoded(account.as_bytes());
    let path = format!("/v1/projects/-/serviceAccounts/{account}:getIamPolicy");
    api.post("iam.googleapis.com", &path).await.map(|it| policy(&it))
}

/// Why there is no token, with the commands for the roles that are missing.
pub(super) async fn failure(
    api: &Api,
    identity: &Identity,
    said: String,
    now: UnixTime,
) -> MintFailure {
    // The remedy that a message may end with is told more exactly below.
    let said = said.split("; a role is missing").next().unwrap_or_default().to_owned();
    let command = match identity {
        Identity::Impersonated(impersonation) => missing(api, impersonation, now).await,
        Identity::Metadata { .. } | Identity::Key(_) => None,
    };
    MintFailure { said, command }
}

async fn missing(api: &Api, impersonation: &Impersonation, now: UnixTime) -> Option<String> {
    let machine = machine(api, &impersonation.source, now).await;
    let mut commands = Vec::new();
    for grant in impersonation.all_grants() {
        let member = match &machine {
            Some(machine) => grant.member.replace(ACCOUNT_OF_THIS_MACHINE, machine),
            None => grant.member.clone(),
        };
        let grant = Grant { member, ..grant };
        let is_there = match policy_of(api, &grant.account).await {
            Read::Is(policy) => policy.has(&[grant.role], &grant.member),
            Read::Missing | Read::Unread(_) => false,
        };
        if !is_there {
            commands.push(grant.to_string());
        }
    }
    (!commands.is_empty()).then(|| commands.join(" && "))
}

/// The account that the metadata server has tokens of, if it all begins there.
async fn machine(api: &Api, source: &AccessSource, now: UnixTime) -> Option<String> {
    let mut source = source;
    while let AccessSource::Impersonated(inner) = source {
        source = &inner.source;
    }
    let AccessSource::Metadata { host } = source else { return None };
    let identity = Identity::Metadata { host: host.clone() };
    let audience = Arc::from("https://iam.googleapis.com/");
    let token = mint(&identity, &audience, api.connector(), now).await;
    token.ok()?.account().map(str::to_owned)
}
