//! All that there is to say of one request.

use std::collections::HashMap;

use http::HeaderMap;
use remint_idtoken::policy::{Check, Outcome, Step, TokenWalk, Walk, audience_miss};
use remint_idtoken::{
    Admission, Policy, Reason, Refusal, Sender, Target, TargetError, UnixTime, safe,
};

use super::notes::Circumstances;
use super::subject::Region;
use super::{Captured, Subject, suggestion, text};

/// All that there is to say of one request.
pub struct Explanation {
    pub(super) walk: Walk,
    pub(super) now: UnixTime,
    pub(super) sender: Option<Sender>,
    pub(super) captured: Captured,
    /// What was made of the request and of the keys.
    pub(super) notes: Vec<String>,
    pub(super) is_configured: bool,
    /// Whether keys that are missing here may be had elsewhere.
    are_keys_elsewhere: bool,
    are_keys_kept: bool,
    regions: Vec<Region>,
    timing: remint_idtoken::Timing,
}

/// What becomes of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It would be let through.
    Admitted,
    /// It would be refused.
    Refused,
    /// Nothing is wrong with what could be checked, and something could not be.
    Unchecked,
}

/// The same, with why.
pub(super) enum Decided<'e> {
    Admitted(&'e Admission),
    Refused(&'e Refusal),
    Unchecked,
}

impl Explanation {
    /// Goes through all checks of a request at that time, with the key sets by
    /// the issuers' names.
    ///
    /// # Errors
    /// A document that is no key set, in words.
    pub fn new(
        subject: &Subject,
        captured: Captured,
        keys: &HashMap<String, Vec<u8>>,
        now: UnixTime,
    ) -> Result<Self, String> {
        let authority = super::keys::authority(&subject.policy, keys)?;
        let walk = |target: Result<Target<'_>, TargetError>, headers: &HeaderMap| {
            subject.policy.walk(&authority, target, headers, now)
        };
        let mut explanation =
            Self::by(walk, captured, &subject.policy, subject.regions.clone(), now);
        explanation.are_keys_elsewhere = true;
        if !subject.is_configured {
            explanation.is_configured = false;
            let has_url = explanation.captured.has_url;
            without_rules(&mut explanation.walk, has_url);
        }
        Ok(explanation)
    }

    /// The same by any walk: by a running gateway's, with the keys that it has.
    pub(crate) fn by(
        walk: impl FnOnce(Result<Target<'_>, TargetError>, &HeaderMap) -> Walk,
        mut captured: Captured,
        policy: &Policy,
        regions: Vec<Region>,
        now: UnixTime,
    ) -> Self {
        let walk = walk(captured.target(), &captured.headers);
        Self {
            walk,
            now,
            sender: Sender::guess(&captured.headers),
            notes: std::mem::take(&mut captured.notes),
            captured,
            is_configured: true,
            are_keys_elsewhere: false,
            are_keys_kept: false,
            regions,
            timing: policy.timing(),
        }
    }

    /// With something else that whoever asks has to know.
    pub fn add_notes(&mut self, notes: Vec<String>) {
        self.notes.extend(notes);
    }

    /// That the keys are kept ones, which may be older than the token.
    #[must_use]
    pub fn by_kept_keys(self) -> Self {
        Self { are_keys_kept: true, ..self }
    }

    /// What becomes of the request.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self.decided() {
            Decided::Admitted(_) => Fate::Admitted,
            Decided::Refused(_) => Fate::Refused,
            Decided::Unchecked => Fate::Unchecked,
        }
    }

    pub(super) fn decided(&self) -> Decided<'_> {
        if !self.is_configured {
            let steps = self.walk.steps.iter().find_map(Step::failure);
            let tokens = || self.walk.wrong().first().map(|(_, refusal)| *refusal);
            return steps.or_else(tokens).map_or(Decided::Unchecked, Decided::Refused);
        }
        let refusal = match &self.walk.decision {
            Ok(admission) => return Decided::Admitted(admission),
            Err(refusal) => refusal,
        };
        match self.walk.given_keys().filter(|_| self.are_keys_elsewhere) {
            Some(Ok(())) => Decided::Unchecked,
            Some(Err(refusal)) => Decided::Refused(refusal),
            None => Decided::Refused(refusal),
        }
    }

    /// Why it is refused, or would be if its rule did not only report.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self.decided() {
            Decided::Admitted(admission) => admission.reported(),
            Decided::Refused(refusal) => Some(refusal),
            Decided::Unchecked => None,
        }
    }

    /// What is wrong beside that, each reason once.
    pub(super) fn also(&self) -> Vec<&Refusal> {
        let Some(first) = self.refusal() else { return Vec::new() };
        let mut told = vec![first.reason];
        let mut others = Vec::new();
        for (_, refusal) in self.walk.wrong() {
            if !told.contains(&refusal.reason) {
                told.push(refusal.reason);
                others.push(refusal);
            }
        }
        others
    }

    /// The token that a refusal is about.
    pub(super) fn token_of(&self, refusal: &Refusal) -> Option<&TokenWalk> {
        let mut tokens = self.walk.tokens.iter();
        let its = tokens.find(|token| token.failures().any(|it| std::ptr::eq(it, refusal)));
        // What was decided is told apart from the checks.
        let alike = || {
            let mut tokens = self.walk.tokens.iter();
            tokens.find(|token| token.failures().any(|it| it.reason == refusal.reason))
        };
        its.or_else(alike)
    }

    /// What a near miss lacks.
    pub(super) fn note(&self, refusal: &Refusal) -> Option<String> {
        let url = self.captured.url();
        let circumstances = Circumstances {
            now: self.now,
            timing: self.timing,
            regions: &self.regions,
            url: &url,
            sender: self.sender,
            headers: &self.captured.headers,
        };
        let claims = self.token_of(refusal).and_then(|token| token.claims.as_ref());
        let token = self.bytes_of(refusal);
        if refusal.reason == Reason::NoRule {
            return self.nearest_rule();
        }
        if refusal.reason == Reason::KeyUnknown && self.are_keys_kept {
            let why = "the keys here are kept ones, and may be older than the token: --fetch gets \
                       those of now";
            return Some(why.to_owned());
        }
        circumstances.note(refusal, claims, token).map(|note| shown(&note))
    }

    /// The rule that is nearly for this request.
    fn nearest_rule(&self) -> Option<String> {
        let others = self.walk.others.iter();
        let nearest = others.min_by_key(|other| other.misses.len())?;
        let parts: Vec<_> = nearest.misses.iter().map(|miss| miss.part).collect();
        (parts.len() < 3).then(|| {
            shown(&format!("the nearest rule is {}, but {}", nearest.name, text::missing(nearest)))
        })
    }

    /// What stands in the place of the token that a refusal is about, also where it
    /// is none.
    fn bytes_of(&self, refusal: &Refusal) -> Option<&[u8]> {
        let place = &self.token_of(refusal)?.place;
        let mut places = self.walk.rule.iter().flat_map(|rule| rule.places());
        let here = places.find(|it| place.starts_with(&format!("{}: ", it.header())))?;
        let headers = &self.captured.headers;
        let whole = || {
            let value = headers.get(here.header())?.as_bytes();
            let scheme = value.get(..7).filter(|it| it.eq_ignore_ascii_case(b"bearer "));
            scheme.and_then(|_| value.get(7..)).or(Some(value))
        };
        here.token(headers).ok().or_else(whole)
    }

    /// The names of checks that could not be made, each once.
    pub(super) fn unchecked(&self) -> Vec<&'static str> {
        let tokens = self.walk.tokens.iter().flat_map(|token| &token.steps);
        let mut names = Vec::new();
        for step in self.walk.steps.iter().chain(tokens) {
            if matches!(step.outcome, Outcome::Unknown(_)) && !names.contains(&step.check.name()) {
                names.push(step.check.name());
            }
        }
        names
    }

    /// A rule that would let this request in, where there is no configuration.
    pub(super) fn suggestion(&self) -> Option<String> {
        if self.is_configured || self.fate() == Fate::Refused {
            return None;
        }
        let claims = self.walk.tokens.iter().find_map(|token| token.claims.as_ref())?;
        suggestion::rule(claims, &self.captured)
    }

    /// What is odd about the token's audience, where no rule says which are right:
    /// how it misses the origin of the URL that was called.
    pub(super) fn odd_audience(&self) -> Option<Reason> {
        let target = self.captured.target().ok()?;
        let claims = self.walk.tokens.iter().find_map(|token| token.claims.as_ref())?;
        let usual = [format!("https://{}", target.host())];
        let is_usual = claims.audiences.iter().any(|it| usual.contains(it));
        let miss = audience_miss(&claims.audiences, &usual, target.host());
        let tells = miss != Reason::AudienceMismatch && !self.is_configured && !is_usual;
        Some(miss).filter(|_| tells)
    }

    /// What is recorded of the answer, if it is not what this policy would say.
    pub(super) fn other_answer(&self) -> Option<String> {
        let answered = self.captured.answered?;
        let is_denied = matches!(answered, 401 | 403);
        let fate = self.fate();
        (is_denied && fate == Fate::Admitted).then(|| {
            format!(
                "it was answered with {answered} all the same: not by this policy, but by another \
                 version of it, by what stands before it, or by the region behind it (remint doctor \
                 looks there)"
            )
        })
    }

    /// Whether that is about a request that may be older than now.
    pub(super) fn is_old(&self, refusal: &Refusal) -> bool {
        refusal.reason == Reason::Expired && self.captured.at.is_none() && self.are_keys_elsewhere
    }

    /// The request in one line.
    pub(super) fn request(&self) -> String {
        let method = &self.captured.method;
        if !self.captured.has_url {
            return "a token alone".to_owned();
        }
        match self.captured.target() {
            Ok(target) => shown(&format!("{method} https://{}{}", target.host(), target.path())),
            Err(error) => format!("a request whose target can't be read: {error}"),
        }
    }
}

/// Nobody has said what is to be let in: only what is true of all tokens is told.
fn without_rules(walk: &mut Walk, has_url: bool) {
    walk.steps.retain(|step| has_url || step.check != Check::Target);
    let why = || Outcome::Unknown("there is no configuration that says so".to_owned());
    let of_rules = [Check::Rule, Check::RuleIssuer, Check::Audience, Check::Caller, Check::Claims];
    let tokens = walk.tokens.iter_mut().flat_map(|token| &mut token.steps);
    for step in walk.steps.iter_mut().chain(tokens) {
        if of_rules.contains(&step.check) {
            step.outcome = why();
        }
    }
    if walk.tokens.iter().any(TokenWalk::is_there) {
        walk.tokens.retain(TokenWalk::is_there);
    } else {
        walk.tokens.truncate(1);
    }
}

/// A text from outside, fit to be shown: in one line, not too long, and without a
/// token that somebody put there.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 600;
    let text: String =
        text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).collect();
    let words: Vec<_> = text.split(' ').map(safe).collect();
    let text = words.join(" ");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
