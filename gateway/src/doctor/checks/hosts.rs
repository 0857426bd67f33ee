//! Whose host a sender calls.

use std::collections::HashSet;

use http::Uri;

use crate::config::Config;

/// How many letters may differ until it is another name.
const NEAR: usize = 2;

/// The hosts that lead to the gateway, and those of its regions.
pub(super) struct Hosts {
    own: HashSet<String>,
    /// Each with its dot in front: `.example.com` for `*.example.com`.
    below: Vec<String>,
    regions: Vec<(String, String)>,
}

/// What a host is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// The gateway's.
    Own,
    /// Almost this one of the gateway's.
    Near(String),
    /// A region's, of that name.
    Region(String),
    /// Somebody else's.
    Foreign,
}

impl Hosts {
    pub(super) fn of(config: &Config) -> Self {
        let mut this = Self { own: HashSet::new(), below: Vec::new(), regions: Vec::new() };
        for service in &config.services {
            for region in &service.regions {
                let name = format!("{}/{}", service.name, region.name);
                this.regions.push((region.origin.host().to_owned(), name));
            }
        }
        for rule in config.policy.rules() {
            let hosts = rule.scope().hosts;
            if hosts.is_empty() {
                let audiences = rule.audiences().filter_map(|it| it.parse::<Uri>().ok());
                let hosts = audiences.filter_map(|uri| uri.host().map(str::to_lowercase));
                let is_region = |host: &String| this.regions.iter().any(|(own, _)| own == host);
                let hosts: Vec<_> = hosts.filter(|host| !is_region(host)).collect();
                this.own.extend(hosts);
            }
            for host in hosts {
                match host.strip_prefix('*') {
                    Some(suffix) => this.below.push(suffix.to_owned()),
                    None => drop(this.own.insert(host)),
                }
            }
        }
        this
    }

    pub(super) fn find(&self, host: &str) -> Host {
        let host = host.to_lowercase();
        let is_below = |suffix: &String| host.len() > suffix.len() && host.ends_with(&**suffix);
        if self.own.contains(&host) || self.below.iter().any(is_below) {
            return Host::Own;
        }
        if let Some((_, name)) = self.regions.iter().find(|(own, _)| *own == host) {
            return Host::Region(name.clone());
        }
        let mut near: Vec<&String> =
            self.own.iter().filter(|own| distance(own, &host) <= NEAR).collect();
        near.sort();
        near.first().map_or(Host::Foreign, |own| Host::Near((*own).clone()))
    }
}

/// How many letters must be changed, added or taken away (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in one.chars().enumerate() {
        let mut next = vec![number.saturating_add(1)];
        for (place, its) in other.iter().enumerate() {
            let at = |row: &[usize], place: usize| row.get(place).copied().unwrap_or(usize::MAX);
            let replaced = at(&row, place).saturating_add(usize::from(letter != *its));
            let added = at(&next, place).saturating_add(1);
            let taken = at(&row, place.saturating_add(1)).saturating_add(1);
            next.push(replaced.min(added).min(taken));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_letters() {
        for (one, other, letters) in
            [("", "", 0), ("a", "", 1), ("abc", "abc", 0), ("orders", "order", 1), ("ab", "ba", 2)]
        {
            assert_eq!((distance(one, other), distance(other, one)), (letters, letters));
        }
    }

    #[test]
    fn a_host_is_the_gateway_s_a_region_s_almost_one_or_somebody_else_s() {
        let hosts = Hosts {
            own: HashSet::from(["orders.example.com".to_owned()]),
            below: vec![".shop.example".to_owned()],
            regions: vec![("orders-1.us-east1.run.app".to_owned(), "orders/us".to_owned())],
        };
        assert_eq!(hosts.find("Orders.example.com"), Host::Own);
        assert_eq!(hosts.find("a.shop.example"), Host::Own);
        assert_eq!(hosts.find("order.example.com"), Host::Near("orders.example.com".to_owned()));
        assert_eq!(hosts.find("orders-1.us-east1.run.app"), Host::Region("orders/us".to_owned()));
        assert_eq!(hosts.find("billing.example.com"), Host::Foreign);
        assert_eq!(hosts.find("shop.example"), Host::Foreign);
    }
}
