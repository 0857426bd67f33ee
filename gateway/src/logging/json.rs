//! A JSON object that is written as it comes, without being built before.

use std::fmt::{self, Display, Write};
use std::io;

use serde::Serializer;

/// An object on its way into a text. What can't be written is told at its end.
pub(super) struct Object<'w, W: Write> {
    writer: &'w mut W,
    has_members: bool,
    result: fmt::Result,
}

impl<'w, W: Write> Object<'w, W> {
    pub(super) fn new(writer: &'w mut W) -> Self {
        let result = writer.write_char('{');
        Self { writer, has_members: false, result }
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.member(name, |writer| escaped(writer, |json| json.serialize_str(value)));
    }

    /// A text that is what this shows.
    pub(super) fn display(&mut self, name: &str, value: impl Display) {
        self.member(name, |writer| escaped(writer, |json| json.collect_str(&value)));
    }

    /// What shows itself as JSON.
    pub(super) fn json(&mut self, name: &str, value: impl Display) {
        self.member(name, |writer| write!(writer, "{value}"));
    }

    /// An object within this one.
    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_, W>)) {
        self.member(name, |writer| {
            let mut object = Object::new(writer);
            fill(&mut object);
            object.end()
        });
    }

    /// Nothing more follows.
    pub(super) fn end(self) -> fmt::Result {
        self.result?;
        self.writer.write_char('}')
    }

    fn member(&mut self, name: &str, write: impl FnOnce(&mut W) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.begun(name).and_then(|()| write(self.writer));
        }
    }

    fn begun(&mut self, name: &str) -> fmt::Result {
        if std::mem::replace(&mut self.has_members, true) {
            self.writer.write_char(',')?;
        }
        escaped(self.writer, |json| json.serialize_str(name))?;
        self.writer.write_char(':')
    }
}

type Json<'j, W> = serde_json::Serializer<Utf8<'j, W>>;

fn escaped<W: Write>(
    writer: &mut W,
    write: impl FnOnce(&mut Json<'_, W>) -> serde_json::Result<()>,
) -> fmt::Result {
    write(&mut serde_json::Serializer::new(Utf8(writer))).map_err(|_| fmt::Error)
}

/// Takes bytes that are pieces of text, as serde_json writes them.
struct Utf8<'w, W>(&'w mut W);

impl<W: Write> io::Write for Utf8<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn written(fill: impl FnOnce(&mut Object<'_, String>)) -> String {
        let mut text = String::new();
        let mut object = Object::new(&mut text);
        fill(&mut object);
        object.end().unwrap();
        text
    }

    #[test]
    fn members_come_in_their_order_and_nothing_is_an_object_too() {
        let text = written(|object| {
            object.text("a", "b\n\u{1b}\"");
            object.object("c", |inner| inner.json("d", 1));
            object.object("e", |_| {});
            object.display("f", format_args!("{:>3}", "x"));
        });
        assert_eq!(text, r#"{"a":"b\n\u001b\"","c":{"d":1},"e":{},"f":"  x"}"#);
        assert_eq!(written(|_| {}), "{}");
    }

    proptest! {
        #[test]
        fn every_text_comes_back_from_one_line(name in ".*", value in ".*") {
            let text = written(|object| {
                object.text(&name, &value);
                object.object("in", |inner| inner.display("a", &value));
            });
            prop_assert!(!text.contains(|it: char| it < ' '));
            let read: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read["in"], &json!({"a": value.clone()}));
            if name != "in" {
                prop_assert_eq!(read[name.as_str()].as_str(), Some(value.as_str()));
            }
        }
    }
}
