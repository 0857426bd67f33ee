//! What is known of the checks of IAP.

use remint_idtoken::Reason;

use super::{Entry, amber, red, with};

pub(super) const IAP_OFF: Entry = with(
    red(
        "iap_off",
        "Tokens are minted for an OAuth client ID, as IAP wants them, but no IAP is in front of this service: it takes its own URL alone.",
        "show the service's audiences; leave `kind` and `client_id` (or `audience`) out",
    ),
    Reason::AudienceIsIapClient,
);

pub(super) const IAP_INVOKER_MISSING: Entry = with(
    red(
        "iap_invoker_missing",
        "IAP is on, and its service agent may not call the service behind it.",
        "grant `roles/run.invoker` to IAP's service agent",
    ),
    Reason::IapInvokerMissing,
);
