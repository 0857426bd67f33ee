//! The time, from outside: whatever expires is tested without waiting.

use crate::time::UnixTime;

/// Tells the time of day. Tokens and keys expire by it, not by a monotonic
/// clock: that one stands still while Cloud Run has a process frozen.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixTime;
}

/// The clock of the machine. A wasm module has none: it asks its host.
#[cfg(feature = "native")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(feature = "native")]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // A clock before 1970 reads as 1970: no token is valid then.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        UnixTime(since.map_or(0, |since| since.as_secs()))
    }
}
