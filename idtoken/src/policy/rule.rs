//! Rules: what is asked of a token, request by request.

use std::collections::HashSet;
use std::sync::Arc;

use super::callers::Callers;
use super::issuer::Issuer;
use crate::config::{Object, Reader};
use crate::refusal::{Expected, Reason, Refusal};
use crate::request::{Target, decoded_path, host};
use crate::token::{AuthenticToken, VerifiedToken};

/// What is asked of the tokens of some requests.
#[derive(Clone, Debug)]
pub struct Rule {
    name: Arc<str>,
    hosts: Vec<String>,
    paths: Vec<PathMatch>,
    methods: Vec<String>,
    issuers: HashSet<String>,
    audiences: HashSet<String>,
    shown_audiences: Arc<[String]>,
    callers: Callers,
}

/// Which paths a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// This path and all below it: `/push` is for `/push` and `/push/a`, not
    /// for `/pushed`.
    Prefix(String),
}

impl PathMatch {
    fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let prefix = object.need("prefix").and_then(|path| path.parsed(parse_path));
        object.finish();
        prefix.map(Self::Prefix)
    }

    fn matches(&self, path: &str) -> bool {
        let Self::Prefix(prefix) = self;
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Rule {
    pub(crate) fn read(from: &Reader<'_>, issuers: Option<&[Issuer]>) -> Option<Self> {
        let mut object = from.object()?;
        let name = object.need("name").and_then(|name| name.text().map(Arc::from));
        let matching = object.need("match").and_then(|matching| Matching::read(&matching));
        // Without the issuers their names can't be checked; the rest can.
        let named = object.get("issuers");
        let issuers = issuers.and_then(|known| read_issuers(&object, named, known));
        let audiences = object.need("audiences").and_then(|list| list.list(read_audience));
        let callers = object.need("callers").and_then(|callers| Callers::read(&callers));
        object.finish();
        let Matching { hosts, paths, methods } = matching?;
        let shown_audiences: Arc<[String]> = audiences?.into();
        Some(Self {
            name: name?,
            hosts,
            paths,
            methods,
            issuers: issuers?,
            audiences: shown_audiences.iter().cloned().collect(),
            shown_audiences,
            callers: callers?,
        })
    }

    /// The name, which no other rule has.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The audiences, any of which is accepted, in the order of the
    /// configuration.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.shown_audiences
    }

    pub(crate) fn is_for_everything(&self) -> bool {
        self.hosts.is_empty() && self.paths.is_empty() && self.methods.is_empty()
    }

    pub(crate) fn matches(&self, target: &Target<'_>) -> bool {
        let any = |list: &[String], value| list.is_empty() || list.iter().any(|it| it == value);
        any(&self.hosts, target.host())
            && any(&self.methods, target.method())
            && (self.paths.is_empty() || self.paths.iter().any(|it| it.matches(target.path())))
    }

    /// Admits an authentic token if it is meant for this rule's audiences and
    /// its caller is one of this rule's.
    ///
    /// # Errors
    /// The [`Refusal`] that says what was expected instead.
    pub fn admit(&self, token: AuthenticToken) -> Result<VerifiedToken, Refusal> {
        match self.accepted_audience(&token) {
            Ok(audience) => Ok(token.admitted(self, audience)),
            Err(refusal) => {
                let key_id = token.key_id.as_deref();
                Err(refusal.caller(&token.claims).token(token.fingerprint, key_id))
            }
        }
    }

    fn accepted_audience(&self, token: &AuthenticToken) -> Result<String, Refusal> {
        if !self.issuers.contains(token.issuer()) {
            let mut names: Vec<_> = self.issuers.iter().map(String::as_str).collect();
            names.sort_unstable();
            return Err(Refusal::from(Reason::IssuerUnknown)
                .expected_text(format!("the issuer {}", names.join(" or ")))
                .received(token.issuer()));
        }
        let claims = token.claims();
        let accepted = claims.audiences.iter().find(|it| self.audiences.contains(*it));
        let Some(audience) = accepted else {
            return Err(Refusal::from(Reason::AudienceMismatch)
                .expected(Expected::AnyOf(Arc::clone(&self.shown_audiences)))
                .received(claims.audiences.join(", ")));
        };
        self.callers.check(claims)?;
        Ok(audience.clone())
    }
}

/// For which requests a rule is. What is left out matches everything.
struct Matching {
    hosts: Vec<String>,
    paths: Vec<PathMatch>,
    methods: Vec<String>,
}

impl Matching {
    fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let hosts = object.maybe("hosts", |list| list.list(|host| host.parsed(parse_host)));
        let paths = object.maybe("paths", |list| list.list(PathMatch::read));
        let methods =
            object.maybe("methods", |list| list.list(|method| method.parsed(parse_method)));
        object.finish();
        Some(Self {
            hosts: hosts?.unwrap_or_default(),
            paths: paths?.unwrap_or_default(),
            methods: methods?.unwrap_or_default(),
        })
    }
}

/// The issuers that a rule takes. Where there are several, each rule says
/// which it means: an issuer of one's own may claim any address.
fn read_issuers(
    object: &Object<'_>,
    named: Option<Reader<'_>>,
    known: &[Issuer],
) -> Option<HashSet<String>> {
    let names: Vec<_> = known.iter().map(|issuer| (issuer.name(), issuer.name())).collect();
    match (named, names.as_slice()) {
        (Some(named), names) => {
            let named = named.list(|name| name.choice(names))?;
            Some(named.into_iter().map(str::to_owned).collect())
        }
        (None, [(only, _)]) => Some(HashSet::from([(*only).to_owned()])),
        (None, _) => {
            object.reader().problem("\"issuers\" is missing: name those that this rule accepts");
            None
        }
    }
}

fn read_audience(from: &Reader<'_>) -> Option<String> {
    from.parsed(|text| {
        match text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '*') {
            true => Err(format!("{text:?} is no audience: it is compared letter by letter")),
            false => Ok(text.to_owned()),
        }
    })
}

fn parse_host(text: &str) -> Result<String, String> {
    match host(text) {
        Ok(host) if host == text => Ok(host.into_owned()),
        Ok(host) => Err(format!("write the host without port and in lower case: {host}")),
        Err(_) => Err(format!("{text:?} is no host name")),
    }
}

fn parse_path(text: &str) -> Result<String, String> {
    if text.contains(['?', ';']) {
        return Err(format!("{text:?} is no path: rules see neither queries nor parameters"));
    }
    decoded_path(text).map(String::from).map_err(|error| format!("{text:?} is no path: {error}"))
}

fn parse_method(text: &str) -> Result<String, String> {
    match text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no method: write it in capitals, as in GET")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let prefix = |text: &str| PathMatch::Prefix(text.to_owned());
        for path in ["/push", "/push/", "/push/a"] {
            assert!(prefix("/push").matches(path), "{path}");
        }
        for path in ["/pushed", "/pus", "/", "/a/push"] {
            assert!(!prefix("/push").matches(path), "{path}");
        }
        assert!(prefix("/").matches("/anything") && prefix("/").matches("/"));
        assert!(prefix("/push/").matches("/push/a"));
    }
}
