//! Why a request is let through or refused, check by check.

mod captured;
mod commands;
mod curl;
mod difference;
mod explanation;
mod har;
mod json;
mod keys;
mod kinds;
mod meanings;
mod notes;
mod pasted;
mod spans;
mod subject;
mod suggestion;
#[cfg(test)]
mod tests;
mod text;

pub use captured::{CaptureError, Captured};
pub use explanation::{Explanation, Fate};
pub use keys::{KeyFolder, Keys, fetch_keys};
pub use pasted::Pasted;
pub(crate) use subject::Region;
pub use subject::Subject;
