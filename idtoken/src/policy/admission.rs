//! What lets a request through.

use std::sync::Arc;

use super::place::TokenPlace;
use super::rule::Rule;
use crate::refusal::Refusal;
use crate::token::VerifiedToken;

/// That a request may pass: made by [`Policy::admit`](super::Policy::admit)
/// alone.
#[derive(Clone, Debug)]
pub struct Admission {
    rule: Arc<Rule>,
    caller: Option<VerifiedToken>,
    /// The tokens beside the first, where a rule asks for several.
    others: Vec<VerifiedToken>,
    why: Why,
}

/// What was decided about a request, in one word for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It passes with the tokens that its rule asks for.
    Verified,
    /// It passes by a rule that asks for none.
    Anonymous,
    /// It passes as a browser's question whether it may call.
    Preflight,
    /// It passes although it does not fulfil its rule, which only reports.
    Reported,
    /// It does not pass.
    Refused,
}

impl Verdict {
    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Anonymous => "anonymous",
            Self::Preflight => "preflight",
            Self::Reported => "reported",
            Self::Refused => "refused",
        }
    }
}

/// Why a request may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    /// It fulfils its rule.
    Fulfilled,
    /// A browser asks whether it may call, without a token, as browsers do.
    Preflight,
    /// It would be refused, if the rule were enforced.
    Reported(Refusal),
}

impl Admission {
    pub(super) fn of(rule: &Arc<Rule>) -> Self {
        Self { rule: Arc::clone(rule), caller: None, others: Vec::new(), why: Why::Fulfilled }
    }

    pub(super) fn preflight(rule: &Arc<Rule>) -> Self {
        Self { why: Why::Preflight, ..Self::of(rule) }
    }

    pub(super) fn add(&mut self, token: VerifiedToken) {
        match self.caller {
            None => self.caller = Some(token),
            Some(_) => self.others.push(token),
        }
    }

    /// In report mode. Nothing of a request that should have been refused
    /// counts as verified.
    pub(super) fn despite(self, refusal: Refusal) -> Self {
        Self { why: Why::Reported(refusal), ..Self::of(&self.rule) }
    }

    pub(super) fn map_refusal(self, map: impl FnOnce(Refusal) -> Refusal) -> Self {
        match self.why {
            Why::Reported(refusal) => Self { why: Why::Reported(map(refusal)), ..self },
            _ => self,
        }
    }

    /// The rule that admits it.
    #[must_use]
    pub fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// The token that the rule asks for, the first one where it asks for
    /// several. None for requests that pass without one.
    #[must_use]
    pub fn caller(&self) -> Option<&VerifiedToken> {
        self.caller.as_ref()
    }

    /// All verified tokens, in the order in which the rule asks for them.
    pub fn tokens(&self) -> impl Iterator<Item = &VerifiedToken> {
        self.caller.iter().chain(&self.others)
    }

    /// Why the request would have been refused, if the rule only reports.
    #[must_use]
    pub fn reported(&self) -> Option<&Refusal> {
        match &self.why {
            Why::Reported(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// One word for it, for logs and metrics.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (&self.why, &self.caller) {
            (Why::Reported(_), _) => Verdict::Reported,
            (Why::Preflight, _) => Verdict::Preflight,
            (Why::Fulfilled, Some(_)) => Verdict::Verified,
            (Why::Fulfilled, None) => Verdict::Anonymous,
        }
    }

    /// The places that the rule looks at and whose tokens were not verified.
    /// Nobody behind may take what is there for something that was.
    pub fn unverified_places(&self) -> impl Iterator<Item = &TokenPlace> {
        // One header can be a place of several issuers, with other prefixes.
        let is_verified = |place: &TokenPlace| {
            self.tokens().any(|token| token.place().header() == place.header())
        };
        let is_reported = matches!(self.why, Why::Reported(_));
        // A rule that only reports changes nothing.
        self.rule.places().filter(move |place| !is_reported && !is_verified(place))
    }
}
