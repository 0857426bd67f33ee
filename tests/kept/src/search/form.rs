//! The forms that credentials have in text.

use std::fmt;

/// Shorter words that begin as a JWT does are examples, such as `eyJhbGci…`.
const JWT: usize = 16;
/// More letters than a line of PEM has (64), and fewer than the shortest
/// signature of ours: ES256, 64 bytes, 86 letters.
const UNBROKEN: usize = 80;
const ACCESS_TOKEN: usize = 8;
const CREDENTIAL: usize = 12;
const BEARER: usize = 20;
/// Of an elliptic curve it is 43 letters long, of RSA more.
const JWK_MEMBER: usize = 20;

/// Members of a private JWK beside the public ones (RFC 7518, sections 6.2.2,
/// 6.3.2, 6.4.1).
const JWK_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];
/// Parameters and members that carry a credential (RFC 6749, 7521, 8693, and
/// Google's APIs).
const PARAMETERS: [&str; 16] = [
    "access_token",
    "accessToken",
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "external_token",
    "id_token",
    "idToken",
    "jwt",
    "private_key",
    "refresh_token",
    "signedBlob",
    "signedJwt",
    "subject_token",
    "subjectToken",
];
/// How the PKCS #8 form of an RSA key and of a P-256 key begins, in Base64,
/// behind the length: with or without the line that says so.
const PKCS_8: [&str; 2] = ["IBADANBgkqhkiG9w0BAQEFAASC", "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH"];

/// What has been found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A JWT or one of its parts that are JSON.
    Jwt,
    /// The same, as hexadecimal or decimal numbers.
    JwtInNumbers,
    /// A signature, an opaque token, a key, or a token in Base64 once more.
    Unbroken,
    /// An opaque access token.
    AccessToken,
    /// A private key as PEM or PKCS #8.
    PrivateKey,
    /// A private member of a JWK.
    PrivateJwk,
    /// The value of a parameter or member that carries a credential.
    Parameter,
    /// What stands behind `Bearer`.
    Bearer,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jwt => "a JWT or a part of one",
            Self::JwtInNumbers => "a JWT or a part of one, as numbers",
            Self::Unbroken => "what looks like a signature, a key or an encoded token",
            Self::AccessToken => "an access token",
            Self::PrivateKey => "a private key",
            Self::PrivateJwk => "a private member of a JWK",
            Self::Parameter => "the value of a parameter that carries a credential",
            Self::Bearer => "a bearer token",
        })
    }
}

/// A word of a text: letters of Base64url, as many as there are.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) text: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Word<'a> {
    /// What kind of credential begins with this word, and where it ends.
    pub(super) fn credential(self) -> Option<(Kind, usize)> {
        let found = |kind, length| (kind, self.start + length);
        if let Some(length) = self.jwt() {
            return Some(found(Kind::Jwt, length));
        }
        if self.is_jwt_in_numbers() {
            let is_number = |byte: u8| byte.is_ascii_hexdigit() || b", ".contains(&byte);
            return Some(found(Kind::JwtInNumbers, length_of(self.rest(), is_number)));
        }
        if self.is_private_key() {
            return Some(found(Kind::PrivateKey, self.word().len()));
        }
        if self.is_unbroken() {
            return Some(found(Kind::Unbroken, self.word().len()));
        }
        let (kind, value) = self.value_behind()?;
        Some((kind, self.end + value))
    }

    fn word(self) -> &'a [u8] {
        &self.text[self.start..self.end]
    }

    fn rest(self) -> &'a [u8] {
        &self.text[self.start..]
    }

    fn behind(self) -> &'a [u8] {
        &self.text[self.end..]
    }

    /// `{"` in Base64url, in whatever case something has put it, at the
    /// word's start or behind `%20` or `\n`; how long all of it is.
    fn jwt(self) -> Option<usize> {
        let escape = match self.text[..self.start].last() {
            Some(b'%') => 2,
            Some(b'\\') => 1,
            _ => 0,
        };
        let is_jwt = |skipped: usize| {
            let word = self.word().get(skipped..)?;
            let begins = word.get(..3)?.eq_ignore_ascii_case(b"eyJ");
            (begins && word.len() >= JWT).then_some(())
        };
        is_jwt(0).or_else(|| is_jwt(escape))?;
        Some(length_of(self.rest(), |byte| is_word(byte) || byte == b'.'))
    }

    fn is_jwt_in_numbers(self) -> bool {
        let word = self.word();
        let is_hex = word.len() >= 40 && word.iter().all(u8::is_ascii_hexdigit) && {
            let word = word.to_ascii_lowercase();
            word.starts_with(b"65794a") || contains(&word, b"2065794a")
        };
        is_hex || self.rest().starts_with(b"101, 121, 74, ")
    }

    fn is_private_key(self) -> bool {
        let word = self.word();
        if word.ends_with(b"-----BEGIN") {
            let title = &self.behind()[..self.behind().len().min(40)];
            let title = title.split(|byte| b"\\\r\n".contains(byte)).next().unwrap_or_default();
            return contains(title, b"PRIVATE KEY-----");
        }
        word.len() >= 26 && PKCS_8.iter().any(|start| contains(word, start.as_bytes()))
    }

    /// Random letters without end. Names of tests have no upper case, digests
    /// in hexadecimal neither; an RSA key's modulus is public.
    fn is_unbroken(self) -> bool {
        let word = self.word();
        word.len() >= UNBROKEN
            && word.iter().any(u8::is_ascii_uppercase)
            && word.iter().any(u8::is_ascii_lowercase)
            && word.iter().any(u8::is_ascii_digit)
            && self.name_before() != Some(b"n")
    }

    /// The name of the JSON member whose value this is, however often its
    /// quotes are escaped.
    fn name_before(self) -> Option<&'a [u8]> {
        let before = trim_end(&self.text[..self.start], b"\\\"");
        let before = trim_end(trim_end(before, b" ").strip_suffix(b":")?, b" \\\"");
        let name = before.iter().rev().take_while(|byte| is_word(**byte)).count();
        Some(&before[before.len() - name..])
    }

    /// What this word says of what stands behind it, and how far that goes.
    fn value_behind(self) -> Option<(Kind, usize)> {
        let (word, behind) = (self.word(), self.behind());
        if word.eq_ignore_ascii_case(b"ya29") && behind.first() == Some(&b'.') {
            return value(Kind::AccessToken, behind, 1, ACCESS_TOKEN, false);
        }
        if word.eq_ignore_ascii_case(b"bearer") {
            let gap = length_of(behind, |byte| b" +".contains(&byte));
            let gap = if behind.starts_with(b"%20") { 3 } else { gap };
            return (gap > 0).then(|| value(Kind::Bearer, behind, gap, BEARER, true))?;
        }
        let is = |names: &[&str]| names.iter().any(|name| name.as_bytes() == word);
        if is(&JWK_MEMBERS) {
            let (kind, length) = (Kind::PrivateJwk, JWK_MEMBER);
            let found = value(kind, behind, json_gap(behind)?, length, false)?;
            // They are Base64url, where a list of folders has dots and strokes.
            let value = &behind[..found.1];
            let letters = value.iter().rev().take_while(|byte| is_word(**byte)).count();
            return (letters >= length).then_some(found);
        }
        if is(&PARAMETERS) {
            let gap = json_gap(behind).or_else(|| form_gap(behind))?;
            return value(Kind::Parameter, behind, gap, CREDENTIAL, true);
        }
        None
    }
}

/// The value behind so much of a gap, if it is long enough for a credential,
/// and if it has letters and digits where words of English may stand too.
fn value(
    kind: Kind,
    behind: &[u8],
    gap: usize,
    least: usize,
    is_mixed: bool,
) -> Option<(Kind, usize)> {
    let value = behind.get(gap..)?;
    let value = &value[..length_of(value, |byte| is_word(byte) || b".~+/".contains(&byte))];
    let mixed = value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic);
    (value.len() >= least && (mixed || !is_mixed)).then_some((kind, gap + value.len()))
}

/// `": "` between a member and its text, or `: "` as `Debug` writes it.
fn json_gap(behind: &[u8]) -> Option<usize> {
    let quote = length_of(behind, |byte| b"\\\"".contains(&byte));
    let colon = quote + length_of(&behind[quote..], |byte| byte == b' ');
    (behind.get(colon) == Some(&b':')).then_some(())?;
    let value = colon + 1;
    Some(value + length_of(&behind[value..], |byte| b" \\\"".contains(&byte)))
}

/// `=` between a parameter and its value.
fn form_gap(behind: &[u8]) -> Option<usize> {
    match behind {
        [b'=', ..] => Some(1),
        [b'%', b'3', b'D' | b'd', ..] => Some(3),
        _ => None,
    }
}

/// A letter of Base64url.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn length_of(text: &[u8], holds: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| holds(**byte)).count()
}

fn trim_end<'a>(text: &'a [u8], of: &[u8]) -> &'a [u8] {
    let trimmed = text.iter().rev().take_while(|byte| of.contains(byte)).count();
    &text[..text.len() - trimmed]
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
