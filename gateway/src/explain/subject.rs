//! What a request is held against.

use std::path::Path;

use remint_idtoken::Policy;
use remint_idtoken::config::{FileError, Kind, Node, Problem, Problems, Reader, yaml};

use crate::config::ConfigError;

/// A policy, and the regions that stand beside it in a gateway's configuration.
pub struct Subject {
    pub(super) policy: Policy,
    pub(super) regions: Vec<Region>,
}

/// What tells a region's audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) audience: String,
}

impl Subject {
    /// Reads a file that has a `policy`: the gateway's configuration or one of the
    /// filter's. Files that it names need not be there.
    ///
    /// # Errors
    /// All mistakes in the policy.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(file).map_err(|error| FileError::unread(file, &error))?;
        Self::read(&text).map_err(|problems| FileError::new(file, problems).into())
    }

    fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let document = yaml::parse(text).map_err(|problem| vec![problem])?;
        let problems = Problems::default();
        let policy = Reader::root(&document, &problems)
            .object()
            .and_then(|mut object| object.need("policy"))
            .and_then(|policy| Policy::read(&policy));
        let policy = problems.finish(policy)?;
        Ok(Self { policy, regions: regions(&document) })
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// The regions of all services, as far as they can be read: `remint check` finds
/// mistakes, this only explains.
fn regions(document: &Node) -> Vec<Region> {
    let mut found = Vec::new();
    for service in list(document.member("services")) {
        let name = text(service.member("name")).unwrap_or_default();
        for region in list(service.member("regions")) {
            let audience = text(region.member("audience")).or_else(|| text(region.member("url")));
            if let (Some(region), Some(audience)) = (text(region.member("name")), audience) {
                let (service, name) = (name.to_owned(), region.to_owned());
                found.push(Region { service, name, audience: audience.to_owned() });
            }
        }
    }
    found
}

fn list(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    }
}

fn text(node: Option<&Node>) -> Option<&str> {
    match node.map(|node| &node.kind) {
        Some(Kind::Text(text)) => Some(text),
        _ => None,
    }
}
