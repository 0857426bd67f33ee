//! Reasons of refusals, and what callers are told for each.

/// The reason of a refusal. Its [code](Reason::code) is stable: alerts and
/// searches may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The target can be read in more than one way.
    TargetUnsafe,
    /// No rule of the policy is for this request.
    NoRule,
    /// There is no token where the policy looks for one.
    TokenMissing,
    /// There are several different tokens.
    TokenTwice,
    /// The token is not well formed.
    Malformed,
    /// Cloud Run has replaced the signature.
    SignatureRemoved,
    /// The token's algorithm is not one of its issuer's, or not its key's.
    AlgorithmNotAllowed,
    /// No configured issuer has this name, or the rule does not take it.
    IssuerUnknown,
    /// No key of the issuer has this id.
    KeyUnknown,
    /// The signature is wrong.
    SignatureBad,
    /// The token's time is over.
    Expired,
    /// The token's time has not come.
    NotYetValid,
    /// The token's time is longer than allowed.
    LifetimeTooLong,
    /// The token is meant for somebody else.
    AudienceMismatch,
    /// It is meant for the same service in another region.
    AudienceOtherRegion,
    /// Its audience is an accepted one with a path behind it.
    AudienceHasPath,
    /// Its audience differs from an accepted one by the slash at the end.
    AudienceTrailingSlash,
    /// Its audience is the address that was called, which is not accepted.
    AudienceIsLoadBalancer,
    /// Its audience is an OAuth client's.
    AudienceIsIapClient,
    /// Its audience is gcloud.
    AudienceIsGcloudClient,
    /// Its audience is an accepted one without the scheme.
    AudienceNoScheme,
    /// Its audience is an accepted one with a port.
    AudienceHasPort,
    /// Its audience is a host that Cloud Run gives nobody.
    AudienceInventedHost,
    /// The caller's address is not verified by the issuer.
    EmailUnverified,
    /// The caller is not on the rule's list.
    CallerNotAllowed,
    /// A claim that the rule asks for is missing or has another value.
    ClaimMismatch,
    /// The issuer's keys could not be had.
    KeysUnavailable,
    /// The issuer's keys in the configuration are too old.
    KeysExpired,
    /// The signature could not be checked.
    CheckUnavailable,
    /// Google's front end: the identity that calls a region may not.
    InvokerMissing,
    /// Google's front end: IAP may not call what is behind it.
    IapInvokerMissing,
    /// Google's front end: a change of permissions has not arrived everywhere.
    IamPropagating,
    /// Google's front end: the ingress setting keeps the call out.
    IngressRefused,
    /// Google's front end: as many instances run as may, and all are busy.
    RegionFull,
    /// IAP: the token is not one for it.
    IapTokenRefused,
    /// IAP: whoever calls is no user of what is behind it.
    IapAccessMissing,
    /// A sender got no token, and sent nothing.
    SenderMayNotMint,
    /// The gateway got no token for a region.
    MintDenied,
}

/// What the caller is told: a status and nothing that helps an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 401: present a token.
    Unauthenticated,
    /// 401: present another token.
    InvalidToken,
    /// 403: this caller, or this request, never.
    Forbidden,
    /// 503: nothing is wrong with the request; try again.
    Unavailable,
}

impl Answer {
    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthenticated | Self::InvalidToken => 401,
            Self::Forbidden => 403,
            Self::Unavailable => 503,
        }
    }

    /// The `WWW-Authenticate` value (RFC 6750, section 3).
    #[must_use]
    pub fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Unauthenticated => Some("Bearer"),
            Self::InvalidToken => Some("Bearer error=\"invalid_token\""),
            Self::Forbidden => Some("Bearer error=\"insufficient_scope\""),
            Self::Unavailable => None,
        }
    }

    /// The `Retry-After` value, in seconds.
    #[must_use]
    pub fn retry_after(self) -> Option<&'static str> {
        (self == Self::Unavailable).then_some("5")
    }

    /// The body: one line of plain text.
    #[must_use]
    pub fn body(self) -> &'static str {
        match self {
            Self::Unauthenticated => "an ID token is required\n",
            Self::InvalidToken => "the ID token is not valid for this request\n",
            Self::Forbidden => "not permitted\n",
            Self::Unavailable => "not available for the moment, try again\n",
        }
    }
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 38] = [
        Self::TargetUnsafe,
        Self::NoRule,
        Self::TokenMissing,
        Self::TokenTwice,
        Self::Malformed,
        Self::SignatureRemoved,
        Self::AlgorithmNotAllowed,
        Self::IssuerUnknown,
        Self::Expired,
        Self::NotYetValid,
        Self::LifetimeTooLong,
        Self::KeysUnavailable,
        Self::KeysExpired,
        Self::KeyUnknown,
        Self::SignatureBad,
        Self::CheckUnavailable,
        Self::AudienceMismatch,
        Self::AudienceOtherRegion,
        Self::AudienceHasPath,
        Self::AudienceTrailingSlash,
        Self::AudienceIsLoadBalancer,
        Self::AudienceIsIapClient,
        Self::AudienceIsGcloudClient,
        Self::AudienceNoScheme,
        Self::AudienceHasPort,
        Self::AudienceInventedHost,
        Self::EmailUnverified,
        Self::CallerNotAllowed,
        Self::ClaimMismatch,
        Self::InvokerMissing,
        Self::IapInvokerMissing,
        Self::IamPropagating,
        Self::IngressRefused,
        Self::RegionFull,
        Self::IapTokenRefused,
        Self::IapAccessMissing,
        Self::SenderMayNotMint,
        Self::MintDenied,
    ];

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.entry().code
    }

    /// Where the project's documentation tells of it.
    #[must_use]
    pub fn docs(self) -> String {
        format!("docs/reasons.md#{}", self.code())
    }

    /// What is wrong, in one sentence without a full stop.
    #[must_use]
    pub fn summary(self) -> &'static str {
        self.entry().summary
    }

    /// Whether it says that a genuine token is for another audience.
    #[must_use]
    pub fn is_about_audience(self) -> bool {
        matches!(
            self,
            Self::AudienceMismatch
                | Self::AudienceOtherRegion
                | Self::AudienceHasPath
                | Self::AudienceTrailingSlash
                | Self::AudienceIsLoadBalancer
                | Self::AudienceIsIapClient
                | Self::AudienceIsGcloudClient
                | Self::AudienceNoScheme
                | Self::AudienceHasPort
                | Self::AudienceInventedHost
        )
    }

    /// Whether it is found out here. The others are known of Google's front
    /// ends, of senders and of mints.
    #[must_use]
    pub fn is_of_verification(self) -> bool {
        !matches!(
            self,
            Self::InvokerMissing
                | Self::IapInvokerMissing
                | Self::IamPropagating
                | Self::IngressRefused
                | Self::RegionFull
                | Self::IapTokenRefused
                | Self::IapAccessMissing
                | Self::SenderMayNotMint
                | Self::MintDenied
        )
    }

    /// Whether other keys could turn the refusal into a permission.
    #[must_use]
    pub fn is_for_lack_of_keys(self) -> bool {
        matches!(self, Self::KeysUnavailable | Self::KeyUnknown)
    }

    /// What the caller is told. Everything that is found out before the
    /// signature is checked gets the same answer, so that a forged token does
    /// not find out what the policy would accept.
    #[must_use]
    pub fn answer(self) -> Answer {
        self.entry().answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Alerts, searches and links rely on them: a code is never changed, and one
    /// that is left out is never given to another reason.
    const CODES: [&str; 38] = [
        "target_unsafe",
        "no_rule",
        "token_missing",
        "token_twice",
        "malformed",
        "sig_removed_by_google",
        "alg_not_allowed",
        "iss_unknown",
        "expired",
        "not_yet_valid",
        "lifetime_too_long",
        "keys_unavailable",
        "keys_expired",
        "kid_unknown",
        "sig_bad",
        "check_unavailable",
        "aud_mismatch",
        "aud_other_region",
        "aud_has_path",
        "aud_trailing_slash",
        "aud_is_load_balancer",
        "aud_is_iap_client",
        "aud_is_gcloud_client",
        "aud_no_scheme",
        "aud_has_port",
        "aud_invented_host",
        "email_unverified",
        "caller_not_allowed",
        "claim_mismatch",
        "invoker_missing",
        "iap_invoker_missing",
        "iam_propagating",
        "ingress_refused",
        "region_full",
        "iap_token_refused",
        "iap_access_missing",
        "sender_may_not_mint",
        "mint_denied",
    ];

    #[test]
    fn codes_are_distinct_complete_and_what_they_have_always_been() {
        assert_eq!(Reason::ALL.map(Reason::code), CODES);
        let distinct: HashSet<_> = CODES.iter().collect();
        assert_eq!(distinct.len(), CODES.len());
        // Each variant stands in the list: none is left out between two.
        let last = Reason::ALL.iter().map(|reason| *reason as usize).max();
        assert_eq!(last, Some(Reason::ALL.len() - 1));
    }

    #[test]
    fn every_reason_says_what_it_means_and_what_to_do() {
        for reason in Reason::ALL {
            let entry = reason.entry();
            assert!(!entry.summary.ends_with('.'), "{}", entry.code);
            assert!(entry.meaning.ends_with('.'), "{}", entry.code);
            assert!(!entry.causes.is_empty() && !entry.advice.is_empty(), "{}", entry.code);
        }
    }

    #[test]
    fn whatever_is_wrong_with_a_token_before_its_signature_is_known_is_answered_alike() {
        // Without a token, without a rule and without keys there is nothing to
        // say of a token; the last three are known to be the issuer's own words.
        let others = [
            Reason::TokenMissing,
            Reason::TargetUnsafe,
            Reason::NoRule,
            Reason::KeysUnavailable,
            Reason::KeysExpired,
            Reason::CheckUnavailable,
            Reason::EmailUnverified,
            Reason::CallerNotAllowed,
            Reason::ClaimMismatch,
        ];
        let found_here = Reason::ALL.iter().filter(|reason| reason.is_of_verification());
        for reason in found_here.filter(|reason| !others.contains(reason)) {
            assert_eq!(reason.answer(), Answer::InvalidToken, "{reason:?}");
        }
    }
}
