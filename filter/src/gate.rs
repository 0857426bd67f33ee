//! Decides about requests: the policy's decision, and when to wait for keys.

use remint_idtoken::{Admission, Authority, Policy, Reason, Refusal, SignatureScheme, UnixTime};

use crate::cache::{Bounds, Cache};
use crate::config::KeySource;
use crate::head::RequestHead;
use crate::keys::KeyState;

/// The policy and the keys of one worker.
pub(crate) struct Gate<S: SignatureScheme> {
    pub(crate) policy: Policy,
    pub(crate) authority: Authority<S>,
    pub(crate) keys: Vec<KeyState>,
    cache: Cache,
    /// The keys that the remembered tokens were checked with.
    cached_with: u64,
}

/// What becomes of a request.
pub(crate) enum Decision {
    /// It may pass.
    Admit(Box<Admission>),
    /// It may not.
    Refuse(Refusal),
    /// Keys that are being fetched may change the answer. If they do not come
    /// in time, this is the refusal.
    Wait(Refusal),
}

impl<S: SignatureScheme> Gate<S> {
    pub(crate) fn new(
        policy: Policy,
        sources: Vec<KeySource>,
        token_cache: Bounds,
        scheme: S,
    ) -> Self {
        Self {
            authority: Authority::new(&policy, scheme),
            keys: sources.into_iter().map(|it| KeyState::new(it, policy.key_times())).collect(),
            policy,
            cache: Cache::new(token_cache),
            cached_with: 0,
        }
    }

    /// Decides about a request.
    pub(crate) fn decide(&mut self, head: &RequestHead, now: UnixTime) -> Decision {
        if self.cached_with != self.authority.generation() {
            self.cached_with = self.authority.generation();
            self.cache.clear();
        }
        let refusal =
            match self.policy.admit(&self.authority, &self.cache, head.target(), head, now) {
                Ok(admission) => return Decision::Admit(Box::new(admission)),
                Err(refusal) => refusal,
            };
        let issuer = refusal.issuer_name().unwrap_or_default();
        let state = self.keys.iter_mut().find(|state| state.source.issuer == issuer);
        match (refusal.reason, state) {
            (Reason::KeysUnavailable, Some(_)) => Decision::Wait(refusal),
            // While the key server is down, nobody can say that there is no
            // such key.
            (Reason::KeyUnknown, Some(state)) if state.last_failed() => {
                Decision::Wait(refusal.for_lack_of_keys())
            }
            (Reason::KeyUnknown, Some(state)) => match state.unknown_key(now) {
                true => Decision::Wait(refusal),
                false => Decision::Refuse(refusal),
            },
            _ => Decision::Refuse(refusal),
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
