//! What the policy needs to see of a request.

use std::borrow::Cow;

/// The headers of a request, wherever they are kept.
pub trait Headers {
    /// The values of all headers of that name, which is given in lower case.
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]>;
}

impl Headers for http::HeaderMap {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.get_all(name).iter().map(http::HeaderValue::as_bytes)
    }
}

/// What a request is for, in the form that rules are matched against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'r> {
    host: Cow<'r, str>,
    path: Cow<'r, str>,
    method: &'r str,
    is_whole: bool,
}

/// Why no rule may be matched against a request: two programs could read its
/// target as two different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No host, or characters that no host has.
    #[error("the host is missing or malformed")]
    Host,
    /// A path that does not begin with a slash, or holds a character that
    /// must be encoded.
    #[error("the path is not one that begins with a slash, in ASCII")]
    Path,
    /// `.` or `..` as a segment, plain or encoded.
    #[error("the path holds a dot segment")]
    DotSegment,
    /// Two slashes in a row.
    #[error("the path holds an empty segment (\"//\")")]
    EmptySegment,
    /// A slash or backslash that some programs take for a separator and some
    /// do not.
    #[error("the path holds an encoded slash or a backslash")]
    HiddenSlash,
    /// Parameters of a segment (`;`) that decide which rule the path meets.
    #[error("the path meets another rule with its parameters (\";\") than without them")]
    Parameters,
    /// An escape that is none, or one for a control character.
    #[error("the path holds a malformed escape or a control character")]
    Escape,
}

impl<'r> Target<'r> {
    /// Reads the target of a request. The query plays no part.
    ///
    /// Rules are matched against the percent-decoded path, so that no
    /// spelling of a path leads past the rule for it. A path that is not
    /// already in its normal form is refused rather than normalised: the path
    /// that is matched is the path that is forwarded.
    ///
    /// # Errors
    /// [`TargetError`] if two programs could read the target differently.
    pub fn parse(
        authority: &'r str,
        path_and_query: &'r str,
        method: &'r str,
    ) -> Result<Self, TargetError> {
        let path = path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path);
        let (host, decoded) = (host(authority)?, decoded_path(path)?);
        let is_whole = host == authority && decoded == path_and_query;
        Ok(Self { host, path: decoded, method, is_whole })
    }

    #[must_use]
    /// The URL that was called, if host and path are all there is to it.
    pub fn whole_url(&self) -> Option<String> {
        self.is_whole.then(|| format!("https://{}{}", self.host, self.path))
    }

    /// The host in lower case, without port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The percent-decoded path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path without the parameters of its segments (`/a;b/c` is `/a/c`),
    /// if it has any: that is how some servers read it.
    pub(crate) fn path_without_parameters(&self) -> Option<String> {
        self.path.contains(';').then(|| {
            let bare = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
            self.path.split('/').map(bare).collect::<Vec<_>>().join("/")
        })
    }

    /// The same request for another path.
    pub(crate) fn with_path(&self, path: String) -> Self {
        Self { path: Cow::Owned(path), is_whole: false, ..self.clone() }
    }

    /// The method, exactly as it came.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method
    }
}

/// The longest name of a host (RFC 1035, section 2.3.4), with a dot at its
/// end. What is longer would only take long to look up.
const MAX_HOST: usize = 254;

/// `host[:port]` as the host alone, in lower case.
pub(crate) fn host(authority: &str) -> Result<Cow<'_, str>, TargetError> {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => authority,
    };
    if host.len() > MAX_HOST {
        return Err(TargetError::Host);
    }
    let is_valid = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    if !is_valid {
        return Err(TargetError::Host);
    }
    // A dot at the end makes the same name absolute.
    let host = host.strip_suffix('.').unwrap_or(host);
    Ok(match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    })
}

/// Labels between dots, none of them empty but perhaps the last.
fn is_name(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let labels = host.strip_suffix('.').unwrap_or(host);
    labels.split('.').all(|label| !label.is_empty() && label.bytes().all(plain))
}

/// The path as rules see it: see [`Target::parse`].
pub(crate) fn decoded_path(path: &str) -> Result<Cow<'_, str>, TargetError> {
    let visible = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b'#';
    if !path.starts_with('/') || !path.bytes().all(visible) {
        return Err(TargetError::Path);
    }
    if path.contains('\\') {
        return Err(TargetError::HiddenSlash);
    }
    let decoded =
        if path.contains('%') { Cow::Owned(unescape(path)?) } else { Cow::Borrowed(path) };
    let mut segments = decoded.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "" if segments.peek().is_some() => return Err(TargetError::EmptySegment),
            // Parameters alone: an empty segment to servers that cut them off,
            // some of which then take two slashes for one.
            _ if segment.starts_with(';') && segments.peek().is_some() => {
                return Err(TargetError::EmptySegment);
            }
            "." | ".." => return Err(TargetError::DotSegment),
            // Some servers cut parameters off before they resolve dots.
            _ if segment.starts_with(".;") || segment.starts_with("..;") => {
                return Err(TargetError::DotSegment);
            }
            _ => {}
        }
    }
    Ok(decoded)
}

fn unescape(path: &str) -> Result<String, TargetError> {
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (hex(bytes.next())?, hex(bytes.next())?);
        match (high << 4) | low {
            b'/' | b'\\' => return Err(TargetError::HiddenSlash),
            control if control < 0x20 || control == 0x7f => return Err(TargetError::Escape),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).map_err(|_| TargetError::Escape)
}

fn hex(digit: Option<u8>) -> Result<u8, TargetError> {
    let digit = digit.map(char::from).and_then(|digit| digit.to_digit(16));
    digit.and_then(|value| u8::try_from(value).ok()).ok_or(TargetError::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_case_port_or_final_dot() {
        for authority in ["Orders.Example.COM", "orders.example.com:443", "orders.example.com."] {
            assert_eq!(host(authority).as_deref(), Ok("orders.example.com"));
        }
        assert_eq!(host("[::1]:80").as_deref(), Ok("[::1]"));
        let longest = format!("{}a", "a.".repeat(126));
        assert!(host(&longest).is_ok(), "{} bytes", longest.len());
        assert_eq!(host(&format!("a.{longest}")), Err(TargetError::Host));
        for bad in [
            "", ":80", "a b", "a@b", "a/b", "ä", ".", "h..", ".h", "a..b", "h:80:80", "h:80.",
            "h:x", "[::1", "[h]", "::1",
        ] {
            assert_eq!(host(bad), Err(TargetError::Host), "{bad}");
        }
    }

    #[test]
    fn a_path_that_two_programs_read_differently_is_refused() {
        let cases = [
            ("push", TargetError::Path),
            ("", TargetError::Path),
            ("*", TargetError::Path),
            ("/a b", TargetError::Path),
            ("/ä", TargetError::Path),
            ("/a#b", TargetError::Path),
            ("/a/../b", TargetError::DotSegment),
            ("/a/.", TargetError::DotSegment),
            ("/a/%2e%2E/b", TargetError::DotSegment),
            ("/a/..;x/b", TargetError::DotSegment),
            ("//a", TargetError::EmptySegment),
            ("/a//b", TargetError::EmptySegment),
            ("/;x/a", TargetError::EmptySegment),
            ("/a/;/b", TargetError::EmptySegment),
            ("/a/%3Bx/b", TargetError::EmptySegment),
            ("/a%2Fb", TargetError::HiddenSlash),
            ("/a%5cb", TargetError::HiddenSlash),
            ("/a\\b", TargetError::HiddenSlash),
            ("/a%00", TargetError::Escape),
            ("/a%", TargetError::Escape),
            ("/a%zz", TargetError::Escape),
            ("/a%ff", TargetError::Escape),
        ];
        for (path, error) in cases {
            assert_eq!(decoded_path(path), Err(error), "{path}");
        }
    }

    #[test]
    fn every_spelling_of_a_path_meets_the_same_rule() {
        let path = |text| Target::parse("h", text, "GET").unwrap().path().to_owned();
        assert_eq!(path("/%61dmin?x=../"), "/admin");
        assert_eq!(path("/caf%c3%A9/"), "/café/");
        assert_eq!(path("/a.b/..c/"), "/a.b/..c/");
    }

    proptest::proptest! {
        #[test]
        fn what_is_accepted_has_no_dot_or_empty_segment(path in "/[a.%2eEfF/;]{0,12}") {
            if let Ok(decoded) = decoded_path(&path) {
                let inner = decoded.trim_end_matches('/');
                let segments: Vec<_> = inner.split('/').skip(1).collect();
                proptest::prop_assert!(segments.iter().all(|s| !["", ".", ".."].contains(s)));
            }
        }
    }
}
