//! Rules: what is asked of a request.

use std::sync::Arc;

use super::admission::Admission;
use super::matching::{Example, Matching};
use super::names::Names;
use super::place::TokenPlace;
use super::requirement::{Evidence, Requirement};
use super::walk::TokenWalk;
use crate::cache::TokenCache;
use crate::config::{Object, Reader};
use crate::refusal::Refusal;
use crate::request::Headers;
use crate::signature::SignatureScheme;

/// What is asked of some requests.
#[derive(Clone, Debug)]
pub struct Rule {
    name: Arc<str>,
    matching: Matching,
    mode: Mode,
    /// The tokens that a request must carry, all of them. None at all for a
    /// rule that lets everybody in.
    requirements: Vec<Requirement>,
    allows_preflights: bool,
}

/// For which requests a rule is, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The hosts.
    pub hosts: Vec<String>,
    /// The paths.
    pub paths: Vec<String>,
    /// The methods.
    pub methods: Vec<String>,
}

/// What becomes of a request that does not fulfil its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    Enforce,
    /// It is let through; logs and metrics tell what it would have been
    /// refused for.
    Report,
}

const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("report", Mode::Report)];
const PREFLIGHTS: [(&str, bool); 2] = [("allow", true), ("refuse", false)];
/// What a rule says of its one token.
const ABOUT_ONE_TOKEN: [&str; 5] = ["issuers", "audiences", "audience_match", "callers", "claims"];

impl Rule {
    pub(super) fn read(from: &Reader<'_>, names: &Names) -> Option<Self> {
        let mut object = from.object()?;
        let name = object.need("name").and_then(|name| name.text().map(Arc::from));
        let matching = object.need("match").and_then(|matching| Matching::read(&matching));
        let mode = object.maybe("mode", |mode| mode.choice(&MODES));
        let preflights = object.maybe("cors_preflight", |it| it.choice(&PREFLIGHTS));
        let requirements = read_requirements(&mut object, names);
        object.finish();
        Some(Self {
            name: name?,
            matching: matching?,
            mode: mode?.unwrap_or(Mode::Enforce),
            requirements: requirements?,
            allows_preflights: preflights?.unwrap_or(false),
        })
    }

    /// The name, which no other rule has.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What becomes of requests that do not fulfil it.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether it asks for no token.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The audiences that its tokens may have, in the order of the
    /// configuration.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().flat_map(Requirement::audiences).map(String::as_str)
    }

    /// How many marks of callers it lists for each token that it asks for:
    /// addresses, domains, accounts. None where everybody may call whom an issuer
    /// has authenticated.
    pub fn callers(&self) -> impl Iterator<Item = Option<usize>> {
        self.requirements.iter().map(Requirement::callers)
    }

    /// The requests that it is for, each list as text; an empty one asks for
    /// nothing. A host may begin with `*.`, a path's prefix ends in `/*`.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let Matching { hosts, paths, methods } = &self.matching;
        Scope {
            hosts: hosts.iter().map(ToString::to_string).collect(),
            paths: paths.iter().map(ToString::to_string).collect(),
            methods: methods.clone(),
        }
    }

    /// A request that it is for, if host and path can be told without guessing.
    #[must_use]
    pub fn example(&self) -> Option<Example> {
        self.matching.example()
    }

    /// Where it looks for tokens.
    pub fn places(&self) -> impl Iterator<Item = &TokenPlace> + Clone {
        self.requirements.iter().flat_map(Requirement::places)
    }

    /// Whether it can admit anybody while only these issuers have keys.
    #[must_use]
    pub fn can_admit(&self, has_keys: impl Fn(&str) -> bool) -> bool {
        self.mode == Mode::Report
            || self.requirements.iter().all(|it| it.can_be_fulfilled(&has_keys))
    }

    pub(super) fn matching(&self) -> &Matching {
        &self.matching
    }

    pub(super) fn allows_preflights(&self) -> bool {
        self.allows_preflights
    }

    /// Admits a request whose tokens fulfil every requirement, and in report
    /// mode any other too.
    pub(super) fn decide<S: SignatureScheme>(
        self: &Arc<Self>,
        evidence: &Evidence<'_, S, impl TokenCache, impl Headers>,
    ) -> Result<Admission, Refusal> {
        let mut admission = Admission::of(self);
        for requirement in &self.requirements {
            match requirement.find(&self.name, evidence) {
                Ok(token) => admission.add(token),
                Err(refusal) if self.mode == Mode::Report => return Ok(admission.despite(refusal)),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(admission)
    }

    /// Every token that it looks for, check by check.
    pub(super) fn walk<S: SignatureScheme>(
        &self,
        evidence: &Evidence<'_, S, impl TokenCache, impl Headers>,
    ) -> Vec<TokenWalk> {
        let each = self.requirements.iter().enumerate();
        each.flat_map(|(number, requirement)| requirement.walk(number, evidence)).collect()
    }
}

/// `anonymous: true`, a list under `all_of`, or one token described in the
/// rule itself.
fn read_requirements(object: &mut Object<'_>, names: &Names) -> Option<Vec<Requirement>> {
    let anonymous = object.maybe("anonymous", Reader::flag);
    let all_of = object.get("all_of");
    let Some(anonymous) = anonymous else {
        // What can't be read says nothing of what must be there beside it.
        ABOUT_ONE_TOKEN.into_iter().for_each(|name| drop(object.get(name)));
        return None;
    };
    let is_anonymous = anonymous == Some(true);
    if !is_anonymous && all_of.is_none() {
        return Requirement::read(object, names).map(|one| vec![one]);
    }
    let (what, others) = match (is_anonymous, &all_of) {
        (true, Some(_)) => ("\"anonymous: true\"", vec!["all_of"]),
        (true, None) => ("\"anonymous: true\"", ABOUT_ONE_TOKEN.to_vec()),
        (false, _) => ("\"all_of\"", ABOUT_ONE_TOKEN.to_vec()),
    };
    let mut is_right = true;
    for name in others {
        if let Some(member) = object.get(name) {
            member.problem(format!("does not go with {what}: it would not be looked at"));
            is_right = false;
        }
    }
    let requirements = match all_of {
        Some(list) => list.list(|it| {
            let mut object = it.object()?;
            let one = Requirement::read(&mut object, names);
            object.finish();
            one
        }),
        None => Some(Vec::new()),
    };
    requirements.filter(|_| is_right)
}
