//! The policy: which issuers are believed, and which rule asks what of whom.
//!
//! Filter and gateway read the same text by [`Policy::read`] and decide by the
//! same function, [`Policy::admit`].

mod admission;
mod audiences;
mod callers;
mod index;
mod inline_keys;
mod issuer;
mod matching;
mod names;
mod near_miss;
mod place;
mod requirement;
mod rule;
mod run_host;
mod services;
mod times;
mod token_walk;
mod walk;

use std::sync::Arc;

pub use admission::{Admission, Verdict};
pub use inline_keys::{INLINE_VALIDITY, InlineKeys, KeyAge};
pub use issuer::{Issuer, KeySource, KeyUrl};
pub use matching::{Example, Miss};
pub use near_miss::{GCLOUD_CLIENT, audience_miss};
pub use place::{TokenPlace, header_name};
pub use rule::{Mode, Rule, Scope};
pub use run_host::RunHost;
pub use walk::{Check, Other, Outcome, Step, TokenWalk, Walk};

use crate::authority::Authority;
use crate::cache::TokenCache;
use crate::config::{Problem, Problems, Reader};
use crate::keys::KeyTimes;
use crate::refusal::{Reason, Refusal};
use crate::request::{Headers, Target, TargetError};
use crate::signature::SignatureScheme;
use crate::time::{Timing, UnixTime};
use index::RuleIndex;
use names::Names;
use requirement::Evidence;

/// How many combinations of host and path the rules may name: each takes a
/// place in the index.
const MOST_PLACES: usize = 200_000;

/// Who may call what, and how that is proved.
#[derive(Clone, Debug)]
pub struct Policy {
    timing: Timing,
    key_times: KeyTimes,
    issuers: Vec<Issuer>,
    rules: Vec<Arc<Rule>>,
    index: RuleIndex,
}

impl Policy {
    /// Reads the policy from its place in a configuration. Mistakes are
    /// written down where `from` keeps them; then there may be no result.
    ///
    /// The order of the rules counts: the first that is for a request decides.
    /// The order of audiences, callers, groups, services and regions does not.
    #[must_use]
    pub fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let timing = times::read_timing(&mut object);
        let key_times = object.maybe("key_sets", times::read_key_times);
        let names = Names::read(&mut object);
        let rules_at = object.need("rules");
        let rules = rules_at.as_ref().and_then(|it| it.list(|rule| Rule::read(rule, &names)));
        object.finish();
        let rules: Vec<_> = rules?.into_iter().map(Arc::new).collect();
        let index = rules_at.and_then(|place| indexed(&place, &rules));
        Some(Self {
            timing: timing?,
            key_times: key_times?.unwrap_or_default(),
            issuers: names.issuers?,
            rules,
            index: index?,
        })
    }

    /// Reads a policy that is a JSON document of its own.
    ///
    /// # Errors
    /// All mistakes, each with its path.
    pub fn from_json(text: &str) -> Result<Self, Vec<Problem>> {
        let problems = Problems::default();
        match serde_json::from_str(text) {
            Ok(node) => {
                let policy = Self::read(&Reader::root(&node, &problems));
                problems.finish(policy)
            }
            Err(error) => {
                let message = format!("not JSON: {error}");
                problems.add(Problem { path: String::new(), at: None, message });
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
        self.rules.get(self.place_of(target, target.method())?)
    }

    /// The place of the first rule for this host and path with this method.
    fn place_of(&self, target: &Target<'_>, method: &str) -> Option<usize> {
        self.index.find(target.host(), target.path(), method)
    }

    /// Some servers cut the parameters of a segment off before they look for a
    /// handler. Where that would be another rule's path, nobody can say which
    /// rule is right.
    fn ambiguity(&self, target: &Target<'_>, method: &str) -> Option<TargetError> {
        let bare = target.with_path(target.path_without_parameters()?);
        let is_other = self.place_of(target, method) != self.place_of(&bare, method);
        is_other.then_some(TargetError::Parameters)
    }

    /// Decides about a request: finds its rule, reads its tokens, has their
    /// origin checked by `authority`, unless `cache` remembers them, and their
    /// content by the rule.
    ///
    /// # Errors
    /// The [`Refusal`] of the first check that failed; [`Refusal::about`] adds
    /// what its operator wants to know of the request. With
    /// [`Reason::KeysUnavailable`] and [`Reason::KeyUnknown`] a caller may
    /// fetch keys and ask again.
    pub fn admit<S: SignatureScheme>(
        &self,
        authority: &Authority<S>,
        cache: &impl TokenCache,
        target: Result<Target<'_>, TargetError>,
        headers: &impl Headers,
        now: UnixTime,
    ) -> Result<Admission, Refusal> {
        let target = target.map_err(unsafe_target)?;
        if let Some(error) = self.ambiguity(&target, target.method()) {
            return Err(unsafe_target(error));
        }
        if let Some(rule) = self.preflighted(&target, headers).map_err(unsafe_target)? {
            return Ok(Admission::preflight(rule));
        }
        let Some(rule) = self.rule_for(&target) else {
            return Err(no_rule(&target));
        };
        let about = |refusal: Refusal| refusal.rule(rule.name());
        rule.decide(&Evidence { authority, cache, headers, now, host: target.host() })
            .map(|admission| admission.map_refusal(about))
            .map_err(about)
    }

    /// The rule for what a browser wants to send, if that rule allows browsers
    /// to ask (Fetch standard, "CORS-preflight request"). A rule for `OPTIONS`
    /// that stands before it decides as it would about any request.
    fn preflighted(
        &self,
        target: &Target<'_>,
        headers: &impl Headers,
    ) -> Result<Option<&Arc<Rule>>, TargetError> {
        let mut methods = headers.values("access-control-request-method");
        let method = methods.next().and_then(|method| std::str::from_utf8(method).ok());
        let is_asked = target.method() == "OPTIONS" && headers.values("origin").next().is_some();
        let Some(method) = method.filter(|_| is_asked) else { return Ok(None) };
        let Some(place) = self.place_of(target, method) else { return Ok(None) };
        if self.place_of(target, target.method()).is_some_and(|earlier| earlier < place) {
            return Ok(None);
        }
        let rule = self.rules.get(place).filter(|rule| rule.allows_preflights());
        match self.ambiguity(target, method).filter(|_| rule.is_some()) {
            Some(error) => Err(error),
            None => Ok(rule),
        }
    }
}

/// The rules by host and path, once they are known to make sense together.
fn indexed(place: &Reader<'_>, rules: &[Arc<Rule>]) -> Option<RuleIndex> {
    place.distinct("name", rules.iter().map(|rule| &**rule.name()));
    report_unreachable(place, rules);
    let places = rules.iter().map(|rule| rule.matching().places());
    if places.fold(0_usize, usize::saturating_add) > MOST_PLACES {
        place.problem(format!(
            "name more than {MOST_PLACES} combinations of host and path; use prefixes or \"*.\""
        ));
        return None;
    }
    let mut index = RuleIndex::default();
    rules.iter().enumerate().for_each(|(at, rule)| index.add(at, rule.matching()));
    Some(index)
}

/// A rule for everything leaves nothing to the rules after it.
fn report_unreachable(place: &Reader<'_>, rules: &[Arc<Rule>]) {
    let mut rest = rules.iter().skip_while(|rule| !rule.matching().is_for_everything());
    if let (Some(all), Some(lost)) = (rest.next(), rest.next()) {
        let (all, lost) = (all.name(), lost.name());
        place.problem(format!(
            "the rule {lost:?} is never reached: {all:?} before it is for every request"
        ));
    }
}

/// The target can be read in more than one way.
fn unsafe_target(error: TargetError) -> Refusal {
    Refusal::from(Reason::TargetUnsafe).received(error.to_string())
}

/// No rule is for that request.
fn no_rule(target: &Target<'_>) -> Refusal {
    let received = format!("{} {} on {}", target.method(), target.path(), target.host());
    Refusal::from(Reason::NoRule).received(received)
}
