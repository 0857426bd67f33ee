//! What is known of the checks of senders.

use remint_idtoken::Reason;

use super::{Entry, amber, red, with};

pub(super) const SENDER_NO_RULE: Entry = with(
    red(
        "sender_no_rule",
        "No rule of the policy is for what the sender calls: host, path or method.",
        "set what the nearest rule is for; or add a rule",
    ),
    Reason::NoRule,
);

pub(super) const SENDER_NO_TOKEN: Entry = with(
    red(
        "sender_no_token",
        "The sender sends no OIDC token, and the rule asks for one.",
        "give it an account and an audience",
    ),
    Reason::TokenMissing,
);

pub(super) const SENDER_AUDIENCE: Entry = with(
    red(
        "sender_audience",
        "The audience of its tokens is none of the rule's. Without a setting it is the URL that is called.",
        "set an audience of the rule's",
    ),
    Reason::AudienceMismatch,
);

pub(super) const SENDER_CALLER: Entry = with(
    red(
        "sender_caller",
        "The account that it sends tokens of is not among the rule's callers.",
        "set an account of the rule's; or add this one to the rule's `callers`",
    ),
    Reason::CallerNotAllowed,
);

pub(super) const SENDER_ACCOUNT_MISSING: Entry = with(
    red(
        "sender_account_missing",
        "The account that it sends tokens of is not there: deleted, or misspelt.",
        "create it",
    ),
    Reason::SenderMayNotMint,
);

pub(super) const SENDER_MAY_NOT_MINT: Entry = with(
    red(
        "sender_may_not_mint",
        "The sender's service agent may not mint tokens of that account, neither by a role in the project nor by one on the account: nothing is sent.",
        "grant the service agent `roles/iam.serviceAccountTokenCreator` on the account",
    ),
    Reason::SenderMayNotMint,
);

pub(super) const SENDER_GOES_PAST: Entry = amber(
    "sender_goes_past",
    "The sender calls a region itself: no policy, no other region when that one is down.",
    "have it call the gateway's host",
);

pub(super) const SENDER_DEADLINE: Entry = amber(
    "sender_deadline",
    "The sender gives up before the gateway does, and sends the same again while the first is under way.",
    "give it the gateway's time; or shorten the rule's `timeout`",
);

pub(super) const RULE_UNUSED: Entry = amber(
    "rule_unused",
    "A rule is said to be for a sender (`sender`), and no such sender was found that calls it.",
    "look whether it is in another project or location (`--project`, `--location`)",
);

pub(super) const SENDER_REFUSED: Entry = red(
    "sender_refused",
    "The rule refuses the sender's tokens for something else, such as their issuer or a claim.",
    "`remint reasons CODE` tells what the reason means",
);
