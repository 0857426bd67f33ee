//! Of the request: its target, and where its token should be.

use super::{Entry, SENDER_ACCOUNTS};
use crate::refusal::reason::Answer;

pub(super) const TARGET_UNSAFE: Entry = Entry {
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
};

pub(super) const NO_RULE: Entry = Entry {
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
};

pub(super) const TOKEN_MISSING: Entry = Entry {
    code: "token_missing",
    summary: "the request carries no ID token",
    meaning: "There is no token in any of the places where the rule's issuers have theirs.",
    causes: &[
        "the sender was set up without authentication",
        "another scheme than `Bearer` in `Authorization`, such as `Basic`",
        "the token is in another header than the rule looks at",
        "something on the way removed the header",
    ],
    advice: "configure the sender to authenticate with an OIDC ID token",
    terraform: SENDER_ACCOUNTS,
    answer: Answer::Unauthenticated,
};

pub(super) const TOKEN_TWICE: Entry = Entry {
    code: "token_twice",
    summary: "the request carries several different tokens",
    meaning: "Two tokens in one place: the next hop might believe the one that was not checked.",
    causes: &["a proxy adds a token of its own beside the caller's"],
    advice: "send one token; find what on the way adds a second one, and have it replace the \
             header instead",
    terraform: &[],
    answer: Answer::InvalidToken,
};

pub(super) const MALFORMED: Entry = Entry {
    code: "malformed",
    summary: "the token is malformed",
    meaning: "What stands where the token should be is no signed JSON Web Token.",
    causes: &[
        "an access token (ya29.…) was sent instead of an ID token: a job or queue with \
         `oauth_token`, or `gcloud auth print-access-token`",
        "the token was cut off or quoted on its way",
        "a claim has a type that no ID token has",
    ],
    advice: "send an ID token (three parts with dots); an access token is not one",
    terraform: SENDER_ACCOUNTS,
    answer: Answer::InvalidToken,
};

pub(super) const SIGNATURE_REMOVED: Entry = Entry {
    code: "sig_removed_by_google",
    summary: "Cloud Run has removed the token's signature",
    meaning: "Cloud Run checked this token itself and passed it on without its \
              signature, so that nobody else can check it.",
    causes: &[
        "this proxy runs on Cloud Run with the invoker check on",
        "IAP in front of it calls with its own token in this header",
        "a service passes on the token that it was called with, as Cloud Run left it",
    ],
    advice: "turn the invoker check off on the Cloud Run service that runs this, or send the \
             caller's token in a header that Cloud Run does not check",
    terraform: &["google_cloud_run_v2_service: invoker_iam_disabled"],
    answer: Answer::InvalidToken,
};
