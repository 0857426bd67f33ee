//! Every check of a request, passed or failed, for whoever wants to know why.

use std::sync::Arc;

use super::requirement::Evidence;
use super::rule::Rule;
use super::{Admission, Policy, no_rule, unsafe_target};
use crate::authority::Authority;
use crate::cache::NoCache;
use crate::claims::Claims;
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

/// What there is to say of one token that the rule looks for.
#[derive(Clone, Debug)]
pub struct TokenWalk {
    /// Where it was looked for, such as `authorization: Bearer TOKEN`.
    pub place: String,
    /// The checks, each on its own whatever came of those before.
    pub steps: Vec<Step>,
    /// The claims, if they could be read. They are true only if the signature is
    /// the issuer's.
    pub claims: Option<Claims>,
}

/// A request, check by check.
pub struct Walk {
    /// What is decided: [`Policy::admit`]'s word, nothing else counts.
    pub decision: Result<Admission, Refusal>,
    /// The checks of the request itself.
    pub steps: Vec<Step>,
    /// The rule that is for it.
    pub rule: Option<Arc<Rule>>,
    /// The tokens that the rule looks for, place by place.
    pub tokens: Vec<TokenWalk>,
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
        let about = |refusal: Refusal| refusal.about(&target, headers);
        let decision = self.admit(authority, &NoCache, target.clone(), headers, now);
        let decision = decision.map(|admission| admission.map_refusal(about)).map_err(about);
        let mut walk = Walk { decision, steps: Vec::new(), rule: None, tokens: Vec::new() };
        let target = match target {
            Ok(target) => target,
            Err(error) => {
                walk.steps.push(failed(Check::Target, unsafe_target(error)));
                return walk;
            }
        };
        walk.steps.push(match self.ambiguity(&target, target.method()) {
            None => {
                let url = format!("https://{}{}", target.host(), target.path());
                passed(Check::Target, format!("{} {url}", target.method()))
            }
            Some(error) => failed(Check::Target, unsafe_target(error)),
        });
        let Some(rule) = self.rule_for(&target) else {
            walk.steps.push(failed(Check::Rule, no_rule(&target)));
            return walk;
        };
        walk.steps.push(passed(Check::Rule, rule.name().to_string()));
        let host = target.host();
        walk.tokens = rule.walk(&Evidence { authority, cache: &NoCache, headers, now, host });
        walk.rule = Some(Arc::clone(rule));
        walk
    }
}

pub(super) fn passed(check: Check, found: impl Into<String>) -> Step {
    Step { check, outcome: Outcome::Passed(found.into()) }
}

pub(super) fn failed(check: Check, refusal: Refusal) -> Step {
    Step { check, outcome: Outcome::Failed(Box::new(refusal)) }
}

/// A check that found something good, something bad, or nobody to check by.
pub(super) fn step<T>(
    check: Check,
    result: Option<Result<T, Refusal>>,
    found: impl FnOnce(T) -> String,
) -> Step {
    match result {
        Some(Ok(value)) => passed(check, found(value)),
        Some(Err(refusal)) if refusal.reason == Reason::KeysUnavailable => {
            let why = "the issuer's keys are not at hand".to_owned();
            Step { check, outcome: Outcome::Unknown(why) }
        }
        Some(Err(refusal)) => failed(check, refusal),
        None => {
            let why = "only an issuer of the policy could tell".to_owned();
            Step { check, outcome: Outcome::Unknown(why) }
        }
    }
}
