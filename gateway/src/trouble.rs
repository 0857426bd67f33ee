//! What goes wrong with a region, for the log: as often as that may have it.
//! In an outage each attempt goes wrong; the metrics count all of them.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use http::HeaderValue;
use remint_idtoken::LineBudget;
use tokio::time::Instant;
use tracing::warn;

use crate::error::chain;
use crate::request::shown;

/// What went wrong with one attempt.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trouble<'t> {
    /// In words.
    pub(crate) what: &'static str,
    pub(crate) error: Option<&'t dyn Error>,
    /// What the front end answered.
    pub(crate) status: Option<u16>,
    /// Whether the region had the time that it may take.
    pub(crate) had_time: Option<bool>,
}

/// The lines about one region's troubles.
pub(crate) struct Troubles {
    since: Instant,
    budget: Mutex<LineBudget>,
}

impl Default for Troubles {
    fn default() -> Self {
        Self { since: Instant::now(), budget: Mutex::default() }
    }
}

impl Troubles {
    /// Writes a line about an attempt, or counts that there is none.
    pub(crate) fn tell(
        &self,
        service: &str,
        region: &str,
        request_id: &HeaderValue,
        trouble: Trouble<'_>,
    ) {
        let Some(left_out) = self.take() else { return };
        let Trouble { what, error, status, had_time } = trouble;
        warn!(
            service,
            region,
            request_id = shown(request_id),
            status,
            had_time,
            error = error.map(chain),
            left_out = (left_out > 0).then_some(left_out),
            "{what}"
        );
    }

    /// How many lines were left out before this one, if there is to be one.
    fn take(&self) -> Option<u64> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(self.since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_has_its_lines_and_no_more() {
        let troubles = Troubles::default();
        let taken = (0..1000).filter(|_| troubles.take().is_some()).count();
        assert!((1..1000).contains(&taken));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(troubles.take(), Some(1000 - taken as u64));
    }
}
