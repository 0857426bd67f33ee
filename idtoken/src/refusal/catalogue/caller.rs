//! Of who calls.

use super::{Entry, SENDER_ACCOUNTS};
use crate::refusal::reason::Answer;

pub(super) const EMAIL_UNVERIFIED: Entry = Entry {
    code: "email_unverified",
    summary: "the issuer does not vouch for the caller's address",
    meaning: "The rule lists addresses, and the token claims one without `email_verified: true`.",
    causes: &[
        "an issuer other than Google, which does not say whether it has verified the address",
        "a person's account whose address was never confirmed",
    ],
    advice: "call with an account whose address the issuer has verified, such as a service \
             account, or have the rule list the caller's `sub` (subjects)",
    terraform: &[],
    answer: Answer::Forbidden,
};

pub(super) const CALLER_NOT_ALLOWED: Entry = Entry {
    code: "caller_not_allowed",
    summary: "the caller is not on the rule's list",
    meaning: "The token is genuine and for this audience; its owner may not call.",
    causes: &[
        "the sender pushes as another service account",
        "the account was not added to the rule",
        "the token does not tell its account's address: one of the metadata server without \
         `format=full`, one of generateIdToken without `includeEmail`",
    ],
    advice: "call as an account that the rule lists, or add this caller to the rule",
    terraform: SENDER_ACCOUNTS,
    answer: Answer::Forbidden,
};

pub(super) const CLAIM_MISMATCH: Entry = Entry {
    code: "claim_mismatch",
    summary: "a claim is missing or not the one that the rule asks for",
    meaning: "The rule asks for a claim with a certain value, of exactly that type.",
    causes: &[
        "an account of another domain or team",
        "the rule has a text where the token has a number or a flag",
        "a claim that only people's tokens have, such as `hd`, asked of a service account",
    ],
    advice: "call with an account whose tokens have that claim, or correct `claims` in the rule",
    terraform: &[],
    answer: Answer::Forbidden,
};
