//! What a request is held against.

use std::path::Path;

use remint_idtoken::Policy;
use remint_idtoken::config::{FileError, Kind, Node, Problem, Problems, Reader, yaml};

use crate::config::ConfigError;

/// A policy, and the regions that stand beside it in a gateway's configuration.
pub struct Subject {
    pub(super) policy: Policy,
    pub(super) regions: Vec<Region>,
    /// Whether it is somebody's own, or what is known without.
    pub(super) is_configured: bool,
}

/// What tells a region's audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) service: String,
    pub(crate) name: String,
    pub(crate) audience: String,
}

/// How deep a plugin's configuration is looked for in a proxy's: Envoy's is twelve
/// levels down.
const DEEPEST: usize = 40;

/// What holds without anybody's configuration: who signs, and how. Rules and
/// audiences are placeholders, whose outcome is never told.
const WITHOUT: &str = r#"{
    "issuers": [
        {"preset": "google", "tokens": [{"header": "authorization"},
            {"header": "x-serverless-authorization"}, {"header": "proxy-authorization"}]},
        {"preset": "iap"}
    ],
    "rules": [{"name": "any", "match": {}, "issuers": ["google", "iap"],
        "audiences": ["https://audience.invalid"], "callers": {"anyone": true}}]
}"#;

/// The placeholder of an audience in it.
pub(super) const NO_AUDIENCE: &str = "https://audience.invalid";

impl Subject {
    /// Reads a file that has a `policy`: the gateway's configuration, one of the
    /// filter's, or one of Envoy's or Istio's that has the filter's in it. Files that
    /// it names need not be there.
    ///
    /// # Errors
    /// All mistakes in the policy.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(file).map_err(|error| FileError::unread(file, &error))?;
        Self::read(&text).map_err(|problems| FileError::new(file, problems).into())
    }

    /// What is known without a configuration: Google's and IAP's issuers.
    ///
    /// # Errors
    /// None that a user could cause.
    pub fn unconfigured() -> Result<Self, String> {
        let policy = Policy::from_json(WITHOUT).map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            problems.join(", ")
        })?;
        Ok(Self { policy, regions: Vec::new(), is_configured: false })
    }

    pub(super) fn read(text: &str) -> Result<Self, Vec<Problem>> {
        let documents = documents(text)?;
        let mut holders = Vec::new();
        documents.iter().for_each(|document| holders_in(document, DEEPEST, &mut holders));
        let mut distinct: Vec<&Node> = Vec::new();
        for holder in &holders {
            let policy = |node: &Node| node.member("policy").map(Node::to_json);
            if distinct.iter().all(|other| policy(other) != policy(holder)) {
                distinct.push(holder);
            }
        }
        let empty = Node { kind: Kind::Map(Vec::new()), at: None };
        let holder = match distinct.as_slice() {
            [] => documents.first().unwrap_or(&empty),
            [one] => one,
            several => {
                let message = format!("it holds {} different policies: keep one", several.len());
                return Err(vec![Problem { path: String::new(), at: None, message }]);
            }
        };
        let problems = Problems::default();
        let policy = Reader::root(holder, &problems)
            .object()
            .and_then(|mut object| object.need("policy"))
            .and_then(|policy| Policy::read(&policy));
        let policy = problems.finish(policy)?;
        Ok(Self { policy, regions: regions(holder), is_configured: true })
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The only URL and method that the policy speaks of, where nobody says which one
    /// was called; else some of those that it speaks of.
    ///
    /// # Errors
    /// Some URLs that its rules are for.
    pub fn only_request(&self) -> Result<(String, Option<String>), Vec<String>> {
        let examples = self.policy.rules().iter().filter(|rule| !rule.is_anonymous());
        let examples: Vec<_> = examples.map(|rule| rule.example()).collect();
        let url = |it: &remint_idtoken::policy::Example| format!("https://{}{}", it.host, it.path);
        match examples.as_slice() {
            [Some(only)] => Ok((url(only), only.method.clone())),
            several => Err(several.iter().flatten().take(5).map(url).collect()),
        }
    }
}

/// The documents of a YAML file, each value at its place in the file.
fn documents(text: &str) -> Result<Vec<Node>, Vec<Problem>> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        if line == "---" || line.starts_with("--- ") {
            let lines_before = parts.iter().map(|part| part.matches('\n').count()).max();
            // Blank lines keep the place.
            parts.push("\n".repeat(lines_before.unwrap_or_default().saturating_add(1)));
        } else if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let is_there = |part: &&String| !part.lines().all(is_blank);
    let parsed = parts.iter().filter(is_there).map(|part| yaml::parse(part));
    parsed.collect::<Result<Vec<_>, _>>().map_err(|problem| vec![problem])
}

/// The mappings that have a policy, also inside texts, as Envoy's `StringValue` has
/// the filter's configuration.
fn holders_in(node: &Node, depth: usize, found: &mut Vec<Node>) {
    let Some(deeper) = depth.checked_sub(1) else { return };
    match &node.kind {
        Kind::Map(_) if node.member("policy").is_some_and(is_map) => found.push(node.clone()),
        Kind::Map(members) => members.iter().for_each(|it| holders_in(&it.value, deeper, found)),
        Kind::List(items) => items.iter().for_each(|item| holders_in(item, deeper, found)),
        Kind::Text(text) if text.contains("policy") && text.contains("rules") => {
            if let Ok(inner) = yaml::parse(text)
                && !matches!(inner.kind, Kind::Text(_))
            {
                holders_in(&inner, deeper, found);
            }
        }
        _ => {}
    }
}

fn is_map(node: &Node) -> bool {
    matches!(node.kind, Kind::Map(_))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<Vec<String>, String> {
        let subject = Subject::read(text).map_err(|problems| {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })?;
        Ok(subject.policy.rules().iter().map(|rule| rule.name().to_string()).collect())
    }

    #[test]
    fn the_policy_is_found_in_every_configuration_that_is_shipped() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for file in ["envoy/remint.yaml", "envoy/envoy.yaml", "deploy/istio/wasm-plugin.yaml"] {
            let subject = Subject::load(&root.join(file)).unwrap();
            assert_eq!(&**subject.policy.rules()[0].name(), "orders-push", "{file}");
        }
    }

    #[test]
    fn it_is_found_in_a_text_and_in_one_of_several_documents() {
        let policy = r#"{"policy": {"rules": [{"name": "a", "match": {}, "anonymous": true}]}}"#;
        let a = Ok(vec!["a".to_owned()]);
        assert_eq!(rules(policy), a);
        assert_eq!(rules(&format!("kind: A\n---\nspec: {policy}\n")), a);
        assert_eq!(rules(&format!("value: |\n  {policy}\n")), a);
        assert_eq!(rules(&format!("one: {policy}\ntwo: {policy}\n")), a, "the same twice is one");
        let other = policy.replace("\"a\"", "\"b\"");
        let several = rules(&format!("one: {policy}\ntwo: {other}\n")).unwrap_err();
        assert!(several.contains("2 different policies"), "{several}");
    }

    #[test]
    fn a_mistake_is_told_at_its_place_in_the_file() {
        let wrong = rules("kind: A\n---\n# B\nspec:\n  policy:\n    rules: 7\n").unwrap_err();
        assert!(wrong.contains("6:12") || wrong.contains("line 6"), "{wrong}");
        assert!(rules("a: 1\n").unwrap_err().contains("\"policy\" is missing"));
        assert!(rules("").is_err());
    }

    #[test]
    fn what_is_known_without_a_configuration_is_one() {
        let subject = Subject::unconfigured().unwrap();
        assert!(subject.policy.rules()[0].audiences().eq([NO_AUDIENCE]));
    }
}
