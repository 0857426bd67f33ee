//! Every check of a request, passed or failed, for whoever wants to know why.

use std::sync::Arc;

use super::matching::Miss;
use super::requirement::Evidence;
use super::rule::Rule;
use super::{Admission, Policy, no_rule, unsafe_target};
use crate::authority::Authority;
use crate::cache::NoCache;
use crate::claims::Claims;
use crate::fingerprint::Fingerprint;
use crate::refusal::{Reason, Refusal};
use crate::request::{Headers, Target, TargetError};
use crate::signature::SignatureScheme;
use crate::time::UnixTime;

/// What was checked, in the order in which [`Policy::admit`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// The target can be read in one way only.
    Target,
    /// A rule is for it.
    Rule,
    /// There is one token where it is looked for.
    Token,
    /// It is well formed.
    Form,
    /// Its issuer is one of the policy's.
    Issuer,
    /// Its algorithm is one of the issuer's.
    Algorithm,
    /// Its time is now.
    Times,
    /// The issuer has its key.
    Key,
    /// The signature is the key's.
    Signature,
    /// The rule takes the issuer.
    RuleIssuer,
    /// It was made for an audience of the rule.
    Audience,
    /// Its caller is one of the rule's.
    Caller,
    /// It has the claims that the rule asks for.
    Claims,
}

impl Check {
    /// The check's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Rule => "rule",
            Self::Token => "token",
            Self::Form => "form",
            Self::Issuer => "issuer",
            Self::Algorithm => "algorithm",
            Self::Times => "times",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::RuleIssuer => "issuer of the rule",
            Self::Audience => "audience",
            Self::Caller => "caller",
            Self::Claims => "claims",
        }
    }
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is passed; with what was found.
    Passed(String),
    /// It is failed.
    Failed(Box<Refusal>),
    /// It could not be made, and why.
    Unknown(String),
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The check.
    pub check: Check,
    /// What came of it.
    pub outcome: Outcome,
}

impl Step {
    /// Why it is failed, if it is.
    #[must_use]
    pub fn failure(&self) -> Option<&Refusal> {
        match &self.outcome {
            Outcome::Failed(refusal) => Some(refusal),
            Outcome::Passed(_) | Outcome::Unknown(_) => None,
        }
    }
}

/// What there is to say of one token that the rule looks for.
#[derive(Clone, Debug)]
pub struct TokenWalk {
    /// Where it was looked for, such as `authorization: Bearer TOKEN`.
    pub place: String,
    /// Which of the tokens that the rule asks for it would be, from 0. Places of
    /// one number are alternatives; of each number one must be right.
    pub number: usize,
    /// The short name of the token that is there.
    pub fingerprint: Option<Fingerprint>,
    /// The checks, each on its own whatever came of those before.
    pub steps: Vec<Step>,
    /// The claims, if they could be read. They are true only if the signature is
    /// the issuer's.
    pub claims: Option<Claims>,
}

impl TokenWalk {
    /// What is wrong, in the order of the checks.
    pub fn failures(&self) -> impl Iterator<Item = &Refusal> {
        self.steps.iter().filter_map(Step::failure)
    }

    /// Whether there is one at all.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.fingerprint.is_some()
    }
}

/// A rule that does not decide.
#[derive(Clone, Debug)]
pub struct Other {
    /// Its name.
    pub name: Arc<str>,
    /// What of the request it is not for. Nothing where it comes after the one that
    /// decides.
    pub misses: Vec<Miss>,
}

/// A request, check by check.
pub struct Walk {
    /// What is decided: [`Policy::admit`]'s word, nothing else counts.
    pub decision: Result<Admission, Refusal>,
    /// The checks of the request itself.
    pub steps: Vec<Step>,
    /// The rule that is for it.
    pub rule: Option<Arc<Rule>>,
    /// The other rules, in their order.
    pub others: Vec<Other>,
    /// The tokens that the rule looks for, place by place.
    pub tokens: Vec<TokenWalk>,
}

impl Walk {
    /// What is wrong with the tokens, in the order of the checks: of each that the
    /// rule asks for in the best of its places. There is nothing to say of a place
    /// that is empty, and little of what Google has left behind.
    #[must_use]
    pub fn wrong(&self) -> Vec<(&TokenWalk, &Refusal)> {
        let numbers = self.tokens.iter().map(|token| token.number).max();
        let numbers = numbers.map_or(0, |most| most.saturating_add(1));
        let wrong = (0..numbers).filter_map(|number| self.wrong_one(number));
        wrong.flat_map(|token| token.failures().map(move |it| (token, it))).collect()
    }

    fn wrong_one(&self, number: usize) -> Option<&TokenWalk> {
        let places = || self.tokens.iter().filter(|token| token.number == number);
        if places().any(|token| token.failures().next().is_none()) {
            return None;
        }
        places().min_by_key(|token| match token.failures().next().map(|it| it.reason) {
            Some(Reason::TokenMissing) => 2,
            Some(Reason::SignatureRemoved) => 1,
            _ => 0,
        })
    }

    /// What would be decided if the signatures are right that could not be checked
    /// for lack of keys. None where nothing hangs on that.
    ///
    /// # Errors
    /// What is wrong all the same.
    pub fn given_keys(&self) -> Option<Result<(), &Refusal>> {
        let decided = self.decision.as_ref().map_or_else(Some, Admission::reported)?;
        let is_for_keys = decided.reason == Reason::KeysUnavailable;
        let first = self.wrong().first().map(|(_, refusal)| *refusal);
        is_for_keys.then(|| first.map_or(Ok(()), Err))
    }
}

impl Policy {
    /// Goes through every check of a request. Costs more than
    /// [`admit`](Policy::admit), and tells more: it is for people.
    pub fn walk<S: SignatureScheme>(
        &self,
        authority: &Authority<S>,
        target: Result<Target<'_>, TargetError>,
        headers: &impl Headers,
        now: UnixTime,
    ) -> Walk {
        let asked = target.clone();
        let about = |refusal: Refusal| refusal.about(&asked, headers);
        let decision = self.admit(authority, &NoCache, asked.clone(), headers, now);
        let decision = decision.map(|admission| admission.map_refusal(about)).map_err(about);
        let steps = Vec::new();
        let mut walk = Walk { decision, steps, rule: None, others: vec![], tokens: Vec::new() };
        let read = match target {
            Ok(read) => read,
            Err(error) => {
                walk.steps.push(failed(Check::Target, about(unsafe_target(error))));
                return walk;
            }
        };
        walk.steps.push(match self.ambiguity(&read, read.method()) {
            None => {
                let url = format!("https://{}{}", read.host(), read.path());
                passed(Check::Target, format!("{} {url}", read.method()))
            }
            Some(error) => failed(Check::Target, about(unsafe_target(error))),
        });
        let rule = self.rule_for(&read);
        let is_other = |other: &&Arc<Rule>| rule.is_none_or(|rule| !Arc::ptr_eq(rule, other));
        let other = |other: &Arc<Rule>| Other {
            name: Arc::clone(other.name()),
            misses: other.matching().misses(&read),
        };
        walk.others = self.rules.iter().filter(is_other).map(other).collect();
        let Some(rule) = rule else {
            walk.steps.push(failed(Check::Rule, about(no_rule(&read))));
            return walk;
        };
        walk.steps.push(passed(Check::Rule, rule.name().to_string()));
        let host = read.host();
        walk.tokens = rule.walk(&Evidence { authority, cache: &NoCache, headers, now, host });
        let about = |refusal: Refusal| about(refusal.rule(rule.name()));
        walk.tokens.iter_mut().for_each(|token| token.map_refusals(about));
        walk.rule = Some(Arc::clone(rule));
        walk
    }
}

impl TokenWalk {
    /// With more to say of each refusal.
    pub(super) fn map_refusals(&mut self, more: impl Fn(Refusal) -> Refusal) {
        for step in &mut self.steps {
            if let Outcome::Failed(refusal) = &mut step.outcome {
                **refusal = more((**refusal).clone());
            }
        }
    }
}

pub(super) fn passed(check: Check, found: impl Into<String>) -> Step {
    Step { check, outcome: Outcome::Passed(found.into()) }
}

pub(super) fn failed(check: Check, refusal: Refusal) -> Step {
    Step { check, outcome: Outcome::Failed(Box::new(refusal)) }
}
