//! Where in a request a token is.

use crate::config::Reader;
use crate::refusal::Reason;
use crate::request::Headers;

/// The scheme of a bearer token (RFC 6750, section 2.1).
const BEARER: &str = "Bearer ";
/// Headers that hold `Bearer TOKEN` unless the configuration says otherwise.
const BEARER_HEADERS: [&str; 3] =
    ["authorization", "proxy-authorization", "x-serverless-authorization"];
/// The header that Cloud Run checks, and whose token it leaves behind without
/// its signature.
const SERVERLESS: &str = "x-serverless-authorization";
const IAP_ASSERTION: &str = "x-goog-iap-jwt-assertion";
/// Headers that mean something else, to a browser or on the way.
const NEVER: [&str; 6] =
    ["cookie", "host", "connection", "transfer-encoding", "content-length", "x-request-id"];

/// A header that holds a token, behind a prefix or alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPlace {
    header: String,
    prefix: String,
}

impl TokenPlace {
    /// A bearer token in the header of that name, which is in lower case.
    #[must_use]
    pub fn bearer(header: &str) -> Self {
        Self { header: header.to_owned(), prefix: BEARER.to_owned() }
    }

    pub(crate) fn iap_assertion() -> Self {
        Self { header: IAP_ASSERTION.to_owned(), prefix: String::new() }
    }

    /// Reads `{header: NAME, prefix: TEXT}`.
    pub(crate) fn read(from: &Reader<'_>) -> Option<std::sync::Arc<Self>> {
        let mut object = from.object()?;
        let header = object.need("header").and_then(|name| name.parsed(header_name));
        let prefix = object.maybe("prefix", |prefix| prefix.parsed(read_prefix));
        object.finish();
        let (header, prefix) = (header?, prefix?);
        let usual = || if BEARER_HEADERS.contains(&&*header) { BEARER } else { "" }.to_owned();
        let prefix = prefix.unwrap_or_else(usual);
        Some(std::sync::Arc::new(Self { header, prefix }))
    }

    /// The header's name, in lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// Whether a token without its signature is what Google leaves here beside
    /// the one that counts.
    pub(crate) fn may_hold_leftover(&self) -> bool {
        self.header == SERVERLESS
    }

    /// What belongs there, for messages.
    pub(crate) fn shown(&self) -> String {
        format!("{}: {}TOKEN", self.header, self.prefix)
    }

    /// The token that is there. The prefix's case does not matter (RFC 9110,
    /// section 11.1).
    ///
    /// The same value twice counts once. Proxies join repeated headers with a
    /// comma, so a comma stands between values.
    ///
    /// # Errors
    /// [`Reason::TokenMissing`] if there is none, [`Reason::TokenTwice`] if
    /// there are different ones, [`Reason::Malformed`] if something follows the
    /// token.
    pub fn token<'h>(&'h self, headers: &'h impl Headers) -> Result<&'h [u8], Reason> {
        let mut values = headers.values(&self.header).flat_map(|line| {
            let parts = line.split(|byte| *byte == b',');
            parts.map(<[u8]>::trim_ascii)
        });
        let value = values.next().ok_or(Reason::TokenMissing)?;
        if values.any(|other| other != value) {
            return Err(Reason::TokenTwice);
        }
        let (prefix, token) =
            value.split_at_checked(self.prefix.len()).ok_or(Reason::TokenMissing)?;
        if !prefix.eq_ignore_ascii_case(self.prefix.as_bytes()) {
            return Err(Reason::TokenMissing);
        }
        let token = token.trim_ascii_start();
        match token {
            [] => Err(Reason::TokenMissing),
            token if token.contains(&b' ') => Err(Reason::Malformed),
            token => Ok(token),
        }
    }
}

/// A name in lower case of a header that may hold a token or be set for a
/// backend (RFC 9110, section 5.1).
///
/// # Errors
/// What is wrong with it, for the reader of a configuration.
pub fn header_name(text: &str) -> Result<String, String> {
    let is_name = http::HeaderName::from_bytes(text.as_bytes()).is_ok();
    let name = text.to_ascii_lowercase();
    match is_name && !NEVER.contains(&&*name) {
        true => Ok(name),
        false if is_name => Err(format!("a token is never read from or written to {text:?}")),
        false => Err(format!("{text:?} is no name of a header")),
    }
}

fn read_prefix(text: &str) -> Result<String, String> {
    let plain = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b',';
    match text.bytes().all(plain) && !text.starts_with(' ') {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no beginning of a header's value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List(Vec<(&'static str, &'static str)>);

    impl Headers for List {
        fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
            self.0.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value.as_bytes())
        }
    }

    fn found(place: &TokenPlace, values: &[&'static str]) -> Result<String, Reason> {
        let name = if place.prefix.is_empty() { IAP_ASSERTION } else { "authorization" };
        let list = List(values.iter().map(|value| (name, *value)).collect());
        place.token(&list).map(|token| String::from_utf8_lossy(token).into())
    }

    fn bearer(values: &[&'static str]) -> Result<String, Reason> {
        found(&TokenPlace::bearer("authorization"), values)
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c", " Bearer a.b.c "] {
            assert_eq!(bearer(&[value]).as_deref(), Ok("a.b.c"), "{value:?}");
        }
    }

    #[test]
    fn other_schemes_are_no_token() {
        for value in ["", "Bearer", "Bearer ", "Basic a.b.c", "Bearera.b.c", "a.b.c"] {
            assert_eq!(bearer(&[value]), Err(Reason::TokenMissing), "{value:?}");
        }
        assert_eq!(bearer(&[]), Err(Reason::TokenMissing));
    }

    #[test]
    fn two_different_tokens_are_refused_and_one_sent_twice_is_not() {
        assert_eq!(bearer(&["Bearer a.b.c", "Bearer a.b.d"]), Err(Reason::TokenTwice));
        assert_eq!(bearer(&["Bearer a.b.c,Bearer a.b.d"]), Err(Reason::TokenTwice));
        assert_eq!(bearer(&["Bearer a.b.c", "Bearer a.b.c"]).as_deref(), Ok("a.b.c"));
        assert_eq!(bearer(&["Bearer a.b.c, Bearer a.b.c"]).as_deref(), Ok("a.b.c"));
        assert_eq!(bearer(&["Bearer a.b.c,"]), Err(Reason::TokenTwice));
        assert_eq!(bearer(&["Bearer a.b.c a.b.d"]), Err(Reason::Malformed));
    }

    #[test]
    fn an_assertion_stands_alone_in_its_header() {
        let place = TokenPlace::iap_assertion();
        assert_eq!(found(&place, &["a.b.c"]).as_deref(), Ok("a.b.c"));
        assert_eq!(found(&place, &["Bearer a.b.c"]), Err(Reason::Malformed));
        assert_eq!(found(&place, &[""]), Err(Reason::TokenMissing));
    }

    #[test]
    fn cookies_and_headers_of_the_connection_hold_no_tokens() {
        for bad in ["Cookie", "host", ":path", "a b", "", "Transfer-Encoding"] {
            assert!(header_name(bad).is_err(), "{bad}");
        }
        assert_eq!(header_name("X-My-Token").as_deref(), Ok("x-my-token"));
    }
}
