//! Why a request is let through or refused, check by check.

mod captured;
mod keys;
mod rendering;
mod subject;

pub use captured::{CaptureError, Captured};
pub use keys::{KeyFolder, fetch_keys};
pub use rendering::Explanation;
pub(crate) use subject::Region;
pub use subject::Subject;
