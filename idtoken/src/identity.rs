//! Headers that say who somebody is.

/// Names and beginnings of names. Only Google's proxies and Remint may set
/// them; a Pub/Sub publisher can too, through the attributes of an unwrapped
/// message.
const IDENTITY: [&str; 4] =
    ["x-serverless-authorization", "x-goog-authenticated-user-", "x-goog-iap-", OWN];
/// What the names of Remint's own headers begin with.
const OWN: &str = "x-remint-";

/// Whether a header, its name in lower case, says who somebody is. Nothing of
/// the kind that comes from outside may reach a backend.
#[must_use]
pub fn is_identity_header(name: &str) -> bool {
    // Most names are told by their first letter.
    name.starts_with('x') && IDENTITY.iter().any(|start| starts_with(name, start))
}

/// Whether a header, its name in lower case, is one that only Remint sets.
#[must_use]
pub fn is_own_header(name: &str) -> bool {
    starts_with(name, OWN)
}

/// Frameworks that put headers into variables can't tell `_` from `-`, so
/// neither is told here.
fn starts_with(name: &str, start: &str) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let same = |(a, b): (u8, u8)| folded(a) == folded(b);
    name.len() >= start.len() && name.bytes().zip(start.bytes()).all(same)
}

/// Whether two names of headers, in lower case, are one to somebody who can't
/// tell `_` from `-`.
#[must_use]
pub fn is_same_header(name: &str, other: &str) -> bool {
    name.len() == other.len() && starts_with(name, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole_and_whatever_separates_the_words() {
        assert!(is_same_header("x-a_b", "x_a-b") && is_same_header("x", "x"));
        for other in ["x-a", "x-a-bc", "x-a.b", ""] {
            assert!(!is_same_header("x-a-b", other), "{other}");
        }
    }

    #[test]
    fn identities_are_told_by_their_names_whatever_separates_the_words() {
        for name in [
            "x-serverless-authorization",
            "x_serverless_authorization",
            "x-goog-iap-jwt-assertion",
            "x-goog-authenticated-user-email",
            "x-remint-assertion",
        ] {
            assert!(is_identity_header(name), "{name}");
        }
        for name in ["authorization", "x-goog-pubsub-message-id", "x-request-id", "x", ""] {
            assert!(!is_identity_header(name), "{name}");
        }
    }
}
