//! IAP's cookies. Their names are as browsers have them from Google:
//! `__Host-GCP_IAP_AUTH_TOKEN_` or, without TLS, `GCP_IAP_AUTH_TOKEN_` and 16
//! letters that tell applications apart; `GCP_IAP_XSRF_NONCE_` and a nonce.

use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// What names of IAP's own cookies begin with.
const OWN: [&str; 3] = ["__Host-GCP_IAP_", "GCP_IAP_", "GCP_IAAP_"];

/// The first value of a cookie.
pub(super) fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    all(headers).find_map(|(own, value)| (own == name).then_some(value))
}

/// The names of IAP's own among the cookies.
pub(super) fn own_names(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    all(headers).map(|(name, _)| name).filter(|name| is_own(name))
}

fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('='))
}

/// Leaves only the service's cookies.
pub(super) fn remove_own(headers: &mut HeaderMap) {
    let values: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    headers.remove(COOKIE);
    for value in values {
        let is_kept = |pair: &&[u8]| !is_own(&String::from_utf8_lossy(pair.trim_ascii()));
        let kept: Vec<&[u8]> =
            value.as_bytes().split(|byte| *byte == b';').filter(is_kept).collect();
        if let Ok(kept) = HeaderValue::from_bytes(kept.join(&b';').trim_ascii())
            && !kept.is_empty()
        {
            headers.append(COOKIE, kept);
        }
    }
}

fn is_own(name: &str) -> bool {
    OWN.iter().any(|own| name.starts_with(own))
}

/// A cookie that no script and no other site's form gets at.
pub(super) fn set(name: &str, value: &str, age: Duration, is_https: bool) -> Option<HeaderValue> {
    let secure = if is_https { "; Secure" } else { "" };
    let age = age.as_secs();
    let cookie = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(cookie).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(COOKIE, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_is_found_wherever_it_stands() {
        let headers = headers(&["a=1; GCP_IAP_UID=7", "b=x=y;c=3"]);
        for (name, found) in [("a", Some("1")), ("b", Some("x=y")), ("c", Some("3")), ("d", None)] {
            assert_eq!(value(&headers, name), found);
        }
        assert_eq!(own_names(&headers).collect::<Vec<_>>(), ["GCP_IAP_UID"]);
    }

    #[test]
    fn the_service_gets_its_own_cookies_and_no_others() {
        for (sent, kept) in [
            (vec!["a=1; __Host-GCP_IAP_AUTH_TOKEN_A=x; b=2"], vec!["a=1; b=2"]),
            (vec!["GCP_IAP_UID=x", "a=1"], vec!["a=1"]),
            (vec!["GCP_IAAP_AUTH_TOKEN_A=x; GCP_IAP_XSRF_NONCE_b=1"], vec![]),
            (vec!["MY_GCP_IAP_=x; odd"], vec!["MY_GCP_IAP_=x; odd"]),
        ] {
            let mut headers = headers(&sent);
            remove_own(&mut headers);
            assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), kept);
        }
    }
}
