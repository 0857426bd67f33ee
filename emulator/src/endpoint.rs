//! What senders call.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// The URL that a sender calls, as it was written: it is the default audience,
/// which is compared letter by letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    text: String,
    pub(crate) authority: String,
    pub(crate) path_and_query: String,
    pub(crate) is_https: bool,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no endpoint: expected https://HOST/PATH")]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let wrong = || EndpointError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        // A user's name and password would be sent as a part of `Host`.
        let authority = uri.authority().filter(|it| !it.as_str().contains('@'));
        Ok(Self {
            text: text.to_owned(),
            authority: authority.ok_or_else(wrong)?.to_string(),
            path_and_query: uri.path_and_query().map_or("/", |it| it.as_str()).to_owned(),
            is_https,
        })
    }
}

impl Endpoint {
    /// The host, and the port that is usual for the scheme unless it is given.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        let named = self.authority.rsplit_once(':');
        let numbered = named.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let usual = if self.is_https { 443 } else { 80 };
        numbered.unwrap_or((&self.authority, usual))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_shown_letter_by_letter_as_it_was_written() {
        for text in ["https://LB.example", "http://a:80/p?q=1", "https://a/%7e/"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for bad in ["", "/push", "ftp://a/", "lb.example/push", "https://user:secret@a/"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_port_is_the_scheme_s_unless_it_is_given() {
        for (text, port) in [("https://a/", 443), ("http://a/", 80), ("http://a:81/", 81)] {
            assert_eq!(text.parse::<Endpoint>().unwrap().host_and_port(), ("a", port));
        }
    }
}
