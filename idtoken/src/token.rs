//! A token at each stage of being believed.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::claims::{Claims, ClaimsError};
use crate::fingerprint::Fingerprint;
use crate::json::{Object, parse_object};
use crate::policy::TokenPlace;
use crate::time::UnixTime;

/// The longest token that is looked at. Google's are about 1,200 bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What Cloud Run writes in place of a signature that it has checked.
const SIGNATURE_REMOVED: &[u8] = b"SIGNATURE_REMOVED_BY_GOOGLE";

/// Base64url as RFC 7515 wants it: no padding, no loose bits at the end.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// A well-formed token, of which nothing is known to be true.
#[derive(Clone)]
pub struct UnverifiedToken<'t> {
    pub(crate) algorithm: String,
    pub(crate) key_id: Option<String>,
    pub(crate) claims: Claims,
    pub(crate) bytes: &'t [u8],
    pub(crate) signed: &'t [u8],
    pub(crate) signature: Vec<u8>,
}

/// A token whose issuer, times and signature have been checked. What it says
/// is true; whether it is meant for this request is another question.
///
/// A clone is cheap: a cache hands them out.
#[derive(Clone)]
pub struct AuthenticToken(pub(crate) Arc<Authentic>);

/// What an [`AuthenticToken`] holds.
pub(crate) struct Authentic {
    pub(crate) claims: Claims,
    pub(crate) issuer: Arc<str>,
    pub(crate) key_id: Option<String>,
    /// All of it, as it came.
    pub(crate) bytes: Box<[u8]>,
    /// The generation of the authority's keys that it was checked with.
    pub(crate) generation: u64,
    /// When the key that it was checked with is too old to count.
    pub(crate) usable_until: Option<UnixTime>,
}

/// A token that one rule of the policy admits: made by
/// [`Policy::admit`](crate::Policy::admit) alone.
#[derive(Clone)]
pub struct VerifiedToken {
    token: AuthenticToken,
    rule: Arc<str>,
    /// Which of the token's audiences.
    audience: usize,
    place: Arc<TokenPlace>,
}

/// Why bytes are not a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("{0} bytes long, which is more than the {MAX_TOKEN_BYTES} that are looked at")]
    TooLong(usize),
    /// Not three parts with two dots between them.
    #[error("not three parts with two dots between them")]
    Parts,
    /// A part that is not base64url without padding.
    #[error("the {0} is not base64url without padding")]
    Base64(&'static str),
    /// A part that is not one JSON object with distinct names.
    #[error("the {0} is not a JSON object with distinct names")]
    Json(&'static str),
    /// A header member with the wrong type.
    #[error("the header's {0:?} is missing or not a string")]
    Header(&'static str),
    /// The header demands extensions (`crit`), and none are known here.
    #[error("the header's \"crit\" demands extensions, and none are known")]
    Critical,
    /// The signature was replaced by Cloud Run after it had checked it.
    #[error("Cloud Run has removed the signature")]
    SignatureRemoved,
    /// The claims can't be read.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
}

impl<'t> UnverifiedToken<'t> {
    /// Reads the compact form of a signed token (RFC 7515, section 7.1).
    ///
    /// # Errors
    /// Whatever is not exactly that: see [`TokenError`]. No error holds any
    /// part of the token.
    pub fn parse(bytes: &'t [u8]) -> Result<Self, TokenError> {
        if bytes.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong(bytes.len()));
        }
        let (signed, signature) = split_last_dot(bytes).ok_or(TokenError::Parts)?;
        let (header, payload) = split_last_dot(signed).ok_or(TokenError::Parts)?;
        if header.contains(&b'.') {
            return Err(TokenError::Parts);
        }
        let header =
            parse_object(&decode(header, "header")?).map_err(|_| TokenError::Json("header"))?;
        let claims =
            parse_object(&decode(payload, "payload")?).map_err(|_| TokenError::Json("payload"))?;
        let claims = Claims::read(claims)?;
        if signature == SIGNATURE_REMOVED {
            return Err(TokenError::SignatureRemoved);
        }
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        Ok(Self {
            algorithm: header_text(&header, "alg")?.ok_or(TokenError::Header("alg"))?,
            key_id: header_text(&header, "kid")?,
            claims,
            bytes,
            signed,
            signature: decode(signature, "signature")?,
        })
    }

    /// What the token claims. Nothing of it has been checked.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The token's short name for logs.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.bytes)
    }
}

/// A key id or an algorithm from outside may be any string, but a string.
fn header_text(header: &Object, name: &'static str) -> Result<Option<String>, TokenError> {
    match header.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_str().map(|text| Some(text.to_owned())).ok_or(TokenError::Header(name))
        }
    }
}

/// What a token claims that may be cut off, or whose signature is gone: for people
/// who want to know why it is none. Decides nothing.
pub(crate) fn claims_of(bytes: &[u8]) -> Option<Claims> {
    if bytes.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let payload = bytes.split(|byte| *byte == b'.').nth(1)?;
    Claims::read(parse_object(&decode(payload, "payload").ok()?).ok()?).ok()
}

fn decode(part: &[u8], name: &'static str) -> Result<Vec<u8>, TokenError> {
    BASE64URL.decode(part).map_err(|_| TokenError::Base64(name))
}

fn split_last_dot(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = bytes.iter().rposition(|byte| *byte == b'.')?;
    let (before, after) = bytes.split_at_checked(dot)?;
    Some((before, after.get(1..)?))
}

impl AuthenticToken {
    /// What the issuer says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// The name that the configuration gives this token's issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The token's short name for logs.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.0.bytes)
    }

    /// All of it, as it came, by which a cache finds it again. It is a secret.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The id of the key that signed it.
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_deref()
    }

    /// The rule's part of the proof: its name, which of the token's audiences
    /// it accepts, and where it found the token.
    pub(crate) fn admitted(
        self,
        rule: &Arc<str>,
        audience: usize,
        place: &Arc<TokenPlace>,
    ) -> VerifiedToken {
        VerifiedToken { token: self, rule: Arc::clone(rule), audience, place: Arc::clone(place) }
    }
}

impl VerifiedToken {
    /// What the issuer says of the caller.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.token.claims()
    }

    /// The name of the rule that admitted it.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The audience that the rule accepts and the token has.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.claims().audiences.get(self.audience).map_or("", String::as_str)
    }

    /// The name that the configuration gives its issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.token.issuer()
    }

    /// Where in the request it was.
    #[must_use]
    pub fn place(&self) -> &TokenPlace {
        &self.place
    }

    /// The token's second part as it came: the claims as base64url of their
    /// JSON.
    #[must_use]
    pub fn payload(&self) -> &str {
        let payload = self.token.0.bytes.split(|byte| *byte == b'.').nth(1);
        payload.and_then(|payload| std::str::from_utf8(payload).ok()).unwrap_or_default()
    }

    /// The token's short name for logs.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.token.fingerprint()
    }
}

/// Tokens are secrets: only what may stand in a log is shown.
macro_rules! redacted_debug {
    ($($type:ty),*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("fingerprint", &self.fingerprint().to_string())
                    .finish_non_exhaustive()
            }
        }
    )*};
}
redacted_debug!(UnverifiedToken<'_>, AuthenticToken, VerifiedToken);

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const CLAIMS: &str = r#"{"iss":"i","aud":"a","exp":1}"#;

    fn token(header: &str, payload: &str, signature: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{signature}", encode(header), encode(payload))
    }

    fn parse(text: &str) -> Result<UnverifiedToken<'_>, TokenError> {
        UnverifiedToken::parse(text.as_bytes())
    }

    #[test]
    fn a_well_formed_token_is_read() {
        let text = token(r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#, CLAIMS, "AAAA");
        let parsed = parse(&text).unwrap();
        assert_eq!(parsed.algorithm, "RS256");
        assert_eq!(parsed.key_id.as_deref(), Some("k1"));
        assert_eq!(parsed.signature, [0, 0, 0]);
        assert_eq!(parsed.signed, text.rsplit_once('.').unwrap().0.as_bytes());
    }

    #[test]
    fn anything_but_three_parts_is_refused() {
        let whole = token(r#"{"alg":"RS256"}"#, CLAIMS, "AAAA");
        for bad in ["", ".", "..", "a.b", &format!("{whole}.AAAA"), &format!(".{whole}")] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse(&format!("{whole}.")).unwrap_err(), TokenError::Parts);
    }

    #[test]
    fn base64_with_padding_loose_bits_or_another_alphabet_is_refused() {
        let header = r#"{"alg":"RS256"}"#;
        for bad in ["AA==", "AB", "A+/A", "AA AA", "A", "AAAA\n", "ÄÄ"] {
            let result = parse(&token(header, CLAIMS, bad)).map(|_| ());
            assert_eq!(result, Err(TokenError::Base64("signature")), "{bad}");
        }
    }

    #[test]
    fn the_size_is_checked_before_anything_is_read() {
        let long = "x".repeat(MAX_TOKEN_BYTES + 1);
        assert_eq!(parse(&long).unwrap_err(), TokenError::TooLong(MAX_TOKEN_BYTES + 1));
    }

    #[test]
    fn headers_that_demand_extensions_or_have_wrong_types_are_refused() {
        let error = |header: &str| parse(&token(header, CLAIMS, "AAAA")).unwrap_err();
        assert_eq!(error(r#"{"alg":"RS256","crit":["exp"]}"#), TokenError::Critical);
        assert_eq!(error(r#"{"alg":"RS256","crit":[]}"#), TokenError::Critical);
        assert_eq!(error(r#"{"alg":256}"#), TokenError::Header("alg"));
        assert_eq!(error("{}"), TokenError::Header("alg"));
        assert_eq!(error(r#"{"alg":"RS256","kid":7}"#), TokenError::Header("kid"));
        assert_eq!(error(r#"{"alg":"none","alg":"RS256"}"#), TokenError::Json("header"));
    }

    #[test]
    fn a_signature_that_cloud_run_removed_is_told_apart() {
        let text = token(r#"{"alg":"RS256"}"#, CLAIMS, "SIGNATURE_REMOVED_BY_GOOGLE");
        assert_eq!(parse(&text).unwrap_err(), TokenError::SignatureRemoved);
    }

    #[test]
    fn a_token_is_never_shown() {
        let text = token(r#"{"alg":"RS256"}"#, CLAIMS, "AAAA");
        let shown = format!("{:?}", parse(&text).unwrap());
        assert!(!shown.contains("AAAA") && shown.contains("fingerprint"), "{shown}");
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(0u8.., 0..400)) {
            let _ = UnverifiedToken::parse(&bytes);
        }

        #[test]
        fn arbitrary_json_parts_never_panic(header in "\\PC*", payload in "\\PC*") {
            let _ = parse(&token(&header, &payload, "AAAA")).map(|_| ());
        }
    }
}
