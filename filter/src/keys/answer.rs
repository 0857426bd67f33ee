//! What a key server answers.

use remint_idtoken::SignatureScheme;
use remint_idtoken::keys::{KeySet, LeftOut, parse_jwks};

/// What the key server answered.
pub(crate) struct KeyAnswer {
    /// The status, if there was an answer at all.
    pub(crate) status: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl KeyAnswer {
    /// The keys in it and those that are left out, or why there are none.
    /// Redirections are not followed: a key set has one address.
    pub(super) fn keys<S: SignatureScheme>(
        &self,
        scheme: &S,
    ) -> Result<(KeySet<S::Key>, Vec<LeftOut>), String> {
        match self.status.as_deref() {
            Some("200") => load(scheme, &self.body),
            Some(other) => Err(format!("the key server answered {other}")),
            None => Err("the key server did not answer".to_owned()),
        }
    }
}

/// Makes the keys of a document ready for use.
pub(super) fn load<S: SignatureScheme>(
    scheme: &S,
    document: &[u8],
) -> Result<(KeySet<S::Key>, Vec<LeftOut>), String> {
    let parsed =
        parse_jwks(document).map_err(|error| format!("the key server's answer: {error}"))?;
    KeySet::load(scheme, &parsed).map_err(|error| error.to_string())
}
