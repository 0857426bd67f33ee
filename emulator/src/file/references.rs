//! What one part of the file says of another, and what must differ.
//!
//! This looks at the document as it stands, so that a wrong reference is
//! reported beside whatever else is wrong.

use std::collections::HashMap;

use remint_idtoken::config::{Kind, Reader};

use super::listen::{GOOGLE_PORT, VPC_PORT};
use crate::config::Config;
use crate::pubsub::Collection;

/// What a member names.
#[derive(Clone, Copy)]
enum Named {
    Account,
    /// Whom a sender pushes as.
    Pusher,
    Service,
    Topic,
}

/// The members that name something else in the file. `[]` stands for each item.
const REFERENCES: [(&[&str], Named); 13] = [
    (&["default_account"], Named::Account),
    (&["account_keys", "[]", "account"], Named::Account),
    (&["grants", "[]", "account"], Named::Account),
    (&["pubsub", "subscriptions", "[]", "service_account"], Named::Pusher),
    (&["eventarc", "[]", "service_account"], Named::Pusher),
    (&["tasks", "[]", "tasks", "[]", "token", "service_account"], Named::Pusher),
    (&["scheduler", "[]", "token", "service_account"], Named::Pusher),
    (&["load_balancers", "[]", "service"], Named::Service),
    (&["eventarc", "[]", "cloud_run", "service"], Named::Service),
    (&["faults", "[]", "what", "service"], Named::Service),
    (&["pubsub", "subscriptions", "[]", "topic"], Named::Topic),
    (&["pubsub", "subscriptions", "[]", "dead_letter", "topic"], Named::Topic),
    (&["eventarc", "[]", "topic"], Named::Topic),
];

/// The ports of listeners.
const PORTS: [&[&str]; 4] = [
    &["listen", "google_port"],
    &["listen", "vpc_port"],
    &["services", "[]", "regions", "[]", "port"],
    &["load_balancers", "[]", "port"],
];

/// Writes down references that lead nowhere, and names and ports that are used
/// twice.
pub(super) fn check(root: &Reader<'_>, config: &Config) {
    let services = texts(root, &["services", "[]", "name"]);
    let topics = texts(root, &["pubsub", "topics", "[]"]);
    let topics = own_names(config, Collection::Topics, &topics);
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let accounts: Vec<&str> = config.accounts.iter().map(String::as_str).collect();
    let compute = config.compute_account();
    for (path, named) in REFERENCES {
        let (known, what) = match named {
            Named::Account | Named::Pusher => (&accounts, "no account of \"accounts\""),
            Named::Service => (&services, "no service of \"services\""),
            Named::Topic => (&topics, "no topic of \"pubsub.topics\""),
        };
        for reader in all(root, path) {
            let Some(name) = text(&reader) else { continue };
            let is_known = match named {
                Named::Pusher => name == compute || known.contains(&name),
                Named::Topic => known.contains(&&*own_name(config, Collection::Topics, name)),
                Named::Account | Named::Service => known.contains(&name),
            };
            if !is_known {
                reader.unknown(name, what, known);
            }
        }
    }
    check_balancers(root);
    check_regions(root);
    check_resources(root, config);
    check_ports(root);
}

/// Names of Pub/Sub as they are in this project, where a short name and the
/// whole one are the same.
fn own_names(config: &Config, of: Collection, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| own_name(config, of, name)).collect()
}

fn own_name(config: &Config, of: Collection, name: &str) -> String {
    let prefix = of.in_project(&config.project_id, "");
    name.strip_prefix(&prefix).unwrap_or(name).to_owned()
}

fn check_resources(root: &Reader<'_>, config: &Config) {
    let Some(pubsub) = root.member("pubsub") else { return };
    for (path, of, what) in [
        (&["topics", "[]"] as &[_], Collection::Topics, "topic"),
        (&["subscriptions", "[]", "name"], Collection::Subscriptions, "subscription"),
    ] {
        let names = own_names(config, of, &texts(&pubsub, path));
        if let Some(list) = pubsub.member(of.name()) {
            list.distinct(what, names.iter().map(String::as_str));
        }
    }
}

/// Triggers and faults are for a region of a service. A trigger's location is
/// its region too, unless it names another.
fn check_regions(root: &Reader<'_>) {
    let faults = all(root, &["faults", "[]", "what"]).into_iter();
    let faults = faults.map(|what| (what.member("service"), what.member("region")));
    let triggers = all(root, &["eventarc", "[]"]).into_iter().map(|trigger| {
        let run = trigger.member("cloud_run");
        let member = |name| run.as_ref().and_then(|run| run.member(name));
        let service = member("service");
        if let Some(service) = &service {
            refuse_functions(root, service);
        }
        (service, member("region").or_else(|| trigger.member("location")))
    });
    for (service, region) in faults.chain(triggers.collect::<Vec<_>>()) {
        let Some((service, region)) = service.as_ref().and_then(text).zip(region) else { continue };
        let (Some(known), Some(name)) = (regions_of(root, service), text(&region)) else {
            continue;
        };
        if !known.contains(&name) {
            region.unknown(name, &format!("no region of {service:?}"), &known);
        }
    }
}

/// Events go to `run.app` URLs, which functions of the first generation do not
/// have.
fn refuse_functions(root: &Reader<'_>, service: &Reader<'_>) {
    let kind = text(service).and_then(|name| service_of(root, name)?.member("kind"));
    if kind.as_ref().and_then(text) == Some("function") {
        service.problem("is a function of the first generation, which no trigger leads to");
    }
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

fn service_of<'n>(root: &Reader<'n>, name: &str) -> Option<Reader<'n>> {
    let is_it = |it: &Reader<'_>| it.member("name").is_some_and(|it| text(&it) == Some(name));
    all(root, &["services", "[]"]).into_iter().find(is_it)
}

/// The names of the regions of the service of that name.
fn regions_of<'n>(root: &Reader<'n>, service: &str) -> Option<Vec<&'n str>> {
    let regions = service_of(root, service)?.member("regions")?.elements();
    let name = |region: &Reader<'n>| text(region).or_else(|| text(&region.member("name")?));
    Some(regions.iter().filter_map(name).collect())
}

/// The names of a mapping's members.
fn names<'n>(from: &Reader<'n>) -> Vec<&'n str> {
    members(from).into_iter().map(|(name, _)| name).collect()
}

/// A mapping's members.
pub(super) fn members<'n>(from: &Reader<'n>) -> Vec<(&'n str, Reader<'n>)> {
    let Kind::Map(members) = &from.node().kind else { return Vec::new() };
    let names = members.iter().map(|member| member.name.as_str());
    names.filter_map(|name| Some((name, from.member(name)?))).collect()
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
pub(super) fn all<'n>(root: &Reader<'n>, path: &[&str]) -> Vec<Reader<'n>> {
    path.iter().fold(vec![root.clone()], |found, step| match *step {
        "[]" => found.iter().flat_map(Reader::elements).collect(),
        name => found.iter().filter_map(|reader| reader.member(name)).collect(),
    })
}

fn texts<'n>(root: &Reader<'n>, path: &[&str]) -> Vec<&'n str> {
    all(root, path).iter().filter_map(text).collect()
}

pub(super) fn text<'n>(from: &Reader<'n>) -> Option<&'n str> {
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
