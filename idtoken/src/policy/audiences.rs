//! For whom a token must be made.

use std::collections::HashSet;
use std::sync::Arc;

use http::Uri;

use crate::claims::Claims;
use crate::config::{Object, Reader};
use crate::refusal::{Expected, Reason, Refusal};

/// The audiences that a rule accepts, any of them.
#[derive(Clone, Debug)]
pub(super) struct Audiences {
    /// What tokens are compared with, in the form that `compare` gives it.
    accepted: HashSet<String>,
    /// As they were written, in their order.
    shown: Arc<[String]>,
    compare: Compare,
}

/// How a token's audience is compared with an accepted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    /// Letter by letter, as Cloud Run and Pub/Sub do.
    Exactly,
    /// By scheme, host and port alone: path and query do not count. Senders'
    /// default audiences are the whole URL that they call.
    Origin,
    /// A slash at the end does not count.
    IgnoreTrailingSlash,
}

const COMPARISONS: [(&str, Compare); 3] = [
    ("exact", Compare::Exactly),
    ("origin", Compare::Origin),
    ("ignore_trailing_slash", Compare::IgnoreTrailingSlash),
];

impl Audiences {
    /// Reads `audiences` and `audience_match` of a rule.
    pub(super) fn read(object: &mut Object<'_>) -> Option<Self> {
        let compare = object.maybe("audience_match", |it| it.choice(&COMPARISONS));
        // What can't be read says nothing of how the others are to be.
        let how = compare.flatten().unwrap_or(Compare::Exactly);
        let shown = object.need("audiences").and_then(|list| list.list(|it| read_one(it, how)));
        let compare = compare?.unwrap_or(Compare::Exactly);
        let shown: Arc<[String]> = shown?.into();
        let accepted = shown.iter().filter_map(|audience| compare.form_of(audience)).collect();
        Some(Self { accepted, shown, compare })
    }

    /// As they were written.
    pub(super) fn shown(&self) -> &[String] {
        &self.shown
    }

    /// The token's audience that is accepted.
    ///
    /// # Errors
    /// [`Reason::AudienceMismatch`] if there is none.
    pub(super) fn check<'c>(&self, claims: &'c Claims) -> Result<&'c str, Refusal> {
        let accepted = claims.audiences.iter().find(|audience| self.accepts(audience));
        accepted.map(String::as_str).ok_or_else(|| {
            Refusal::from(Reason::AudienceMismatch)
                .expected(Expected::AnyOf(Arc::clone(&self.shown)))
                .received(claims.audiences.join(", "))
        })
    }

    fn accepts(&self, audience: &str) -> bool {
        match self.compare {
            Compare::Exactly => self.accepted.contains(audience),
            Compare::IgnoreTrailingSlash => self.accepted.contains(without_slash(audience)),
            Compare::Origin => origin(audience).is_some_and(|it| self.accepted.contains(&it)),
        }
    }
}

impl Compare {
    fn form_of(self, audience: &str) -> Option<String> {
        match self {
            Self::Exactly => Some(audience.to_owned()),
            Self::IgnoreTrailingSlash => Some(without_slash(audience).to_owned()),
            Self::Origin => origin(audience),
        }
    }
}

fn without_slash(audience: &str) -> &str {
    audience.strip_suffix('/').unwrap_or(audience)
}

/// `https://host[:port]`, in lower case and without the default port (RFC
/// 6454, section 4). Nothing if the text is no plain URL.
fn origin(audience: &str) -> Option<String> {
    let is_odd = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'@' | b'#' | b'\\');
    if audience.bytes().any(is_odd) {
        return None;
    }
    let uri: Uri = audience.parse().ok()?;
    let (scheme, default) = match uri.scheme_str()? {
        "https" => ("https", 443_u16),
        "http" => ("http", 80),
        _ => return None,
    };
    let authority = uri.authority()?;
    let host = authority.host();
    let port = match authority.as_str().strip_prefix(host)?.strip_prefix(':') {
        None => default,
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok()?,
        Some(_) => return None,
    };
    let host = host.to_ascii_lowercase();
    Some(match port == default {
        true => format!("{scheme}://{host}"),
        false => format!("{scheme}://{host}:{port}"),
    })
}

fn read_one(from: &Reader<'_>, compare: Compare) -> Option<String> {
    from.parsed(|text| {
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '*') {
            return Err(format!("{text:?} is no audience: it is compared letter by letter"));
        }
        match compare {
            Compare::Origin if origin(text).as_deref() != Some(text) => Err(format!(
                "{text:?} is no origin, which \"audience_match: origin\" asks for: write it as \
                 https://HOST"
            )),
            _ => Ok(text.to_owned()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_query_case_and_default_port_do_not_make_another_origin() {
        for same in [
            "https://h.example",
            "https://h.example/",
            "https://h.example/push?a=b",
            "https://H.Example:443/push",
        ] {
            assert_eq!(origin(same).as_deref(), Some("https://h.example"), "{same}");
        }
        assert_eq!(origin("https://h.example:8443/x").as_deref(), Some("https://h.example:8443"));
        assert_eq!(origin("http://h.example:80").as_deref(), Some("http://h.example"));
    }

    #[test]
    fn what_only_looks_like_a_host_s_url_has_no_origin() {
        for bad in [
            "h.example",
            "//h.example",
            "https://h.example@evil.example/",
            "https://evil.example\\@h.example",
            "https://h.example#x",
            "https:h.example",
            "https://h.example:",
            "https://h.example:x",
            "ftp://h.example",
            " https://h.example",
            "https://",
            "",
        ] {
            assert_eq!(origin(bad), None, "{bad}");
        }
        assert_ne!(origin("https://h.example.evil").as_deref(), Some("https://h.example"));
    }

    proptest::proptest! {
        #[test]
        fn an_origin_is_its_own_origin(text in "(https?://)?[a-zA-Z@:/.\\\\#?0-9\\[\\]-]{0,20}") {
            if let Some(found) = origin(&text) {
                proptest::prop_assert_eq!(origin(&found), Some(found));
            }
        }
    }
}
