//! Decides about requests: the policy's decision, and when to wait for keys.

use remint_idtoken::{
    Admission, Authority, CacheBounds, Policy, Reason, Refusal, SignatureScheme, UnixTime,
};

use crate::cache::{Cache, Looks};
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
        token_cache: CacheBounds,
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
        match self.policy.admit(&self.authority, &self.cache, head.target(), head, now) {
            Ok(admission) => {
                // A rule that only reports holds nobody up, but it should not
                // report a key as unknown for longer than one that enforces.
                if let Some(refusal) = admission.reported() {
                    self.look_for_key(refusal, now);
                }
                Decision::Admit(Box::new(admission))
            }
            Err(refusal) => self.wait_or_refuse(refusal, now),
        }
    }

    /// How often tokens were looked for among the remembered ones since the
    /// last call of this.
    pub(crate) fn take_looks(&self) -> Looks {
        self.cache.take_looks()
    }

    fn state_of(&mut self, refusal: &Refusal) -> Option<&mut KeyState> {
        let issuer = refusal.issuer_name()?;
        self.keys.iter_mut().find(|state| state.source.issuer == issuer)
    }

    fn look_for_key(&mut self, refusal: &Refusal, now: UnixTime) {
        let state = self.state_of(refusal).filter(|_| refusal.reason == Reason::KeyUnknown);
        if let Some(state) = state {
            state.unknown_key(now);
        }
    }

    fn wait_or_refuse(&mut self, refusal: Refusal, now: UnixTime) -> Decision {
        let state = self.state_of(&refusal);
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
