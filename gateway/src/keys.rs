//! The issuers' keys: fetched ahead of need, waited for where they must be.

mod document;
mod source;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderMap;
use remint_idtoken::policy::{Issuer, Walk};
use remint_idtoken::{
    Admission, Authority, AwsLc, Policy, Reason, Refusal, Target, TargetError, UnixTime,
};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::doorbell::News;
use crate::token_store::TokenStore;

pub(crate) use document::{KeysError, fetch_once, key_origin};
pub(crate) use source::{KeySource, KeyStatus};

/// How long a request waits for keys.
const KEY_WAIT: Duration = Duration::from_secs(5);

/// The issuers with their keys, as far as they have any.
pub(crate) struct Keyring {
    /// The sources change it when keys come or go.
    authority: Arc<ArcSwap<Authority<AwsLc>>>,
    issuers: Vec<IssuerKeys>,
    clock: Arc<dyn Clock>,
    /// The tokens that these keys were found to have signed.
    tokens: TokenStore,
}

/// An issuer whose keys are fetched, and where from.
pub(crate) struct IssuerKeys {
    pub(crate) issuer: Issuer,
    pub(crate) source: Arc<KeySource>,
}

impl Keyring {
    /// The issuers of a policy; keys that stand in it are there from the start.
    pub(crate) fn new(
        policy: &Policy,
        issuers: Vec<IssuerKeys>,
        clock: Arc<dyn Clock>,
        tokens: TokenStore,
    ) -> Self {
        let authority = Arc::new(ArcSwap::from_pointee(Authority::new(policy, AwsLc)));
        for it in &issuers {
            it.source.keep_to(policy.key_times());
            it.source.supply(it.issuer.name(), &authority);
        }
        Self { authority, issuers, clock, tokens }
    }

    /// The issuers that have no keys, by name.
    pub(crate) fn without_keys(&self) -> Vec<&str> {
        let now = self.clock.now();
        let lacking = self.issuers.iter().filter(|it| !it.source.is_usable(now));
        lacking.map(|it| it.issuer.name()).collect()
    }

    /// What can be told of each issuer's keys.
    pub(crate) fn status(&self) -> impl Iterator<Item = (&str, KeyStatus)> {
        self.issuers.iter().map(|it| (it.issuer.name(), it.source.status()))
    }

    /// Decides about a request by the policy. Keys that may be on their way
    /// are waited for.
    pub(crate) async fn admit(
        &self,
        policy: &Policy,
        target: Result<Target<'_>, TargetError>,
        headers: &HeaderMap,
    ) -> Result<Admission, Refusal> {
        let decide = || {
            let now = self.clock.now();
            self.issuers.iter().for_each(|it| it.source.expire(now));
            let authority = self.authority.load();
            policy.admit(&authority, &self.tokens, target.clone(), headers, now)
        };
        let mut decision = decide();
        let deadline = Instant::now().checked_add(KEY_WAIT);
        while let Err(refusal) = &decision {
            let news = self.hurry(refusal);
            let (Some(news), Some(deadline)) = (news, deadline) else {
                // What was on its way may have come since the look.
                if refusal.reason.is_for_lack_of_keys() {
                    decision = decide();
                }
                break;
            };
            let mut attempts = news.watch();
            // The keys may have come since the first look.
            decision = decide();
            if decision.as_ref().is_err_and(|it| it.reason.is_for_lack_of_keys()) {
                if !attempts.next_end(deadline).await {
                    break;
                }
                decision = decide();
            }
        }
        decision.map_err(|refusal| self.judged(refusal))
    }

    /// Every check of a request, with the keys that are there now: nothing is
    /// fetched for it, and no token is remembered.
    pub(crate) fn walk(
        &self,
        policy: &Policy,
        target: Result<Target<'_>, TargetError>,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Walk {
        self.issuers.iter().for_each(|it| it.source.expire(now));
        let walk = policy.walk(&**self.authority.load(), target, headers, now);
        Walk { decision: walk.decision.map_err(|refusal| self.judged(refusal)), ..walk }
    }

    /// A key that is not in an old set may be in the one that could not be
    /// fetched: that is no fault of the sender, who may try again.
    fn judged(&self, refusal: Refusal) -> Refusal {
        let is_unknown = refusal.reason == Reason::KeyUnknown;
        let issuer = self.issuer(&refusal).filter(|_| is_unknown);
        match issuer.is_some_and(|it| it.source.last_failed()) {
            true => refusal.for_lack_of_keys(),
            false => refusal,
        }
    }

    fn issuer(&self, refusal: &Refusal) -> Option<&IssuerKeys> {
        let name = refusal.issuer_name()?;
        self.issuers.iter().find(|it| it.issuer.name() == name)
    }

    /// Has new keys fetched if they could change the decision. None if they
    /// can't, or can't be had soon.
    fn hurry(&self, refusal: &Refusal) -> Option<&News> {
        if !refusal.reason.is_for_lack_of_keys() {
            return None;
        }
        let is_unknown_key = refusal.reason == Reason::KeyUnknown;
        self.issuer(refusal)?.source.hurry(is_unknown_key, KEY_WAIT)
    }
}
