//! YAML as the core's configuration tree, each value with its place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use super::{Kind, Member, Node, Position, Problem, Problems, Reader, file_error};

/// Reads a document by what `read` takes from its root.
///
/// # Errors
/// All mistakes in it, from its top to its end.
pub fn read<T>(text: &str, read: impl FnOnce(&Reader<'_>) -> Option<T>) -> Result<T, Vec<Problem>> {
    let node = parse(text).map_err(|problem| vec![problem])?;
    let problems = Problems::default();
    let value = read(&Reader::root(&node, &problems));
    problems.finish(value).map_err(|mut found| {
        file_error::sort(&mut found);
        found
    })
}

/// Reads a document as a tree.
///
/// # Errors
/// The place at which the text stops being YAML.
pub fn parse(text: &str) -> Result<Node, Problem> {
    // Names that occur twice are kept: the readers of the tree report all of
    // them, the library only the first.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map(|Placed(node)| node).map_err(|error| {
        Problem {
            path: String::new(),
            at: error.location().and_then(position),
            message: format!("not YAML: {error}"),
        }
    })
}

fn position(location: Location) -> Option<Position> {
    let (line, column) = (location.line(), location.column());
    (line > 0).then_some(Position { line, column })
}

/// A value and its place. The library gives places to [`Spanned`] alone, so
/// the tree is made of layers, one of them in every two.
struct Placed(Node);

impl<'de> Deserialize<'de> for Placed {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(from)?;
        let Value(kind) = spanned.value;
        let at = position(spanned.referenced);
        Ok(Self(Node { kind, at }))
    }
}

struct Value(Kind);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration value")
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Kind, D::Error> {
        from.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Kind, E> {
        Ok(Kind::Number(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "no setting needs more than 2^53")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Kind, E> {
        self.visit_f64(value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "no setting needs more than 2^53")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Kind, E> {
        self.visit_f64(value as f64)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(Placed(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kind, A::Error> {
        let mut map = Vec::new();
        while let Some((key, Placed(value))) = members.next_entry::<Spanned<String>, _>()? {
            let at = position(key.referenced);
            map.push(Member { name: key.value, at, value });
        }
        Ok(Kind::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(node: &Node) -> (u64, u64) {
        let at = node.at.unwrap();
        (at.line, at.column)
    }

    #[test]
    fn every_value_knows_its_place() {
        let tree = parse("a: 1\nb:\n  - x\n  - {c: true, d: }\n").unwrap();
        assert_eq!(place(tree.member("a").unwrap()), (1, 4));
        let Kind::List(items) = &tree.member("b").unwrap().kind else {
            panic!("no list");
        };
        assert_eq!(place(&items[0]), (3, 5));
        assert_eq!(place(items[1].member("c").unwrap()), (4, 9));
        assert_eq!(items[1].member("c").unwrap().kind, Kind::Bool(true));
        assert_eq!(items[1].member("d").unwrap().kind, Kind::Null);
        assert_eq!(tree.member("a").unwrap().kind, Kind::Number(1.0));
    }

    #[test]
    fn names_that_occur_twice_are_kept_for_the_reader_to_report() {
        let tree = parse("a: 1\na: 2\n").unwrap();
        assert!(matches!(tree.kind, Kind::Map(members) if members.len() == 2));
    }

    #[test]
    fn text_that_is_not_yaml_is_a_problem_with_a_place() {
        let problem = parse("a: [1,\nb: {").unwrap_err();
        assert!(problem.at.is_some(), "{problem}");
        assert!(problem.message.starts_with("not YAML"), "{problem}");
    }

    #[test]
    fn an_empty_document_holds_nothing() {
        assert_eq!(parse("").unwrap().kind, Kind::Null);
    }
}
