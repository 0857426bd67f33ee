//! Reading configuration so that every mistake in it is reported at once.
//!
//! A document is first read as a tree of [`Node`]s, from JSON or YAML; then
//! [`Reader`]s walk the tree, take what they know, and write down each
//! [`Problem`] with its path. Names that nobody asked for are problems too.

mod file_error;
mod node;
mod reader;
#[cfg(feature = "yaml")]
mod written;
#[cfg(feature = "yaml")]
pub mod yaml;

pub use file_error::FileError;
pub(crate) use node::whole;
pub use node::{Kind, Member, Node, Position};
pub use reader::{Object, Problem, Problems, Reader};
#[cfg(feature = "yaml")]
pub use written::{FlagMistakes, Source, Written, list, member, quoted};
