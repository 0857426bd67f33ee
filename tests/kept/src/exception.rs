//! What is meant to hold a credential, and why. Here is all of it.

/// What is not searched, because to hand out a credential is what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// `remint-emulator mint` prints a token, for a developer to call with.
    MintPrintsAToken,
    /// `remint assertion-key` prints a new private key, for a secret store.
    AssertionKeyPrintsAKey,
    /// The scripts with Google's libraries print the tokens that they were
    /// given, for a test to look into.
    ScriptsPrintTheirTokens,
    /// A good answer of the emulated metadata server, token endpoint, STS or
    /// IAM Credentials is a token, a signature or a signed assertion, as
    /// Google's is; it goes to who has asked and may have it.
    GoogleAnswersWithAToken,
}

/// How the paths end at which Google hands out credentials: the metadata
/// server's, the token endpoint's and STS's, IAM Credentials'; and where the
/// emulator mints for tests and for the workload's own identity provider.
const TOKEN_PATHS: [&str; 8] = [
    "/identity",
    "/token",
    ":generateIdToken",
    ":generateAccessToken",
    ":signBlob",
    ":signJwt",
    "/emulator/external-token",
    "/mint",
];

impl Exception {
    /// Whether the body of an answer is one. Its errors are none.
    pub(crate) fn of_answer(path: &str, status: u16) -> Option<Self> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let is_good = (200..300).contains(&status);
        (is_good && TOKEN_PATHS.iter().any(|end| path.ends_with(end)))
            .then_some(Self::GoogleAnswersWithAToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_answer_with_a_token_is_one_and_an_error_or_another_page_is_not() {
        let identity = "/computeMetadata/v1/instance/service-accounts/default/identity";
        let sign = "/v1/projects/-/serviceAccounts/a@b:signJwt";
        for (path, status, is_one) in [
            (identity, 200, true),
            (&*format!("{identity}?audience=a"), 200, true),
            (identity, 403, false),
            ("/token", 200, true),
            ("/token", 400, false),
            (sign, 200, true),
            (sign, 403, false),
            ("/emulator/timeline", 200, false),
            ("/metrics", 200, false),
            ("/tokeninfo", 200, false),
        ] {
            assert_eq!(Exception::of_answer(path, status).is_some(), is_one, "{path} {status}");
        }
    }
}
