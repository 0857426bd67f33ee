//! A request's headers as the host hands them over.

use remint_idtoken::{Headers, Target, TargetError};

/// The longest request id that is repeated in logs and answers.
const MAX_ID: usize = 64;

/// All headers of a request, names in lower case, in their order. Values are
/// bytes: they need not be UTF-8.
pub(crate) struct RequestHead(Vec<(String, Vec<u8>)>);

impl RequestHead {
    pub(crate) fn new(headers: Vec<(String, Vec<u8>)>) -> Self {
        Self(headers)
    }

    /// What the request is for.
    ///
    /// # Errors
    /// [`TargetError`] if that can be read in more than one way.
    pub(crate) fn target(&self) -> Result<Target<'_>, TargetError> {
        let authority = self.text(":authority").ok_or(TargetError::Host)?;
        let path = self.text(":path").ok_or(TargetError::Path)?;
        let method = self.text(":method").ok_or(TargetError::Path)?;
        Target::parse(authority, path, method)
    }

    /// The request's id, by which its operator finds it in the access log.
    /// Callers may choose it, so it is looked at before it is repeated.
    pub(crate) fn request_id(&self) -> Option<&str> {
        let is_plain = |id: &&str| {
            id.len() <= MAX_ID
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        self.text("x-request-id").filter(is_plain)
    }

    /// The names of all headers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is a header of that name, which is in lower case.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().any(|it| it == name)
    }

    /// About how much memory it takes.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().fold(0, |sum: usize, (name, value)| {
            sum.saturating_add(name.len()).saturating_add(value.len())
        })
    }

    /// The first value of a header, if it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value).ok()
    }
}

impl Headers for RequestHead {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.0.iter().filter(move |header| header.0 == name).map(|(_, value)| value.as_slice())
    }
}
