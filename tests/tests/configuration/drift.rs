//! Every name that a reader knows is in its schema, and the other way round.
//!
//! Readers answer an unknown name with those that they know, so they can be
//! asked, at each mapping of a document that has every member.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::documents::{Kind, places, unescaped};

/// The names that the reader knows at a place, if it does not know any name.
fn names_of_reader(kind: Kind, place: &str) -> Option<BTreeSet<String>> {
    let mut document = kind.everything();
    document.pointer_mut(place).unwrap()["?"] = json!({});
    kind.mistakes(&document).iter().find_map(|mistake| {
        let (_, message) = mistake.split_once("?: ")?;
        let names = message
            .strip_prefix("is not a setting; known here: ")
            .or_else(|| message.strip_prefix("\"?\" is not one of: "))?;
        Some(names.split(", ").map(str::to_owned).collect())
    })
}

/// All alternatives of a schema that describe mappings, with references
/// followed.
fn alternatives(schema: &Value) -> Vec<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        let (file, place) = reference.split_once('#').unwrap_or((reference, ""));
        let file = Kind::ALL.into_iter().find(|kind| format!("{}.json", kind.name()) == file);
        return alternatives(file.unwrap().absolute().pointer(place).unwrap());
    }
    if schema["properties"].is_object() || schema["additionalProperties"].is_object() {
        return vec![schema.clone()];
    }
    let several = ["oneOf", "anyOf"].into_iter().filter_map(|it| schema[it].as_array());
    several.flatten().flat_map(alternatives).collect()
}

impl Kind {
    /// The schema with references that name their file.
    fn absolute(self) -> Value {
        let mut schema = self.schema();
        name_files(&mut schema, self.name());
        schema
    }

    /// What the schema says of the mapping at a place.
    fn mapping_at(self, place: &str) -> Vec<Value> {
        let root = self.absolute();
        place.split('/').skip(1).fold(alternatives(&root), |schemas, part| {
            let part = unescaped(part);
            schemas.iter().flat_map(|schema| below(schema, &part)).collect()
        })
    }
}

fn name_files(schema: &mut Value, file: &str) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|it| name_files(it, file)),
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(local) if name == "$ref" && local.starts_with('#') => {
                        *value = format!("{file}.json{local}").into();
                    }
                    _ => name_files(value, file),
                }
            }
        }
        _ => {}
    }
}

/// What a schema of a mapping says of a member; items of lists are no step.
fn below(schema: &Value, part: &str) -> Vec<Value> {
    if part.parse::<usize>().is_ok() {
        return vec![schema.clone()];
    }
    let named = schema["properties"].get(part).or_else(|| schema.get("additionalProperties"));
    let Some(member) = named else { return Vec::new() };
    let item = |schema: &Value| match schema.get("items") {
        Some(items) => alternatives(items),
        None => alternatives(schema),
    };
    match member["$ref"].as_str() {
        Some(_) if alternatives(member).is_empty() => Vec::new(),
        _ => item(member),
    }
}

fn names_of_schema(schemas: &[Value]) -> BTreeSet<String> {
    let members = schemas.iter().filter_map(|schema| schema["properties"].as_object());
    members.flat_map(|members| members.keys().cloned()).collect()
}

fn is_closed(schema: &Value) -> bool {
    schema["additionalProperties"] == false
}

/// The mappings of a document at which its reader has a fixed set of names.
/// The policy inside of the others is the same.
fn closed_places(kind: Kind) -> Vec<(String, BTreeSet<String>)> {
    let document = kind.everything();
    let own = places(&document).into_iter().filter(|place| !place.starts_with("/policy/"));
    let mappings = own.filter(|place| document.pointer(place).unwrap().is_object());
    mappings.filter_map(|place| Some((place.clone(), names_of_reader(kind, &place)?))).collect()
}

#[test]
fn schemas_and_readers_know_the_same_names_everywhere() {
    for kind in Kind::ALL {
        let mut seen = BTreeSet::new();
        let mut together = std::collections::BTreeMap::<String, (BTreeSet<_>, BTreeSet<_>)>::new();
        for (place, of_reader) in closed_places(kind) {
            let schemas = kind.mapping_at(&place);
            assert!(schemas.iter().all(is_closed), "{kind:?} {place}: {schemas:?}");
            // Readers of a preset know other names than those of other issuers.
            let key = json!(schemas).to_string();
            let names = together.entry(key).or_default();
            names.0.extend(of_reader);
            names.1.extend(names_of_schema(&schemas));
            seen.extend(schemas.iter().map(ToString::to_string));
        }
        for (schema, (of_reader, of_schema)) in together {
            assert_eq!(of_reader, of_schema, "{kind:?}: {schema}");
        }
        let all = closed_in(&kind.absolute());
        let unseen: Vec<_> = all.difference(&seen).collect();
        assert!(unseen.is_empty(), "{kind:?}.yaml has no {unseen:?}");
    }
}

/// Every mapping that a schema describes as closed.
fn closed_in(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for place in places(schema) {
        let part = schema.pointer(&place).unwrap();
        if is_closed(part) {
            found.insert(part.to_string());
        }
    }
    found
}

#[test]
fn every_member_of_a_schema_has_a_title_and_a_description() {
    for kind in Kind::ALL {
        let schema = kind.schema();
        let parts = places(&schema).into_iter().map(|place| schema.pointer(&place).unwrap());
        for mapping in parts.filter(|part| is_closed(part)) {
            for (name, member) in mapping["properties"].as_object().unwrap() {
                for what in ["title", "description"] {
                    assert!(says(kind, member, what), "{kind:?}: {name} has no {what}");
                }
            }
        }
    }
}

/// Whether a member says so itself, or what it refers to does.
fn says(kind: Kind, member: &Value, what: &str) -> bool {
    if member[what].is_string() {
        return true;
    }
    let Some(reference) = member["$ref"].as_str() else { return false };
    let (file, place) = reference.split_once('#').unwrap_or((reference, ""));
    let file = Kind::ALL.into_iter().find(|it| format!("{}.json", it.name()) == file);
    file.unwrap_or(kind).schema().pointer(place).unwrap()[what].is_string()
}
