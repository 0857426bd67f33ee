//! Whether tokens can be had, and if not, which role is missing.

use std::sync::Arc;

use remint_idtoken::UnixTime;

use super::api::{Client, IAM};
use super::run::policy;
use crate::config::{ACCOUNT_OF_THIS_MACHINE, AccessSource, Grant, Identity, Impersonation};
use crate::doctor::facts::{MintFailure, Read, Reader};
use crate::doctor::policy::{Held, Policy};
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
pub(super) async fn policy_of(client: &Client, account: &str) -> Read<Policy> {
    let account = encoded(account.as_bytes());
    let path = format!("/v1/projects/-/serviceAccounts/{account}");
    client.policy(IAM, &path).await.map(|it| policy(&it))
}

/// Who reads by access tokens of that source.
pub(super) async fn reader(client: &Client, source: &AccessSource, now: UnixTime) -> Reader {
    let account = match source {
        AccessSource::Key(key) => Some(key.email.clone()),
        AccessSource::Impersonated(inner) => Some(inner.account.clone()),
        AccessSource::User(_) => return Reader::Person,
        AccessSource::External(_) => None,
        AccessSource::Metadata { .. } => machine(client, source, now).await,
    };
    account.filter(|it| it.contains('@')).map_or(Reader::Unknown, Reader::Account)
}

/// Why there is no token, with the commands for the roles that are missing.
pub(super) async fn failure(
    client: &Client,
    identity: &Identity,
    said: String,
    now: UnixTime,
) -> MintFailure {
    // The remedy that a message may end with is told more exactly below.
    let said = said.split("; a role is missing").next().unwrap_or_default().to_owned();
    let command = match identity {
        Identity::Impersonated(impersonation) => missing(client, impersonation, now).await,
        Identity::Metadata { .. } | Identity::Key(_) => None,
    };
    MintFailure { said, command }
}

async fn missing(client: &Client, impersonation: &Impersonation, now: UnixTime) -> Option<String> {
    let machine = machine(client, &impersonation.source, now).await;
    let mut commands = Vec::new();
    for grant in impersonation.all_grants() {
        let member = match &machine {
            Some(machine) => grant.member.replace(ACCOUNT_OF_THIS_MACHINE, machine),
            None => grant.member.clone(),
        };
        let grant = Grant { member, ..grant };
        let is_there = match policy_of(client, &grant.account).await {
            Read::Is(policy) => policy.held(&[grant.role], &grant.member) != Held::No,
            Read::Missing | Read::Unread(_) => false,
        };
        if !is_there {
            commands.push(grant.to_string());
        }
    }
    (!commands.is_empty()).then(|| commands.join(" && "))
}

/// The account that the metadata server has tokens of, if it all begins there.
async fn machine(client: &Client, source: &AccessSource, now: UnixTime) -> Option<String> {
    let mut source = source;
    while let AccessSource::Impersonated(inner) = source {
        source = &inner.source;
    }
    let AccessSource::Metadata { host } = source else { return None };
    let identity = Identity::Metadata { host: host.clone() };
    let audience = Arc::from("https://iam.googleapis.com/");
    let token = mint(&identity, &audience, client.connector(), now).await;
    token.ok()?.account().map(str::to_owned)
}
