//! Finds the rule for a request without looking at every rule.
//!
//! Hosts are looked up in tables, paths in trees of segments. What a look-up
//! costs depends on the length of host and path, not on how many rules there
//! are. Of all the rules that fit, the one that stands first in the
//! configuration is found.

use std::collections::HashMap;

use super::matching::{HostMatch, Matching, PathMatch};

/// All rules by host, path and method.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleIndex {
    exact: HashMap<String, Segments>,
    /// By suffix, with its dot in front.
    below: HashMap<String, Segments>,
    any: Segments,
}

/// The rules at one place in the tree of paths, and what is below it.
#[derive(Clone, Debug, Default)]
struct Segments {
    next: HashMap<String, Segments>,
    /// For any segment that is not empty.
    wildcard: Option<Box<Segments>>,
    /// Rules for this path alone.
    here: Methods,
    /// Rules for this path and all below it.
    below: Methods,
}

/// The first rule for each method.
#[derive(Clone, Debug, Default)]
struct Methods {
    any: Option<usize>,
    named: HashMap<String, usize>,
}

impl RuleIndex {
    /// Adds the rule at that place of the configuration.
    pub(super) fn add(&mut self, place: usize, rule: &Matching) {
        if rule.hosts.is_empty() {
            self.any.add_paths(place, rule);
        }
        for host in &rule.hosts {
            let (table, name) = match host {
                HostMatch::Exact(name) => (&mut self.exact, name),
                HostMatch::Below(suffix) => (&mut self.below, suffix),
            };
            table.entry(name.clone()).or_default().add_paths(place, rule);
        }
    }

    /// The place of the first rule for such a request.
    pub(super) fn find(&self, host: &str, path: &str, method: &str) -> Option<usize> {
        let mut best = None;
        let path = path.strip_prefix('/');
        let mut look = |paths: &Segments| paths.find(path, method, &mut best);
        look(&self.any);
        self.exact.get(host).into_iter().for_each(&mut look);
        if !self.below.is_empty() {
            // A suffix stands for at least one character before it.
            let dots = host.match_indices('.').map(|(at, _)| at).filter(|at| *at > 0);
            let suffixes = dots.filter_map(|at| host.get(at..));
            suffixes.filter_map(|suffix| self.below.get(suffix)).for_each(look);
        }
        best
    }
}

impl Segments {
    fn add_paths(&mut self, place: usize, rule: &Matching) {
        if rule.paths.is_empty() {
            self.below.add(place, &rule.methods);
        }
        for path in &rule.paths {
            match path {
                PathMatch::Exact(path) => {
                    let segments = path.split('/').skip(1).map(Some);
                    self.at(segments).here.add(place, &rule.methods);
                }
                PathMatch::Prefix(prefix) => {
                    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
                    let segments = prefix.split('/').skip(1).map(Some);
                    self.at(segments).below.add(place, &rule.methods);
                }
                PathMatch::Template(segments) => {
                    let segments = segments.iter().map(Option::as_deref);
                    self.at(segments).here.add(place, &rule.methods);
                }
            }
        }
    }

    /// The place that these segments lead to; none stands for any one.
    fn at<'s>(&mut self, segments: impl Iterator<Item = Option<&'s str>>) -> &mut Self {
        segments.fold(self, |at, segment| match segment {
            Some(segment) => at.next.entry(segment.to_owned()).or_default(),
            None => at.wildcard.get_or_insert_default(),
        })
    }

    /// Looks along the rest of a path, without the slash before it.
    fn find(&self, rest: Option<&str>, method: &str, best: &mut Option<usize>) {
        self.below.find(method, best);
        let Some(rest) = rest else {
            return self.here.find(method, best);
        };
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        if let Some(next) = self.next.get(segment) {
            next.find(rest, method, best);
        }
        if let Some(wildcard) = self.wildcard.as_ref().filter(|_| !segment.is_empty()) {
            wildcard.find(rest, method, best);
        }
    }
}

impl Methods {
    fn add(&mut self, place: usize, methods: &[String]) {
        if methods.is_empty() {
            self.any.get_or_insert(place);
        }
        for method in methods {
            self.named.entry(method.clone()).or_insert(place);
        }
    }

    fn find(&self, method: &str, best: &mut Option<usize>) {
        let named = self.named.get(method).copied();
        let found = self.any.into_iter().chain(named).chain(*best).min();
        *best = found;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::Target;

    fn any_host() -> impl Strategy<Value = HostMatch> {
        prop_oneof![
            "(a|b)(\\.(a|b)){0,2}".prop_map(HostMatch::Exact),
            "(\\.(a|b)){1,2}".prop_map(HostMatch::Below),
        ]
    }

    fn any_path() -> impl Strategy<Value = PathMatch> {
        prop_oneof![
            "/((a|b)(/(a|b)){0,2}/?)?".prop_map(PathMatch::Exact),
            "/((a|b)(/(a|b)){0,2}/?)?".prop_map(PathMatch::Prefix),
            proptest::collection::vec(proptest::option::of("(a|b)"), 1..4)
                .prop_map(PathMatch::Template),
        ]
    }

    prop_compose! {
        fn any_matching()(
            hosts in proptest::collection::vec(any_host(), 0..3),
            paths in proptest::collection::vec(any_path(), 0..3),
            methods in proptest::collection::vec("GET|PUT", 0..2),
        ) -> Matching {
            Matching { hosts, paths, methods }
        }
    }

    proptest! {
        #[test]
        fn the_index_finds_what_trying_rule_after_rule_finds(
            rules in proptest::collection::vec(any_matching(), 0..8),
            host in "(a|b|c)(\\.(a|b|c)){0,3}",
            path in "(/(a|b|c)){1,4}/?|/",
            method in "GET|PUT|POST",
        ) {
            let mut index = RuleIndex::default();
            rules.iter().enumerate().for_each(|(place, rule)| index.add(place, rule));
            let target = Target::parse(&host, &path, &method).unwrap();
            let expected = rules.iter().position(|rule| rule.misses(&target).is_empty());
            prop_assert_eq!(index.find(&host, &path, &method), expected);
        }
    }
}
