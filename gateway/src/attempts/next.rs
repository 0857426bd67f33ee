//! Whether there is another attempt, and where.

use http::Request;
use tokio::time::{Instant, timeout_at};

use super::{Answered, Attempts, Failed, Next, Spare};
use crate::error::ProxyError;
use crate::retry::{Case, Cause, Charge, Verdict, decide};
use crate::service::Choice;
use crate::upstream::RequestBody;

impl<'a> Attempts<'a> {
    /// What comes after an attempt that came to nothing, or else what the
    /// caller gets.
    pub(super) async fn after(
        &mut self,
        choice: &Choice<'a>,
        failed: Failed,
    ) -> Result<Next<'a>, Answered> {
        let Failed { cause, unsent, otherwise } = failed;
        let is_for_token = matches!(cause, Cause::TokenRefused | Cause::IapTokenRefused);
        let renews = is_for_token && !self.is_renewed;
        // Nobody waits for a token that may never come who has an answer.
        let waits = otherwise.is_err();
        let Some(charge) = self.charge(cause, renews || self.has_place(waits)) else {
            return Err(otherwise);
        };
        let next = self.place(choice, renews, waits).await.and_then(|choice| {
            let request = unsent.map_or_else(|| self.again(), |unsent| Some(*unsent))?;
            Some(Next { request, choice })
        });
        next.ok_or_else(|| {
            self.service().budget.give_back(charge);
            let is_late = waits && Instant::now() >= self.deadline;
            if is_late { Err(ProxyError::TimedOut) } else { otherwise }
        })
    }

    /// Where a request goes whose region has had the time of one attempt. That
    /// attempt has ended then, so it is all there; if there is nothing, the
    /// attempt goes on.
    pub(super) fn elsewhere(&self) -> Option<Next<'a>> {
        let charge = self.charge(Cause::TimedOut, self.has_place(false))?;
        let choice = self.service().choose_now(self.tried, self.proxy.clock.now());
        let next = choice.and_then(|choice| Some(Next { request: self.again()?, choice }));
        if next.is_none() {
            self.service().budget.give_back(charge);
        }
        next
    }

    /// Where to: where the token was refused, first to the same region with
    /// another one.
    async fn place(
        &mut self,
        choice: &Choice<'a>,
        renews: bool,
        waits: bool,
    ) -> Option<Choice<'a>> {
        let (service, clock) = (self.service(), &*self.proxy.clock);
        if renews {
            self.is_renewed = true;
            if let Some(choice) = choice.renewed(service, clock, self.deadline).await {
                return Some(choice);
            }
        }
        if !waits {
            return service.choose_now(self.tried, clock.now());
        }
        timeout_at(self.deadline, service.choose(self.tried, clock)).await.ok()?
    }

    fn has_place(&self, waits: bool) -> bool {
        let now = self.proxy.clock.now();
        let service = self.service();
        service.has_choice(self.tried, now) || (waits && service.lacks_tokens(self.tried, now))
    }

    /// Whether the request may be sent again for that; then it counts as sent.
    fn charge(&self, cause: Cause, has_place: bool) -> Option<Charge> {
        let case = Case {
            cause,
            is_harmless: self.is_harmless,
            is_held: self.spare.as_ref().is_some_and(|spare| spare.body.is_whole()),
            made: self.made,
            attempts: self.route.limits.attempts,
            has_place,
        };
        let retries = &self.service().retries;
        match decide(case, &self.service().budget, std::time::Instant::now()) {
            Verdict::Again(charge) => return Some(charge),
            Verdict::Over => {}
            Verdict::NotHeld => drop(retries.not_held.inc()),
            Verdict::OverBudget => drop(retries.over_budget.inc()),
        }
        None
    }

    fn again(&self) -> Option<Request<RequestBody>> {
        let Spare { head, body } = self.spare.as_ref()?;
        Some(Request::from_parts(head.clone(), body.again()?))
    }
}
