//! What the proxy's statistics tell of the filter.
//!
//! Envoy has no labels for a module's metrics: they are written into the names,
//! as `remint_requests.rule.NAME.verdict.WORD.reason.CODE`, and `stats_tags` in
//! the shipped configuration make labels of them.

use std::collections::HashMap;

use remint_idtoken::Reason;
use remint_idtoken::policy::Verdict;

use crate::config::Home;
use crate::host;

/// The metrics that were used so far, by name, with the proxy's numbers.
///
/// Names are bounded: rules and issuers are the configuration's, all other
/// words this program's.
pub(crate) struct Metrics {
    /// Not every host has any.
    are_there: bool,
    requests: HashMap<(Verdict, Option<Reason>), HashMap<String, u32>>,
    others: HashMap<String, u32>,
}

impl Metrics {
    /// Those of a proxy of that kind.
    pub(crate) fn of(home: Home) -> Self {
        let are_there = home == Home::Envoy;
        Self { are_there, requests: HashMap::new(), others: HashMap::new() }
    }

    /// Counts a request, by its rule if one was found.
    pub(crate) fn request(&mut self, rule: Option<&str>, verdict: Verdict, reason: Option<Reason>) {
        if !self.are_there {
            return;
        }
        let rule = rule.unwrap_or("none");
        let by_rule = self.requests.entry((verdict, reason)).or_default();
        let id = match by_rule.get(rule) {
            Some(id) => *id,
            None => *by_rule.entry(rule.to_owned()).or_insert_with(|| {
                let (rule, verdict) = (plain(rule), verdict.name());
                let reason = reason.map_or("none", Reason::code);
                host::define_counter(&format!(
                    "remint_requests.rule.{rule}.verdict.{verdict}.reason.{reason}"
                ))
            }),
        };
        host::count(id, 1);
    }

    /// Counts something that happens rarely.
    pub(crate) fn count(&mut self, name: &str, by: i64) {
        if self.are_there {
            host::count(self.id(name, host::define_counter), by);
        }
    }

    /// Sets a figure that goes up and down.
    pub(crate) fn set(&mut self, name: &str, value: u64) {
        if self.are_there {
            host::record(self.id(name, host::define_gauge), value);
        }
    }

    /// Adds a value to a distribution.
    pub(crate) fn observe(&mut self, name: &str, value: u64) {
        if self.are_there {
            host::record(self.id(name, host::define_histogram), value);
        }
    }

    fn id(&mut self, name: &str, define: fn(&str) -> u32) -> u32 {
        match self.others.get(name) {
            Some(id) => *id,
            None => *self.others.entry(name.to_owned()).or_insert(define(name)),
        }
    }
}

/// A name of the user's as a part of a metric's name, which dots divide.
pub(crate) fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    name.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_s_name_adds_no_part_to_a_metric_s_name() {
        assert_eq!(plain("orders.push v1/ä"), "orders_push_v1__");
    }
}
