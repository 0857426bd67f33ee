//! URLs of servers that credentials are sent to.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;

use super::Origin;
use super::origin::without_userinfo;

/// The URL of a server that makes tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    origin: Origin,
    path: Arc<str>,
}

impl Endpoint {
    /// Reads the URL of a server that is sent credentials: by TLS, or on this
    /// machine.
    ///
    /// # Errors
    /// What is wrong with it, for its writer.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of(text)?.private_if(Origin::is_private)
    }

    /// The same for a server beside this machine, which gives it tokens: some
    /// clouds' metadata servers have a link-local address and no TLS.
    ///
    /// # Errors
    /// What is wrong with it, for its writer.
    pub fn parse_near(text: &str) -> Result<Self, String> {
        Self::of(text)?.private_if(|origin| origin.is_private() || is_link_local(origin.host()))
    }

    /// That path at that origin.
    #[must_use]
    pub fn at(origin: Origin, path: &str) -> Self {
        Self { origin, path: Arc::from(path) }
    }

    fn of(text: &str) -> Result<Self, String> {
        let wrong = || {
            let shown = without_userinfo(text);
            format!("{shown:?} is no URL of a server: expected https://HOST/PATH")
        };
        if text.contains('#') {
            return Err(wrong());
        }
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let origin = Origin::of(is_https, authority.as_str()).ok_or_else(wrong)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self::at(origin, path))
    }

    fn private_if(self, is_private: impl Fn(&Origin) -> bool) -> Result<Self, String> {
        match is_private(&self.origin) {
            true => Ok(self),
            false => Err(format!(
                "{:?}: tokens would travel in clear text; use https://",
                self.to_string()
            )),
        }
    }

    /// Where the server is.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is asked there: path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Such addresses are never routed (RFC 3927, section 7; RFC 4291, 2.5.6).
fn is_link_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(IpAddr::V4(ip)) => ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_unicast_link_local(),
        Err(_) => false,
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_with_its_path_and_query() {
        let endpoint = Endpoint::parse("https://sts.googleapis.com/v1/token?a=b").unwrap();
        assert_eq!(endpoint.to_string(), "https://sts.googleapis.com/v1/token?a=b");
        assert_eq!(endpoint.path(), "/v1/token?a=b");
        assert_eq!(Endpoint::parse("http://127.0.0.1:81").unwrap().path(), "/");
    }

    #[test]
    fn credentials_are_sent_by_tls_or_stay_on_the_machine() {
        let near = "http://169.254.169.254/metadata/identity?resource=x";
        assert!(Endpoint::parse(near).unwrap_err().contains("in clear text"));
        assert!(Endpoint::parse_near(near).is_ok());
        for bad in ["http://h/x", "http://10.0.0.1/", "ftp://h/", "h/x", "https://u@h/", "/x", ""] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
            assert!(Endpoint::parse_near(bad).is_err(), "{bad}");
        }
        assert!(Endpoint::parse("https://h/x#y").is_err());
        for text in ["https://u:hush@h/x", "https://u:hu/hush@h/x", "https://u:hush@h/x#y"] {
            assert!(!Endpoint::parse(text).unwrap_err().contains("hush"), "{text}");
        }
    }
}
