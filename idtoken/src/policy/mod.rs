//! The policy: which issuers are believed, and which rule asks what of whom.
//!
//! Filter and gateway read the same text by [`Policy::read`] and decide by the
//! same function, [`Policy::admit`].

mod audiences;
mod callers;
mod inline_keys;
mod issuer;
mod matching;
mod place;
mod rule;
mod times;

use std::sync::Arc;

pub use inline_keys::{InlineKeys, KeyAge};
pub use issuer::{Issuer, KeySource, KeyUrl};
pub use place::TokenPlace;
pub use rule::Rule;

use crate::authority::Authority;
use crate::cache::TokenCache;
use crate::config::{Problems, Reader};
use crate::keys::KeyTimes;
use crate::refusal::{Reason, Refusal};
use crate::request::{Headers, Target, TargetError};
use crate::sender::Sender;
use crate::signature::SignatureScheme;
use crate::time::{Timing, UnixTime};
use crate::token::{AuthenticToken, TokenError, UnverifiedToken, VerifiedToken};

/// Who may call what, and how that is proved.
#[derive(Clone, Debug)]
pub struct Policy {
    timing: Timing,
    key_times: KeyTimes,
    issuers: Vec<Issuer>,
    rules: Vec<Arc<Rule>>,
}

impl Policy {
    /// Reads the policy from its place in a configuration. Mistakes are
    /// written down where `from` keeps them; then there may be no result.
    #[must_use]
    pub fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let timing = times::read_timing(&mut object);
        let key_times = object.maybe("key_sets", times::read_key_times);
        let issuers = match object.get("issuers") {
            Some(list) => list.list(Issuer::read),
            None => Some(vec![Issuer::google()]),
        };
        if let (Some(issuers), Some(place)) = (&issuers, object.get("issuers")) {
            report_repeated(&place, "name", issuers.iter().map(Issuer::name));
            let spellings = issuers.iter().flat_map(Issuer::spellings).map(String::as_str);
            report_repeated(&place, "issuer", spellings);
        }
        let rules_at = object.need("rules");
        let rules = rules_at
            .as_ref()
            .and_then(|rules| rules.list(|rule| Rule::read(rule, issuers.as_deref())));
        if let (Some(rules), Some(place)) = (&rules, &rules_at) {
            report_repeated(place, "name", rules.iter().map(|rule| &**rule.name()));
            report_unreachable(place, rules);
        }
        object.finish();
        Some(Self {
            timing: timing?,
            key_times: key_times?.unwrap_or_default(),
            issuers: issuers?,
            rules: rules?.into_iter().map(Arc::new).collect(),
        })
    }

    /// Reads a policy that is a JSON document of its own.
    ///
    /// # Errors
    /// All mistakes, each with its path.
    pub fn from_json(text: &str) -> Result<Self, Vec<crate::config::Problem>> {
        let problems = Problems::default();
        match serde_json::from_str(text) {
            Ok(node) => {
                let policy = Self::read(&Reader::root(&node, &problems));
                problems.finish(policy)
            }
            Err(error) => {
                let message = format!("not JSON: {error}");
                problems.add(crate::config::Problem { path: String::new(), at: None, message });
                problems.finish(None)
            }
        }
    }

    /// The issuers that are believed, in the order of the configuration.
    #[must_use]
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// The rules, in the order in which they are tried.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// How strictly times are read.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// When key sets are fetched, and for how long they are used.
    #[must_use]
    pub fn key_times(&self) -> KeyTimes {
        self.key_times
    }

    /// The first rule that is for this request.
    #[must_use]
    pub fn rule_for(&self, target: &Target<'_>) -> Option<&Arc<Rule>> {
        self.rules.iter().find(|rule| rule.matches(target))
    }

    /// Some servers cut the parameters of a segment off before they look for a
    /// handler. Where that would be another rule's path, nobody can say which
    /// rule is right.
    fn ambiguity(&self, target: &Target<'_>) -> Option<TargetError> {
        let bare = target.with_path(target.path_without_parameters()?);
        let name = |target| self.rule_for(target).map(|rule| rule.name());
        (name(target) != name(&bare)).then_some(TargetError::Parameters)
    }

    /// Decides about a request: finds its rule, reads its token, has the
    /// token's origin checked by `authority`, unless `cache` remembers it, and its
    /// content by the rule.
    ///
    /// # Errors
    /// The [`Refusal`] of the first check that failed. With
    /// [`Reason::KeysUnavailable`] and [`Reason::KeyUnknown`] a caller may
    /// fetch keys and ask again.
    pub fn admit<S: SignatureScheme>(
        &self,
        authority: &Authority<S>,
        cache: &impl TokenCache,
        target: Result<Target<'_>, TargetError>,
        headers: &impl Headers,
        now: UnixTime,
    ) -> Result<VerifiedToken, Refusal> {
        let target = target
            .map_err(|error| Refusal::from(Reason::TargetUnsafe).received(error.to_string()))?;
        let refused = |refusal: Refusal| refusal.request(&target, Sender::guess(headers));
        if let Some(error) = self.ambiguity(&target) {
            let refusal = Refusal::from(Reason::TargetUnsafe).received(error.to_string());
            return Err(refused(refusal));
        }
        let Some(rule) = self.rule_for(&target) else {
            let received = format!("{} {} on {}", target.method(), target.path(), target.host());
            return Err(refused(Refusal::from(Reason::NoRule).received(received)));
        };
        authentic_token(authority, cache, headers, now)
            .and_then(|token| rule.admit(token))
            .map_err(|refusal| refused(refusal.rule(rule.name())))
    }
}

/// The request's token, checked by `authority` now or not long ago.
fn authentic_token<S: SignatureScheme>(
    authority: &Authority<S>,
    cache: &impl TokenCache,
    headers: &impl Headers,
    now: UnixTime,
) -> Result<AuthenticToken, Refusal> {
    let place = TokenPlace::bearer("authorization");
    let bytes = place
        .token(headers)
        .map_err(|reason| Refusal::from(reason).expected_text("Authorization: Bearer ID_TOKEN"))?;
    if let Some(known) = cache.get(bytes).filter(|it| authority.still_vouches_for(it, now)) {
        return Ok(known);
    }
    let token = UnverifiedToken::parse(bytes).map_err(|error| {
        let reason = match error {
            TokenError::SignatureRemoved => Reason::SignatureRemoved,
            _ => Reason::Malformed,
        };
        Refusal::from(reason).received(error.to_string())
    })?;
    let authentic = authority.authenticate(token, now)?;
    cache.put(bytes, &authentic);
    Ok(authentic)
}

/// A rule for everything leaves nothing to the rules after it.
fn report_unreachable(place: &Reader<'_>, rules: &[Rule]) {
    let mut rest = rules.iter().skip_while(|rule| !rule.is_for_everything());
    if let (Some(all), Some(lost)) = (rest.next(), rest.next()) {
        let (all, lost) = (all.name(), lost.name());
        place.problem(format!(
            "the rule {lost:?} is never reached: {all:?} before it is for every request"
        ));
    }
}

/// Names must tell things apart.
fn report_repeated<'a>(place: &Reader<'_>, what: &str, names: impl Iterator<Item = &'a str>) {
    let mut seen = std::collections::HashSet::new();
    for name in names.filter(|name| !seen.insert(*name)) {
        place.problem(format!("the {what} {name:?} occurs twice"));
    }
}
