//! A request's headers as the host hands them over.

use remint_idtoken::{Headers, Target, TargetError, is_identity_header};

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
    pub(crate) fn request_id(&self) -> Option<&str> {
        self.text("x-request-id")
    }

    /// The headers that say who somebody is: all of them come from outside.
    pub(crate) fn identity_headers(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str()).filter(|name| is_identity_header(name))
    }

    /// About how much memory it takes.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().fold(0, |sum: usize, (name, value)| {
            sum.saturating_add(name.len()).saturating_add(value.len())
        })
    }

    fn text(&self, name: &'static str) -> Option<&str> {
        std::str::from_utf8(self.values(name).next()?).ok()
    }
}

impl Headers for RequestHead {
    fn values<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.0.iter().filter(move |header| header.0 == name).map(|(_, value)| value.as_slice())
    }
}
