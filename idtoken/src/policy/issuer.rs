//! Issuers: who signs tokens, where their keys come from, and where their
//! tokens are.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;

use super::inline_keys::InlineKeys;
use super::place::TokenPlace;
use crate::config::{Object, Reader};
use crate::signature::Algorithm;

/// Both spellings are valid (Google, "Validating an ID token").
const GOOGLE_SPELLINGS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// IAP's one (Google, "Securing your app with signed headers").
const IAP_SPELLING: &str = "https://cloud.google.com/iap";

/// An issuer of tokens that the policy believes.
#[derive(Clone, Debug)]
pub struct Issuer {
    name: Arc<str>,
    kind: Kind,
    spellings: Arc<[String]>,
    algorithms: Vec<Algorithm>,
    keys: KeySource,
    places: Vec<Arc<TokenPlace>>,
}

/// What is known of an issuer beyond what the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Google,
    Iap,
    Custom,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// They are fetched, again and again.
    Url(KeyUrl),
    /// They stand in the configuration.
    Inline(InlineKeys),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::Inline(_) => f.write_str("the configuration"),
        }
    }
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
        Self::https("www.googleapis.com", "/oauth2/v3/certs")
    }

    /// IAP's JWK set (Google, "Securing your app with signed headers").
    fn iap() -> Self {
        Self::https("www.gstatic.com", "/iap/verify/public_key-jwk")
    }

    fn https(authority: &str, path: &str) -> Self {
        Self { is_https: true, authority: authority.into(), path_and_query: path.into() }
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
            kind: Kind::Google,
            spellings: GOOGLE_SPELLINGS.map(str::to_owned).into(),
            algorithms: vec![Algorithm::Rs256],
            keys: KeySource::Url(KeyUrl::google()),
            places: vec![Arc::new(TokenPlace::bearer("authorization"))],
        }
    }

    /// Identity-Aware Proxy, as issuer of assertions about who called.
    #[must_use]
    pub fn iap() -> Self {
        Self {
            name: Arc::from("iap"),
            kind: Kind::Iap,
            spellings: Arc::from([IAP_SPELLING.to_owned()]),
            algorithms: vec![Algorithm::Es256],
            keys: KeySource::Url(KeyUrl::iap()),
            places: vec![Arc::new(TokenPlace::iap_assertion())],
        }
    }

    pub(crate) fn read(from: &Reader<'_>) -> Option<Self> {
        let mut object = from.object()?;
        let presets = [("google", Self::google as fn() -> Self), ("iap", Self::iap)];
        let issuer = match object.get("preset") {
            Some(preset) => {
                let preset = preset.choice(&presets);
                // Beside a preset that is not known the members of any are right.
                let issuer = Self::read_preset(preset.unwrap_or(Self::google)(), &mut object);
                issuer.filter(|_| preset.is_some())
            }
            None => Self::read_custom(&mut object),
        };
        object.finish();
        issuer
    }

    fn read_preset(preset: Self, object: &mut Object<'_>) -> Option<Self> {
        let name = object.maybe("name", Reader::text);
        let keys = KeySource::read(object, Some(preset.keys));
        let places = object.maybe("tokens", |list| list.list(TokenPlace::read));
        Some(Self {
            name: name?.map_or(preset.name, Arc::from),
            keys: keys?,
            places: places?.unwrap_or(preset.places),
            ..preset
        })
    }

    fn read_custom(object: &mut Object<'_>) -> Option<Self> {
        let name = object.need("name").and_then(|name| name.text().map(Arc::from));
        let issuer = object.need("issuer").and_then(|issuer| issuer.text().map(str::to_owned));
        let keys = KeySource::read(object, None);
        let known = [Algorithm::Rs256, Algorithm::Es256].map(|alg| (alg.name(), alg));
        let algorithms =
            object.need("algorithms").and_then(|list| list.list(|alg| alg.choice(&known)));
        let places = object.maybe("tokens", |list| list.list(TokenPlace::read));
        Some(Self {
            name: name?,
            kind: Kind::Custom,
            spellings: Arc::from([issuer?]),
            algorithms: algorithms?,
            keys: keys?,
            places: places?.unwrap_or_else(|| vec![Arc::new(TokenPlace::bearer("authorization"))]),
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

    pub(crate) fn kind(&self) -> Kind {
        self.kind
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

    /// Where its keys come from.
    #[must_use]
    pub fn keys(&self) -> &KeySource {
        &self.keys
    }

    /// Where its keys are fetched, if they are.
    #[must_use]
    pub fn key_url(&self) -> Option<&KeyUrl> {
        match &self.keys {
            KeySource::Url(url) => Some(url),
            KeySource::Inline(_) => None,
        }
    }

    /// The keys that stand in the configuration, if they do.
    #[must_use]
    pub fn inline_keys(&self) -> Option<&InlineKeys> {
        match &self.keys {
            KeySource::Url(_) => None,
            KeySource::Inline(keys) => Some(keys),
        }
    }

    /// Where its tokens are looked for, in this order.
    #[must_use]
    pub fn places(&self) -> &[Arc<TokenPlace>] {
        &self.places
    }

    /// Whether an address in its tokens is vouched for without a claim that
    /// says so: IAP's assertions have no `email_verified`, and their `email` is
    /// that of the account that IAP has signed in.
    pub(crate) fn vouches_for_addresses(&self) -> bool {
        self.kind == Kind::Iap
    }
}

impl KeySource {
    /// Reads `jwks_uri` or `inline_keys` of an issuer.
    fn read(object: &mut Object<'_>, default: Option<Self>) -> Option<Self> {
        let url = object.maybe("jwks_uri", |uri| uri.parsed(KeyUrl::parse));
        let inline = object.maybe("inline_keys", InlineKeys::read);
        match (url?, inline?, default) {
            (Some(url), None, _) => Some(Self::Url(url)),
            (None, Some(keys), _) => Some(Self::Inline(keys)),
            (None, None, Some(default)) => Some(default),
            (None, None, None) => {
                object.reader().problem("\"jwks_uri\" is missing, or \"inline_keys\" in its place");
                None
            }
            (Some(_), Some(_), _) => {
                object.reader().problem("takes \"jwks_uri\" or \"inline_keys\", not both");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_of_google_is_complete() {
        let google = Issuer::google();
        let keys = google.key_url().unwrap();
        assert_eq!(keys.authority(), "www.googleapis.com");
        assert_eq!(keys.path_and_query(), "/oauth2/v3/certs");
        assert_eq!(google.spellings().len(), 2);
        for issuer in [google, Issuer::iap()] {
            let keys = issuer.key_url().unwrap();
            assert_eq!(KeyUrl::parse(&keys.to_string()).as_ref(), Ok(keys));
        }
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
