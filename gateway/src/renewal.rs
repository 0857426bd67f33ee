//! Another token for a region that refused the one it was sent.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Clock;
use crate::service::{Choice, Service};

/// How long a request waits for another token. Sources that have one give it
/// within milliseconds.
const RENEWAL_WAIT: Duration = Duration::from_secs(2);

impl<'s> Choice<'s> {
    /// The same region with a token that really differs, if there is one until
    /// `deadline`.
    pub(crate) async fn renewed(
        &self,
        service: &Service,
        clock: &dyn Clock,
        deadline: Instant,
    ) -> Option<Choice<'s>> {
        let deadline = Instant::now().checked_add(RENEWAL_WAIT)?.min(deadline);
        loop {
            let mut attempts = service.news.watch();
            let is_coming = self.region.token.renew(&self.token, clock.now());
            if let Some(choice) = self.with_other_token(clock) {
                return Some(choice);
            }
            if !is_coming || !attempts.next_end(deadline).await {
                return None;
            }
        }
    }

    fn with_other_token(&self, clock: &dyn Clock) -> Option<Choice<'s>> {
        let token = self.region.token.token(clock.now())?;
        if token.is_same(&self.token) {
            return None;
        }
        let in_flight = self.region.member()?.enter();
        Some(Choice { place: self.place, region: self.region, token, in_flight })
    }
}
