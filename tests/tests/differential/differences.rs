//! Where the two filters differ, and why that is right.

use super::Verdict;

/// A case in which the filters differ.
pub(crate) struct Difference {
    pub(crate) case: &'static str,
    which: Which,
    /// Why ours is right to differ.
    pub(crate) why: &'static str,
}

enum Which {
    /// Ours refuses what the native filter admits.
    Stricter,
    /// Ours admits what the native filter refuses, because it is valid.
    Right,
}

impl Difference {
    /// What ours does, and what the native filter does.
    pub(crate) fn verdicts(&self) -> (Verdict, Verdict) {
        match self.which {
            Which::Stricter => (Verdict::Refused, Verdict::Admitted),
            Which::Right => (Verdict::Admitted, Verdict::Refused),
        }
    }
}

const fn stricter(case: &'static str, why: &'static str) -> Difference {
    Difference { case, which: Which::Stricter, why }
}

const fn right(case: &'static str, why: &'static str) -> Difference {
    Difference { case, which: Which::Right, why }
}

/// The difference that is listed for a case.
pub(crate) fn of(case: &str) -> Option<&'static Difference> {
    ALL.iter().find(|difference| difference.case == case)
}

const A_TYPE: &str = "the native filter looks at no other claims than its own; here a claim that \
    rules or backends rely on has the type that OpenID Connect Core 5.1 gives it";
const A_CRIT: &str = "RFC 7515, section 4.1.11: a token whose crit is not understood, or is not a \
    list with names, must be refused; the native filter does not look";
const AN_AUDIENCE: &str = "the native filter strips scheme and final slash before it compares; \
    Cloud Run and Pub/Sub compare letter by letter, and so do we";
const A_DOT: &str = "the native filter cuts the token out of what stands around it; a value that is \
    not a token is malformed";
const A_SIZE: &str = "longer than the 16 KiB that are read; Google's tokens have about 1,200 bytes";
const BASE64: &str = "RFC 7515, section 2: base64url without padding, and RFC 4648, section 3.5: no \
    loose bits; two spellings of one token have no use but to slip past a cache or a block list";
const JSON: &str = "RFC 8259 does not allow it; the native filter's parser does";

/// All of them.
pub(crate) const ALL: &[Difference] = &[
    right("iss is accounts.google.com", "Google documents both spellings of its issuer as valid"),
    right("a scheme in lower case", "RFC 9110, section 11.1: schemes are compared without case"),
    right("a scheme in capitals", "RFC 9110, section 11.1: schemes are compared without case"),
    stricter("a dot before", A_DOT),
    stricter("a dot behind", A_DOT),
    stricter("email is null", A_TYPE),
    stricter("email is true", A_TYPE),
    stricter("email is -1", A_TYPE),
    stricter("email is 7.5", A_TYPE),
    stricter("email is []", A_TYPE),
    stricter("email is [1]", A_TYPE),
    stricter("email is {}", A_TYPE),
    stricter("email_verified is null", A_TYPE),
    stricter("email_verified is -1", A_TYPE),
    stricter("email_verified is 7.5", A_TYPE),
    stricter("email_verified is \"\"", A_TYPE),
    stricter("email_verified is \"x\"", A_TYPE),
    stricter("email_verified is []", A_TYPE),
    stricter("email_verified is [1]", A_TYPE),
    stricter("email_verified is {}", A_TYPE),
    stricter("hd is null", A_TYPE),
    stricter("hd is true", A_TYPE),
    stricter("hd is -1", A_TYPE),
    stricter("hd is 7.5", A_TYPE),
    stricter("hd is []", A_TYPE),
    stricter("hd is [1]", A_TYPE),
    stricter("hd is {}", A_TYPE),
    stricter("iat is 7.5", "issued in 1970, it lives for decades; the native limit is not applied"),
    stricter("issued in an hour", "a token from the future is not one that the issuer made now"),
    stricter("aud is \"https://orders.example.com/\"", AN_AUDIENCE),
    stricter("aud is \"http://orders.example.com\"", AN_AUDIENCE),
    stricter("aud is \"orders.example.com\"", AN_AUDIENCE),
    stricter("nested 50 deep", "deeper than the 16 levels that are read; Google's tokens use two"),
    stricter("a claim of 20000 characters", A_SIZE),
    stricter("a claim of 40000 characters", A_SIZE),
    stricter("loose bits behind the signature", BASE64),
    stricter("a padded payload, signed so", BASE64),
    stricter("crit unknown", A_CRIT),
    stricter("crit empty", A_CRIT),
    stricter("crit exp", A_CRIT),
    stricter("crit null", A_CRIT),
    stricter("kid empty", "an id that no key has; the native filter takes it for none at all"),
    stricter("a control character in a claim", JSON),
    stricter("a trailing comma", JSON),
];
