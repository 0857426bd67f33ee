//! Of what is found out elsewhere: by Google's front ends, by senders and by
//! whoever mints.

use super::Entry;
use crate::refusal::reason::Answer;

/// Each region has a policy of its own.
const INVOKER: &[&str] = &["google_cloud_run_v2_service_iam_member: location, name, role, member"];
const ON_THE_ACCOUNT: &[&str] =
    &["google_service_account_iam_member: service_account_id, role, member"];

pub(super) const INVOKER_MISSING: Entry = Entry {
    code: "invoker_missing",
    summary: "the identity that calls the region may not invoke it",
    meaning: "Google's front end answered 403: the token is good, and its owner lacks \
              roles/run.invoker on the service in that region.",
    causes: &[
        "the role was granted in one region and not in the other",
        "the role was granted to another account than the one that calls",
        "the role was granted a moment ago (see iam_propagating)",
        "the audience is wrong: some of Google's documents say 403 of that too",
    ],
    advice: "grant roles/run.invoker to that identity in each region",
    terraform: INVOKER,
    answer: Answer::Forbidden,
};

pub(super) const IAP_INVOKER_MISSING: Entry = Entry {
    code: "iap_invoker_missing",
    summary: "IAP may not invoke the region behind it",
    meaning: "IAP let the caller through and called the region as its own service agent, \
              which lacks roles/run.invoker there.",
    causes: &[
        "IAP's service agent was never granted the role: only the console does that by itself",
        "it was granted in one region and not in the other",
        "the service agent is not there yet (gcloud beta services identity create \
         --service=iap.googleapis.com)",
    ],
    advice: "grant roles/run.invoker to IAP's service agent in each region",
    terraform: INVOKER,
    answer: Answer::Forbidden,
};

/// The times are those of IAM, "Access change propagation".
pub(super) const IAM_PROPAGATING: Entry = Entry {
    code: "iam_propagating",
    summary: "a change of permissions has not reached all of Google yet",
    meaning: "After a change the same call is let in and refused in turn: mostly for two minutes, \
              perhaps for seven or longer. Here it was let in some minutes ago, or it is granted \
              what it is refused.",
    causes: &[
        "roles/run.invoker was granted within the last minutes",
        "it was removed within the last minutes",
        "it comes from a group whose members have changed, which can take hours",
    ],
    advice: "wait seven minutes and try again, as senders do by themselves; if the role was \
             removed by mistake, grant it again",
    terraform: INVOKER,
    answer: Answer::Forbidden,
};

pub(super) const INGRESS_REFUSED: Entry = Entry {
    code: "ingress_refused",
    summary: "the service's ingress setting does not let this call in",
    meaning: "Cloud Run answers as if there were no such service: 404. The token was not looked at.",
    causes: &[
        "the caller runs on Cloud Run and leaves it by the internet instead of the VPC",
        "the VPC's subnet has no Private Google Access, so that the call leaves it",
        "the service lets only internal calls or load balancers in, and was called directly",
        "there is no such service at that URL: deleted, or misspelt",
    ],
    advice: "send the caller's calls through the VPC (--vpc-egress=all-traffic), call by the load \
             balancer, or change the ingress setting",
    terraform: &[
        "google_cloud_run_v2_service: ingress",
        "google_cloud_run_v2_service: template.vpc_access.egress (of the caller)",
        "google_compute_subnetwork: private_ip_google_access",
    ],
    answer: Answer::Forbidden,
};

pub(super) const REGION_FULL: Entry = Entry {
    code: "region_full",
    summary: "the region has no free instance for the request",
    meaning: "Google's front end answered 429: as many instances run as may, each has \
              as many requests as it takes, and none became free in time.",
    causes: &[
        "max-instances, or the project's quota of instances, is too low for this load",
        "the concurrency of an instance is set low, or its requests take long",
        "a burst that came faster than instances start",
    ],
    advice: "raise --max-instances or --concurrency of the service in that region, or send \
             less of the traffic there",
    terraform: &[
        "google_cloud_run_v2_service: template.scaling.max_instance_count",
        "google_cloud_run_v2_service: template.max_instance_request_concurrency",
    ],
    answer: Answer::Unavailable,
};

pub(super) const IAP_TOKEN_REFUSED: Entry = Entry {
    code: "iap_token_refused",
    summary: "IAP in front of the region does not take the gateway's token",
    meaning: "IAP answered itself, by 401 or by sending to its sign-in page: it found no \
              token, or one that is not for its OAuth client ID. Nothing behind it was asked.",
    causes: &[
        "the region's audience is a URL, or the client ID of another backend service",
        "IAP was turned on, and the region is not of the kind iap in the configuration",
        "the token is in a header that IAP does not look at, such as X-Serverless-Authorization",
    ],
    advice: "say kind: iap for the region, with the OAuth client ID of the IAP before it as audience",
    terraform: &["google_compute_backend_service: iap.oauth2_client_id"],
    answer: Answer::Forbidden,
};

pub(super) const IAP_ACCESS_MISSING: Entry = Entry {
    code: "iap_access_missing",
    summary: "IAP in front of the region does not let the account in that calls",
    meaning: "IAP answered 403: the token is good, and its account lacks \
              roles/iap.httpsResourceAccessor on what is behind IAP.",
    causes: &[
        "the role was granted to another account, or for another backend service",
        "the role was granted a moment ago (see iam_propagating)",
        "a condition of the binding, or an access level, is not met",
    ],
    advice: "grant roles/iap.httpsResourceAccessor to that account",
    terraform: &["google_iap_web_backend_service_iam_member: web_backend_service, role, member"],
    answer: Answer::Forbidden,
};

pub(super) const SENDER_MAY_NOT_MINT: Entry = Entry {
    code: "sender_may_not_mint",
    summary: "the sender's service agent may not mint tokens for its account",
    meaning: "Nothing was sent: the sender could not get the token that it was told to send. \
              Whoever waits for its requests sees none, and no refusal.",
    causes: &[
        "the sender's service agent lacks roles/iam.serviceAccountTokenCreator on the account",
        "the role that the service agent has in its project was taken from it",
        "the account is one of another project",
        "the account was deleted",
    ],
    advice: "grant roles/iam.serviceAccountTokenCreator on the account to the sender's service agent",
    terraform: ON_THE_ACCOUNT,
    answer: Answer::Unavailable,
};

pub(super) const MINT_DENIED: Entry = Entry {
    code: "mint_denied",
    summary: "the gateway may not mint a token for the region",
    meaning: "Google refused the token that the region asks for, so nothing is sent there once \
              the last token has ended.",
    causes: &[
        "the gateway's identity lacks roles/iam.serviceAccountOpenIdTokenCreator on the account",
        "the account was deleted or disabled, or its key was",
        "a delegate of the chain lacks roles/iam.serviceAccountTokenCreator on the next one",
        "no service account is attached to the machine that the gateway runs on",
    ],
    advice: "grant the role that is missing, as the log's `command` or `error` has it",
    terraform: ON_THE_ACCOUNT,
    answer: Answer::Unavailable,
};
