//! The checks, and what is known of each.

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
    /// The region answers.
    ProbeRefused,
    /// It can be reached.
    ProbeFailed,
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
    pub const ALL: [Self; 32] = [
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
        Self::ProbeRefused,
        Self::ProbeFailed,
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
            Self::ServiceMissing
            | Self::WrongRegion
            | Self::WrongUrl
            | Self::DefaultUrlDisabled
            | Self::RegionTwice
            | Self::FunctionIsService => self.of_url(),
            Self::AudienceRefused
            | Self::CustomAudienceMissing
            | Self::CustomAudiencesDiffer
            | Self::InvokerMissing
            | Self::OpenToAll
            | Self::InvokerCheckOff
            | Self::IngressRefuses
            | Self::IngressOpen
            | Self::IapOff
            | Self::IapInvokerMissing
            | Self::ProbeRefused
            | Self::ProbeFailed => self.of_access(),
            Self::MintDenied | Self::KeysUnavailable | Self::ClockOff | Self::Unread => {
                self.of_surroundings()
            }
            _ => self.of_sender(),
        }
    }

    fn of_url(self) -> Entry {
        match self {
            Self::ServiceMissing => red(
                "service_missing",
                "There is no Cloud Run service of that name in the region that the URL names.",
                "list the services of that name, and correct `url`",
            ),
            Self::WrongRegion => red(
                "wrong_region",
                "The URL names another region than the one that the configuration calls this region, and the service is only in that one.",
                "show the service's URLs, and correct `url`",
            ),
            Self::DefaultUrlDisabled => red(
                "default_url_disabled",
                "The service does not answer at its run.app URLs, which the configuration has.",
                "turn them on again",
            ),
            Self::RegionTwice => red(
                "region_twice",
                "Two regions of the configuration are the same service in the same region, by two URLs: if it fails, a retry meets it again.",
                "show the service's URLs, and leave one of the two out",
            ),
            Self::FunctionIsService => red(
                "function_is_service",
                "The region is of the kind `cloud_function`, but there is a Cloud Run service of that name, which has no such URL: its tokens must be for its own.",
                "show the service's URLs; leave `kind` out and correct `url`",
            ),
            _ => red(
                "wrong_url",
                "The service is there, but the URL is not one of its own: a wrong project number, or a wrong hash.",
                "show the service's URLs, and correct `url`",
            ),
        }
    }

    fn of_access(self) -> Entry {
        match self {
            Self::CustomAudienceMissing => with(
                red(
                    "custom_audience_missing",
                    "Tokens are minted for a custom audience that the service does not have in this region.",
                    "add it",
                ),
                Reason::AudienceMismatch,
            ),
            Self::CustomAudiencesDiffer => amber(
                "custom_audiences_differ",
                "A custom audience is set in one region of the service and not in another: a token that is good here is refused there.",
                "add it where it is missing",
            ),
            Self::InvokerMissing => with(
                red(
                    "invoker_missing",
                    "The gateway's account has no role in this region by which it may call the service.",
                    "grant `roles/run.invoker` in this region",
                ),
                Reason::InvokerMissing,
            ),
            Self::OpenToAll => amber(
                "open_to_all",
                "`allUsers` or `allAuthenticatedUsers` may call the service: anybody gets past the gateway.",
                "take the role away from everybody",
            ),
            Self::InvokerCheckOff => red(
                "invoker_check_off",
                "The service does not check who calls (`invokerIamDisabled`): anybody gets past the gateway, whatever its policy says.",
                "turn the check on again",
            ),
            Self::IngressRefuses => with(
                red(
                    "ingress_refuses",
                    "The ingress setting keeps calls from the internet out, where the gateway's come from.",
                    "let them in; or send the gateway's calls through the VPC network, and say `--gateway-in vpc`",
                ),
                Reason::IngressRefused,
            ),
            Self::IngressOpen => amber(
                "ingress_open",
                "The gateway's calls come from the VPC network, and the service lets the internet in too.",
                "restrict the ingress to `internal`",
            ),
            Self::IapOff => with(
                red(
                    "iap_off",
                    "Tokens are minted for an OAuth client ID, as IAP wants them, but no IAP is in front of this service: it takes its own URL alone.",
                    "show the service's audiences; leave `kind` and `client_id` (or `audience`) out",
                ),
                Reason::AudienceIsIapClient,
            ),
            Self::IapInvokerMissing => with(
                red(
                    "iap_invoker_missing",
                    "IAP is on, and its service agent may not call the service behind it.",
                    "grant `roles/run.invoker` to IAP's service agent",
                ),
                Reason::IapInvokerMissing,
            ),
            Self::ProbeRefused => red(
                "probe_refused",
                "With `--probe`: Google's front end refuses a request with a token that was minted for this region.",
                "what the other checks say of this region; a change of permissions takes minutes to arrive",
            ),
            Self::ProbeFailed => {
                red("probe_failed", "With `--probe`: the region does not answer.", "try it by hand")
            }
            _ => with(
                red(
                    "audience_refused",
                    "Tokens are minted for an audience that differs from an accepted one: by a path, a slash, a port, the scheme, or it is another region's.",
                    "show the audiences that count, and correct `audience` (or leave it out)",
                ),
                Reason::AudienceMismatch,
            ),
        }
    }

    fn of_surroundings(self) -> Entry {
        match self {
            Self::MintDenied => with(
                red(
                    "mint_denied",
                    "No token can be had for the service's regions, so nothing would be sent.",
                    "grant the roles that are missing",
                ),
                Reason::MintDenied,
            ),
            Self::KeysUnavailable => with(
                red(
                    "keys_unavailable",
                    "An issuer's key set can't be fetched or read: no token of its is believed.",
                    "fetch it by hand from where the gateway runs",
                ),
                Reason::KeysUnavailable,
            ),
            Self::ClockOff => red(
                "clock_off",
                "Google's clock and this machine's differ by more than 30 s: tokens are refused as expired, or as not valid yet.",
                "set the machine's clock by NTP",
            ),
            _ => amber(
                "unread",
                "Something could not be looked at: the account that reads lacks a role, an API is off, or the configuration does not tell where it is.",
                "grant it `roles/viewer`, or run it as somebody who may; see \"What it reads\"",
            ),
        }
    }

    fn of_sender(self) -> Entry {
        match self {
            Self::SenderNoRule => with(
                red(
                    "sender_no_rule",
                    "No rule of the policy is for what the sender calls: host, path or method.",
                    "set what the nearest rule is for; or add a rule",
                ),
                Reason::NoRule,
            ),
            Self::SenderNoToken => with(
                red(
                    "sender_no_token",
                    "The sender sends no OIDC token, and the rule asks for one.",
                    "give it an account and an audience",
                ),
                Reason::TokenMissing,
            ),
            Self::SenderAudience => with(
                red(
                    "sender_audience",
                    "The audience of its tokens is none of the rule's. Without a setting it is the URL that is called.",
                    "set an audience of the rule's",
                ),
                Reason::AudienceMismatch,
            ),
            Self::SenderCaller => with(
                red(
                    "sender_caller",
                    "The account that it sends tokens of is not among the rule's callers.",
                    "set an account of the rule's; or add this one to the rule's `callers`",
                ),
                Reason::CallerNotAllowed,
            ),
            Self::SenderAccountMissing => with(
                red(
                    "sender_account_missing",
                    "The account that it sends tokens of is not there: deleted, or misspelt.",
                    "create it",
                ),
                Reason::SenderMayNotMint,
            ),
            Self::SenderMayNotMint => with(
                red(
                    "sender_may_not_mint",
                    "The sender's service agent may not mint tokens of that account, neither by a role in the project nor by one on the account: nothing is sent.",
                    "grant the service agent `roles/iam.serviceAccountTokenCreator` on the account",
                ),
                Reason::SenderMayNotMint,
            ),
            Self::SenderGoesPast => amber(
                "sender_goes_past",
                "The sender calls a region itself: no policy, no other region when that one is down.",
                "have it call the gateway's host",
            ),
            Self::SenderDeadline => amber(
                "sender_deadline",
                "The sender gives up before the gateway does, and sends the same again while the first is under way.",
                "give it the gateway's time; or shorten the rule's `timeout`",
            ),
            Self::RuleUnused => amber(
                "rule_unused",
                "A rule is said to be for a sender (`sender`), and no such sender was found that calls it.",
                "look whether it is in another project or location (`--project`, `--location`)",
            ),
            _ => red(
                "sender_refused",
                "The rule refuses the sender's tokens for something else, such as their issuer or a claim.",
                "`remint reasons CODE` tells what the reason means",
            ),
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
