//! What the gateway does with the requests of each rule.

use std::sync::Arc;

use remint_idtoken::config::Reader;
use remint_idtoken::{Policy, Rule};

use super::attempts::Given;
use super::{Route, Telling, limits, telling};

/// A rule's name, or a mapping with the name and what differs from the
/// defaults.
pub(super) fn read(from: &Reader<'_>, policy: Option<&Policy>, service: Given) -> Option<Route> {
    if !from.is_mapping() {
        let attempts = Given::default().of(service);
        let telling = Telling::default();
        return read_rule(from, policy).map(|rule| Route {
            rule,
            max_body: None,
            telling,
            attempts,
        });
    }
    let mut object = from.object()?;
    let rule = object.need("rule").and_then(|rule| read_rule(&rule, policy));
    let max_body = object.maybe("max_body", limits::size);
    let telling = telling::read(&mut object);
    let attempts = Given::of_rule(&mut object);
    object.finish();
    Some(Route {
        rule: rule?,
        max_body: max_body?,
        telling: telling?,
        attempts: attempts?.of(service),
    })
}

fn read_rule(from: &Reader<'_>, policy: Option<&Policy>) -> Option<Arc<str>> {
    let name = from.text()?;
    // A policy that can't be read has said so itself.
    let Some(policy) = policy else {
        return Some(Arc::from(name));
    };
    let known: Vec<&str> = policy.rules().iter().map(|rule| &**rule.name()).collect();
    let named = |rule: &&Arc<Rule>| &**rule.name() == name;
    let found = policy.rules().iter().find(named);
    if found.is_none() {
        from.problem(format!("{name:?} is no rule of the policy, which has: {}", known.join(", ")));
    }
    found.map(|rule| Arc::clone(rule.name()))
}
