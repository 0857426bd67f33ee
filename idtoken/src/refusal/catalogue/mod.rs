//! The catalogue: everything that there is to say of each reason.

mod audience;
mod caller;
mod elsewhere;
mod request;
mod token;

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

/// Attributes of Terraform's Google provider, read in its documentation: a queue's
/// `http_target` there is the same as its `--http-…-override` of gcloud.
const SENDER_AUDIENCES: &[&str] = &[
    "google_pubsub_subscription: push_config.oidc_token.audience",
    "google_cloud_scheduler_job: http_target.oidc_token.audience",
    "google_cloud_tasks_queue: http_target.oidc_token.audience",
    "google_eventarc_pipeline: destinations.authentication_config.google_oidc.audience",
];
const SENDER_ACCOUNTS: &[&str] = &[
    "google_pubsub_subscription: push_config.oidc_token.service_account_email",
    "google_cloud_scheduler_job: http_target.oidc_token.service_account_email",
    "google_cloud_tasks_queue: http_target.oidc_token.service_account_email",
    "google_eventarc_pipeline: destinations.authentication_config.google_oidc.service_account",
];
const CUSTOM_AUDIENCES: &[&str] = &[
    "google_pubsub_subscription: push_config.oidc_token.audience",
    "google_cloud_scheduler_job: http_target.oidc_token.audience",
    "google_cloud_tasks_queue: http_target.oidc_token.audience",
    "google_eventarc_pipeline: destinations.authentication_config.google_oidc.audience",
    "google_cloud_run_v2_service: custom_audiences",
];
const SET_THE_AUDIENCE: &str =
    "set the sender's audience to an accepted one, or add the received one to the rule";

impl Reason {
    /// What is known of it.
    #[must_use]
    pub fn entry(self) -> Entry {
        match self {
            Self::TargetUnsafe => request::TARGET_UNSAFE,
            Self::NoRule => request::NO_RULE,
            Self::TokenMissing => request::TOKEN_MISSING,
            Self::TokenTwice => request::TOKEN_TWICE,
            Self::Malformed => request::MALFORMED,
            Self::SignatureRemoved => request::SIGNATURE_REMOVED,
            Self::AlgorithmNotAllowed => token::ALGORITHM_NOT_ALLOWED,
            Self::IssuerUnknown => token::ISSUER_UNKNOWN,
            Self::KeyUnknown => token::KEY_UNKNOWN,
            Self::SignatureBad => token::SIGNATURE_BAD,
            Self::Expired => token::EXPIRED,
            Self::NotYetValid => token::NOT_YET_VALID,
            Self::LifetimeTooLong => token::LIFETIME_TOO_LONG,
            Self::AudienceMismatch => audience::AUDIENCE_MISMATCH,
            Self::AudienceOtherRegion => audience::AUDIENCE_OTHER_REGION,
            Self::AudienceHasPath => audience::AUDIENCE_HAS_PATH,
            Self::AudienceTrailingSlash => audience::AUDIENCE_TRAILING_SLASH,
            Self::AudienceIsLoadBalancer => audience::AUDIENCE_IS_LOAD_BALANCER,
            Self::AudienceIsIapClient => audience::AUDIENCE_IS_IAP_CLIENT,
            Self::AudienceIsGcloudClient => audience::AUDIENCE_IS_GCLOUD_CLIENT,
            Self::AudienceNoScheme => audience::AUDIENCE_NO_SCHEME,
            Self::AudienceHasPort => audience::AUDIENCE_HAS_PORT,
            Self::AudienceInventedHost => audience::AUDIENCE_INVENTED_HOST,
            Self::EmailUnverified => caller::EMAIL_UNVERIFIED,
            Self::CallerNotAllowed => caller::CALLER_NOT_ALLOWED,
            Self::ClaimMismatch => caller::CLAIM_MISMATCH,
            Self::KeysUnavailable => token::KEYS_UNAVAILABLE,
            Self::KeysExpired => token::KEYS_EXPIRED,
            Self::CheckUnavailable => token::CHECK_UNAVAILABLE,
            Self::InvokerMissing => elsewhere::INVOKER_MISSING,
            Self::IapInvokerMissing => elsewhere::IAP_INVOKER_MISSING,
            Self::IamPropagating => elsewhere::IAM_PROPAGATING,
            Self::IngressRefused => elsewhere::INGRESS_REFUSED,
            Self::RegionFull => elsewhere::REGION_FULL,
            Self::IapTokenRefused => elsewhere::IAP_TOKEN_REFUSED,
            Self::IapAccessMissing => elsewhere::IAP_ACCESS_MISSING,
            Self::SenderMayNotMint => elsewhere::SENDER_MAY_NOT_MINT,
            Self::MintDenied => elsewhere::MINT_DENIED,
        }
    }
}
