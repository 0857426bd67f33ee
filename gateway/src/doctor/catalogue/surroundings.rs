//! What is known of the checks of what all services have in common.

use remint_idtoken::Reason;

use super::{Entry, amber, red, with};

pub(super) const MINT_DENIED: Entry = with(
    red(
        "mint_denied",
        "No token can be had for the service's regions, so nothing would be sent.",
        "grant the roles that are missing",
    ),
    Reason::MintDenied,
);

pub(super) const KEYS_UNAVAILABLE: Entry = with(
    red(
        "keys_unavailable",
        "An issuer's key set can't be fetched or read: no token of its is believed.",
        "fetch it by hand from where the gateway runs",
    ),
    Reason::KeysUnavailable,
);

pub(super) const CLOCK_OFF: Entry = red(
    "clock_off",
    "Google's clock and this machine's differ by more than 30 s: tokens are refused as expired, or as not valid yet.",
    "set the machine's clock by NTP",
);

pub(super) const UNREAD: Entry = amber(
    "unread",
    "Something could not be looked at: the account that reads lacks a role, an API is off, or the configuration does not tell where it is.",
    "grant it `roles/viewer`, or run it as somebody who may; see \"What it reads\"",
);
