//! For whom a token must be made.

use std::collections::HashSet;
use std::sync::Arc;

use http::Uri;

use super::names::Names;
use super::near_miss::nearest;
use crate::claims::Claims;
use crate::config::Object;
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
    /// Reads `audiences` and `audience_match` of a rule; `are_of_iap` says
    /// that its tokens are assertions of IAP's.
    pub(super) fn read(object: &mut Object<'_>, names: &Names, are_of_iap: bool) -> Option<Self> {
        let compare = object.maybe("audience_match", |it| it.choice(&COMPARISONS));
        // What can't be read says nothing of how the others are to be.
        let how = compare.flatten().unwrap_or(Compare::Exactly);
        let check = |audience: &str| check(audience, how, are_of_iap);
        let shown = object.need("audiences").and_then(|list| names.audiences(&list, check));
        let compare = compare?.unwrap_or(Compare::Exactly);
        let shown: Arc<[String]> = shown?.into();
        let accepted = shown.iter().filter_map(|audience| compare.form_of(audience)).collect();
        Some(Self { accepted, shown, compare })
    }

    /// As they were written.
    pub(super) fn shown(&self) -> &[String] {
        &self.shown
    }

    /// The same, shared.
    pub(super) fn shared(&self) -> &Arc<[String]> {
        &self.shown
    }

    /// Which of the token's audiences is accepted. `host` is the one that was
    /// called.
    ///
    /// # Errors
    /// One of the reasons about audiences if there is none.
    pub(super) fn check(&self, claims: &Claims, host: &str) -> Result<usize, Refusal> {
        let accepted = claims.audiences.iter().position(|audience| self.accepts(audience));
        accepted.ok_or_else(|| {
            Refusal::from(self.miss(claims, host))
                .expected(Expected::AnyOf(Arc::clone(&self.shown)))
                .received(claims.audiences.join(", "))
        })
    }

    /// How they miss.
    fn miss(&self, claims: &Claims, host: &str) -> Reason {
        let accepts = |audience: &str| self.accepts(audience);
        nearest(&claims.audiences, accepts, &self.shown, host)
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
pub(super) fn origin(audience: &str) -> Option<String> {
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

/// What is wrong with an audience that stands in a rule.
fn check(audience: &str, compare: Compare, is_of_iap: bool) -> Result<(), String> {
    if compare == Compare::Origin && origin(audience).as_deref() != Some(audience) {
        return Err(format!(
            "{audience:?} is no origin, which \"audience_match: origin\" asks for: write it as \
             https://HOST"
        ));
    }
    if is_of_iap && !is_iap_audience(audience) {
        return Err(format!(
            "{audience:?} is no audience of an IAP assertion: expected \
             /projects/NUMBER/global/backendServices/ID, /projects/NUMBER/apps/ID or \
             /projects/NUMBER/locations/REGION/services/NAME (an OAuth client ID is the audience \
             of tokens sent to IAP)"
        ));
    }
    Ok(())
}

/// The three shapes (Google, "Securing your app with signed headers").
fn is_iap_audience(audience: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let segments: Vec<&str> = audience.split('/').collect();
    match segments.as_slice() {
        ["", "projects", number, "global", "backendServices", id] => {
            is_number(number) && is_number(id)
        }
        ["", "projects", number, "apps", id] => is_number(number) && !id.is_empty(),
        ["", "projects", number, "locations", region, "services", name] => {
            is_number(number) && !region.is_empty() && !name.is_empty()
        }
        _ => false,
    }
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
