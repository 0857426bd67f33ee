//! The filter's configuration out of a file's tree. What is kept keeps its place
//! in the file, for messages.

use remint_idtoken::UnixTime;
use remint_idtoken::config::{Kind, Member, Node};

use super::Host;

/// Only the gateway's configuration has it, and always.
const MARK_OF_THE_GATEWAY: &str = "services";

/// A mapping with this one member.
pub(super) fn only(name: &str, value: &Node) -> Node {
    Kind::Map(vec![Member::from((name.to_owned(), value.clone()))]).into()
}

/// A text of our own.
pub(super) fn text(text: &str) -> Node {
    Kind::Text(text.to_owned()).into()
}

/// The plugin configuration for that host. `key_of` gives the keys of an issuer
/// by its place, if it has none of its own.
pub(super) fn plugin(document: &Node, host: Host, key_of: impl Fn(usize) -> Option<Node>) -> Node {
    let Kind::Map(members) = &document.kind else { return document.clone() };
    let is_gateway_s = document.member(MARK_OF_THE_GATEWAY).is_some();
    let name = match host {
        Host::Envoy => "envoy",
        Host::ServiceExtensions => "service-extensions",
    };
    let mut kept = vec![Member::from(("host".to_owned(), text(name)))];
    for member in members {
        match member.name.as_str() {
            "policy" => {
                kept.push(Member { value: with_keys(&member.value, &key_of), ..member.clone() });
            }
            _ if is_gateway_s => {}
            // Where nothing is fetched there is nothing to say of it.
            "host" | "keys" => {}
            "wait_for_keys" | "properties" if host == Host::ServiceExtensions => {}
            _ => kept.push(member.clone()),
        }
    }
    Node { kind: Kind::Map(kept), at: document.at }
}

/// The policy with keys in the place of each URL of some.
fn with_keys(policy: &Node, key_of: &impl Fn(usize) -> Option<Node>) -> Node {
    let Kind::Map(members) = &policy.kind else { return policy.clone() };
    let mut members = members.clone();
    if !members.iter().any(|member| member.name == "issuers") {
        // As the policy's reader has it: Google alone.
        let google = only("preset", &text("google"));
        let issuers = Kind::List(vec![google]).into();
        members.push(Member::from(("issuers".to_owned(), issuers)));
    }
    for member in members.iter_mut().filter(|member| member.name == "issuers") {
        if let Kind::List(issuers) = &mut member.value.kind {
            for (place, issuer) in issuers.iter_mut().enumerate() {
                give_keys(issuer, key_of(place));
            }
        }
    }
    Node { kind: Kind::Map(members), at: policy.at }
}

fn give_keys(issuer: &mut Node, keys: Option<Node>) {
    let has_own = issuer.member("inline_keys").is_some();
    if let (Kind::Map(members), Some(keys), false) = (&mut issuer.kind, keys, has_own) {
        members.retain(|member| member.name != "jwks_uri");
        members.push(Member::from(("inline_keys".to_owned(), keys)));
    }
}

/// What stands under `inline_keys`.
pub(super) fn inline_keys(jwks: Node, as_of: UnixTime, valid_for: &str) -> Node {
    let members =
        [("jwks", jwks), ("as_of", text(&as_of.to_string())), ("valid_for", text(valid_for))];
    let member = |(name, value): (&str, Node)| Member::from((name.to_owned(), value));
    Kind::Map(members.map(member).into()).into()
}
