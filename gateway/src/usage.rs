//! Mistakes in what a command was called with, which its help explains.

use std::error::Error;
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
