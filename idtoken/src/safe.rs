//! Texts from outside, fit for a log.

/// Longer ones are cut.
const MAX_SHOWN: usize = 256;
/// How secrets begin: JSON in base64, and Google's access tokens, refresh
/// tokens and secrets of programs.
const SECRET_STARTS: [&str; 4] = ["eyJ", "ya29.", "1//", "GOCSPX"];

/// A path or a header of a request's without control characters, and without
/// tokens that somebody put there: it ends where one begins.
#[must_use]
pub fn safe(text: &str) -> String {
    // Nobody knows where a secret ends.
    let secret = secret_at(text);
    let mut out = String::new();
    for (at, letter) in text.char_indices() {
        if secret == Some(at) || out.len() >= MAX_SHOWN {
            out.push('…');
            return out;
        }
        out.push(if letter.is_control() { ' ' } else { letter });
    }
    out
}

/// Whether a text seems to have a token in it.
#[must_use]
pub fn holds_secret(text: &str) -> bool {
    secret_at(text).is_some()
}

/// Where the first of them begins: not within a word.
fn secret_at(text: &str) -> Option<usize> {
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let begins = !before.is_ascii_alphanumeric();
        if begins && SECRET_STARTS.iter().any(|start| rest.starts_with(start)) {
            return Some(at);
        }
        before = letter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_what_follows_them_are_not_shown() {
        for (text, shown) in [
            ("/push", "/push"),
            ("/heyJude/41//2", "/heyJude/41//2"),
            ("Mozilla/5.0 (X)\n\t", "Mozilla/5.0 (X)  "),
            ("/reset/eyJhbGciOi.e30.c2ln/now", "/reset/…"),
            ("Bearer eyJhbGciOi", "Bearer …"),
            ("x ya29.a0", "x …"),
        ] {
            assert_eq!(safe(text), shown);
            assert_eq!(holds_secret(text), shown.ends_with('…'), "{text}");
        }
        assert!(safe(&"ä".repeat(1000)).len() <= MAX_SHOWN + "ä…".len());
    }
}
