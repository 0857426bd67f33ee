//! A short name for a token that tells nothing of it.

use std::fmt;

use sha2::{Digest, Sha256};

/// The first eight bytes of a token's SHA-256: enough to follow one token
/// through the logs of several hops, useless for calling anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    /// The fingerprint of these bytes.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        let digest = Sha256::digest(token);
        let mut short = [0; 8];
        for (to, from) in short.iter_mut().zip(digest) {
            *to = from;
        }
        Self(short)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_start_of_the_sha_256_in_hexadecimal() {
        assert_eq!(Fingerprint::of(b"abc").to_string(), "ba7816bf8f01cfea");
    }
}
