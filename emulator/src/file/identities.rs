//! Who may act as whom: grants, service agents, workloads and people.

use remint_idtoken::config::{Object, Reader};

use super::put;
use super::values::{email, list, text, text_if};
use crate::config::{Agent, Config, Grant, Provider, User};

const AGENTS: [(&str, Agent); 4] = [
    ("pubsub", Agent::PubSub),
    ("cloud_tasks", Agent::CloudTasks),
    ("cloud_scheduler", Agent::CloudScheduler),
    ("eventarc", Agent::Eventarc),
];

pub(super) fn read(object: &mut Object<'_>, config: &mut Config) {
    put(object, "grants", |from| list(from, read_grant), &mut config.grants);
    put(object, "agents", |from| list(from, read_agent), &mut config.agents);
    put(object, "providers", read_providers, &mut config.providers);
    put(object, "users", read_users, &mut config.users);
}

fn read_agent(from: &Reader<'_>) -> Option<Agent> {
    from.choice(&AGENTS)
}

fn read_grant(from: &Reader<'_>) -> Option<Grant> {
    let mut object = from.object()?;
    let member = object.need("member").and_then(|it| read_member(&it));
    let role = object.need("role").and_then(|it| read_role(&it));
    let account = object.need("account").and_then(|it| email(&it));
    object.finish();
    Some(Grant { member: member?, role: role?, account: account? })
}

/// IAM, "Principal identifiers".
fn read_member(from: &Reader<'_>) -> Option<String> {
    let prefixes = ["serviceAccount:", "user:", "principal://", "principalSet://"];
    let is_member = |text: &str| {
        let rest = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
        rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
    };
    let what =
        "member: expected serviceAccount:EMAIL, user:EMAIL, principal://… or principalSet://…";
    text_if(from, is_member, what)
}

fn read_role(from: &Reader<'_>) -> Option<String> {
    let is_role = |text: &str| {
        let name = text.strip_prefix("roles/");
        name.is_some_and(|name| !name.is_empty() && name.bytes().all(|it| it.is_ascii_graphic()))
    };
    text_if(from, is_role, "role: expected roles/…, such as roles/iam.serviceAccountTokenCreator")
}

fn read_providers(from: &Reader<'_>) -> Option<Vec<Provider>> {
    let providers = list(from, read_provider)?;
    let names: Vec<_> = providers.iter().map(|it| format!("{}/{}", it.pool, it.id)).collect();
    from.distinct("provider", names.iter().map(String::as_str));
    Some(providers)
}

fn read_provider(from: &Reader<'_>) -> Option<Provider> {
    let mut object = from.object()?;
    let pool = object.need("pool").and_then(|it| read_id(&it));
    let id = object.need("id").and_then(|it| read_id(&it));
    let issuer = object.need("issuer").and_then(|it| read_issuer(&it));
    object.finish();
    Some(Provider { pool: pool?, id: id?, issuer: issuer? })
}

/// Of pools and providers (IAM, "Manage workload identity pools and providers").
fn read_id(from: &Reader<'_>) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_id = |text: &str| (4..=32).contains(&text.len()) && text.bytes().all(is_plain);
    text_if(from, is_id, "id of a pool or provider: 4 to 32 of a-z, 0-9 and -")
}

fn read_issuer(from: &Reader<'_>) -> Option<String> {
    let is_url = |text: &str| {
        let rest = text.strip_prefix("https://");
        rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_graphic()))
    };
    text_if(from, is_url, "issuer of tokens: expected https://…")
}

fn read_users(from: &Reader<'_>) -> Option<Vec<User>> {
    let users = list(from, read_user)?;
    from.distinct("user", users.iter().map(|user| user.email.as_str()));
    Some(users)
}

fn read_user(from: &Reader<'_>) -> Option<User> {
    let mut object = from.object()?;
    let address = object.need("email").and_then(|it| email(&it));
    let refresh_token = object.need("refresh_token").and_then(|it| text(&it));
    object.finish();
    Some(User { email: address?, refresh_token: refresh_token? })
}
