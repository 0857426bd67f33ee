//! How busy a region is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Requests under way in one region.
#[derive(Debug, Default)]
pub(super) struct Load(Arc<AtomicU32>);

impl Load {
    pub(super) fn enter(&self) -> InFlight {
        self.0.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(&self.0))
    }

    pub(super) fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One request under way: until its answer has ended, a region is busy with
/// it.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<AtomicU32>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
