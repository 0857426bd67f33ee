//! A request as somebody has captured it.

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use remint_idtoken::{Target, TargetError, UnixTime, safe};

use super::pasted::Pasted;

/// What is looked at of a request: everything but its body.
#[derive(Clone, Debug)]
pub struct Captured {
    pub(super) method: String,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// When it was sent, if the capture says so.
    pub(super) at: Option<UnixTime>,
    /// The status that it was answered with.
    pub(super) answered: Option<u16>,
    /// What was made of the capture, for whoever made it.
    pub(super) notes: Vec<String>,
    /// Whether it is known what was called.
    pub(super) has_url: bool,
}

/// Why a text is no request. Holds nothing of what may be a token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptureError {
    /// Not a URL that a request can have.
    #[error("{0:?} is no URL of a request: expected https://HOST/PATH")]
    Url(String),
    /// Not a method. It is not shown: it may be a token in the wrong place.
    #[error("the method is none: expected up to 20 letters, as in POST")]
    Method,
    /// Quotes without an end.
    #[error("the command has quotes that don't end")]
    Quotes,
    /// Not a command of curl's, and what it is instead.
    #[error(
        "the command does not begin with curl: it is {0} (browsers have \"Copy as cURL\" in the \
         menu of a request)"
    )]
    NotCurl(&'static str),
    /// An option without its value.
    #[error("the option {0} has no value")]
    Value(String),
    /// A file that the command names.
    #[error("the command takes a file of headers (-H @FILE): put its lines there, each behind -H")]
    HeaderFile,
    /// No URL.
    #[error("the command has no URL")]
    NoUrl,
    /// Several URLs.
    #[error("the command has several requests: keep one URL")]
    Urls,
    /// Not JSON.
    #[error("not JSON from line {line}, column {column} on: expected a HAR file")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// No entry of a HAR file.
    #[error(
        "no entry of a HAR file: expected \"request\" with \"method\", \"url\" and \"headers\""
    )]
    Har,
    /// Several entries.
    #[error("the file has {count} entries: say which with --entry, from 1{list}")]
    Entries {
        /// How many.
        count: usize,
        /// The first of them, a line each.
        list: String,
    },
    /// No token, and what is there instead.
    #[error("there is no token, but {0}")]
    NoToken(&'static str),
    /// Several tokens.
    #[error("there are {0} tokens: keep one")]
    Tokens(usize),
}

impl Captured {
    /// A request of that method for that URL.
    ///
    /// # Errors
    /// [`CaptureError::Url`] and [`CaptureError::Method`].
    pub fn new(method: &str, url: &str) -> Result<Self, CaptureError> {
        let is_method = |letter: u8| letter.is_ascii_alphabetic() || letter == b'-';
        if !(1..=20).contains(&method.len()) || !method.bytes().all(is_method) {
            return Err(CaptureError::Method);
        }
        let wrong = || CaptureError::Url(without_query(url));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https" | "ws" | "wss")) {
            return Err(wrong());
        }
        let authority = uri.authority().ok_or_else(wrong)?.to_string();
        let path = uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
        let method = method.to_ascii_uppercase();
        let (headers, notes) = (HeaderMap::new(), Vec::new());
        let (at, answered) = (None, None);
        Ok(Self { method, authority, path, headers, at, answered, notes, has_url: true })
    }

    /// A request of which nobody knows what it was for.
    ///
    /// # Errors
    /// None that a user could cause.
    pub fn for_unknown_url() -> Result<Self, CaptureError> {
        Ok(Self { has_url: false, ..Self::new("POST", "https://unknown.invalid/")? })
    }

    /// With a token that somebody pasted, in its header.
    #[must_use]
    pub fn with_token(mut self, pasted: &Pasted) -> Self {
        if let Ok(value) = HeaderValue::from_str(&pasted.value) {
            self.headers.insert(pasted.header.clone(), value);
        }
        self.notes.extend(pasted.notes.iter().cloned());
        self
    }

    /// With a header, `NAME: VALUE`. What is no header is left out, as no server
    /// would have seen it.
    pub fn add_header(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        self.add(name.trim(), value.trim());
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        let parsed = (HeaderName::try_from(name), HeaderValue::try_from(value));
        match parsed {
            (Ok(HOST), Ok(value)) => {
                if let Ok(host) = value.to_str() {
                    host.clone_into(&mut self.authority);
                }
            }
            (Ok(name), Ok(value)) => drop(self.headers.append(name, value)),
            _ => {}
        }
    }

    /// Adds what was made of it, for whoever asks.
    pub fn add_note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    /// When it was sent, if the capture says so.
    #[must_use]
    pub fn at(&self) -> Option<UnixTime> {
        self.at
    }

    /// What it is for.
    ///
    /// # Errors
    /// [`TargetError`] if that can be read in more than one way.
    pub fn target(&self) -> Result<Target<'_>, TargetError> {
        Target::parse(&self.authority, &self.path, &self.method)
    }

    /// The URL as it was called, which senders take for the audience where none is
    /// set.
    pub(super) fn url(&self) -> String {
        format!("https://{}{}", self.authority, self.path)
    }

    #[cfg(test)]
    pub(super) fn shown(&self) -> String {
        let token = self.headers.get(http::header::AUTHORIZATION);
        let token = token.map_or("no token", |it| it.to_str().unwrap());
        format!("{} {} {} {token}", self.method, self.authority, self.path)
    }
}

/// A URL may hold a token in its query, or be one.
fn without_query(url: &str) -> String {
    safe(url.split(['?', '#']).next().unwrap_or_default())
}
