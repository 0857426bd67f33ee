//! Keeping tokens out of what the emulator shows.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// How much of a value from outside the timeline keeps.
const SHOWN_CHARS: usize = 512;

/// What stands in place of a token.
const REDACTED: &str = "(token)";

/// The text with everything that has the look of a token left out.
pub(crate) fn without_tokens(text: &str) -> String {
    let part_of_token = |c: char| c.is_ascii_alphanumeric() || "-_.%".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word =
            rest.find(|c| !part_of_token(c)).map_or(rest, |end| rest.get(..end).unwrap_or(rest));
        let after = rest.strip_prefix(word).unwrap_or_default();
        out.push_str(if looks_like_token(word) { REDACTED } else { word });
        let gap = after.find(part_of_token).map_or(after, |end| after.get(..end).unwrap_or(after));
        out.push_str(gap);
        rest = after.strip_prefix(gap).unwrap_or_default();
    }
    out
}

/// A value from outside as the timeline keeps it: cut and without tokens.
pub(crate) fn shown(text: &str) -> String {
    without_tokens(text).chars().take(SHOWN_CHARS).collect()
}

/// The claims of a token, believed or not.
pub(crate) fn claims_of(token: &str) -> Option<Value> {
    let (_, rest) = token.split_once('.')?;
    let (payload, _) = rest.split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// `{"` in base64url begins with these letters; something may be glued to it.
/// In paths the dots may be escaped. Google's access tokens, and the emulator's,
/// have one dot, behind `ya29`.
fn looks_like_token(word: &str) -> bool {
    let word = word.replace("%2E", ".").replace("%2e", ".");
    word.contains("eyJ") && word.matches('.').count() >= 2 || word.contains("ya29.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_left_out_wherever_they_stand_and_all_else_is_kept() {
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln";
        for (text, shown) in [
            (format!("/a?t={token}&b=c"), "/a?t=(token)&b=c"),
            (token.to_owned(), "(token)"),
            (format!("id={token}; x=\"{token}\""), "id=(token); x=\"(token)\""),
            (format!("id-{token}/ä?"), "(token)/ä?"),
            (format!("/{}/b%20c", token.replace('.', "%2E")), "/(token)/b%20c"),
            (format!("/{}", token.replacen('.', "%2e", 1)), "/(token)"),
            ("/ya29.emulator-c2ln/a".to_owned(), "/(token)/a"),
            ("www.example.com é".to_owned(), "www.example.com é"),
            (String::new(), ""),
        ] {
            assert_eq!(without_tokens(&text), shown);
        }
    }

    #[test]
    fn the_claims_of_a_token_are_read_and_anything_else_has_none() {
        let token = format!("e.{}.sig", URL_SAFE_NO_PAD.encode(r#"{"aud":"a"}"#));
        assert_eq!(claims_of(&token).unwrap()["aud"], "a");
        for bad in ["", "a.b", "a.b.c", "a.!.c"] {
            assert_eq!(claims_of(bad), None, "{bad}");
        }
    }
}
