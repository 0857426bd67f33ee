//! What one part of the file says of another, and what must differ.
//!
//! This looks at the document as it stands, so that a wrong reference is
//! reported beside whatever else is wrong.

use std::collections::HashMap;

use remint_idtoken::config::{Kind, Reader};

use super::listen::{GOOGLE_PORT, VPC_PORT};
use crate::config::Config;

/// What a member names.
#[derive(Clone, Copy)]
enum Named {
    Account,
    Service,
}

/// The members that name something else in the file. `[]` stands for each item.
const REFERENCES: [(&[&str], Named); 4] = [
    (&["default_account"], Named::Account),
    (&["account_keys", "[]", "account"], Named::Account),
    (&["grants", "[]", "account"], Named::Account),
    (&["load_balancers", "[]", "service"], Named::Service),
];

/// The ports of listeners.
const PORTS: [&[&str]; 4] = [
    &["listen", "google_port"],
    &["listen", "vpc_port"],
    &["services", "[]", "regions", "[]", "port"],
    &["load_balancers", "[]", "port"],
];

/// Writes down references that lead nowhere, and ports that are used twice.
pub(super) fn check(root: &Reader<'_>, config: &Config) {
    let services = texts(root, &["services", "[]", "name"]);
    let accounts: Vec<&str> = config.accounts.iter().map(String::as_str).collect();
    for (path, named) in REFERENCES {
        let (known, what) = match named {
            Named::Account => (&accounts, "no account of \"accounts\""),
            Named::Service => (&services, "no service of \"services\""),
        };
        for reader in all(root, path) {
            match text(&reader) {
                Some(name) if !known.contains(&name) => reader.unknown(name, what, known),
                _ => {}
            }
        }
    }
    check_balancers(root);
    check_ports(root);
}

/// Load balancers pick among their service's regions, and have hosts of their
/// own.
fn check_balancers(root: &Reader<'_>) {
    let mapped = root.member("hosts").map(|hosts| names(&hosts)).unwrap_or_default();
    for balancer in all(root, &["load_balancers", "[]"]) {
        if let Some(host) = balancer.member("host")
            && text(&host).is_some_and(|host| mapped.contains(&host))
        {
            host.problem("is one of \"hosts\" already: a host is a load balancer's or a server's");
        }
        let service = balancer.member("service");
        let Some(regions) = service.and_then(|name| regions_of(root, text(&name)?)) else {
            continue;
        };
        let weights = balancer.member("picking");
        for name in weights.iter().flat_map(names).filter(|name| !regions.contains(name)) {
            if let Some(weight) = weights.as_ref().and_then(|weights| weights.member(name)) {
                weight.unknown(name, "no region of its service", &regions);
            }
        }
    }
}

/// The names of the regions of the service of that name.
fn regions_of<'n>(root: &Reader<'n>, service: &str) -> Option<Vec<&'n str>> {
    let services = all(root, &["services", "[]"]);
    let is_it = |it: &&Reader<'_>| it.member("name").is_some_and(|it| text(&it) == Some(service));
    let regions = services.iter().find(is_it)?.member("regions")?.elements();
    let name = |region: &Reader<'n>| text(region).or_else(|| text(&region.member("name")?));
    Some(regions.iter().filter_map(name).collect())
}

/// The names of a mapping's members.
fn names<'n>(from: &Reader<'n>) -> Vec<&'n str> {
    match &from.node().kind {
        Kind::Map(members) => members.iter().map(|member| member.name.as_str()).collect(),
        _ => Vec::new(),
    }
}

fn check_ports(root: &Reader<'_>) {
    let usual = [("google_port", GOOGLE_PORT), ("vpc_port", VPC_PORT)];
    let listen = root.member("listen");
    let is_usual = |name| listen.as_ref().is_none_or(|listen| listen.member(name).is_none());
    let usual = usual.into_iter().filter(|(name, _)| is_usual(name));
    let mut taken: HashMap<u64, String> =
        usual.map(|(name, port)| (port.into(), format!("listen.{name} (by default)"))).collect();
    for reader in PORTS.iter().flat_map(|path| all(root, path)) {
        let Some(port) = port(&reader).filter(|port| *port > 0) else { continue };
        match taken.get(&port) {
            Some(by) => reader.problem(format!("port {port} is taken already, by {by}")),
            None => drop(taken.insert(port, reader.path().to_owned())),
        }
    }
}

/// Everything at a path.
fn all<'n>(root: &Reader<'n>, path: &[&str]) -> Vec<Reader<'n>> {
    path.iter().fold(vec![root.clone()], |found, step| match *step {
        "[]" => found.iter().flat_map(Reader::elements).collect(),
        name => found.iter().filter_map(|reader| reader.member(name)).collect(),
    })
}

fn texts<'n>(root: &Reader<'n>, path: &[&str]) -> Vec<&'n str> {
    all(root, path).iter().filter_map(text).collect()
}

fn text<'n>(from: &Reader<'n>) -> Option<&'n str> {
    match &from.node().kind {
        Kind::Text(text) => Some(text),
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the bounds of ports"
)]
fn port(from: &Reader<'_>) -> Option<u64> {
    match from.node().kind {
        Kind::Number(number) if (0.0..=65535.0).contains(&number) => Some(number as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use remint_idtoken::config::{Problems, yaml};

    use super::*;

    /// The sections are looked at whoever reads them.
    fn mistakes(text: &str) -> Vec<String> {
        let (node, problems) = (yaml::parse(text).unwrap(), Problems::default());
        check(&Reader::root(&node, &problems), &Config::demo());
        problems.into_vec().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn load_balancers_lead_to_services_and_regions_that_exist() {
        let text = "\
services: [{ name: orders, regions: [us-east1, { name: us-west1, port: 9000 }] }]
hosts: { a.example: 127.0.0.1:1 }
load_balancers:
  - { host: a.example, service: ordrs }
  - { host: b.example, service: orders, port: 9000, picking: { us-east1: 1, us-est1: 2 } }
";
        let expected = [
            r#"4:33: load_balancers[0].service: "ordrs" is no service of "services"; did you mean "orders"?"#,
            r#"4:13: load_balancers[0].host: is one of "hosts" already: a host is a load balancer's or a server's"#,
            r#"5:86: load_balancers[1].picking.us-est1: "us-est1" is no region of its service; did you mean "us-east1"?"#,
            "5:47: load_balancers[1].port: port 9000 is taken already, by services[0].regions[1].port",
        ];
        assert_eq!(mistakes(text), expected);
        let none = mistakes("load_balancers: [{ service: orders }]");
        assert_eq!(
            none,
            [
                r#"1:29: load_balancers[0].service: "orders" is no service of "services"; there is none"#
            ]
        );
    }
}
