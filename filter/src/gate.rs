//! Decides about requests: the policy's decision, and when to wait for keys.

use remint_idtoken::{
    Authority, Policy, Reason, Refusal, SignatureScheme, UnixTime, VerifiedToken,
};

use crate::config::KeySource;
use crate::head::RequestHead;
use crate::keys::KeyState;

/// The policy and the keys of one worker.
pub(crate) struct Gate<S: SignatureScheme> {
    pub(crate) policy: Policy,
    pub(crate) authority: Authority<S>,
    pub(crate) keys: Vec<KeyState>,
}

/// What becomes of a request.
pub(crate) enum Decision {
    /// It may pass.
    Admit(Box<VerifiedToken>),
    /// It may not.
    Refuse(Refusal),
    /// Keys that are being fetched may change the answer. If they do not come
    /// in time, this is the refusal.
    Wait(Refusal),
}

impl<S: SignatureScheme> Gate<S> {
    pub(crate) fn new(policy: Policy, sources: Vec<KeySource>, scheme: S) -> Self {
        Self {
            authority: Authority::new(&policy, scheme),
            policy,
            keys: sources.into_iter().map(KeyState::new).collect(),
        }
    }

    /// Decides about a request.
    pub(crate) fn decide(&mut self, head: &RequestHead, now: UnixTime) -> Decision {
        let refusal = match self.policy.admit(&self.authority, head.target(), head, now) {
            Ok(token) => return Decision::Admit(Box::new(token)),
            Err(refusal) => refusal,
        };
        if self.may_change(&refusal, now) {
            Decision::Wait(refusal)
        } else {
            Decision::Refuse(refusal)
        }
    }

    /// Whether keys that are on their way may change the answer.
    fn may_change(&mut self, refusal: &Refusal, now: UnixTime) -> bool {
        let issuer = refusal.issuer_name().unwrap_or_default();
        let Some(state) = self.keys.iter_mut().find(|state| state.source.issuer == issuer) else {
            return false;
        };
        match refusal.reason {
            Reason::KeysUnavailable => true,
            Reason::KeyUnknown => state.schedule.unknown_key(now),
            _ => false,
        }
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
