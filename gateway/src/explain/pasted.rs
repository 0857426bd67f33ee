//! A token as people paste it: with its scheme or its header before it, quotes
//! around it, line breaks in it, or inside an answer of Google's.

use std::collections::BTreeSet;

use http::HeaderName;
use http::header::AUTHORIZATION;
use remint_idtoken::UnverifiedToken;
use serde_json::Value;

use super::CaptureError;

/// The header of IAP's assertions.
const ASSERTION: HeaderName = HeaderName::from_static("x-goog-iap-jwt-assertion");
/// IAP's issuer, whose tokens come in a header of their own.
const IAP: &str = "https://cloud.google.com/iap";
/// Members of answers in which Google hands tokens out (token endpoint,
/// generateIdToken, `gcloud config config-helper`).
const MEMBERS: [&str; 2] = ["id_token", "token"];

/// A token, and the header that it goes into.
#[derive(Clone, PartialEq, Eq)]
pub struct Pasted {
    pub(super) header: HeaderName,
    pub(super) value: String,
    /// What was made of it.
    pub(super) notes: Vec<String>,
}

impl Pasted {
    /// Reads what was pasted.
    ///
    /// # Errors
    /// [`CaptureError`] for what can't be a token, without showing it.
    pub fn read(text: &str) -> Result<Self, CaptureError> {
        let text = bare(text);
        if let Some(other) = other_kind(text) {
            return Err(CaptureError::NoToken(other));
        }
        let mut notes = Vec::new();
        let member = match serde_json::from_str::<Value>(text) {
            Ok(answer) => Some(member(&answer)?),
            Err(_) => None,
        };
        if let Some((name, _)) = &member {
            notes.push(format!("the token is the {name} of the answer that was given"));
        }
        let text = member.as_ref().map_or(text, |(_, token)| token);
        let (header, value) = match header_line(text) {
            Some((header, value)) => (Some(header), bare(value)),
            None => (None, text),
        };
        let (scheme, token) = split_scheme(value);
        let token = joined(token)?;
        if token.is_empty() {
            return Err(CaptureError::NoToken("nothing: is standard input the right one?"));
        }
        let is_assertion = || issuer(&token).is_some_and(|it| it == IAP);
        let header = match header {
            Some(header) => header,
            None if scheme.is_none() && is_assertion() => {
                notes.push(format!("an assertion of IAP's is taken as {ASSERTION}"));
                ASSERTION
            }
            None => AUTHORIZATION,
        };
        let value = match (scheme, &header) {
            (Some(scheme), _) => format!("{scheme} {token}"),
            (None, header) if *header == ASSERTION || !is_of_bearers(header) => token,
            (None, _) => format!("Bearer {token}"),
        };
        Ok(Self { header, value, notes })
    }
}

/// Headers whose tokens stand behind `Bearer`.
fn is_of_bearers(header: &HeaderName) -> bool {
    ["authorization", "proxy-authorization", "x-serverless-authorization"]
        .contains(&header.as_str())
}

/// Without quotes and blanks around it, and the comma that follows a member of JSON.
fn bare(text: &str) -> &str {
    let is_around = |letter: char| letter.is_whitespace() || "\"'`,;\u{feff}".contains(letter);
    text.trim_matches(is_around)
}

/// What is plainly something else than a token.
fn other_kind(text: &str) -> Option<&'static str> {
    let begins = |start: &str| text.starts_with(start);
    if begins("curl ") || begins("curl.exe ") {
        Some("a command of curl's: say curl in place of token")
    } else if text.contains("-----BEGIN ") {
        Some("a private key or a certificate: keep that to yourself")
    } else if begins("ERROR:") || begins("WARNING:") {
        Some("a message of gcloud's, which failed")
    } else if begins("<") {
        Some("a page: the answer of a server")
    } else {
        None
    }
}

/// The token in an answer of Google's.
fn member(answer: &Value) -> Result<(&'static str, String), CaptureError> {
    let has = |name| answer.get(name).is_some();
    if has("log") || has("request") {
        return Err(CaptureError::NoToken("a HAR file: say har in place of token"));
    }
    if has("private_key") {
        return Err(CaptureError::NoToken("a key file of an account: keep that to yourself"));
    }
    let found = MEMBERS.iter().find_map(|name| Some((*name, answer.get(name)?.as_str()?)));
    match found {
        Some((name, token)) => Ok((name, bare(token).to_owned())),
        None if has("access_token") => Err(CaptureError::NoToken(
            "an answer with an access_token alone, which is no ID token: ask for an ID token \
             (generateIdToken, or the metadata server's identity)",
        )),
        None => Err(CaptureError::NoToken("JSON without an id_token")),
    }
}

/// `NAME: VALUE`, where the name is one of a header.
fn header_line(text: &str) -> Option<(HeaderName, &str)> {
    let (name, value) = text.split_once(':')?;
    let name = bare(name);
    let name = name.strip_prefix("-H ").map_or(name, bare);
    let is_name = name.len() <= 64 && !name.contains('.');
    Some((HeaderName::try_from(name).ok().filter(|_| is_name)?, value))
}

/// `Bearer` and the rest, whatever its case.
fn split_scheme(value: &str) -> (Option<&'static str>, &str) {
    if value.eq_ignore_ascii_case("bearer") {
        return (Some("Bearer"), "");
    }
    let scheme = value.get(..7).filter(|start| start.eq_ignore_ascii_case("bearer "));
    match scheme.and_then(|_| value.get(7..)) {
        Some(rest) => (Some("Bearer"), bare(rest)),
        None => (None, value),
    }
}

/// Terminals and mails break long lines; several whole tokens are several.
fn joined(token: &str) -> Result<String, CaptureError> {
    let pieces: Vec<_> = token.split_whitespace().map(bare).collect();
    let is_whole = |piece: &&&str| piece.starts_with("eyJ") && piece.matches('.').count() == 2;
    let whole: BTreeSet<_> = pieces.iter().filter(is_whole).collect();
    match whole.len() {
        0 | 1 if pieces.first().is_some_and(|first| !first.starts_with("eyJ")) => {
            match pieces.len() {
                1 => Ok(pieces.concat()),
                _ => Err(CaptureError::NoToken("several words")),
            }
        }
        1 if pieces.iter().all(|piece| whole.contains(piece)) => {
            Ok(pieces.first().copied().unwrap_or_default().to_owned())
        }
        0 | 1 => Ok(pieces.concat()),
        several => Err(CaptureError::Tokens(several)),
    }
}

fn issuer(token: &str) -> Option<String> {
    Some(UnverifiedToken::parse(token.as_bytes()).ok()?.claims().issuer.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let pasted = Pasted::read(text).map_err(|error| error.to_string())?;
        Ok(format!("{}: {}", pasted.header, pasted.value))
    }

    #[test]
    fn a_pasted_token_is_freed_of_what_stands_around_it() {
        for pasted in [
            "eyJa.b.c",
            " eyJa.b.c\r\n",
            "Bearer eyJa.b.c",
            "bearer  eyJa\n  .b.c",
            "\"eyJa.b.c\",",
            "'eyJa.b.c'",
            "Authorization: Bearer eyJa.b.c",
            "\"authorization\": \"Bearer eyJa.b.c\"",
            "-H 'Authorization: Bearer eyJa.b.c'",
            "{\"token\": \"eyJa.b.c\"}",
            "{\"access_token\": \"ya29.x\", \"id_token\": \"eyJa.b.c\"}",
            "eyJa.b.c eyJa.b.c",
            "\u{feff}eyJa.b.c",
        ] {
            let expected = Ok("authorization: Bearer eyJa.b.c".to_owned());
            assert_eq!(read(pasted), expected, "{pasted}");
        }
    }

    #[test]
    fn another_header_is_taken_as_it_is() {
        for (pasted, expected) in [
            ("X-Goog-IAP-JWT-Assertion: eyJa.b.c", "x-goog-iap-jwt-assertion: eyJa.b.c"),
            ("X-Serverless-Authorization: eyJa.b.c", "x-serverless-authorization: Bearer eyJa.b.c"),
            ("x-token: Token", "x-token: Token"),
            ("ya29.opaque", "authorization: Bearer ya29.opaque"),
        ] {
            assert_eq!(read(pasted).as_deref(), Ok(expected), "{pasted}");
        }
    }

    #[test]
    fn what_is_no_token_is_told_without_what_it_was() {
        for (pasted, why) in [
            ("", "nothing"),
            ("Bearer ", "nothing"),
            ("curl https://a.example", "say curl"),
            ("{\"log\": {}}", "say har"),
            ("{\"private_key\": \"secret\"}", "keep that to yourself"),
            ("-----BEGIN PRIVATE KEY-----\nsecret", "keep that to yourself"),
            ("{\"access_token\": \"ya29.secret\"}", "no ID token"),
            ("{}", "JSON without an id_token"),
            ("ERROR: (gcloud) secret", "gcloud"),
            ("<html>", "a page"),
            ("no token secret", "several words"),
            ("eyJa.b.secret eyJa.b.secret2", "2 tokens"),
        ] {
            let error = read(pasted).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{pasted}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_paste_makes_it_panic(pasted in "\\PC{0,80}|[a-zA-Z:. {}\"',\n]{0,80}") {
            let _ = read(&pasted);
        }
    }
}
