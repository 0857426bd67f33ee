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
    check_ports(root);
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
