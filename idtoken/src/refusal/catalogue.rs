//! The catalogue: everything that there is to say of each reason.

use super::reason::{Answer, Reason};

/// What is known of a [`Reason`], whatever the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The stable code.
    pub code: &'static str,
    /// What is wrong, in one sentence without a full stop.
    pub summary: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What it mostly comes from, the likeliest first.
    pub causes: &'static [&'static str],
    /// What to do, in one sentence.
    pub advice: &'static str,
    /// Attributes of Google's Terraform provider that have a say in it.
    pub terraform: &'static [&'static str],
    /// What the caller is told.
    pub answer: Answer,
}

const SENDER_AUDIENCES: &[&str] = &[
    "google_pubsub_subscription: push_config.oidc_token.audience",
    "google_cloud_scheduler_job: http_target.oidc_token.audience",
    "google_cloud_tasks_queue: http_target.oidc_token.audience",
];
const CUSTOM_AUDIENCES: &[&str] = &[
    "google_pubsub_subscription: push_config.oidc_token.audience",
    "google_cloud_run_v2_service: custom_audiences",
];
const SET_THE_AUDIENCE: &str =
    "set the sender's audience to an accepted one, or add the received one to the rule";

impl Reason {
    /// What is known of it.
    #[must_use]
    #[expect(clippy::too_many_lines, reason = "one entry for each reason, in one place")]
    pub fn entry(self) -> Entry {
        match self {
            Self::TargetUnsafe => Entry {
                code: "target_unsafe",
                summary: "the request's target can be read in more than one way",
                meaning: "Whoever stands behind might read another path or host than the one \
                          whose rule was looked up, so the rule would protect nothing.",
                causes: &[
                    "dot segments, double or encoded slashes in the path",
                    "two different hosts in one request",
                    "a scanner that looks for holes",
                ],
                advice: "send the path in its normal form: no dot segments, double or encoded slashes",
                terraform: &[],
                answer: Answer::Forbidden,
            },
            Self::NoRule => Entry {
                code: "no_rule",
                summary: "no rule of the policy is for this request",
                meaning: "The policy says nothing of this host, path and method, and what it says \
                          nothing of is refused. The token was not looked at.",
                causes: &[
                    "the rule has another path or method than the sender calls",
                    "the sender calls by another host than the rule's",
                    "a request that is meant for something else",
                ],
                advice: "add a rule for this host, path and method to the policy",
                terraform: &[],
                answer: Answer::Forbidden,
            },
            Self::TokenMissing => Entry {
                code: "token_missing",
                summary: "the request carries no ID token",
                meaning: "There is no token in any of the places where the rule's issuers have theirs.",
                causes: &[
                    "the sender was set up without authentication",
                    "the token is in another header than the rule looks at",
                    "something on the way removed the header",
                ],
                advice: "configure the sender to authenticate with an OIDC ID token",
                terraform: &[
                    "google_pubsub_subscription: push_config.oidc_token.service_account_email",
                    "google_cloud_scheduler_job: http_target.oidc_token.service_account_email",
                ],
                answer: Answer::Unauthenticated,
            },
            Self::TokenTwice => Entry {
                code: "token_twice",
                summary: "the request carries several different tokens",
                meaning: "Two tokens in one place: the next hop might believe the one that was not checked.",
                causes: &["a proxy adds a token of its own beside the caller's"],
                advice: "send one token; something on the way adds a second one",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::Malformed => Entry {
                code: "malformed",
                summary: "the token is malformed",
                meaning: "What stands where the token should be is no signed JSON Web Token.",
                causes: &[
                    "an access token (ya29.…) was sent instead of an ID token",
                    "the token was cut off or quoted on its way",
                    "a claim has a type that no ID token has",
                ],
                advice: "send an ID token (three parts with dots); an access token is not one",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::SignatureRemoved => Entry {
                code: "sig_removed_by_google",
                summary: "Cloud Run has removed the token's signature",
                meaning: "Cloud Run checked this token itself and passed it on without its \
                          signature, so that nobody else can check it.",
                causes: &[
                    "this proxy runs on Cloud Run with the invoker check on",
                    "IAP in front of it calls with its own token in this header",
                ],
                advice: "turn the invoker check off on the Cloud Run service that runs this, or send the \
                         caller's token in a header that Cloud Run does not check",
                terraform: &["google_cloud_run_v2_service: invoker_iam_disabled"],
                answer: Answer::InvalidToken,
            },
            Self::AlgorithmNotAllowed => Entry {
                code: "alg_not_allowed",
                summary: "the token is not signed with its issuer's algorithm",
                meaning: "The key says which algorithm counts, never the token.",
                causes: &["a token of another issuer", "somebody tries `none` or a shared secret"],
                advice: "use tokens that Google signed; this one is not",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::IssuerUnknown => Entry {
                code: "iss_unknown",
                summary: "the token's issuer is not accepted here",
                meaning: "No issuer of the policy has this name, or the rule does not take its tokens.",
                causes: &[
                    "a token of Firebase, Identity Platform or another provider",
                    "a self-signed token of a service account instead of one of Google's",
                    "an IAP assertion in the place of an ID token",
                ],
                advice: "add the issuer to the policy if its tokens are to be accepted, and to the rule",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::KeyUnknown => Entry {
                code: "kid_unknown",
                summary: "the issuer has no key with the token's key id",
                meaning: "The key set was fetched again and still has no such key.",
                causes: &[
                    "the key set's URL is another issuer's",
                    "a token that was kept for longer than its key is published",
                    "a forged token",
                ],
                advice: "check that the key set's URL is the issuer's; if it is, the token is forged or \
                         its key is older than the key set",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::SignatureBad => Entry {
                code: "sig_bad",
                summary: "the signature is not the issuer's",
                meaning: "The key is the issuer's, but it did not sign this.",
                causes: &["a forged token", "a token that was changed on its way"],
                advice: "the token is forged or was changed on its way: do not accept it",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::Expired => Entry {
                code: "expired",
                summary: "the token has expired",
                meaning: "Its `exp` is past, also with the skew that clocks are allowed.",
                causes: &[
                    "a client that keeps a token for longer than its hour",
                    "a clock that is ahead",
                    "a request that waited in a queue with its token",
                ],
                advice: "fetch a new token for each hour; check the sender's clock",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::NotYetValid => Entry {
                code: "not_yet_valid",
                summary: "the token is not valid yet",
                meaning: "Its `nbf` or `iat` is in the future, also with the skew that clocks are allowed.",
                causes: &["this machine's clock is behind", "the issuer's clock is ahead"],
                advice: "check the clocks of sender and receiver",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::LifetimeTooLong => Entry {
                code: "lifetime_too_long",
                summary: "the token is valid for longer than is accepted",
                meaning: "Google's tokens live for an hour. One that lives longer was made by somebody else.",
                causes: &[
                    "an issuer of one's own with longer tokens",
                    "`max_lifetime` is too short",
                ],
                advice: "use tokens of one hour, as Google issues them",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::AudienceMismatch => Entry {
                code: "aud_mismatch",
                summary: "the token was made for another audience",
                meaning: "The token is genuine, and meant for somebody else.",
                causes: &[
                    "the sender's audience is that of another service",
                    "the audience differs in upper and lower case, or in the scheme",
                    "somebody replays a token that was meant for them",
                ],
                advice: SET_THE_AUDIENCE,
                terraform: CUSTOM_AUDIENCES,
                answer: Answer::InvalidToken,
            },
            Self::AudienceOtherRegion => Entry {
                code: "aud_other_region",
                summary: "the token was made for the same service in another region",
                meaning: "Cloud Run takes only the URL of the region that is called. A sender behind \
                          a load balancer can't know which region that will be.",
                causes: &[
                    "the sender's audience is the URL of one region, and the rule lists others",
                    "a new region was not added to the rule",
                ],
                advice: "add that region's URL to the rule, or give all regions one custom audience",
                terraform: CUSTOM_AUDIENCES,
                answer: Answer::InvalidToken,
            },
            Self::AudienceHasPath => Entry {
                code: "aud_has_path",
                summary: "the token's audience has a path behind an accepted audience",
                meaning: "Audiences are compared as texts. Senders that are told no audience take the \
                          whole URL that they call, path and query included.",
                causes: &[
                    "Pub/Sub, Cloud Tasks or Cloud Scheduler was told no audience",
                    "the audience was copied from the address of the endpoint",
                ],
                advice: "set the sender's audience without the path, or say \"audience_match: origin\" in \
                         the rule",
                terraform: SENDER_AUDIENCES,
                answer: Answer::InvalidToken,
            },
            Self::AudienceTrailingSlash => Entry {
                code: "aud_trailing_slash",
                summary: "the token's audience differs from an accepted one by the slash at its end",
                meaning: "Audiences are compared as texts, and a slash is a letter.",
                causes: &["a URL that was copied from a browser or joined by a program"],
                advice: "remove or add the slash in the sender's audience, or say \"audience_match: \
                         ignore_trailing_slash\" in the rule",
                terraform: SENDER_AUDIENCES,
                answer: Answer::InvalidToken,
            },
            Self::AudienceIsLoadBalancer => Entry {
                code: "aud_is_load_balancer",
                summary: "the token's audience is the address that was called, which is not accepted",
                meaning: "The sender made its token for the load balancer's own name. Cloud Run behind \
                          it takes that name only as a custom audience.",
                causes: &[
                    "the sender's default audience: the URL that it calls",
                    "the rule lists the regions' URLs alone",
                ],
                advice: "add the load balancer's address to the rule's audiences, or set the sender's \
                         audience to an accepted one",
                terraform: CUSTOM_AUDIENCES,
                answer: Answer::InvalidToken,
            },
            Self::AudienceIsIapClient => Entry {
                code: "aud_is_iap_client",
                summary: "the token's audience is an OAuth client ID",
                meaning: "Such a token is for IAP or for the application of that client.",
                causes: &[
                    "the sender is set up for a way through IAP, and calls this one",
                    "a token of a person who signed in to an application",
                ],
                advice: "set the sender's audience to an accepted one; behind IAP verify its assertion \
                         instead (issuer iap)",
                terraform: SENDER_AUDIENCES,
                answer: Answer::InvalidToken,
            },
            Self::AudienceIsGcloudClient => Entry {
                code: "aud_is_gcloud_client",
                summary: "the token is one of a person's gcloud",
                meaning: "`gcloud auth print-identity-token` gives people tokens whose audience is \
                          gcloud itself. Cloud Run makes an exception for them, nobody else does.",
                causes: &["somebody tries a call by hand"],
                advice: "let gcloud impersonate a service account, whose tokens can have an audience",
                terraform: &[],
                answer: Answer::InvalidToken,
            },
            Self::AudienceNoScheme => Entry {
                code: "aud_no_scheme",
                summary: "the token's audience lacks the https:// of an accepted one",
                meaning: "Audiences are compared as texts: a host alone is not its URL.",
                causes: &["the host was given as the audience"],
                advice: "write https:// before the sender's audience",
                terraform: SENDER_AUDIENCES,
                answer: Answer::InvalidToken,
            },
            Self::AudienceHasPort => Entry {
                code: "aud_has_port",
                summary: "the token's audience has a port behind an accepted one",
                meaning: "Audiences are compared as texts, also where the port is the usual one.",
                causes: &["the audience was made from the address of a connection"],
                advice: "remove the port from the sender's audience",
                terraform: SENDER_AUDIENCES,
                answer: Answer::InvalidToken,
            },
            Self::AudienceInventedHost => Entry {
                code: "aud_invented_host",
                summary: "the token's audience is a run.app host that Cloud Run gives nobody",
                meaning: "Services have https://SERVICE-NUMBER.REGION.run.app and \
                          https://SERVICE-HASH-RC.a.run.app, and no other name there.",
                causes: &[
                    "a name was made up, such as internal-SERVICE.REGION.run.app",
                    "the number or the region was left out",
                ],
                advice: "take the URL that `gcloud run services describe` shows",
                terraform: &["google_cloud_run_v2_service: uri, urls"],
                answer: Answer::InvalidToken,
            },
            Self::EmailUnverified => Entry {
                code: "email_unverified",
                summary: "the issuer does not vouch for the caller's address",
                meaning: "The rule lists addresses, and this token has none that the issuer has verified.",
                causes: &[
                    "a token of the metadata server without `format=full`",
                    "generateIdToken without `includeEmail`",
                    "an external identity",
                ],
                advice: "call with an account whose address the issuer has verified",
                terraform: &[],
                answer: Answer::Forbidden,
            },
            Self::CallerNotAllowed => Entry {
                code: "caller_not_allowed",
                summary: "the caller is not on the rule's list",
                meaning: "The token is genuine and for this audience; its owner may not call.",
                causes: &[
                    "the sender pushes as another service account",
                    "the account was not added to the rule",
                ],
                advice: "call as an account that the rule lists, or add this caller to the rule",
                terraform: &[
                    "google_pubsub_subscription: push_config.oidc_token.service_account_email",
                ],
                answer: Answer::Forbidden,
            },
            Self::ClaimMismatch => Entry {
                code: "claim_mismatch",
                summary: "a claim is missing or not the one that the rule asks for",
                meaning: "The rule asks for a claim with a certain value.",
                causes: &["an account of another domain or team"],
                advice: "call with an account whose tokens have that claim",
                terraform: &[],
                answer: Answer::Forbidden,
            },
            Self::KeysUnavailable => Entry {
                code: "keys_unavailable",
                summary: "the issuer's keys could not be fetched",
                meaning: "Without keys nothing can be verified, so nothing passes. The sender tries again.",
                causes: &[
                    "the key set's URL can't be reached from here",
                    "the proxy has just started",
                    "the URL answers something else than a key set",
                ],
                advice: "check that the key set's URL can be reached from here",
                terraform: &[],
                answer: Answer::Unavailable,
            },
            Self::KeysExpired => Entry {
                code: "keys_expired",
                summary: "the issuer's keys in the configuration are too old",
                meaning: "Keys that stand in a configuration are believed for a limited time.",
                causes: &["nobody has rendered the plugin configuration for a while"],
                advice: "render the plugin configuration again (remint plugin-config) and install it: keys in \
                         a configuration have to be renewed",
                terraform: &[],
                answer: Answer::Unavailable,
            },
            Self::CheckUnavailable => Entry {
                code: "check_unavailable",
                summary: "the signature could not be checked",
                meaning: "The proxy has no way to check signatures, so nothing passes.",
                causes: &["a host without the function, and a module without its own"],
                advice: "run a proxy with the host function verify_signature",
                terraform: &[],
                answer: Answer::Unavailable,
            },
            Self::InvokerMissing => Entry {
                code: "invoker_missing",
                summary: "the identity that calls the region may not invoke it",
                meaning: "Google's front end answered 403: the token is good, and its owner lacks \
                          roles/run.invoker on the service in that region.",
                causes: &[
                    "the role was granted in one region and not in the other",
                    "the role was granted to another account",
                    "the role was granted a moment ago (see iam_propagating)",
                ],
                advice: "grant roles/run.invoker to that identity in each region",
                terraform: &["google_cloud_run_v2_service_iam_member: role, member, location"],
                answer: Answer::Forbidden,
            },
            Self::IapInvokerMissing => Entry {
                code: "iap_invoker_missing",
                summary: "IAP may not invoke the region behind it",
                meaning: "IAP let the caller through and called the region as its own service agent, \
                          which lacks roles/run.invoker there.",
                causes: &[
                    "IAP's service agent was never granted the role",
                    "it was granted in one region and not in the other",
                ],
                advice: "grant roles/run.invoker to IAP's service agent in each region",
                terraform: &["google_cloud_run_v2_service_iam_member: role, member, location"],
                answer: Answer::Forbidden,
            },
            Self::IamPropagating => Entry {
                code: "iam_propagating",
                summary: "a change of permissions has not reached all of Google yet",
                meaning: "For some minutes after a change the same call is let in and refused in turn.",
                causes: &["roles/run.invoker was granted or removed within the last minutes"],
                advice: "wait some minutes and try again; senders do so by themselves",
                terraform: &[],
                answer: Answer::Forbidden,
            },
            Self::IngressRefused => Entry {
                code: "ingress_refused",
                summary: "the service's ingress setting does not let this call in",
                meaning: "Cloud Run answers as if there were no such service: 404. The token was not looked at.",
                causes: &[
                    "the service lets only internal calls or load balancers in, and was called directly",
                    "the caller runs on Cloud Run and leaves it by the internet instead of the VPC",
                ],
                advice: "call by the load balancer, send the call through the VPC, or change the ingress setting",
                terraform: &[
                    "google_cloud_run_v2_service: ingress",
                    "google_cloud_run_v2_service: template.vpc_access.egress (of the caller)",
                ],
                answer: Answer::Forbidden,
            },
            Self::RegionFull => Entry {
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
            },
            Self::IapTokenRefused => Entry {
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
            },
            Self::IapAccessMissing => Entry {
                code: "iap_access_missing",
                summary: "IAP in front of the region does not let the gateway's account in",
                meaning: "IAP answered 403: the token is good, and its account lacks \
                          roles/iap.httpsResourceAccessor on what is behind IAP.",
                causes: &[
                    "the role was granted to another account, or for another backend service",
                    "the role was granted a moment ago (see iam_propagating)",
                    "a condition of the binding, or an access level, is not met",
                ],
                advice: "grant roles/iap.httpsResourceAccessor to the gateway's account",
                terraform: &[
                    "google_iap_web_backend_service_iam_member: web_backend_service, role, member",
                ],
                answer: Answer::Forbidden,
            },
            Self::SenderMayNotMint => Entry {
                code: "sender_may_not_mint",
                summary: "the sender's service agent may not mint tokens for its account",
                meaning: "Nothing was sent: the sender could not get the token that it was told to send.",
                causes: &[
                    "the project's Pub/Sub service agent lacks roles/iam.serviceAccountTokenCreator",
                    "the account is one of another project",
                    "the account was deleted",
                ],
                advice: "grant roles/iam.serviceAccountTokenCreator on the account to the sender's service agent",
                terraform: &["google_service_account_iam_member: service_account_id, role, member"],
                answer: Answer::Unavailable,
            },
            Self::MintDenied => Entry {
                code: "mint_denied",
                summary: "the gateway may not mint a token for the region",
                meaning: "Google refused the token that the region asks for, so nothing was sent there.",
                causes: &[
                    "the gateway's identity lacks roles/iam.serviceAccountOpenIdTokenCreator on the account",
                    "the account's key was deleted",
                    "a delegate of the chain lacks its role",
                ],
                advice: "grant the role that the gateway's log names",
                terraform: &["google_service_account_iam_member: service_account_id, role, member"],
                answer: Answer::Unavailable,
            },
        }
    }
}
