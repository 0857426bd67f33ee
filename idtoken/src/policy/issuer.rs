//! Issuers: who signs tokens, and where their keys are.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;

use crate::config::{Object, Reader};
use crate::signature::Algorithm;

/// Both spellings are valid (Google, "Validating an ID token").
const GOOGLE_SPELLINGS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// An issuer of tokens that the policy believes.
#[derive(Clone, Debug)]
pub struct Issuer {
    name: Arc<str>,
    spellings: Arc<[String]>,
    algorithms: Vec<Algorithm>,
    keys: KeyUrl,
}

/// Where a JWK set is fetched: an `http` or `https` URL with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUrl {
    is_https: bool,
    authority: String,
    path_and_query: String,
}

impl KeyUrl {
    /// Google's JWK set for ID tokens (its OpenID discovery document,
    /// `jwks_uri`).
    fn google() -> Self {
        Self {
            is_https: true,
            authority: "www.googleapis.com".into(),
            path_and_query: "/oauth2/v3/certs".into(),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no URL of a key set: expected https://HOST/PATH");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        if text.contains(['@', '#']) || authority.host().is_empty() {
            return Err(wrong());
        }
        if !is_https && !is_loopback(authority.host()) {
            return Err(format!(
                "{text:?}: whoever is on the way could change the keys; use https"
            ));
        }
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            is_https,
            authority: authority.to_string(),
            path_and_query: path_and_query.to_owned(),
        })
    }

    /// `https` or `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }

    /// Host and, where it is given, port.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query.
    #[must_use]
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }
}

/// Hosts that nobody is on the way to.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for KeyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.path_and_query)
    }
}

impl Issuer {
    /// Google, as issuer of ID tokens.
    #[must_use]
    pub fn google() -> Self {
        Self {
            name: Arc::from("google"),
            spellings: GOOGLE_SPELLINGS.map(str::to_owned).into(),
            algorithms: vec![Algorithm::Rs256],
            keys: KeyUrl::google(),
        }
    }

    pub(crate) fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let issuer = match object.get("preset") {
            Some(preset) => preset
                .choice(&[("google", Self::google as fn() -> Self)])
                .and_then(|preset| Self::read_preset(preset(), &mut object)),
            None => Self::read_custom(&mut object),
        };
        object.finish();
        issuer
    }

    fn read_preset(preset: Self, object: &mut Object<'_>) -> Option<Self> {
        let name = object.maybe("name", Reader::text);
        let keys = object.maybe("jwks_uri", |uri| uri.parsed(KeyUrl::parse));
        Some(Self {
            name: name?.map_or(preset.name, Arc::from),
            keys: keys?.unwrap_or(preset.keys),
            ..preset
        })
    }

    fn read_custom(object: &mut Object<'_>) -> Option<Self> {
        let name = object.need("name").and_then(|name| name.text().map(Arc::from));
        let issuer = object.need("issuer").and_then(|issuer| issuer.text().map(str::to_owned));
        let keys = object.need("jwks_uri").and_then(|uri| uri.parsed(KeyUrl::parse));
        let known = [Algorithm::Rs256, Algorithm::Es256].map(|alg| (alg.name(), alg));
        let algorithms =
            object.need("algorithms").and_then(|list| list.list(|alg| alg.choice(&known)));
        Some(Self {
            name: name?,
            spellings: Arc::from([issuer?]),
            algorithms: algorithms?,
            keys: keys?,
        })
    }

    /// The name that the configuration gives it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The values of `iss` that are this issuer's.
    #[must_use]
    pub fn spellings(&self) -> &[String] {
        &self.spellings
    }

    /// The algorithms it signs with.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Where its keys are.
    #[must_use]
    pub fn keys(&self) -> &KeyUrl {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_of_google_is_complete() {
        let google = Issuer::google();
        assert_eq!(google.keys().authority(), "www.googleapis.com");
        assert_eq!(google.keys().path_and_query(), "/oauth2/v3/certs");
        assert_eq!(google.spellings().len(), 2);
        assert_eq!(KeyUrl::parse(&google.keys().to_string()).as_ref(), Ok(google.keys()));
    }

    #[test]
    fn the_url_of_a_key_set_is_plain() {
        for bad in
            ["", "keys", "file:///keys", "https://u:p@h/", "https://h/#f", "https://", "http://h/"]
        {
            assert!(KeyUrl::parse(bad).is_err(), "{bad}");
        }
        let url = KeyUrl::parse("http://127.0.0.1:8080/a?b=c").unwrap();
        assert_eq!((url.authority(), url.path_and_query()), ("127.0.0.1:8080", "/a?b=c"));
    }
}
