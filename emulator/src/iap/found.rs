//! Who calls, as a request's credentials tell.

use http::request::Parts;
use remint_idtoken::{Reason, UnixTime};

use super::sign_in::SignIn;
use super::tokens::{Presented, Tokens};

/// What there is to know of a caller.
pub(super) struct Found {
    /// What the token claims to be for, if there is a readable one.
    pub(super) audience: Option<String>,
    /// Whom it claims to be from, or whose session it is.
    pub(super) claimed: Option<String>,
    /// The caller's address, or why it is not known.
    pub(super) caller: Result<String, Reason>,
    /// Whether there is a token, which only programs have.
    pub(super) is_program: bool,
    /// What else the timeline is to have of it.
    pub(super) note: Option<String>,
}

impl Found {
    /// Looks at `Proxy-Authorization` first, which is IAP's alone; then at
    /// `Authorization`, which is the service's if the former was good; then at
    /// the cookie ("Programmatic authentication", "Authenticate from a
    /// Proxy-Authorization header"). Whether a bad token comes before a good
    /// cookie is not documented: it does here, as a browser sends none.
    pub(super) fn in_request(
        tokens: &Tokens,
        sessions: &SignIn,
        parts: &Parts,
        now: UnixTime,
    ) -> Self {
        let mut note = None;
        if let Some(presented) = tokens.in_proxy_authorization(&parts.headers) {
            let Err(reason) = presented.outcome else {
                return Self::of_token(presented, None);
            };
            let code = reason.code();
            note = Some(format!("the token in Proxy-Authorization does not count: {code}"));
        }
        match tokens.in_authorization(&parts.headers) {
            Some(presented) => Self::of_token(presented, note),
            None => Self::of_session(sessions.session(parts, now), note),
        }
    }

    fn of_token(Presented { claimed, outcome }: Presented, note: Option<String>) -> Self {
        let (audience, claimed) =
            claimed.map_or((None, None), |claimed| (Some(claimed.audience), claimed.caller));
        Self { audience, claimed, caller: outcome, is_program: true, note }
    }

    pub(super) fn of_session(caller: Result<String, Reason>, note: Option<String>) -> Self {
        let claimed = caller.clone().ok();
        Self { audience: None, claimed, caller, is_program: false, note }
    }
}
