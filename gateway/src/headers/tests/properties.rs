//! What holds for headers, whatever comes in.

use super::*;
use crate::test_callers::RULES;
use proptest::prelude::*;
use remint_idtoken::{is_identity_header, is_same_header};

thread_local! {
    /// Keys are slow to make.
    static CALLERS: Callers = Callers::new();
}

/// Names that matter, in all spellings, and others.
fn name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "authorization",
        "proxy-authorization",
        "x-serverless-authorization",
        "x-goog-authenticated-user-email",
        "x-goog-iap-jwt-assertion",
        "x-remint-assertion",
        "x-own",
        "connection",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "expect",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-user",
        "x-forwarded-proto",
        "x-original-url",
        "x-request-id",
        "host",
        "cookie",
        "content-length",
    ]);
    let spelt = (known, any::<u8>()).prop_map(|(name, mask)| {
        let dash = |(place, letter)| match letter {
            '-' if mask >> (place % 8) & 1 == 1 => '_',
            letter => letter,
        };
        name.chars().enumerate().map(dash).collect()
    });
    prop_oneof![3 => spelt, 1 => "[a-z_-]{1,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_comes_in_no_identity_gets_out_and_the_token_is_alone(
        entries in prop::collection::vec((name(), "[!-~]{0,12}|close, x-a|x-own, host"), 0..12),
        token_header in prop::sample::select(vec![
            TokenHeader::XServerlessAuthorization,
            TokenHeader::Authorization,
            TokenHeader::ProxyAuthorization,
        ]),
        passes_caller_token: bool,
        rule in prop::sample::select(RULES[2..].to_vec()),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in &entries {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let how = Told { token_header: Some(token_header), passes_caller_token };
        let mut headers = CALLERS.with(|callers| told(callers, rule, how, headers));
        addressed(&mut headers, &[token_header], token_header);
        let own = token_header.name();
        let tokens: Vec<_> = headers.get_all(&own).iter().collect();
        prop_assert_eq!(tokens, ["new"]);
        for name in headers.keys().filter(|name| **name != own) {
            let folded = name.as_str().replace('_', "-");
            prop_assert!(!is_identity_header(&folded), "{}", name);
            prop_assert!(folded != own.as_str(), "{}", name);
            let is_for_trailers = headers.get(TE).is_some_and(|te| te == "trailers");
            let is_hop_by_hop = HOP_BY_HOP.iter().any(|it| it.as_str() == folded);
            let is_own = is_for_trailers && (*name == TE || *name == CONNECTION);
            prop_assert!(!is_hop_by_hop || is_own, "{}", name);
            if rule == "report" {
                prop_assert!(folded != "authorization" && folded != "x-own", "{}", name);
            }
        }
        for one in ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id"] {
            prop_assert_eq!(headers.get_all(one).iter().count(), 1, "{}", one);
        }
        prop_assert!(!headers.contains_key(EXPECT) && !headers.contains_key(FORWARDED));
    }

    #[test]
    fn a_verified_token_reaches_no_region_wherever_it_was_and_however_it_is_spelt(
        own in any::<bool>(),
        entries in prop::collection::vec((name(), any::<bool>()), 0..8),
    ) {
        CALLERS.with(|callers| {
            let (rule, place, value) = match own {
                true => ("own", "x-own", callers.own_token()),
                false => ("usual", "authorization", format!("Bearer {}", callers.token())),
            };
            let value = HeaderValue::from_str(&value).unwrap();
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(place), value.clone());
            for (name, is_token) in entries {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                // Other names than those that matter are the application's.
                let is_known = is_same_header(name.as_str(), place) || name == AUTHORIZATION;
                if name != place && (own || name != "x-own") {
                    let other = HeaderValue::from_static("x");
                    let value = if is_token && is_known { value.clone() } else { other };
                    headers.append(name, value);
                }
            }
            let headers = told(callers, rule, Told::default(), headers);
            prop_assert!(headers.values().all(|it| it != value), "{:?}", headers);
            Ok(())
        })?;
    }
}
