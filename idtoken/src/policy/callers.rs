//! Who may call.

use std::collections::HashSet;
use std::sync::Arc;

use crate::claims::Claims;
use crate::config::{Object, Reader};
use crate::refusal::{Expected, Reason, Refusal};

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

/// Callers by any of several marks.
#[derive(Clone, Debug)]
struct Listed {
    /// Verified addresses, in lower case.
    emails: HashSet<String>,
    /// Domains of verified addresses, in lower case.
    domains: HashSet<String>,
    /// Workspace domains (`hd`), in lower case.
    hosted_domains: HashSet<String>,
    /// Account ids (`sub`).
    subjects: HashSet<String>,
    /// All of it, for messages.
    shown: Arc<[String]>,
}

impl Callers {
    pub(super) fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let anyone = object.maybe("anyone", Reader::flag);
        let listed = Listed::read(&mut object);
        let place = object.reader().clone();
        object.finish();
        match (anyone?.unwrap_or(false), listed?) {
            (true, listed) if listed.shown.is_empty() => Some(Self(Kind::Anyone)),
            (true, _) => {
                place.problem("takes \"anyone: true\" or lists, not both");
                None
            }
            (false, listed) if listed.shown.is_empty() => {
                place.problem("admits nobody: list \"emails\", or say \"anyone: true\"");
                None
            }
            (false, listed) => Some(Self(Kind::Listed(Box::new(listed)))),
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

impl Listed {
    fn read(object: &mut Object<'_>) -> Option<Self> {
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
            shown(&domains, |domain| format!("anybody@{domain}")),
            shown(&hosted, |domain| format!("accounts of {domain} (hd)")),
            shown(&subjects, |subject| format!("subject {subject}")),
            shown(&projects, |domain| format!("service accounts @{domain}")),
        ];
        Some(Self {
            emails: emails.into_iter().collect(),
            domains: domains.into_iter().chain(projects).collect(),
            hosted_domains: hosted.into_iter().collect(),
            subjects: subjects.into_iter().collect(),
            shown: shown.concat().into(),
        })
    }

    fn holds(&self, claims: &Claims) -> bool {
        let email = claims.verified_email().map(str::to_ascii_lowercase);
        let email = email.as_deref();
        // Whatever stands before the last "@" may hold others.
        let domain = email.and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
        let hosted = claims.hosted_domain.as_deref().map(str::to_ascii_lowercase);
        email.is_some_and(|email| self.emails.contains(email))
            || domain.is_some_and(|domain| self.domains.contains(domain))
            || hosted.is_some_and(|domain| self.hosted_domains.contains(&domain))
            || claims.subject.as_ref().is_some_and(|subject| self.subjects.contains(subject))
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
