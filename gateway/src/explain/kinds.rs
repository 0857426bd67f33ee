//! What stands in a token's place and is none, and whose tokens look alike.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use remint_idtoken::Claims;

/// What a text is that is no signed JSON Web Token, in words that follow "it is".
pub(super) fn no_token(bytes: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let begins = |start: &str| text.starts_with(start);
    let dots = text.matches('.').count();
    if begins("ya29.") || begins("ya29_") {
        Some("an OAuth access token of Google's, which is for Google's own APIs")
    } else if begins("1//") || begins("4/") {
        Some("a refresh token or an authorization code of Google's, and a secret")
    } else if begins("AIza") {
        Some("an API key of Google's")
    } else if begins("GOCSPX") {
        Some("the secret of an OAuth client")
    } else if begins("$") || begins("`") || begins("%") || begins("{{") || begins("<") {
        Some("a placeholder: the shell or the template did not fill in its value")
    } else if ["null", "undefined", "None", "[redacted]", "REDACTED", "***"].contains(&text) {
        Some("a word in the token's place: whatever made it had no token")
    } else if begins("eyJ") {
        shape(text, dots)
    } else if is_encoded_token(text) {
        Some("a token that was encoded in base64 once more")
    } else if dots == 0 {
        Some("an opaque text without the dots of a token")
    } else {
        None
    }
}

/// What is wrong with something that begins as tokens do.
fn shape(text: &str, dots: usize) -> Option<&'static str> {
    match dots {
        0 => Some("the first part of a token alone"),
        1 => Some("a token without its signature: the last part was cut off"),
        4 => Some("an encrypted token (JWE), which only its receiver can read"),
        2 if text.ends_with('.') => Some("a token with an empty signature"),
        2 if text.contains('%') => Some("a token with percent-encoding in it"),
        2 if text.contains("...") || text.contains('…') => Some("a token that was shortened"),
        2 if text.contains('=') => Some("a token with padding (=), which was encoded anew"),
        _ => None,
    }
}

fn is_encoded_token(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    // A multiple of four letters is whole by itself.
    let start = bare.get(..bare.len().min(8)).unwrap_or_default();
    let decoded = STANDARD_NO_PAD.decode(start).or_else(|_| URL_SAFE_NO_PAD.decode(start));
    decoded.is_ok_and(|bytes| bytes.starts_with(b"eyJ"))
}

/// Whose token that is, if its issuer is a well-known one, and what is to be done
/// about it; in words that follow "it is".
pub(super) fn foreign(claims: &Claims) -> Option<String> {
    let issuer = claims.issuer.as_str();
    let after = |start: &str| issuer.strip_prefix(start).map(|rest| rest.trim_matches('/'));
    let is_account = issuer.ends_with(".gserviceaccount.com");
    let is_for = |part: &str| claims.audiences.iter().any(|audience| audience.contains(part));
    if is_account && is_for("googleapis.com/") && is_for("/token") {
        return Some(
            "an assertion by which a service account asks Google's token endpoint for a token: send \
             the id_token of the answer instead"
                .to_owned(),
        );
    }
    if is_account {
        return Some(format!(
            "a token that {issuer} signed itself: Google's APIs take those, Cloud Run and this \
             policy take ID tokens, which Google signs (generateIdToken, or the metadata server)"
        ));
    }
    if issuer == "https://cloud.google.com/iap" {
        return Some(
            "an assertion of IAP's: a rule for it has \"issuers: [iap]\" and looks at \
             x-goog-iap-jwt-assertion"
                .to_owned(),
        );
    }
    // Firebase, "Verify ID tokens using a third-party JWT library".
    if let Some(project) = after("https://securetoken.google.com/") {
        return Some(format!(
            "a user's token of Firebase or Identity Platform in the project {project}: an issuer of \
             the policy with jwks_uri \
             https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com \
             would take it"
        ));
    }
    other_cloud(issuer).map(|whose| {
        format!(
            "{whose}: exchange it for a Google ID token (workload identity federation, then \
             generateIdToken), or add its issuer to the policy"
        )
    })
}

fn other_cloud(issuer: &str) -> Option<&'static str> {
    let begins = |start: &str| issuer.starts_with(start);
    if begins("https://container.googleapis.com/") {
        Some("a Kubernetes service account's token of a GKE cluster")
    } else if begins("https://kubernetes.default") || issuer == "kubernetes/serviceaccount" {
        Some("a Kubernetes service account's token")
    } else if begins("https://oidc.eks.") {
        Some("a Kubernetes service account's token of a cluster on AWS")
    } else if begins("https://token.actions.githubusercontent.com") {
        Some("a token of GitHub Actions")
    } else if begins("https://gitlab.") {
        Some("a token of GitLab's")
    } else if begins("https://sts.windows.net/") || begins("https://login.microsoftonline.com/") {
        Some("a token of Microsoft Entra ID")
    } else if begins("https://cognito-idp.") {
        Some("a token of Amazon Cognito")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn what_is_sent_in_a_token_s_place_is_named() {
        let whole = format!("eyJ{}.eyJ{}.sig", "a".repeat(40), "b".repeat(40));
        for (text, expected) in [
            ("ya29.a0", Some("an OAuth access token")),
            ("1//0g", Some("a refresh token")),
            ("AIzaSy", Some("an API key")),
            ("$TOKEN", Some("a placeholder")),
            ("$(gcloud", Some("a placeholder")),
            ("{{token}}", Some("a placeholder")),
            ("undefined", Some("a word")),
            ("eyJhbGciOiJSUzI1NiJ9", Some("the first part")),
            ("eyJhbGciOiJSUzI1NiJ9.eyJ", Some("without its signature")),
            ("eyJ.eyJ.", Some("an empty signature")),
            ("eyJ.a.b.c.d", Some("encrypted")),
            ("eyJ.eyJ.a%3D", Some("percent-encoding")),
            (&STANDARD.encode(&whole), Some("in base64 once more")),
            ("abcdef0123456789", Some("an opaque text")),
            (&whole, None),
        ] {
            let found = no_token(text.as_bytes());
            assert!(
                found.map_or(expected.is_none(), |it| expected
                    .is_some_and(|part| it.contains(part))),
                "{text}: {found:?}"
            );
        }
        assert_eq!(no_token(&[0xff, 0xfe]), None);
    }
}
