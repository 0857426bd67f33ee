//! Whether a token is what it claims to be: issuer, times, signature.

use std::sync::Arc;

use crate::claims::Claims;
use crate::keys::{KeySet, ReadyKey};
use crate::policy::{InlineKeys, Issuer, KeyAge, Policy};
use crate::refusal::{Expected, Reason, Refusal};
use crate::signature::{SignatureError, SignatureScheme};
use crate::time::{Timing, UnixTime};
use crate::token::{Authentic, AuthenticToken, UnverifiedToken};

/// The issuers that are believed, each with the keys it has now.
///
/// A clone is cheap and independent: a gateway swaps whole authorities, a
/// filter changes its own in place.
pub struct Authority<S: SignatureScheme> {
    scheme: S,
    timing: Timing,
    issuers: Vec<IssuerState<S::Key>>,
    /// All spellings of all issuers, for messages.
    spellings: Arc<[String]>,
    /// Counts the changes of keys.
    generation: u64,
}

/// An issuer and its keys, if it has any yet.
struct IssuerState<K> {
    issuer: Issuer,
    keys: Option<Arc<KeySet<K>>>,
}

impl<S: SignatureScheme + Clone> Clone for Authority<S> {
    fn clone(&self) -> Self {
        let state = |state: &IssuerState<S::Key>| IssuerState {
            issuer: state.issuer.clone(),
            keys: state.keys.clone(),
        };
        Self {
            scheme: self.scheme.clone(),
            timing: self.timing,
            issuers: self.issuers.iter().map(state).collect(),
            spellings: Arc::clone(&self.spellings),
            generation: self.generation,
        }
    }
}

impl<S: SignatureScheme> Authority<S> {
    /// The issuers of a policy, with the keys that stand in it and none yet
    /// that are to be fetched.
    #[must_use]
    pub fn new(policy: &Policy, scheme: S) -> Self {
        Self::of(policy.issuers(), policy.timing(), scheme)
    }

    /// These issuers, for whoever has no rules.
    #[must_use]
    pub fn of(issuers: &[Issuer], timing: Timing, scheme: S) -> Self {
        let state = |issuer: &Issuer| {
            let inline = issuer.inline_keys();
            let loaded = inline.and_then(|inline| KeySet::load(&scheme, inline.keys()).ok());
            let keys = loaded.map(|(keys, _)| Arc::new(keys));
            IssuerState { issuer: issuer.clone(), keys }
        };
        let states = issuers.iter().map(state).collect();
        Self {
            scheme,
            timing,
            issuers: states,
            spellings: issuers.iter().flat_map(Issuer::spellings).cloned().collect(),
            generation: 0,
        }
    }

    /// Who checks the signatures.
    #[must_use]
    pub fn scheme(&self) -> &S {
        &self.scheme
    }

    /// Gives the issuer of that name other keys, or none. Tokens that were
    /// found authentic before have to be checked again.
    pub fn set_keys(&mut self, issuer: &str, keys: Option<Arc<KeySet<S::Key>>>) {
        let named = |state: &&mut IssuerState<S::Key>| state.issuer.name() == issuer;
        if let Some(state) = self.issuers.iter_mut().find(named) {
            state.keys = keys;
            self.generation = self.generation.wrapping_add(1);
        }
    }

    /// Changes whenever the keys do.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether each issuer has keys.
    #[must_use]
    pub fn has_all_keys(&self) -> bool {
        self.issuers.iter().all(|state| state.keys.is_some())
    }

    /// The issuer whose tokens carry this `iss`.
    fn state_of(&self, claims: &Claims) -> Option<&IssuerState<S::Key>> {
        let is_its =
            |state: &&IssuerState<S::Key>| state.issuer.spellings().contains(&claims.issuer);
        self.issuers.iter().find(is_its)
    }

    /// Checks where a token comes from and whether its time is now. The
    /// issuer picks the keys, the key fixes the algorithm; the token's own
    /// `alg` has only to agree. Cheap checks come before the signature.
    ///
    /// # Errors
    /// The [`Refusal`] of the first check that failed.
    pub fn authenticate(
        &self,
        token: UnverifiedToken<'_>,
        now: UnixTime,
    ) -> Result<AuthenticToken, Refusal> {
        match self.check(&token, now) {
            Ok(state) => Ok(AuthenticToken(Arc::new(Authentic {
                bytes: token.bytes.into(),
                issuer: state.issuer.shared_name(),
                usable_until: state.issuer.inline_keys().and_then(InlineKeys::usable_until),
                claims: token.claims.vouched_for(state.issuer.vouches_for_addresses()),
                key_id: token.key_id,
                generation: self.generation,
            }))),
            Err(refusal) => Err(refusal.key_id(token.key_id.as_deref())),
        }
    }

    /// Whether a token that was authentic still is: the keys are the same, and
    /// its time is not over. Nothing else about it can have changed.
    #[must_use]
    pub fn still_vouches_for(&self, token: &AuthenticToken, now: UnixTime) -> bool {
        token.0.generation == self.generation
            && token.0.usable_until.is_none_or(|end| now < end)
            && check_times(token.claims(), self.timing, now).is_ok()
    }

    fn check(
        &self,
        token: &UnverifiedToken<'_>,
        now: UnixTime,
    ) -> Result<&IssuerState<S::Key>, Refusal> {
        let state = self.issuer_of(&token.claims)?;
        self.check_by(state, token, now)
            .map(|()| state)
            .map_err(|refusal| refusal.issuer(state.issuer.shared_name()))
    }

    fn check_by(
        &self,
        state: &IssuerState<S::Key>,
        token: &UnverifiedToken<'_>,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        state.check_algorithm(token)?;
        check_times(&token.claims, self.timing, now)?;
        self.check_signature(state.key_for(token, now)?, token)
    }

    fn issuer_of(&self, claims: &Claims) -> Result<&IssuerState<S::Key>, Refusal> {
        self.state_of(claims).ok_or_else(|| {
            Refusal::from(Reason::IssuerUnknown)
                .expected(Expected::AnyOf(Arc::clone(&self.spellings)))
                .received(claims.issuer.clone())
        })
    }

    /// The key fixes the algorithm; the token's own has only to agree.
    fn check_signature(
        &self,
        key: &ReadyKey<S::Key>,
        token: &UnverifiedToken<'_>,
    ) -> Result<(), Refusal> {
        check_algorithm(std::iter::once(key.algorithm.name()), token)?;
        self.scheme.verify(&key.key, token.signed, &token.signature).map_err(|error| match error {
            SignatureError::Invalid => Reason::SignatureBad.into(),
            SignatureError::Unavailable(why) => {
                Refusal::from(Reason::CheckUnavailable).received(why)
            }
        })
    }

    /// Each check on its own, in their order, whatever came of those before; those
    /// of the claims alone where there is no whole token.
    pub(crate) fn steps(
        &self,
        token: Option<&UnverifiedToken<'_>>,
        claims: &Claims,
        now: UnixTime,
    ) -> AuthoritySteps {
        let state = self.issuer_of(claims);
        let known = state.as_ref().ok();
        let signed = known.zip(token);
        let key = signed.map(|(state, token)| (state.key_for(token, now), token));
        AuthoritySteps {
            algorithm: signed.map(|(state, token)| state.check_algorithm(token)),
            times: check_times(claims, self.timing, now),
            signature: key.clone().map(|(key, token)| self.check_signature(key?, token)),
            key: key.map(|(key, _)| key.map(drop)),
            vouches_for_addresses: known.is_some_and(|state| state.issuer.vouches_for_addresses()),
            issuer: state.map(|state| state.issuer.shared_name()),
        }
    }
}

/// What came of the checks of a token's origin, each on its own. None where there
/// is nobody to check by.
pub(crate) struct AuthoritySteps {
    pub(crate) issuer: Result<Arc<str>, Refusal>,
    pub(crate) algorithm: Option<Result<(), Refusal>>,
    pub(crate) times: Result<(), Refusal>,
    pub(crate) key: Option<Result<(), Refusal>>,
    pub(crate) signature: Option<Result<(), Refusal>>,
    pub(crate) vouches_for_addresses: bool,
}

impl<K> IssuerState<K> {
    fn check_algorithm(&self, token: &UnverifiedToken<'_>) -> Result<(), Refusal> {
        check_algorithm(self.issuer.algorithms().iter().map(|alg| alg.name()), token)
    }

    /// The key that the token says it was signed with.
    fn key_for(&self, token: &UnverifiedToken<'_>, now: UnixTime) -> Result<&ReadyKey<K>, Refusal> {
        let inline = self.issuer.inline_keys();
        if let Some(inline) = inline.filter(|inline| inline.age(now) == KeyAge::Expired) {
            return Err(Refusal::from(Reason::KeysExpired)
                .expected_text(format!("keys of the issuer {:?} for {now}", self.issuer.name()))
                .received(format!("keys in the configuration, {inline}")));
        }
        let keys = self.keys.as_ref().ok_or_else(|| {
            Refusal::from(Reason::KeysUnavailable)
                .expected_text(format!("a key set at {}", self.issuer.keys()))
                .keys_at(self.issuer.key_url())
        })?;
        keys.find(token.key_id.as_deref()).ok_or_else(|| {
            Refusal::from(Reason::KeyUnknown)
                .expected_text(format!("one of {}", keys.ids().join(", ")))
                .received(token.key_id.as_deref().unwrap_or("no key id"))
                .keys_at(self.issuer.key_url())
        })
    }
}

fn check_algorithm<'a>(
    mut accepted: impl Iterator<Item = &'a str> + Clone,
    token: &UnverifiedToken<'_>,
) -> Result<(), Refusal> {
    let names = accepted.clone();
    if accepted.any(|name| name == token.algorithm) {
        return Ok(());
    }
    Err(Refusal::from(Reason::AlgorithmNotAllowed)
        .expected_text(names.collect::<Vec<_>>().join(" or "))
        .received(token.algorithm.clone()))
}

fn check_times(claims: &Claims, timing: Timing, now: UnixTime) -> Result<(), Refusal> {
    let Timing { clock_skew, max_lifetime } = timing;
    let latest_start = now.plus(clock_skew);
    let skew = clock_skew.as_secs();
    if claims.expires_at.plus(clock_skew) <= now {
        return Err(Refusal::from(Reason::Expired)
            .expected_text(format!("exp after {now}, give or take {skew} s"))
            .received(format!("exp {}", claims.expires_at)));
    }
    for (name, date) in [("nbf", claims.not_before), ("iat", claims.issued_at)] {
        if let Some(date) = date.filter(|date| *date > latest_start) {
            return Err(Refusal::from(Reason::NotYetValid)
                .expected_text(format!("{name} before {now}, give or take {skew} s"))
                .received(format!("{name} {date}")));
        }
    }
    // Without `iat` the lifetime is counted from now: nothing shorter is sure.
    let lifetime = claims.expires_at.since(claims.issued_at.unwrap_or(now));
    if lifetime > max_lifetime {
        return Err(Refusal::from(Reason::LifetimeTooLong)
            .expected_text(format!("at most {}", humantime::format_duration(max_lifetime)))
            .received(humantime::format_duration(lifetime).to_string()));
    }
    Ok(())
}
