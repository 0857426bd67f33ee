//! Origins: where requests are sent, and whom their tokens are for.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use http::uri::Authority;

/// Scheme, host and port of a URL, as in the web's notion of an origin
/// (RFC 6454). It is also what Cloud Run wants as an audience.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    is_https: bool,
    host: String,
    port: u16,
}

/// A host and a port to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name, or an address in the form that URLs use (IPv6 in brackets).
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Origin {
    /// Reads a URL that has no more than an origin.
    ///
    /// # Errors
    /// What is wrong with it, for its writer.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            let shown = without_userinfo(text);
            format!("{shown:?} is no URL of a region: expected https://HOST")
        };
        if without_userinfo(text) != text {
            return Err(wrong());
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(at) = authority.find(['/', '?', '#']) {
            let tail = authority.get(at..).unwrap_or_default();
            return Err(format!(
                "{text:?} goes on after the host: leave {tail:?} out, the path comes from the request"
            ));
        }
        Self::of(is_https, authority).ok_or_else(wrong)
    }

    /// The origin of that scheme and `host[:port]`.
    #[must_use]
    pub fn of(is_https: bool, authority: &str) -> Option<Self> {
        let HostPort { host, port } = HostPort::parse(authority, Some(default_port(is_https)))?;
        Some(Self { is_https, host, port })
    }

    /// The one without TLS at that host.
    #[must_use]
    pub fn plain(HostPort { host, port }: &HostPort) -> Self {
        Self { is_https: false, host: host.clone(), port: *port }
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Whether what is sent there can be read by nobody on the way: by TLS, or
    /// because it does not leave the machine.
    #[must_use]
    pub fn is_private(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = |ip: IpAddr| ip.is_loopback();
        self.is_https || bare == "localhost" || bare.parse().is_ok_and(is_loopback)
    }

    /// The host in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> HostPort {
        HostPort { host: self.host.clone(), port: self.port }
    }

    /// The value of a `Host` header: without the scheme's own port.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port == default_port(self.is_https) {
            true => self.host.clone(),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// The audience that Cloud Run accepts at this origin. The URL of a
    /// traffic tag (`TAG---SERVICE…`) is no audience: the one without the tag
    /// is (Cloud Run, "Service-to-service authentication").
    #[must_use]
    pub fn audience(&self) -> String {
        let untagged = match self.host.split_once("---") {
            Some((tag, rest)) if !tag.contains('.') => rest,
            _ => self.host.as_str(),
        };
        let host = untagged.to_owned();
        Self { host, ..self.clone() }.to_string()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl HostPort {
    /// Reads `host:port`; the port may be absent if there is a default.
    #[must_use]
    pub fn parse(text: &str, default_port: Option<u16>) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let host = authority.host();
        // URLs put up with a port that is empty or no number; connecting not.
        let port = match text.strip_prefix(host)? {
            "" => default_port?,
            rest => rest.strip_prefix(':')?.parse().ok()?,
        };
        if host.is_empty() {
            return None;
        }
        Some(Self { host: host.to_ascii_lowercase(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A URL or a host as it may be shown: without what stands before its host,
/// which may be a password.
pub(super) fn without_userinfo(text: &str) -> Cow<'_, str> {
    let start = text.find("://").map_or(0, |at| at.saturating_add(3));
    let (before, rest) = text.split_at_checked(start).unwrap_or((text, ""));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_port = authority.rsplit_once(':').is_none_or(|(_, port)| is_port(port));
    // In a path an @ means nothing; but a password may have a slash.
    let named = if has_port { authority } else { rest };
    match named.rfind('@').and_then(|at| rest.get(at..)) {
        Some(host) => format!("{before}…{host}").into(),
        None => text.into(),
    }
}

fn default_port(is_https: bool) -> u16 {
    if is_https { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    #[test]
    fn the_default_port_is_neither_in_host_nor_in_audience() {
        let plain = origin("https://Orders.a.run.app:443/");
        assert_eq!(plain, origin("https://orders.a.run.app"));
        assert_eq!(plain.authority(), "orders.a.run.app");
        assert_eq!(plain.audience(), "https://orders.a.run.app");
        assert_eq!(plain.address().to_string(), "orders.a.run.app:443");
        assert_eq!(origin("http://127.0.0.1:81").authority(), "127.0.0.1:81");
    }

    #[test]
    fn the_audience_of_a_tagged_url_is_the_untagged_one() {
        let tagged = origin("https://green---orders-abc-uc.a.run.app");
        assert_eq!(tagged.authority(), "green---orders-abc-uc.a.run.app");
        assert_eq!(tagged.audience(), "https://orders-abc-uc.a.run.app");
        let odd = origin("https://a.b---c.example");
        assert_eq!(odd.audience(), "https://a.b---c.example");
    }

    #[test]
    fn nobody_reads_what_is_encrypted_or_stays_on_the_machine() {
        for url in ["https://h", "http://127.0.0.1", "http://127.9.9.9:80", "http://[::1]:80"] {
            assert!(origin(url).is_private(), "{url}");
        }
        assert!(origin("http://LocalHost:80").is_private());
        for url in ["http://h", "http://10.0.0.1", "http://127.1", "http://localhost.example"] {
            assert!(!origin(url).is_private(), "{url}");
        }
    }

    #[test]
    fn what_may_be_a_password_is_shown_in_no_mistake() {
        for text in ["https://u:hush@h", "https://hush@h/x", "https://u:hu/hush@h", "u:hush@h:1"] {
            let shown = Origin::parse(text).unwrap_err();
            assert!(!shown.contains("hush") && shown.contains("…@h"), "{shown}");
        }
        for text in ["https://h/a/e@h:get", "https://h:1/e@h", "h", "h:1", "[::1]:80", "é://", ""]
        {
            assert_eq!(without_userinfo(text), text);
        }
    }

    #[test]
    fn more_than_an_origin_is_refused() {
        for bad in [
            "orders.run.app",
            "ftp://h",
            "https://",
            "https://u:p@h",
            "https://h/path",
            "https://h?q",
            "https://h#f",
            "https://h:port",
            "https://h:",
            "https://h:99999",
            "https://a b",
        ] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
