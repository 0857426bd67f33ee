//! The rules, with what passes by each of them.

use remint_idtoken::policy::{Mode, Rule};
use serde_json::{Value, json};

use crate::proxy::Proxy;

/// How many values of a list are told; the rest is counted.
const LISTED: usize = 8;

pub(super) fn of_rules(proxy: &Proxy) -> Vec<Value> {
    let rules = proxy.policy.rules().iter();
    rules.map(|rule| of_rule(proxy, rule)).collect()
}

fn of_rule(proxy: &Proxy, rule: &Rule) -> Value {
    let (scope, audiences): (_, Vec<&str>) = (rule.scope(), rule.audiences().collect());
    let callers: Vec<Option<usize>> = rule.callers().collect();
    let route = proxy.routes.get(rule.name());
    json!({
        "name": **rule.name(),
        "service": route.map(|route| &*route.service.name),
        "mode": match rule.mode() {
            Mode::Enforce => "enforce",
            Mode::Report => "report",
        },
        "is_anonymous": rule.is_anonymous(),
        "hosts": listed(&scope.hosts),
        "paths": listed(&scope.paths),
        "methods": scope.methods,
        "audiences": listed(&audiences),
        "audience_count": audiences.len(),
        // Nothing where anyone may call who has a token of the issuer's.
        "caller_count": callers.into_iter().sum::<Option<usize>>(),
        "requests": route.map(|it| it.counters.by_outcome().collect::<Value>()),
        "senders": route.map(|it| it.senders.all().collect::<Value>()),
    })
}

fn listed<T: AsRef<str>>(values: &[T]) -> Vec<String> {
    let mut shown: Vec<String> =
        values.iter().take(LISTED).map(|it| it.as_ref().to_owned()).collect();
    match values.len().saturating_sub(LISTED) {
        0 => {}
        more => shown.push(format!("… and {more} more")),
    }
    shown
}
