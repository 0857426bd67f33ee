//! Pages of Google's front ends, told by their words.

use http::StatusCode;

use crate::retry::Cause;

/// How the plain error pages of Google's front ends go on after their title.
const PLAIN_PAGE: &str = "<body text=#000000 bgcolor=#ffffff>\n<h1>Error: ";
/// How the title of the others ends.
const STYLED_TITLE: &str = ")!!1</title>";
/// What it says to those who may not, before the URL that they asked for.
const NO_PERMISSION: &str = "Your client does not have permission to get URL <code>";
/// What it says to those whose token it does not believe (pomerium/pomerium
/// issue 1623, and many quotations of the page in public repositories).
const TOKEN_NOT_BELIEVED: &str = "Your client does not have permission to the requested URL <code>";

/// What it says where nothing is, before the URL if it names that.
const NOT_FOUND: &str = "The requested URL <code>";
/// What Cloud Run says instead: where there is no such service, and to whom the
/// service's `ingress` does not let in, who shall not tell the one from the other.
const NOTHING_HERE: &str = "The requested URL was not found on this server.";

/// A page of Google's.
pub(super) struct Page<'p> {
    status: StatusCode,
    text: &'p [u8],
}

impl<'p> Page<'p> {
    /// The beginning of an answer with that status, if it is a page of Google's.
    pub(super) fn of(status: StatusCode, text: &'p [u8]) -> Option<Self> {
        let this = Self { status, text };
        let is_styled =
            || this.has(STYLED_TITLE) && this.has(&format!("<title>Error {} (", status.as_u16()));
        (this.has(PLAIN_PAGE) || is_styled()).then_some(this)
    }

    /// What it says to a request for `path`.
    pub(super) fn cause(&self, path: &str) -> Option<Cause> {
        let names = |words: &str| names(self.text, words, path);
        match self.status {
            StatusCode::UNAUTHORIZED => {
                (names(TOKEN_NOT_BELIEVED) || names(NO_PERMISSION)).then_some(Cause::TokenRefused)
            }
            StatusCode::FORBIDDEN => names(NO_PERMISSION).then_some(Cause::CallerRefused),
            StatusCode::NOT_FOUND if names(NOT_FOUND) => Some(Cause::NotFound),
            StatusCode::NOT_FOUND => self.has(NOTHING_HERE).then_some(Cause::MaybeNotFound),
            StatusCode::TOO_MANY_REQUESTS => Some(Cause::Full),
            _ => Some(Cause::FrontEndFailed),
        }
    }

    fn has(&self, words: &str) -> bool {
        self.text.windows(words.len()).any(|part| part == words.as_bytes())
    }
}

/// Whether the page names that path behind these words: with its query, which
/// may be left out.
fn names(page: &[u8], words: &str, path: &str) -> bool {
    let length = words.len();
    let found = page.windows(length).position(|part| part == words.as_bytes());
    let named = found.and_then(|at| page.get(at.checked_add(length)?..));
    let rest = named.and_then(|text| path.bytes().try_fold(text, without));
    rest.is_some_and(|rest| rest.starts_with(b"?") || rest.starts_with(b"</code>"))
}

/// What follows this letter, which HTML may write in several ways.
fn without(text: &[u8], letter: u8) -> Option<&[u8]> {
    let name = match letter {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        _ => "",
    };
    let named = text.strip_prefix(name.as_bytes()).filter(|_| !name.is_empty());
    let numbered = || match text.first() {
        Some(b'&') => text.strip_prefix(format!("&#{letter};").as_bytes()),
        _ => None,
    };
    named.or_else(numbered).or_else(|| text.strip_prefix(&[letter]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusing(url: &str) -> String {
        format!("{NO_PERMISSION}{url}</code> from this server.")
    }

    #[test]
    fn a_refusal_names_what_was_asked_for() {
        for (path, named) in [
            ("/", "/"),
            ("/", "/?name=blabla"),
            ("/orders/7", "/orders/7"),
            ("/a%20b;c=d", "/a%20b;c=d?e"),
            ("/a&b'c", "/a&amp;b&#39;c"),
            ("/a&b=c", "/a&#38;b&#61;c"),
            ("/a&amp;", "/a&amp;amp;"),
        ] {
            assert!(names(refusing(named).as_bytes(), NO_PERMISSION, path), "{path} {named}");
        }
        for (path, named) in [
            ("/", "/other"),
            ("/orders/7", "/orders"),
            ("/orders", "/orders/7"),
            ("/orders", "/v1/orders"),
            ("/orders", ""),
            ("/a<b", "/a&gt;b"),
        ] {
            assert!(!names(refusing(named).as_bytes(), NO_PERMISSION, path), "{path} {named}");
        }
        let cut = refusing("/orders/7");
        assert!(!names(cut.split_at(cut.len() - 40).0.as_bytes(), NO_PERMISSION, "/orders/7"));
        assert!(!names(b"", NO_PERMISSION, "/"));
    }
}
