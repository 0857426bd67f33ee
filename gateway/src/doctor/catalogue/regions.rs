//! What is known of the checks of regions.

use remint_idtoken::Reason;

use super::{Entry, amber, red, with};

pub(super) const SERVICE_MISSING: Entry = red(
    "service_missing",
    "There is no Cloud Run service of that name in the region that the URL names.",
    "list the services of that name, and correct `url`",
);

pub(super) const WRONG_REGION: Entry = red(
    "wrong_region",
    "The URL names another region than the one that the configuration calls this region, and the service is only in that one.",
    "show the service's URLs, and correct `url`",
);

pub(super) const DEFAULT_URL_DISABLED: Entry = red(
    "default_url_disabled",
    "The service does not answer at its run.app URLs, which the configuration has.",
    "turn them on again",
);

pub(super) const REGION_TWICE: Entry = red(
    "region_twice",
    "Two regions of the configuration are the same service in the same region, by two URLs: if it fails, a retry meets it again.",
    "show the service's URLs, and leave one of the two out",
);

pub(super) const FUNCTION_IS_SERVICE: Entry = red(
    "function_is_service",
    "The region is of the kind `cloud_function`, but there is a Cloud Run service of that name, which has no such URL: its tokens must be for its own.",
    "show the service's URLs; leave `kind` out and correct `url`",
);

pub(super) const WRONG_URL: Entry = red(
    "wrong_url",
    "The service is there, but the URL is not one of its own: a wrong project number, or a wrong hash.",
    "show the service's URLs, and correct `url`",
);

pub(super) const CUSTOM_AUDIENCE_MISSING: Entry = with(
    red(
        "custom_audience_missing",
        "Tokens are minted for a custom audience that the service does not have in this region.",
        "add it",
    ),
    Reason::AudienceMismatch,
);

pub(super) const CUSTOM_AUDIENCES_DIFFER: Entry = amber(
    "custom_audiences_differ",
    "A custom audience is set in one region of the service and not in another: a token that is good here is refused there.",
    "add it where it is missing",
);

pub(super) const INVOKER_MISSING: Entry = with(
    red(
        "invoker_missing",
        "The gateway's account has no role in this region by which it may call the service.",
        "grant `roles/run.invoker` in this region",
    ),
    Reason::InvokerMissing,
);

pub(super) const OPEN_TO_ALL: Entry = amber(
    "open_to_all",
    "`allUsers` or `allAuthenticatedUsers` may call the service: anybody gets past the gateway.",
    "take the role away from everybody",
);

pub(super) const INVOKER_CHECK_OFF: Entry = red(
    "invoker_check_off",
    "The service does not check who calls (`invokerIamDisabled`): anybody gets past the gateway, whatever its policy says.",
    "turn the check on again",
);

pub(super) const INGRESS_REFUSES: Entry = with(
    red(
        "ingress_refuses",
        "The ingress setting keeps calls from the internet out, where the gateway's come from.",
        "let them in; or send the gateway's calls through the VPC network, and say `--gateway-in vpc`",
    ),
    Reason::IngressRefused,
);

pub(super) const INGRESS_OPEN: Entry = amber(
    "ingress_open",
    "The gateway's calls come from the VPC network, and the service lets the internet in too.",
    "restrict the ingress to `internal`",
);

pub(super) const PROBE_REFUSED: Entry = red(
    "probe_refused",
    "With `--probe`: Google's front end refuses a request with a token that was minted for this region.",
    "what the other checks say of this region; a change of permissions takes minutes to arrive",
);

pub(super) const PROBE_FAILED: Entry =
    red("probe_failed", "With `--probe`: the region does not answer.", "try it by hand");

pub(super) const AUDIENCE_REFUSED: Entry = with(
    red(
        "audience_refused",
        "Tokens are minted for an audience that differs from an accepted one: by a path, a slash, a port, the scheme, or it is another region's.",
        "show the audiences that count, and correct `audience` (or leave it out)",
    ),
    Reason::AudienceMismatch,
);

pub(super) const PROBE_ERROR: Entry = amber(
    "probe_error",
    "With `--probe`: the request reaches the application, which answers 5xx.",
    "try it by hand, and look into the service's logs",
);
