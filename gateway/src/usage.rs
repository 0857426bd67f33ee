//! Mistakes in what a command was called with, which its help explains.

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;

/// Flags that are missing or don't go together.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl Error for Usage {}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\nFor more, try 'remint serve --help'.", self.0)
    }
}

/// What is said of a token among a command's arguments, where every user of the
/// machine can see it, and errors about arguments would show it.
pub(crate) const TOKEN_AS_ARGUMENT: &str = "a token stands among the arguments, where others can \
    see it: give it by - from standard input, or as a file";

/// Whether an argument is or holds a token, by how those of Google's begin.
pub(crate) fn has_token(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    let secrets = ["eyJ", "ya29."];
    secrets.iter().any(|start| text.split([' ', '=', ':']).any(|part| part.starts_with(start)))
}
