//! What is known of the checks of IAP.

use remint_idtoken::Reason;

use super::{Entry, red, with};

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

pub(super) const IAP_AUDIENCE: Entry = with(
    red(
        "iap_audience",
        "A rule takes IAP's assertions for a backend service that the project does not have under that number: no assertion ever has that audience.",
        "list the backend services with their numbers, and correct the rule's `audiences`",
    ),
    Reason::AudienceMismatch,
);

pub(super) const IAP_CLIENT: Entry = with(
    red(
        "iap_client",
        "Tokens are minted for an OAuth client of the project that none of its backend services has: IAP refuses them.",
        "list the backend services with their OAuth clients, and correct `client_id`",
    ),
    Reason::AudienceMismatch,
);

pub(super) const IAP_BACKEND_OFF: Entry = red(
    "iap_backend_off",
    "The configuration counts on IAP in front of a backend service on which it is off: no assertion comes, and nobody is asked who they are.",
    "turn it on",
);

pub(super) const IAP_ACCESS_MISSING: Entry = red(
    "iap_access_missing",
    "IAP lets nobody through, or not the account that calls: it answers 403 itself.",
    "grant `roles/iap.httpsResourceAccessor` on the backend service",
);
