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
    /// The echo behind Envoy answers with all that a backend got from the filter,
    /// for a test to look into: the caller's token where a rule passes it on.
    EchoShowsWhatItGot,
    /// The emulated IAP gives a browser its session as a cookie, and the state
    /// of a sign-in as a parameter and a hidden field, as IAP does. Neither is
    /// a token for anything else, and both are signed by the emulator alone.
    IapSignsIn,
}

/// What stands before the values of [`Exception::IapSignsIn`].
const SIGN_IN: [&str; 3] =
    ["GCP_IAP_AUTH_TOKEN_", "/_gcp_iap/sign_in?state=", "name=\"state\" value=\""];

/// The headers in which an Envoy without a backend shows what one would get.
const ECHOED: [&str; 2] = ["x-seen-token", "x-seen-payload"];

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
    /// Whether a header of an answer is one.
    pub(crate) fn of_header(name: &str) -> Option<Self> {
        ECHOED.contains(&name).then_some(Self::EchoShowsWhatItGot)
    }

    /// Whether the body of an answer is one. Its errors are none.
    pub(crate) fn of_answer(path: &str, status: u16) -> Option<Self> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let is_good = (200..300).contains(&status);
        (is_good && TOKEN_PATHS.iter().any(|end| path.ends_with(end)))
            .then_some(Self::GoogleAnswersWithAToken)
    }
}

/// An answer without the values of [`Exception::IapSignsIn`].
pub(crate) fn without_sign_in(mut text: Vec<u8>) -> Vec<u8> {
    for mark in SIGN_IN.map(str::as_bytes) {
        let mut from = 0;
        while let Some(at) = text[from..].windows(mark.len()).position(|it| it == mark) {
            let start = from + at + mark.len();
            let is_value = |byte: &&u8| !b"\";\r\n ".contains(byte);
            let length = text[start..].iter().take_while(is_value).count();
            let left_out = format!("({:?})", Exception::IapSignsIn);
            from = start + left_out.len();
            text.splice(start..start + length, left_out.bytes());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_sign_in_the_values_are_left_out_and_nothing_else() {
        let text = "set-cookie: GCP_IAP_AUTH_TOKEN_1A=eyJa.b; Path=/\n\
                    location: /_gcp_iap/sign_in?state=eyJc.d\n\
                    <input name=\"state\" value=\"eyJe.f\"><input name=\"state\" value=\"eyJg\">\n\
                    state=eyJh";
        let kept = String::from_utf8(without_sign_in(text.into())).unwrap();
        assert_eq!(
            kept,
            "set-cookie: GCP_IAP_AUTH_TOKEN_(IapSignsIn); Path=/\n\
             location: /_gcp_iap/sign_in?state=(IapSignsIn)\n\
             <input name=\"state\" value=\"(IapSignsIn)\"><input name=\"state\" value=\"(IapSignsIn)\">\n\
             state=eyJh"
        );
    }

    #[test]
    fn of_an_echo_s_headers_only_those_with_credentials_are_left_out() {
        for (name, is_one) in [
            ("x-seen-token", true),
            ("x-seen-payload", true),
            ("x-seen-caller", false),
            ("via", false),
        ] {
            assert_eq!(Exception::of_header(name).is_some(), is_one, "{name}");
        }
    }

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
