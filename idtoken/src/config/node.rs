//! A configuration document as a tree.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// A value of the document and, where its format tells, its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub kind: Kind,
    /// Where it begins.
    pub at: Option<Position>,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the document, with duplicates if there are.
    Map(Vec<Member>),
}

/// A member of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where its name begins.
    pub at: Option<Position>,
    /// Its value.
    pub value: Node,
}

impl From<(String, Node)> for Member {
    fn from((name, value): (String, Node)) -> Self {
        Self { name, at: None, value }
    }
}

impl Kind {
    /// What it is, for messages.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// The member of that name, if this is a mapping that has it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Kind::Map(members) = &self.kind else { return None };
        members.iter().find(|member| member.name == name).map(|member| &member.value)
    }

    /// The document as JSON, without its places.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number(number) => whole(*number)
                .or_else(|| Number::from_f64(*number))
                .map_or(Value::Null, Value::Number),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(members) => {
                let member = |it: &Member| (it.name.clone(), it.value.to_json());
                members.iter().map(member).collect()
            }
        }
    }
}

/// Whole numbers that a double holds exactly, in the type that JSON gives them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before"
)]
pub(crate) fn whole(number: f64) -> Option<Number> {
    let exact = (-9_007_199_254_740_991.0..=9_007_199_254_740_991.0).contains(&number);
    match number {
        _ if !exact || number.fract() != 0.0 => None,
        number if number < 0.0 => Some((number as i64).into()),
        number => Some((number as u64).into()),
    }
}

impl From<Kind> for Node {
    fn from(kind: Kind) -> Self {
        Self { kind, at: None }
    }
}

impl<'de> Deserialize<'de> for Node {
    /// Reads a document without places, such as JSON.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a configuration value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Kind::Null.into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Kind::Bool(value).into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Kind::Number(value).into())
    }

    #[expect(clippy::cast_precision_loss, reason = "no setting needs more than 2^53")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        self.visit_f64(value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "no setting needs more than 2^53")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        self.visit_f64(value as f64)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Kind::Text(value.to_owned()).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list).into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry::<String, Node>()? {
            map.push(Member::from(member));
        }
        Ok(Kind::Map(map).into())
    }
}
