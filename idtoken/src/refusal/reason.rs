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
    pub const ALL: [Self; 20] = [
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
        Self::EmailUnverified,
        Self::CallerNotAllowed,
        Self::ClaimMismatch,
    ];

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TargetUnsafe => "target_unsafe",
            Self::NoRule => "no_rule",
            Self::TokenMissing => "token_missing",
            Self::TokenTwice => "token_twice",
            Self::Malformed => "malformed",
            Self::SignatureRemoved => "sig_removed_by_google",
            Self::AlgorithmNotAllowed => "alg_not_allowed",
            Self::IssuerUnknown => "iss_unknown",
            Self::KeyUnknown => "kid_unknown",
            Self::SignatureBad => "sig_bad",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LifetimeTooLong => "lifetime_too_long",
            Self::AudienceMismatch => "aud_mismatch",
            Self::EmailUnverified => "email_unverified",
            Self::CallerNotAllowed => "caller_not_allowed",
            Self::ClaimMismatch => "claim_mismatch",
            Self::KeysUnavailable => "keys_unavailable",
            Self::KeysExpired => "keys_expired",
            Self::CheckUnavailable => "check_unavailable",
        }
    }

    /// What is wrong, in one sentence without a full stop.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            Self::TargetUnsafe => "the request's target can be read in more than one way",
            Self::NoRule => "no rule of the policy is for this request",
            Self::TokenMissing => "the request carries no ID token",
            Self::TokenTwice => "the request carries several different tokens",
            Self::Malformed => "the token is malformed",
            Self::SignatureRemoved => "Cloud Run has removed the token's signature",
            Self::AlgorithmNotAllowed => "the token is not signed with its issuer's algorithm",
            Self::IssuerUnknown => "the token's issuer is not accepted here",
            Self::KeyUnknown => "the issuer has no key with the token's key id",
            Self::SignatureBad => "the signature is not the issuer's",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet",
            Self::LifetimeTooLong => "the token is valid for longer than is accepted",
            Self::AudienceMismatch => "the token was made for another audience",
            Self::EmailUnverified => "the issuer does not vouch for the caller's address",
            Self::CallerNotAllowed => "the caller is not on the rule's list",
            Self::ClaimMismatch => "a claim is missing or not the one that the rule asks for",
            Self::KeysUnavailable => "the issuer's keys could not be fetched",
            Self::KeysExpired => "the issuer's keys in the configuration are too old",
            Self::CheckUnavailable => "the signature could not be checked",
        }
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
        match self {
            Self::TokenMissing => Answer::Unauthenticated,
            Self::TokenTwice
            | Self::Malformed
            | Self::SignatureRemoved
            | Self::AlgorithmNotAllowed
            | Self::IssuerUnknown
            | Self::KeyUnknown
            | Self::SignatureBad
            | Self::Expired
            | Self::NotYetValid
            | Self::LifetimeTooLong
            | Self::AudienceMismatch => Answer::InvalidToken,
            Self::TargetUnsafe
            | Self::NoRule
            | Self::EmailUnverified
            | Self::CallerNotAllowed
            | Self::ClaimMismatch => Answer::Forbidden,
            Self::KeysUnavailable | Self::KeysExpired | Self::CheckUnavailable => {
                Answer::Unavailable
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_complete() {
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
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
        for reason in Reason::ALL.iter().filter(|reason| !others.contains(reason)) {
            assert_eq!(reason.answer(), Answer::InvalidToken, "{reason:?}");
        }
    }
}
