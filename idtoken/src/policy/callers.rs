//! Who may call.

use std::collections::HashSet;
use std::sync::Arc;

use crate::claims::Claims;
use crate::config::Reader;
use crate::refusal::{Expected, Reason, Refusal};

/// The callers that a rule admits.
#[derive(Clone, Debug)]
pub struct Callers(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Everybody whom an issuer of the rule has authenticated. With Google as
    /// issuer that is the whole world, so it has to be asked for by name.
    Anyone,
    Listed {
        emails: HashSet<String>,
        shown: Arc<[String]>,
    },
}

impl Callers {
    pub(crate) fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let anyone = object.maybe("anyone", Reader::flag);
        let emails = object.maybe("emails", |list| list.list(read_email));
        if anyone.is_some() && emails.is_some() {
            match (anyone.flatten(), emails.as_ref().and_then(Option::as_ref)) {
                (Some(true), None) | (None | Some(false), Some(_)) => {}
                (Some(true), Some(_)) => {
                    object.reader().problem("takes \"anyone: true\" or a list, not both");
                }
                (None | Some(false), None) => {
                    object
                        .reader()
                        .problem("admits nobody: list \"emails\", or say \"anyone: true\"");
                }
            }
        }
        object.finish();
        match (anyone?.unwrap_or(false), emails?) {
            (true, _) => Some(Self(Kind::Anyone)),
            (false, emails) => {
                let shown: Arc<[String]> = emails?.into();
                let emails = shown.iter().cloned().collect();
                Some(Self(Kind::Listed { emails, shown }))
            }
        }
    }

    pub(crate) fn check(&self, claims: &Claims) -> Result<(), Refusal> {
        let Kind::Listed { emails, shown } = &self.0 else {
            return Ok(());
        };
        let expected = || Expected::AnyOf(Arc::clone(shown));
        match (claims.verified_email(), claims.claimed_email()) {
            (Some(email), _) if emails.contains(&email.to_ascii_lowercase()) => Ok(()),
            (None, Some(claimed)) => {
                Err(Refusal::from(Reason::EmailUnverified).expected(expected()).received(claimed))
            }
            (email, _) => Err(Refusal::from(Reason::CallerNotAllowed)
                .expected(expected())
                .received(email.unwrap_or("no email in the token"))),
        }
    }
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
