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
    requests: HashMap<(Verdict, Option<Reason>), HashMap<String, Count>>,
    others: HashMap<String, u32>,
}

/// Requests of one kind.
#[derive(Default)]
struct Count {
    /// The host's number for their counter, once it has been told of any.
    id: Option<u32>,
    /// Those that it has not been told of.
    pending: i64,
}

impl Metrics {
    /// Those of a proxy of that kind.
    pub(crate) fn of(home: Home) -> Self {
        let are_there = home == Home::Envoy;
        Self { are_there, requests: HashMap::new(), others: HashMap::new() }
    }

    /// Whether the proxy has any.
    pub(crate) fn are_there(&self) -> bool {
        self.are_there
    }

    /// Counts a request, by its rule if one was found. The host is told at
    /// the next [`Metrics::flush`]: a call for each request would cost as much
    /// as all the rest of a decision.
    pub(crate) fn request(&mut self, rule: Option<&str>, verdict: Verdict, reason: Option<Reason>) {
        if !self.are_there {
            return;
        }
        let rule = rule.unwrap_or("none");
        let by_rule = self.requests.entry((verdict, reason)).or_default();
        let count = match by_rule.get_mut(rule) {
            Some(count) => count,
            None => by_rule.entry(rule.to_owned()).or_default(),
        };
        count.pending = count.pending.saturating_add(1);
    }

    /// Tells the host of the requests since the last time.
    pub(crate) fn flush(&mut self) {
        for ((verdict, reason), by_rule) in &mut self.requests {
            for (rule, count) in by_rule.iter_mut().filter(|(_, count)| count.pending > 0) {
                let id = *count.id.get_or_insert_with(|| {
                    let (rule, verdict) = (plain(rule), verdict.name());
                    let reason = reason.map_or("none", Reason::code);
                    host::define_counter(&format!(
                        "remint_requests.rule.{rule}.verdict.{verdict}.reason.{reason}"
                    ))
                });
                host::count(id, std::mem::take(&mut count.pending));
            }
        }
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
