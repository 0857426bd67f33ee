//! The checks, and what is known of each.

mod iap;
mod regions;
mod senders;
mod surroundings;

use remint_idtoken::Reason;

use super::finding::Level;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// A region's service is there.
    ServiceMissing,
    /// It is in the region that its URL names.
    WrongRegion,
    /// The URL is one of the service's.
    WrongUrl,
    /// That URL is served.
    DefaultUrlDisabled,
    /// No two regions are the same service.
    RegionTwice,
    /// The region takes the audience.
    AudienceRefused,
    /// A custom audience is set where it is minted for.
    CustomAudienceMissing,
    /// All regions have the same custom audiences.
    CustomAudiencesDiffer,
    /// The gateway may call.
    InvokerMissing,
    /// Not everybody may.
    OpenToAll,
    /// It is checked who calls.
    InvokerCheckOff,
    /// The gateway is let in.
    IngressRefuses,
    /// The internet is not, if the gateway does not need it.
    IngressOpen,
    /// What is called as a function is one.
    FunctionIsService,
    /// IAP is there if tokens are minted for it.
    IapOff,
    /// IAP may call what is behind it.
    IapInvokerMissing,
    /// There is what IAP's assertions are to be for.
    IapAudience,
    /// There is what the OAuth client belongs to.
    IapClient,
    /// IAP is on there.
    IapBackendOff,
    /// Whoever calls is let through.
    IapAccessMissing,
    /// The region answers.
    ProbeRefused,
    /// It can be reached.
    ProbeFailed,
    /// Its application works.
    ProbeError,
    /// Tokens can be minted.
    MintDenied,
    /// Keys can be fetched.
    KeysUnavailable,
    /// Clocks agree.
    ClockOff,
    /// A rule is for what a sender calls.
    SenderNoRule,
    /// A sender sends a token.
    SenderNoToken,
    /// The rule takes its audience.
    SenderAudience,
    /// The rule takes its account.
    SenderCaller,
    /// The rule takes the rest of it.
    SenderRefused,
    /// Its account is there.
    SenderAccountMissing,
    /// It may mint for it.
    SenderMayNotMint,
    /// It calls the gateway.
    SenderGoesPast,
    /// It waits long enough.
    SenderDeadline,
    /// A rule for a sender has one.
    RuleUnused,
    /// It could be looked at.
    Unread,
}

/// What is known of a check.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The stable code.
    pub code: &'static str,
    /// How bad it is to fail it.
    pub level: Level,
    /// The reason that requests are refused for then, where there is one.
    pub reason: Option<Reason>,
    /// What is wrong.
    pub meaning: &'static str,
    /// What the command does, or what else to do.
    pub remedy: &'static str,
}

const fn red(code: &'static str, meaning: &'static str, remedy: &'static str) -> Entry {
    Entry { code, level: Level::Red, reason: None, meaning, remedy }
}

const fn amber(code: &'static str, meaning: &'static str, remedy: &'static str) -> Entry {
    Entry { code, level: Level::Amber, reason: None, meaning, remedy }
}

const fn with(entry: Entry, reason: Reason) -> Entry {
    Entry { reason: Some(reason), ..entry }
}

impl Check {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 37] = [
        Self::ServiceMissing,
        Self::WrongRegion,
        Self::WrongUrl,
        Self::DefaultUrlDisabled,
        Self::RegionTwice,
        Self::AudienceRefused,
        Self::CustomAudienceMissing,
        Self::CustomAudiencesDiffer,
        Self::InvokerMissing,
        Self::OpenToAll,
        Self::InvokerCheckOff,
        Self::IngressRefuses,
        Self::IngressOpen,
        Self::FunctionIsService,
        Self::IapOff,
        Self::IapInvokerMissing,
        Self::IapAudience,
        Self::IapClient,
        Self::IapBackendOff,
        Self::IapAccessMissing,
        Self::ProbeRefused,
        Self::ProbeFailed,
        Self::ProbeError,
        Self::MintDenied,
        Self::KeysUnavailable,
        Self::ClockOff,
        Self::SenderNoRule,
        Self::SenderNoToken,
        Self::SenderAudience,
        Self::SenderCaller,
        Self::SenderRefused,
        Self::SenderAccountMissing,
        Self::SenderMayNotMint,
        Self::SenderGoesPast,
        Self::SenderDeadline,
        Self::RuleUnused,
        Self::Unread,
    ];

    /// What is known of it.
    #[must_use]
    pub fn entry(self) -> Entry {
        match self {
            Self::ServiceMissing => regions::SERVICE_MISSING,
            Self::WrongRegion => regions::WRONG_REGION,
            Self::WrongUrl => regions::WRONG_URL,
            Self::DefaultUrlDisabled => regions::DEFAULT_URL_DISABLED,
            Self::RegionTwice => regions::REGION_TWICE,
            Self::AudienceRefused => regions::AUDIENCE_REFUSED,
            Self::CustomAudienceMissing => regions::CUSTOM_AUDIENCE_MISSING,
            Self::CustomAudiencesDiffer => regions::CUSTOM_AUDIENCES_DIFFER,
            Self::InvokerMissing => regions::INVOKER_MISSING,
            Self::OpenToAll => regions::OPEN_TO_ALL,
            Self::InvokerCheckOff => regions::INVOKER_CHECK_OFF,
            Self::IngressRefuses => regions::INGRESS_REFUSES,
            Self::IngressOpen => regions::INGRESS_OPEN,
            Self::FunctionIsService => regions::FUNCTION_IS_SERVICE,
            Self::IapOff => iap::IAP_OFF,
            Self::IapInvokerMissing => iap::IAP_INVOKER_MISSING,
            Self::IapAudience => iap::IAP_AUDIENCE,
            Self::IapClient => iap::IAP_CLIENT,
            Self::IapBackendOff => iap::IAP_BACKEND_OFF,
            Self::IapAccessMissing => iap::IAP_ACCESS_MISSING,
            Self::ProbeRefused => regions::PROBE_REFUSED,
            Self::ProbeFailed => regions::PROBE_FAILED,
            Self::ProbeError => regions::PROBE_ERROR,
            Self::MintDenied => surroundings::MINT_DENIED,
            Self::KeysUnavailable => surroundings::KEYS_UNAVAILABLE,
            Self::ClockOff => surroundings::CLOCK_OFF,
            Self::SenderNoRule => senders::SENDER_NO_RULE,
            Self::SenderNoToken => senders::SENDER_NO_TOKEN,
            Self::SenderAudience => senders::SENDER_AUDIENCE,
            Self::SenderCaller => senders::SENDER_CALLER,
            Self::SenderRefused => senders::SENDER_REFUSED,
            Self::SenderAccountMissing => senders::SENDER_ACCOUNT_MISSING,
            Self::SenderMayNotMint => senders::SENDER_MAY_NOT_MINT,
            Self::SenderGoesPast => senders::SENDER_GOES_PAST,
            Self::SenderDeadline => senders::SENDER_DEADLINE,
            Self::RuleUnused => senders::RULE_UNUSED,
            Self::Unread => surroundings::UNREAD,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_check_has_a_code_of_its_own_and_says_what_it_means() {
        let codes: HashSet<_> = Check::ALL.iter().map(|it| it.entry().code).collect();
        assert_eq!(codes.len(), Check::ALL.len());
        for check in Check::ALL {
            let entry = check.entry();
            assert!(entry.meaning.ends_with('.') && !entry.remedy.ends_with('.'), "{}", entry.code);
            assert!(entry.level > Level::Green, "{}", entry.code);
        }
    }
}
