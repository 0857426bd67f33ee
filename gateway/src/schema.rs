//! The JSON Schemas of the configurations, each in one piece.

use serde_json::{Map, Value};

/// How the schemas of the others refer to the policy's.
const POLICY_FILE: &str = "policy.json";
/// Where the policy's schema is put in them.
const POLICY_PLACE: &str = "#/$defs/policy";

/// A document that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Document {
    /// The gateway's configuration.
    Gateway,
    /// A policy alone.
    Policy,
    /// The filter's configuration.
    Plugin,
}

impl Document {
    fn own_text(self) -> &'static str {
        match self {
            Self::Gateway => include_str!("../../schema/gateway.json"),
            Self::Policy => include_str!("../../schema/policy.json"),
            Self::Plugin => include_str!("../../schema/plugin.json"),
        }
    }

    /// Its schema, which refers to nothing outside: editors take one file.
    ///
    /// # Errors
    /// If the schema is no JSON.
    pub fn schema(self) -> Result<Value, serde_json::Error> {
        let mut schema: Map<String, Value> = serde_json::from_str(self.own_text())?;
        if self == Self::Policy {
            return Ok(schema.into());
        }
        let mut policy: Map<String, Value> = serde_json::from_str(Self::Policy.own_text())?;
        policy.remove("$schema");
        let mut policy = policy.into();
        rewrite(&mut policy, &|to| to.strip_prefix('#').map(in_policy));
        schema.values_mut().for_each(|part| {
            rewrite(part, &|to| {
                let rest = to.strip_prefix(POLICY_FILE)?;
                Some(in_policy(rest.trim_start_matches('#')))
            });
        });
        let definitions = schema.entry("$defs").or_insert_with(|| Map::new().into());
        if let Value::Object(definitions) = definitions {
            definitions.insert("policy".to_owned(), policy);
        }
        Ok(schema.into())
    }
}

/// The place of what the policy's schema has at `pointer`.
fn in_policy(pointer: &str) -> String {
    format!("{POLICY_PLACE}{pointer}")
}

/// Changes where references lead to.
fn rewrite(part: &mut Value, new: &impl Fn(&str) -> Option<String>) {
    match part {
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, new)),
        Value::Object(members) => {
            for (name, member) in members {
                let target = member.as_str().filter(|_| name == "$ref").and_then(new);
                match target {
                    Some(target) => *member = target.into(),
                    None => rewrite(member, new),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All references of a schema.
    fn references(part: &Value, found: &mut Vec<String>) {
        match part {
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Object(members) => members.iter().for_each(|(name, member)| {
                match member.as_str().filter(|_| name == "$ref") {
                    Some(target) => found.push(target.to_owned()),
                    None => references(member, found),
                }
            }),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_to_something_in_the_same_schema() {
        for document in [Document::Gateway, Document::Policy, Document::Plugin] {
            let schema = document.schema().unwrap();
            let mut found = Vec::new();
            references(&schema, &mut found);
            assert!(found.len() > 4, "{document:?}");
            for target in found {
                let place = target.strip_prefix('#').unwrap();
                assert!(schema.pointer(place).is_some(), "{document:?}: {target}");
            }
        }
    }

    #[test]
    fn the_policy_takes_the_place_of_no_other_definition() {
        for document in [Document::Gateway, Document::Plugin] {
            let own: Value = serde_json::from_str(document.own_text()).unwrap();
            assert!(own["$defs"].get("policy").is_none(), "{document:?}");
        }
    }
}
