//! Of the token itself: who made it, when, and with which key.

use super::Entry;
use crate::refusal::reason::Answer;

pub(super) const ALGORITHM_NOT_ALLOWED: Entry = Entry {
    code: "alg_not_allowed",
    summary: "the token is not signed with its issuer's algorithm",
    meaning: "The key says which algorithm counts, never the token.",
    causes: &["a token of another issuer", "somebody tries `none` or a shared secret"],
    advice: "use tokens that Google signed; this one is not",
    terraform: &[],
    answer: Answer::InvalidToken,
};

pub(super) const ISSUER_UNKNOWN: Entry = Entry {
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
};

pub(super) const KEY_UNKNOWN: Entry = Entry {
    code: "kid_unknown",
    summary: "the issuer has no key with the token's key id",
    meaning: "The key set was fetched again and still has no such key.",
    causes: &[
        "the key set's URL is another issuer's",
        "a token of a test or of an emulator",
        "a token that was kept for longer than its key is published",
        "a forged token",
    ],
    advice: "check that the key set's URL is the issuer's; if it is, the token is forged or \
             its key is older than the key set",
    terraform: &[],
    answer: Answer::InvalidToken,
};

pub(super) const SIGNATURE_BAD: Entry = Entry {
    code: "sig_bad",
    summary: "the signature is not the issuer's",
    meaning: "The key is the issuer's, but it did not sign this.",
    causes: &[
        "a token that was changed on its way, or copied in part",
        "a token of an emulator or of a test, whose keys have Google's key ids",
        "a forged token",
    ],
    advice: "the token is forged or was changed on its way: do not accept it",
    terraform: &[],
    answer: Answer::InvalidToken,
};

pub(super) const EXPIRED: Entry = Entry {
    code: "expired",
    summary: "the token has expired",
    meaning: "Its `exp` is past, also with the skew that clocks are allowed.",
    causes: &[
        "a client that keeps a token for longer than its hour",
        "a request that waited in a queue of the user's own with its token: Google's senders \
         make a new one for each attempt",
        "this machine's clock is ahead, if it happens to all callers",
    ],
    advice: "fetch a new token some minutes before each one's end, as Google's client libraries \
             do; if all callers are refused, check this machine's clock",
    terraform: &[],
    answer: Answer::InvalidToken,
};

pub(super) const NOT_YET_VALID: Entry = Entry {
    code: "not_yet_valid",
    summary: "the token is not valid yet",
    meaning: "Its `nbf` or `iat` is in the future, also with the skew that clocks are allowed.",
    causes: &[
        "this machine's clock is behind",
        "an issuer of the user's own, whose clock is ahead",
    ],
    advice: "compare this machine's clock with Google's, and have it kept right by NTP; \
             `clock_skew` in the policy allows for more",
    terraform: &[],
    answer: Answer::InvalidToken,
};

pub(super) const LIFETIME_TOO_LONG: Entry = Entry {
    code: "lifetime_too_long",
    summary: "the token is valid for longer than is accepted",
    meaning: "Google's tokens live for an hour. One that lives longer was made by somebody else.",
    causes: &["an issuer of the user's own with longer tokens", "`max_lifetime` is too short"],
    advice: "use tokens of one hour, as Google issues them",
    terraform: &[],
    answer: Answer::InvalidToken,
};

pub(super) const KEYS_UNAVAILABLE: Entry = Entry {
    code: "keys_unavailable",
    summary: "the issuer's keys could not be fetched",
    meaning: "Without keys nothing can be verified, so nothing passes. The sender tries again.",
    causes: &[
        "the key set's URL can't be reached from here: no way out, no DNS, no such cluster in Envoy",
        "the proxy has just started",
        "the URL answers something else than a key set",
        "an outage of the issuer that has lasted for longer than `keep_stale`",
    ],
    advice: "fetch the key set from where this runs; open the way there (egress, DNS, the \
             certificates that are trusted), or correct its URL",
    terraform: &[],
    answer: Answer::Unavailable,
};

pub(super) const KEYS_EXPIRED: Entry = Entry {
    code: "keys_expired",
    summary: "the issuer's keys in the configuration are too old",
    meaning: "Keys that stand in a configuration are believed for a limited time.",
    causes: &[
        "the job that renders the plugin configuration has not run, or has failed",
        "what it rendered was not installed",
    ],
    advice: "render the plugin configuration again and install it (`remint plugin-config --help` \
             has both commands), then mend the job that should have",
    terraform: &[],
    answer: Answer::Unavailable,
};

pub(super) const CHECK_UNAVAILABLE: Entry = Entry {
    code: "check_unavailable",
    summary: "the signature could not be checked",
    meaning: "The proxy has no way to check signatures, so nothing passes.",
    causes: &[
        "the host function verify_signature fails, or answers something else than Envoy's does",
    ],
    advice: "run Envoy 1.40 or newer; where another proxy has a function of that name, take it \
             from the module (capability_restriction_config): the module checks by itself then",
    terraform: &[],
    answer: Answer::Unavailable,
};
