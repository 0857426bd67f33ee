//! An answer on its way to its caller: whom it keeps busy, and who is to blame
//! if it breaks off.

use std::sync::Arc;

use http::HeaderValue;
use tokio::time::Instant;

use crate::balance::InFlight;
use crate::service::Service;
use crate::upstream::{RegionBodyError, Upload};

/// An answer that has begun and not ended. Its region is busy with it.
pub(crate) struct Ongoing {
    pub(crate) service: Arc<Service>,
    /// The place of its region.
    pub(crate) place: usize,
    pub(crate) request_id: HeaderValue,
    /// The request's body, which may still be on its way.
    pub(crate) upload: Upload,
    /// When its attempt began.
    pub(crate) began: Instant,
    pub(crate) _in_flight: InFlight,
}

impl Ongoing {
    /// No more of it will come. Who breaks his request off, breaks off what
    /// was being answered to it too.
    pub(crate) fn broke_off(self, error: &RegionBodyError) {
        let region = self.service.regions.get(self.place);
        if let Some(region) = region.filter(|_| !self.upload.is_broken_off()) {
            region.broke_off(&self.service.name, &self.request_id, error, self.began);
        }
    }
}
