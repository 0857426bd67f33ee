//! How both APIs write HTTP targets in JSON, and how they write times.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use prost_types::Timestamp;
use remint_idtoken::UnixTime;
use serde::{Deserialize, Serialize};

use super::{ApiError, HttpTarget, OidcToken};

/// The longest URL (Cloud Tasks API, `HttpRequest.url`).
const MAX_URL: usize = 2083;

/// `HttpRequest` of Cloud Tasks, which calls its address `url`, and
/// `HttpTarget` of Cloud Scheduler, which calls it `uri`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Target {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) uri: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) http_method: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(with = "base64", skip_serializing_if = "Vec::is_empty")]
    pub(crate) body: Vec<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oidc_token: Option<Oidc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oauth_token: Option<Oauth>,
}

/// `OidcToken`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Oidc {
    pub(crate) service_account_email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) audience: String,
}

/// `OAuthToken`, which is read to be refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Oauth {
    pub(crate) service_account_email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) scope: String,
}

impl Target {
    /// What it stands for.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, as the APIs give it.
    pub(crate) fn resolved(&self) -> Result<HttpTarget, ApiError> {
        let address = if self.url.is_empty() { &self.uri } else { &self.url };
        if address.len() > MAX_URL {
            return Err(ApiError::invalid(format!("the URL is longer than {MAX_URL} characters")));
        }
        let endpoint = address.parse().map_err(|_| {
            ApiError::invalid(format!("{address:?} must begin with \"http://\" or \"https://\""))
        })?;
        if self.oauth_token.is_some() {
            return Err(ApiError::invalid(
                "oauthToken is not emulated: it is meant for Google's own APIs; use oidcToken",
            ));
        }
        let method = method(&self.http_method)?;
        let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
        if !self.body.is_empty() && !has_body {
            return Err(ApiError::invalid(format!("a body is not allowed with {method}")));
        }
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
        let oidc = self.oidc_token.as_ref().map(Oidc::resolved).transpose()?;
        let target = HttpTarget {
            endpoint,
            method,
            headers: headers.collect(),
            body: self.body.clone(),
            oidc,
        };
        super::sendable(&target)?;
        Ok(target)
    }
}

impl Oidc {
    pub(crate) fn resolved(&self) -> Result<OidcToken, ApiError> {
        if self.service_account_email.is_empty() {
            return Err(ApiError::invalid("oidcToken.serviceAccountEmail is required"));
        }
        Ok(OidcToken {
            account: self.service_account_email.clone(),
            audience: Some(self.audience.clone()).filter(|it| !it.is_empty()),
        })
    }
}

impl From<&OidcToken> for Oidc {
    fn from(oidc: &OidcToken) -> Self {
        Self {
            service_account_email: oidc.account.clone(),
            audience: oidc.audience.clone().unwrap_or_default(),
        }
    }
}

/// `HttpMethod`; the default is `POST`.
pub(crate) fn method(name: &str) -> Result<Method, ApiError> {
    match name {
        "" | "HTTP_METHOD_UNSPECIFIED" => Ok(Method::POST),
        "POST" | "GET" | "HEAD" | "PUT" | "DELETE" | "PATCH" | "OPTIONS" => {
            Method::from_bytes(name.as_bytes())
                .map_err(|_| ApiError::invalid(format!("{name:?} is no httpMethod")))
        }
        _ => Err(ApiError::invalid(format!("{name:?} is no httpMethod"))),
    }
}

/// The target without its address.
impl From<&HttpTarget> for Target {
    fn from(target: &HttpTarget) -> Self {
        Self {
            http_method: target.method.to_string(),
            headers: target.headers.iter().cloned().collect(),
            body: target.body.clone(),
            oidc_token: target.oidc.as_ref().map(Oidc::from),
            ..Self::default()
        }
    }
}

/// A span that the API gives, within bounds and with a default.
pub(crate) fn span(
    given: Option<prost_types::Duration>,
    default: Duration,
    bounds: (Duration, Duration),
    what: &str,
) -> Result<Duration, ApiError> {
    let Some(given) = given else {
        return Ok(default);
    };
    let (least, most) = bounds;
    match Duration::try_from(given) {
        Ok(span) if (least..=most).contains(&span) => Ok(span),
        _ => {
            let [least, most] = [least, most].map(|it| it.as_secs_f64());
            Err(ApiError::invalid(format!("{what} must be within {least} s and {most} s")))
        }
    }
}

/// A span as the API writes it.
pub(crate) fn of_span(span: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(span).ok()
}

/// A moment as the API writes it.
pub(crate) fn of_time(time: UnixTime) -> Timestamp {
    Timestamp { seconds: i64::try_from(time.0).unwrap_or(i64::MAX), nanos: 0 }
}

/// Times and spans in JSON: `2026-09-21T14:13:20Z` and `3.5s`.
pub(crate) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| {
            text.parse().map_err(|error| D::Error::custom(format!("{text:?}: {error}")))
        })
        .transpose()
    }
}

/// Bytes in JSON. Google reads both alphabets, with and without padding
/// (protocol buffers' mapping to JSON), and writes the standard one.
pub(crate) mod base64 {
    use base64::Engine;
    use base64::alphabet;
    use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
    use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?.replace('-', "+").replace('_', "/");
        LENIENT.decode(text).map_err(|_| D::Error::custom("no base64"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: serde_json::Value) -> Result<HttpTarget, String> {
        let target: Target = serde_json::from_value(document).map_err(|error| error.to_string())?;
        target.resolved().map_err(|error| error.to_string())
    }

    #[test]
    fn a_target_is_a_post_unless_it_says_otherwise() {
        let target = read(json!({ "url": "https://a/b?c", "body": "aGk" })).unwrap();
        assert_eq!((target.method, target.body), (Method::POST, b"hi".to_vec()));
        let target = read(json!({ "uri": "http://a", "httpMethod": "OPTIONS" })).unwrap();
        assert_eq!(target.method, Method::OPTIONS);
    }

    #[test]
    fn what_the_apis_refuse_is_refused() {
        for (bad, why) in [
            (json!({}), "must begin"),
            (json!({ "url": "ftp://a/" }), "must begin"),
            (json!({ "url": format!("https://a/{}", "x".repeat(MAX_URL)) }), "longer"),
            (json!({ "url": "https://a/", "httpMethod": "TRACE" }), "no httpMethod"),
            (json!({ "url": "https://a/", "httpMethod": "GET", "body": "aGk=" }), "not allowed"),
            (json!({ "url": "https://a/", "oidcToken": {} }), "serviceAccountEmail"),
            (json!({ "url": "https://a/", "oauthToken": {} }), "not emulated"),
            (json!({ "url": "https://a/", "headers": { "a b": "c" } }), "can't be sent"),
            (json!({ "url": "https://a/", "method": "GET" }), "unknown field"),
            (json!({ "url": "https://a/", "body": "!" }), "no base64"),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
