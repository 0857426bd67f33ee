//! Whatever is pasted: an explanation or an error, and no part of a token.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use remint_idtoken::UnixTime;
use serde_json::json;

use super::{CaptureError, Captured, Explanation, Pasted, Subject};

const NOW: UnixTime = UnixTime(1_790_000_000);
const POLICY: &str = r#"{"policy": {"issuers": [{"preset": "google"}, {"preset": "iap"}], "rules": [
    {"name": "push", "match": {"hosts": ["a.example"]}, "issuers": ["google", "iap"],
     "audiences": ["https://a.example"], "callers": {"emails": ["pusher@p.example"]}}]}}"#;
/// How much of a secret part is too much.
const TOO_MANY: usize = 20;

/// Everything that is said of what was captured.
fn said(captured: Result<Captured, CaptureError>, is_configured: bool) -> String {
    let subject = match is_configured {
        true => Subject::read(POLICY).unwrap(),
        false => Subject::unconfigured().unwrap(),
    };
    match captured {
        Err(error) => error.to_string(),
        Ok(captured) => {
            let explanation = Explanation::new(&subject, captured, &HashMap::new(), NOW).unwrap();
            format!("{explanation}{}", explanation.to_json())
        }
    }
}

fn pasted(text: &str) -> Result<Captured, CaptureError> {
    let pasted = Pasted::read(text)?;
    Ok(Captured::new("POST", "https://a.example/push")?.with_token(&pasted))
}

/// The kinds of places in which a token arrives.
fn captured(text: &str, way: u8) -> Result<Captured, CaptureError> {
    let bearer = format!("Bearer {text}");
    match way {
        0 => pasted(text),
        1 => pasted(&format!("X-Goog-IAP-JWT-Assertion: {text}")),
        2 => pasted(&json!({"id_token": text}).to_string()),
        3 => Captured::from_curl(&format!(
            "curl -d x https://a.example -H 'authorization: {bearer}'"
        )),
        4 => Captured::from_curl(&format!(
            "curl ^\"https://a.example^\" -H ^\"authorization: {bearer}^\""
        )),
        5 => Captured::from_curl(&format!("curl $'https://a.example/{text}' -A '{text}' {text}")),
        6 => Captured::new("POST", &format!("https://a.example/push/{text}?t={text}")),
        7 => Captured::new("POST", text),
        _ => {
            let headers = json!([{"name": "authorization", "value": bearer}]);
            let request =
                json!({"method": "POST", "url": "https://a.example/push", "headers": headers});
            Captured::from_har(&json!({"request": request}).to_string(), None)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_token_makes_it_panic_or_is_shown(
        issuer in prop_oneof![
            Just("https://accounts.google.com".to_owned()), Just("https://cloud.google.com/iap".to_owned()),
            Just("sa@p.iam.gserviceaccount.com".to_owned()), "\\PC{0,20}",
        ],
        audience in prop_oneof![
            Just("https://a.example".to_owned()), Just("https://a.example/push".to_owned()),
            Just("https://a-123.us-east1.run.app".to_owned()), "https://[a-z.:/-]{0,30}", "\\PC{0,30}",
        ],
        email in "[a-z]{1,9}@[a-z.]{1,20}|\\PC{0,20}",
        lifetime in 0_u64..200_000,
        signature in "[A-Za-z0-9_-]{40,90}|SIGNATURE_REMOVED_BY_GOOGLE",
        broken_at in 0_usize..400,
        breaks in prop_oneof![
            Just(""), Just("\n"), Just(" "), Just("\""), Just("."), Just("%2E"), Just("="), Just("…"), Just("'")
        ],
        cut in any::<bool>(),
        way in 0_u8..9,
        is_configured: bool,
    ) {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#);
        let claims = json!({"iss": issuer, "aud": audience, "email": email, "email_verified": true,
            "iat": NOW.0 - 100, "exp": NOW.0 - 100 + lifetime});
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let token = format!("{header}.{payload}.{signature}");
        let (before, after) = token.split_at(broken_at.min(token.len()));
        let text = if cut { before.to_owned() } else { format!("{before}{breaks}{after}") };
        let said = said(captured(&text, way), is_configured);
        for part in [&payload, &signature] {
            for piece in part.as_bytes().windows(TOO_MANY) {
                let piece = std::str::from_utf8(piece).unwrap();
                let is_google_s = "SIGNATURE_REMOVED_BY_GOOGLE".contains(piece);
                prop_assert!(is_google_s || !said.contains(piece), "{piece} of {text} in {said}");
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}|[-a-zA-Z0-9.:{}\"'$^\\\\ \n]{0,200}", way in 0_u8..9) {
        let _ = said(captured(&text, way), true);
        let _ = said(Captured::from_har(&text, Some(1)), false);
        let _ = said(Captured::from_curl(&text), false);
    }
}
