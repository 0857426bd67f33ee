//! Who may call.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::names::Names;
use crate::claims::Claims;
use crate::config::{Object, Reader};
use crate::refusal::{Expected, Reason, Refusal};
use crate::sender::Sender;

/// The callers that a rule admits.
#[derive(Clone, Debug)]
pub(super) struct Callers(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Everybody whom an issuer of the rule has authenticated. With Google as
    /// issuer that is the whole world, so it has to be asked for by name.
    Anyone,
    Listed(Box<Listed>),
}

/// Callers by any of several marks, as the configuration lists them.
#[derive(Clone, Debug, Default)]
pub(super) struct CallerList {
    /// Verified addresses, in lower case.
    emails: Vec<String>,
    /// Domains of verified addresses, in lower case.
    domains: Vec<String>,
    /// Workspace domains (`hd`), in lower case.
    hosted_domains: Vec<String>,
    /// Account ids (`sub`).
    subjects: Vec<String>,
    /// All of it, for messages.
    shown: Vec<String>,
}

/// The same, ready to be looked up.
#[derive(Clone, Debug)]
struct Listed {
    emails: HashSet<String>,
    domains: HashSet<String>,
    hosted_domains: HashSet<String>,
    subjects: HashSet<String>,
    shown: Arc<[String]>,
}

impl Callers {
    pub(super) fn read(from: &Reader<'_>, names: &Names) -> Option<Self> {
        let mut object = from.object()?;
        let anyone = object.maybe("anyone", Reader::flag);
        let own = CallerList::read_from(&mut object);
        let groups = object.maybe("groups", |list| names.callers_of_groups(list));
        let senders = object.maybe("senders", |list| names.callers_of_senders(list));
        let place = object.reader().clone();
        object.finish();
        let (groups, senders) = (groups?.unwrap_or_default(), senders?.unwrap_or_default());
        let listed = groups.into_iter().chain(senders).fold(own?, CallerList::with);
        match (anyone?.unwrap_or(false), listed.shown.is_empty()) {
            (true, true) => Some(Self(Kind::Anyone)),
            (true, false) => {
                place.problem("takes \"anyone: true\" or lists, not both");
                None
            }
            (false, true) => {
                place.problem("admits nobody: list \"emails\", or say \"anyone: true\"");
                None
            }
            (false, false) => Some(Self(Kind::Listed(Box::new(listed.into())))),
        }
    }

    /// How many are listed; none for anyone.
    pub(super) fn count(&self) -> Option<usize> {
        match &self.0 {
            Kind::Anyone => None,
            Kind::Listed(listed) => Some(listed.shown.len()),
        }
    }

    /// Those that are listed, as messages show them; empty for anyone.
    pub(super) fn shared(&self) -> Arc<[String]> {
        match &self.0 {
            Kind::Anyone => Arc::default(),
            Kind::Listed(listed) => Arc::clone(&listed.shown),
        }
    }

    pub(super) fn check(&self, claims: &Claims) -> Result<(), Refusal> {
        let Kind::Listed(listed) = &self.0 else { return Ok(()) };
        if listed.holds(claims) {
            return Ok(());
        }
        let expected = Expected::AnyOf(Arc::clone(&listed.shown));
        let (reason, received) = match (claims.verified_email(), claims.claimed_email()) {
            (None, Some(claimed)) => (Reason::EmailUnverified, claimed.to_owned()),
            _ => (Reason::CallerNotAllowed, claims.to_string()),
        };
        Err(Refusal::from(reason).expected(expected).received(received))
    }
}

impl CallerList {
    /// Reads a group of callers, which holds somebody.
    pub(super) fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let list = Self::read_from(&mut object);
        object.finish();
        let list = list?;
        if list.shown.is_empty() {
            from.problem("holds nobody: list \"emails\"");
            return None;
        }
        Some(list)
    }

    fn read_from(object: &mut Object<'_>) -> Option<Self> {
        let emails = object.maybe("emails", |list| list.list(read_email));
        let domains = object.maybe("email_domains", |list| list.list(read_domain));
        let hosted = object.maybe("hosted_domains", |list| list.list(read_domain));
        let subjects = object.maybe("subjects", |list| list.list(read_subject));
        let projects = object.maybe("projects", |list| list.list(read_project));
        let (emails, domains) = (emails?.unwrap_or_default(), domains?.unwrap_or_default());
        let (hosted, subjects) = (hosted?.unwrap_or_default(), subjects?.unwrap_or_default());
        let projects = projects?.unwrap_or_default();
        let shown = [
            shown(&emails, str::to_owned),
            shown(&domains, |domain| format!("addresses @{domain}")),
            shown(&hosted, |domain| format!("accounts of {domain} (hd)")),
            shown(&subjects, |subject| format!("subject {subject}")),
            shown(&projects, |domain| format!("service accounts @{domain}")),
        ];
        Some(Self {
            emails,
            domains: [domains, projects].concat(),
            hosted_domains: hosted,
            subjects,
            shown: shown.concat(),
        })
    }

    /// The accounts of one sender, which messages name with them.
    pub(super) fn read_accounts(from: &Reader<'_>, sender: Sender) -> Option<Self> {
        let emails = from.list(read_email)?;
        let shown = shown(&emails, |email| format!("{email} ({})", sender.name()));
        Some(Self { emails, shown, ..Self::default() })
    }

    fn with(self, other: Self) -> Self {
        Self {
            emails: [self.emails, other.emails].concat(),
            domains: [self.domains, other.domains].concat(),
            hosted_domains: [self.hosted_domains, other.hosted_domains].concat(),
            subjects: [self.subjects, other.subjects].concat(),
            shown: [self.shown, other.shown].concat(),
        }
    }
}

impl From<CallerList> for Listed {
    fn from(list: CallerList) -> Self {
        Self {
            emails: list.emails.into_iter().collect(),
            domains: list.domains.into_iter().collect(),
            hosted_domains: list.hosted_domains.into_iter().collect(),
            subjects: list.subjects.into_iter().collect(),
            shown: list.shown.into(),
        }
    }
}

impl Listed {
    fn holds(&self, claims: &Claims) -> bool {
        let email = claims.verified_email().map(lower);
        let email = email.as_deref();
        let domain = email.and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
        let hosted = claims.hosted_domain.as_deref().map(lower);
        email.is_some_and(|email| self.emails.contains(email))
            || domain.is_some_and(|domain| self.domains.contains(domain))
            || hosted.is_some_and(|domain| self.hosted_domains.contains(&*domain))
            || claims.subject.as_ref().is_some_and(|subject| self.subjects.contains(subject))
    }
}

/// In lower case, copied only if it is not so already.
fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

fn shown(values: &[String], show: impl Fn(&str) -> String) -> Vec<String> {
    values.iter().map(|value| show(value)).collect()
}

/// Google compares addresses of accounts without case.
fn read_email(from: &Reader<'_>) -> Option<String> {
    from.parsed(|text| match text.split_once('@') {
        Some((user, domain)) if !user.is_empty() && !domain.is_empty() && !text.contains('*') => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(format!("{text:?} is no address of an account")),
    })
}

fn read_domain(from: &Reader<'_>) -> Option<String> {
    from.parsed(|text| match is_domain(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(format!("{text:?} is no domain: write it as example.com")),
    })
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

fn read_subject(from: &Reader<'_>) -> Option<String> {
    from.parsed(|text| match text.chars().any(|c| c.is_whitespace() || c == '*') {
        true => Err(format!("{text:?} is no account id")),
        false => Ok(text.to_owned()),
    })
}

/// A project's service accounts are `NAME@PROJECT.iam.gserviceaccount.com`; a
/// project of a domain, `example.com:project`, is `project.example.com` there
/// (IAM documentation, "Service account overview").
fn read_project(from: &Reader<'_>) -> Option<String> {
    from.parsed(|text| {
        let project = match text.split_once(':') {
            Some((domain, project)) => format!("{project}.{domain}"),
            None => text.to_owned(),
        };
        let domain = format!("{project}.iam.gserviceaccount.com");
        match is_domain(&domain) && text == text.to_ascii_lowercase() {
            true => Ok(domain),
            false => Err(format!("{text:?} is no project id")),
        }
    })
}
